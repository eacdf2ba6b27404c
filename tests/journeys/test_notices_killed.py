"""A server that is killed while it tells of an import tells of it after its restart, and nobody sees it twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench import corpus
from tests.journeys.processes import ServerProcess, a_process, follow, submitted
from tests.receivers import a_mail_server, an_endpoint

_CREATE = (
    """mutation($url: String!) { createWebhook(input: {tenantId: "target", url: $url}) { refusal { message } } }"""
)
_TOLD = "{ viewer { unreadNotificationCount notifications { nodes { importJob { id } } } } }"
_SECONDS = 40


async def _asked(server: ServerProcess, query: str, **variables: Any) -> Any:
    async with httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {server.token('target')}"}
        answer = await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    return answer.json()["data"]


async def _imported(server: ServerProcess, version: str) -> str:
    """An import of the same three artifacts in another version: nothing about them is in conflict."""
    bundle = corpus.bundle("elsewhere", "Suite", corpus.artifacts(3), version=version)
    return await submitted(server, server.token("target"), bundle)


@pytest.mark.slow
async def test_an_import_is_told_once_whenever_the_server_is_killed(tmp_path: Path):
    killed = asyncio.Event()
    async with (
        a_mail_server() as mails,
        an_endpoint() as endpoint,
        a_process(tmp_path, INSTALLHUB_SMTP_URL=mails.url, INSTALLHUB_ALLOW_PRIVATE_ADDRESSES="127.0.0.0/8") as server,
    ):

        async def kill() -> None:
            await server.kill()
            killed.set()

        async def all_told() -> None:
            async with asyncio.timeout(_SECONDS):
                while min(len(endpoint.seen), len({one["Message-ID"] for one in mails.letters})) < len(imports):
                    await asyncio.sleep(0.05)

        imports: list[str] = []
        await server.tenant("target")
        assert (await _asked(server, _CREATE, url=endpoint.url))["createWebhook"]["refusal"] is None
        endpoint.meanwhile = kill
        imports.append(await _imported(server, "1.0.0"))
        await asyncio.wait_for(killed.wait(), _SECONDS)
        await server.start()
        await all_told()
        imports.append(await _imported(server, "1.0.1"))
        async for event in follow(server.url, server.token("target"), imports[-1]):
            if event["isFinal"]:
                await server.kill()
                break
        await server.start()

        await all_told()
        told = (await _asked(server, _TOLD))["viewer"]

    assert [one["importJob"]["id"] for one in reversed(told["notifications"]["nodes"])] == imports
    assert told["unreadNotificationCount"] == len(imports)
    seen = [(one["sequence"], one["data"]["importId"]) for one in endpoint.seen.values()]
    assert seen == list(enumerate(imports, 1))
    assert len(endpoint.attempts) > len(imports)
    assert len({one["Message-ID"] for one in mails.letters}) == len(imports)
