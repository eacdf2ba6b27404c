"""The README's requests, run word for word against a real server."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from tests.doors.akana_client import a_user
from tests.world import World, a_world

ROOT = Path(__file__).parents[2]
BLOCKS = re.compile(r"^```sh curl\n(.*?)^```", re.DOTALL | re.MULTILINE)
SCOPES = ("installhub:export", "installhub:import", "installhub:read")
MARKET_SCOPES = ("marketplace:publish", "marketplace:admin", "marketplace:install")


async def test_every_request_of_the_readme_does_what_it_says(tmp_path: Path):
    blocks = BLOCKS.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    async with a_world(tmp_path / "data") as world:
        await _two_tenants(world)
        token = world.token(tenants=("acme-dev", "acme-prod"), scopes=(*SCOPES, *MARKET_SCOPES))

        printed = await _run("\necho '<<<>>>'\n".join(blocks), tmp_path, HUB=world.url, TOKEN=token)

    parts = [part.strip() for part in printed.split("<<<>>>")]
    preview, exported, package, dry_run, imported, sent_ahead, followed, lists, graphql, offered, bought, *akana = parts
    assert json.loads(preview)["installOrder"] == ["ent-44", "rule-305", "form-2005", "thread-2002", "proc-1001"]
    assert json.loads(exported)["artifactCount"] == 5
    assert json.loads(package)["packageName"] == "Employee Onboarding"
    assert json.loads(dry_run)["isDryRun"] is True
    assert json.loads(imported)["status"] == "Success"
    upload, accepted = _several(sent_ahead)
    assert (upload["uploadId"][:4], accepted["status"]) == ("upl-", "InProgress")
    told = [json.loads(line) for line in followed.splitlines()]
    assert [event["isFinal"] for event in told] == [False] * (len(told) - 1) + [True]
    exports, imports = _several(lists)
    assert (exports["totalCount"], imports["totalCount"]) == (1, 2)
    assert '"refusal":null' in graphql
    assert '"isFinal":true' in graphql
    publisher, official, submission, listed = _several(offered)
    assert (publisher["status"], official["status"]) == ("PendingVerification", "Verified")
    assert (submission["status"], listed["status"]) == ("Queued", "Listed")
    found, preview_of_install, started, done = _several(bought)
    assert [item["name"] for item in found["items"]] == ["Employee Onboarding"]
    assert preview_of_install["packages"][0]["trustLevel"] == "Official"
    assert (started["status"], done["status"]) == ("InProgress", "Success")
    signed_in, moved = akana
    assert json.loads(signed_in)["loginDomainID"] == "siteusers.acme-dev"
    assert re.fullmatch(r'{"status": "Success", .*}200 /api/installhub/imports/imp-[0-9a-f-]{36}', moved)


def _several(printed: str) -> list[dict[str, Any]]:
    """JSON objects that were printed one right behind the other."""
    return [json.loads(text) for text in printed.replace("}{", "}\n{").splitlines()]


async def _two_tenants(world: World) -> None:
    for tenant, folder in (("acme-dev", "acme-source"), ("acme-prod", "acme-target")):
        await world.tenant(tenant)
        await world.load(tenant, ROOT / "examples" / folder)
        await a_user(world, tenant)


async def _run(script: str, folder: Path, **variables: str) -> str:
    """What the lines print; the first that fails ends them."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        cwd=folder,
        env=variables | {"PATH": "/usr/local/bin:/usr/bin:/bin", "no_proxy": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode() + out.decode()
    return out.decode()
