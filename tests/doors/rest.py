"""What the suites of the REST door share: addresses, callers, and the usual requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from domain.strict_json import canonical, trusted
from tests.bundles.good import GOOD, RULES
from tests.bundles.writing import zipped
from tests.world import World

HUB = "/api/installhub"
EXAMPLES = Path(__file__).parents[2] / "examples"
BUNDLE = zipped(GOOD)
SCOPES = ("installhub:export", "installhub:import")


def bearer(world: World, *tenants: str, scopes: Sequence[str] = SCOPES) -> dict[str, str]:
    return world.headers(*tenants, scopes=scopes)


def blob_files(world: World) -> list[Path]:
    """Finished and unfinished blobs."""
    return [path for path in (world.settings.data / "blobs").rglob("*") if path.is_file() and path.name != "lock"]


async def upload(
    world: World,
    bundle: Any = BUNDLE,
    *,
    headers: Any = None,
    query: Any = "",
    path: Any = "packages/import",
    **options: Any,
) -> httpx.Response:
    """A1's multipart form, into the tenant ``target`` unless the options say otherwise."""
    document = json.dumps({"targetTenantId": "target"} | options)
    files: dict[str, Any] = {
        "package": ("any.zip", bundle, "application/zip"),
        "options": (None, document, "application/json"),
    }
    return await world.http.post(f"{HUB}/{path}{query}", files=files, headers=headers)


async def refer(
    world: World, package_id: str, headers: Any = None, *, path: Any = "packages/import", **options: Any
) -> httpx.Response:
    """A1's reference to an earlier export."""
    body = {"sourcePackageId": package_id, "options": options}
    return await world.http.post(f"{HUB}/{path}", json=body, headers=headers)


async def exported_rules(world: World, tenant: str = "source") -> str:
    """The id of a package of one rule set, exported from a tenant."""
    await world.load(tenant, EXAMPLES / "acme-source" / "artifacts" / "rules")
    wish = {
        "tenantId": tenant,
        "packageName": "Rules",
        "packageType": "config-package",
        "version": "1.0.0",
        "artifactIds": ["rule-305"],
    }
    answer = await world.http.post(f"{HUB}/packages/export", json=wish, headers=bearer(world, tenant))
    return str(answer.json()["packageId"])


async def with_other_rules(world: World) -> None:
    """Let the tenant ``target`` have a rule set of the name that :data:`BUNDLE` brings, with other contents."""
    rules = trusted(RULES) | {"id": "rule-77"}
    rules["rules"][0]["condition"] = "days > 30"
    folder = world.settings.data / "other-rules"
    folder.mkdir()
    (folder / "rule-77.json").write_bytes(canonical(rules))
    await world.load("target", folder)


def problems_of(answer: httpx.Response) -> list[tuple[str, str]]:
    """Code and field of every problem of a refusal."""
    return [(row["code"], row["field"]) for row in answer.json()["errors"]]
