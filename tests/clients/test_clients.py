"""The client libraries that front ends use, from npm, against a real server (design: graphql, sections 2 and 4)."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from tests.clients.conftest import SOURCE
from tests.house.tree import ROOT

CLIENTS = ["apollo", "apollo-multipart", "graphql-sse", "graphql-ws", "relay", "urql", "urql-events"]
DEEDS = [
    "asks a query",
    "sends a mutation",
    "is shown a refusal as data",
    "imports a file that was sent over REST, and watches",
    "goes on after a broken connection, without a gap or a repeat",
    "turns over pages",
    "is told that an import is unknown",
    "is told that its token is wrong, and does not try again",
]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def flaws(node, world):
    """By client and deed: what went wrong, or nothing."""
    node.npm("run", "--silent", "compile")

    async def told(client):
        target, empty = f"{client}-live", f"{client}-new"
        for tenant in (target, empty):
            await world.tenant(tenant)
        await world.load(target, ROOT / "examples" / "acme-target")
        token = world.token(tenants=[SOURCE, target, empty])
        tenants = {"SOURCE": SOURCE, "TARGET": target, "EMPTY": empty}
        return await node.lines(world, "story.mjs", client, TOKEN=token, **tenants)

    stories = await asyncio.gather(*map(told, CLIENTS))
    return {
        (client, line["deed"]): line["flaw"] for client, story in zip(CLIENTS, stories, strict=True) for line in story
    }


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_from_npm(flaws, client, deed):
    assert flaws[client, deed] is None


async def test_a_client_does_nothing_that_is_not_looked_at(flaws):
    assert set(flaws) == {(client, deed) for client in CLIENTS for deed in DEEDS}
