"""gql from PyPI, the customary client in Python: what ``test_clients`` asks of those from npm."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from gql import Client, gql
from gql.transport.exceptions import TransportConnectionFailed, TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

from tests.clients.conftest import SOURCE
from tests.clients.line import a_line
from tests.doors.graphql_world import EXPORT, IMPORT, PROGRESS, asking
from tests.house.tree import ROOT

DECIDE = "mutation($input: ResolveConflictsInput!) { resolveConflicts(input: $input) { refusal { code } } }"
TARGET, EMPTY = "gql-live", "gql-new"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def package(world):
    """The id of a package; TARGET has an EmployeeForm of its own."""
    for tenant in (TARGET, EMPTY):
        await world.tenant(tenant)
    await world.load(TARGET, ROOT / "examples" / "acme-target")
    async with a_session(world.url, token_of(world)) as session:
        order = {"tenantId": SOURCE, "packageName": "For gql", "packageType": "WORKFLOW_PACKAGE", "version": "1.0.0"}
        made = await told(session, EXPORT, input=order | {"artifactIds": ["proc-1001"]})
    return made["exportPackage"]["exportedPackage"]["id"]


def token_of(world):
    return world.token(tenants=[SOURCE, TARGET, EMPTY])


@asynccontextmanager
async def a_session(url, token):
    transport = WebsocketsTransport(
        url=url.replace("http", "ws", 1) + "/graphql",
        init_payload={"Authorization": f"Bearer {token}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        connect_args={"proxy": None},
    )
    async with Client(transport=transport) as session:
        yield session


def asked(query, variables):
    document = gql(query)
    document.variable_values = variables
    return document


async def told(session, query, **variables):
    return await session.execute(asked(query, variables))


async def begun(session, tenant, source):
    made = await told(session, IMPORT, input={"request": {"tenantId": tenant, "source": source}})
    return made["importPackage"]["importJob"]["id"]


async def watching(session, import_id, after=0):
    async for event in session.subscribe(asked(PROGRESS, {"id": import_id, "after": after})):
        yield event["importProgress"]


async def following(url, token, import_id, begins):
    """Every event, over as many connections as it takes; ``begins`` is told the number that each goes on after."""
    after = 0
    while True:
        begins.append(after)
        try:
            async with a_session(url, token) as session:
                async for event in watching(session, import_id, after):
                    yield event
                    if event["isFinal"]:
                        return
                    after = event["seq"]
        except (TransportConnectionFailed, ConnectionClosed):
            await asyncio.sleep(0.01)


def assert_whole(events):
    """Every number is told once, in order, up to the end of an import that went well."""
    assert [event["firstSeq"] for event in events] == [1, *(event["seq"] + 1 for event in events[:-1])]
    assert [event["isFinal"] for event in events] == [False] * (len(events) - 1) + [True]
    assert events[-1]["state"] == "SUCCEEDED"


async def test_a_file_that_was_sent_over_rest_is_imported_and_watched(world, package):
    token = token_of(world)
    headers = {"Authorization": f"Bearer {token}"}
    bundle = await world.http.get(f"/api/installhub/packages/{package}/download", headers=headers)
    about = headers | {"Content-Type": "application/zip", "X-Tenant-Id": EMPTY}
    upload = (await world.http.post("/api/installhub/uploads", content=bundle.content, headers=about)).json()

    async with a_session(world.url, token) as session:
        import_id = await begun(session, EMPTY, {"uploadId": upload["uploadId"]})
        events = [event async for event in watching(session, import_id)]

    assert_whole(events)


async def test_the_story_goes_on_after_a_broken_connection_without_a_gap_or_a_repeat(world, package):
    token = token_of(world)
    async with a_session(world.url, token) as session:
        import_id = await begun(session, TARGET, {"packageId": package})
    begins: list[int] = []
    events: list[Any] = []

    async with a_line(world.url, breaks_after=b"WAITING_FOR_DECISIONS") as line:
        async for event in following(line.url, token, import_id, begins):
            events.append(event)
            if event["state"] == "WAITING_FOR_DECISIONS" and len(begins) == 1:
                await line.broken.wait()
                decided = {"importId": import_id, "decisions": [], "restStrategy": "REPLACE"}
                await asking(world, TARGET).data(DECIDE, input=decided)

    assert_whole(events)
    assert begins == [0, next(event["seq"] for event in events if event["state"] == "WAITING_FOR_DECISIONS")]
    assert line.count == 2


async def test_an_import_that_is_unknown_is_refused_by_its_code(world):
    async with a_session(world.url, token_of(world)) as session:
        with pytest.raises(TransportQueryError) as refused:
            await anext(watching(session, "imp-unknown"))

    (error,) = refused.value.errors or []
    assert error["extensions"]["code"] == "NOT_FOUND"


async def test_a_wrong_token_ends_the_connection_and_nothing_tries_again(world):
    async with a_line(world.url) as line:
        with pytest.raises((TransportError, ConnectionClosed)) as refused:
            async with a_session(line.url, "no.such.token"):
                pass

    assert "4403" in f"{refused.value!r} {refused.value.__cause__!r}"
    assert line.count == 1
