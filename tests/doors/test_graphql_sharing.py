"""An event is executed once for all who watch it with the same words, and never shared where callers differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from domain.access import Caller
from domain.model import TenantId
from resolvers import sharing
from resolvers.api import API
from resolvers.context import Asker
from schema.imports import ProgressEvent
from tests.doors.graphql_world import A, B, asking, exported, imported, submitted, with_artifacts
from tests.world import a_world

pytestmark = pytest.mark.rules

SCOPES = frozenset({"installhub:import", "installhub:export"})
PLAIN = "subscription($id: ID!) { importProgress(importId: $id) { seq kind progress { stage percent } ...M } }"
WITH_MESSAGE = PLAIN + " fragment M on ProgressEvent { message }"
WITH_TIME = PLAIN + " fragment M on ProgressEvent { at }"
OTHER_NAME = "subscription($id: ID!) { told: importProgress(importId: $id) { seq } }"
ASKED_ON = "subscription($id: ID!) { importProgress(importId: $id) { seq importJob { sourcePackage { version } } } }"
CONDITION = """subscription($id: ID!, $is: Boolean!) { importProgress(importId: $id) {
  seq message @include(if: $is) } }"""


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        yield world


@pytest.fixture
async def import_id(world):
    return await imported(await with_artifacts(world))


@pytest.fixture
def executed(monkeypatch):
    """Counts the events that are really executed."""
    count = []
    whole = StrawberryGraphQLCoreExecutionContext.execute_operation

    def counting(executor: Any, *serially: Any) -> Any:
        if isinstance(executor.root_value, ProgressEvent):
            count.append(executor.root_value.seq)
        return whole(executor, *serially)

    monkeypatch.setattr(StrawberryGraphQLCoreExecutionContext, "execute_operation", counting)
    return count


def a_caller(*tenants: str) -> Caller:
    end = datetime.max.replace(tzinfo=UTC)
    return Caller("anna", "tests", frozenset(TenantId(one) for one in tenants), SCOPES, expires_at=end)


async def told(world, query: str, caller=None, **variables: Any) -> list[Any]:
    asker = Asker(world.services, caller or a_caller(A, B))
    found = []
    async for result in await API.stream(query, variable_values=variables, context_value=asker):
        assert not result.errors
        found.append(result.data)
    return found


async def test_the_second_watcher_is_told_the_same_without_executing_anything(world, import_id, executed):
    first = await told(world, WITH_MESSAGE, id=import_id)
    before = len(executed)

    second = await told(world, WITH_MESSAGE, id=import_id)

    assert (before, len(executed)) == (len(first), before)
    assert second == first


async def test_what_all_are_told_is_encoded_for_the_first_of_them(world, import_id):
    first = await told(world, WITH_MESSAGE, id=import_id)
    second = await told(world, WITH_MESSAGE, id=import_id)

    assert [sharing.sendable(data) for data in second] == [sharing.sendable(data) for data in first]
    assert [orjson.loads(orjson.dumps(sharing.sendable(data))) for data in second] == first


async def test_other_words_and_other_imports_are_told_apart(world, import_id):
    other = await submitted(asking(world, A, B), await exported(asking(world, A, B), version="2.0.0"))
    messages = await told(world, WITH_MESSAGE, id=import_id)
    of_other = await told(world, WITH_MESSAGE, id=other)
    times = await told(world, WITH_TIME, id=import_id)
    named = await told(world, OTHER_NAME, id=import_id)

    assert messages != of_other
    assert {*messages[0]["importProgress"]} == {"seq", "kind", "progress", "message"}
    assert {*times[0]["importProgress"]} == {"seq", "kind", "progress", "at"}
    assert {*named[0]} == {"told"}


async def test_what_depends_on_a_condition_is_not_shared(world, import_id):
    whole = await told(world, CONDITION, id=import_id, **{"is": True})
    short = await told(world, CONDITION, id=import_id, **{"is": False})

    assert ("message" in whole[0]["importProgress"], "message" in short[0]["importProgress"]) == (True, False)


async def test_who_asks_on_for_the_import_gets_what_the_own_token_allows(world, import_id):
    everything = await told(world, ASKED_ON, id=import_id)
    only_target = await told(world, ASKED_ON, a_caller(B), id=import_id)

    assert everything[-1]["importProgress"]["importJob"]["sourcePackage"] is not None
    assert only_target[-1]["importProgress"]["importJob"]["sourcePackage"] is None


async def test_no_more_is_kept_than_its_share(world, import_id, monkeypatch):
    monkeypatch.setattr(sharing._RESULTS, "_most", 3)
    sharing._RESULTS.clear()

    await told(world, WITH_MESSAGE, id=import_id)

    assert len(sharing._RESULTS) == 3
