"""Many processes on PostgreSQL, an object store and Valkey, by settings alone; no two of them share a folder."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import httpx
import pytest

from bench import corpus
from server import settings
from server.keys import public_keys_file
from server.settings import DEV_ISSUER
from tests.engines import ObjectStore
from tests.journeys.processes import a_process, follow, free_port, submitted

PREFIX = "/api/installhub"
EXPORTS_A_MINUTE = 5
ARTIFACTS = """{ viewer { tenants(first: 1) { nodes { artifacts(first: 1) { nodes { artifactId } } } } } }"""


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.s3
@pytest.mark.valkey
async def test_what_one_process_takes_in_others_install_tell_export_and_give_out(
    tmp_path: Path, postgres_url: str, object_store: ObjectStore, valkey: int
):
    bundle = corpus.bundle("elsewhere", "Suite", corpus.artifacts(60, size=30_000))
    keys = public_keys_file(settings.load(data=tmp_path / "one").keys_folder)
    shared = {
        "INSTALLHUB_DATABASE_URL": postgres_url,
        "INSTALLHUB_BLOBS_URL": object_store.url(),
        "INSTALLHUB_LIMITER_URL": f"valkey://127.0.0.1:{valkey}/7",
        "INSTALLHUB_LIMIT_EXPORTS_PER_USER_MINUTE": str(EXPORTS_A_MINUTE),
        "INSTALLHUB_ROLE": "web",
        "INSTALLHUB_JWKS": str(keys),
        "INSTALLHUB_ISSUER": DEV_ISSUER,
    }
    own = shared | {"INSTALLHUB_JWKS": "", "INSTALLHUB_ISSUER": ""}
    async with a_process(tmp_path / "one", **own) as one, a_process(tmp_path / "other", **shared) as other:
        await one.tenant("target")
        watched_at = free_port()
        one.environment |= {"INSTALLHUB_DATA": str(tmp_path / "third"), "INSTALLHUB_WORKER_PORT": str(watched_at)}
        await one.start("worker")
        token = one.token("target")

        import_id = await submitted(one, token, bundle)
        seen = [event async for event in follow(other.url, token, import_id)]
        async with _caller(one.url, token) as at_one, _caller(other.url, token) as at_other:
            found = await at_one.post("/graphql", json={"query": ARTIFACTS}, headers={"X-Tenant-Id": "target"})
            (artifact,) = found.json()["data"]["viewer"]["tenants"]["nodes"][0]["artifacts"]["nodes"]
            exports = await asyncio.gather(
                *(
                    _exported((at_one, at_other)[number % 2], artifact["artifactId"], f"1.{number}.0")
                    for number in range(EXPORTS_A_MINUTE + 4)
                )
            )
            made = next(answer.json() for answer in exports if answer.status_code == 200)
            address = f"{PREFIX}/packages/{made['packageId']}/download"
            counted = await at_one.get(f"http://127.0.0.1:{watched_at}/metrics")
            whole, part = await at_one.get(address), await at_other.get(address, headers={"Range": "bytes=100-"})

    assert (seen[-1]["state"], seen[-1]["isFinal"], seen[0]["firstSeq"]) == ("SUCCEEDED", True, 1)
    assert sorted(answer.status_code for answer in exports) == [200] * EXPORTS_A_MINUTE + [429] * 4
    assert 'installhub_imports_ended_total{state="SUCCEEDED"} 1.0' in counted.text
    assert (whole.status_code, part.status_code, part.content) == (200, 206, whole.content[100:])
    assert part.headers["etag"] == f'"sha256:{hashlib.sha256(whole.content).hexdigest()}"'
    assert not [*tmp_path.glob("*/blobs")]


def _caller(url: str, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)


async def _exported(http: httpx.AsyncClient, artifact_id: str, version: str) -> httpx.Response:
    order = {"tenantId": "target", "packageName": "Mine", "packageType": "workflow-package", "version": version}
    return await http.post(f"{PREFIX}/packages/export", json=order | {"artifactIds": [artifact_id]})
