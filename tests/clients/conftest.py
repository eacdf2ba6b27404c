"""Client libraries from npm, the versions of ``package-lock.json``, and the server that they meet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.clients.node import HERE, Node, installed
from tests.house.tree import ROOT
from tests.world import World, a_world

SOURCE = "acme-dev"


@pytest.fixture(scope="session")
def node() -> Node:
    """Runs scripts of this folder."""
    return installed(HERE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server with its worker, and the tenant that everybody exports from."""
    async with a_world(tmp_path_factory.mktemp("world")) as world:
        await world.tenant(SOURCE)
        await world.load(SOURCE, ROOT / "examples" / "acme-source")
        yield world
