"""The typed client of ``examples/``: made of the schema as it stands, checked by the compiler, run against a server."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio

from tests.clients.conftest import SOURCE
from tests.clients.line import a_line
from tests.clients.node import installed
from tests.house.tree import ROOT

SAMPLE = ROOT / "examples" / "typescript-client"
TARGET = "acme-prod"
ORDER = (SOURCE, "proc-1001", "1.0.0", TARGET)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sample(world):
    """The built program; whatever the compiler finds fails here."""
    await world.tenant(TARGET)
    await world.load(TARGET, ROOT / "examples" / "acme-target")
    made = installed(SAMPLE)
    made.npm("run", "--silent", "build")
    return made


async def test_the_sample_exports_imports_and_follows_over_a_broken_connection(sample, world):
    token = world.token(tenants=[SOURCE, TARGET])

    async with a_line(world.url, breaks_after=b"event: next") as line:
        printed = await sample.said(world, "dist/main.js", *ORDER, INSTALLHUB_URL=line.url, INSTALLHUB_TOKEN=token)

    signed_in, exported, *events, done = printed.splitlines()
    numbers = [tuple(map(int, found.groups())) for line in events if (found := re.match(r"(\d+)-(\d+) ", line))]
    assert signed_in == "Signed in as anna@acme.example"
    assert exported == "Exported Employee Onboarding 1.0.0: 5 artifacts"
    assert [first for first, _ in numbers] == [1, *(last + 1 for _, last in numbers[:-1])]
    assert sum(line.startswith("The connection broke off after ") for line in events) == 1
    assert done == "Done: 4 created, 1 updated, 0 unchanged"


async def test_the_sample_says_why_it_was_refused(sample, world):
    with pytest.raises(AssertionError, match="UNAUTHENTICATED: "):
        await sample.said(world, "dist/main.js", *ORDER, INSTALLHUB_URL=world.url, INSTALLHUB_TOKEN="no.such.token")
