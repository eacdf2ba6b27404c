"""What both doors say of imports that go on: their place in line, why they wait, the time that is left."""

from __future__ import annotations

import pytest

from domain.model import Actor, TenantId
from tests.doors.graphql_world import asking
from tests.doors.rest import HUB, bearer, upload
from tests.world import a_world

pytestmark = pytest.mark.rules

ASYNC = {"prefer": "respond-async"}
GOING = """query($id: ID!) { importJob(id: $id) {
  progress { eta { p50Seconds p90Seconds } } queue { position reason holder { id } } } }"""


@pytest.fixture
async def idle_world(tmp_path, database_url):
    """Nobody runs imports here."""
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        await world.tenant("target")
        world.http.headers.update(bearer(world, "target"))
        yield world


async def in_line(world):
    return (await upload(world, headers=ASYNC)).json()["importId"]


async def run_next(world):
    async with world.runtime.ports.store.platform_unit() as unit:
        job = await unit.jobs.claim("worker", lease_seconds=60)
    assert job is not None
    await world.services.importer.run(job)


async def test_both_doors_say_where_an_import_stands_and_why_it_waits(idle_world):
    first, second = await in_line(idle_world), await in_line(idle_world)

    told = [(await idle_world.http.get(f"{HUB}/imports/{one}")).json()["queue"] for one in (first, second)]
    listed = (await idle_world.http.get(f"{HUB}/imports")).json()["items"]
    shown = (await asking(idle_world, "target").data(GOING, id=second))["importJob"]

    assert told == [{"position": 1, "reason": "NO_FREE_WORKER"}, {"position": 2, "reason": "TENANT_BUSY"}]
    assert [item["queue"] for item in listed] == [told[1], told[0]]
    assert shown["queue"] == {"position": 2, "reason": "TENANT_BUSY", "holder": None}


async def test_what_a_frozen_tenant_keeps_waiting_says_so(idle_world):
    waiting = await in_line(idle_world)
    await idle_world.services.freezing.apply(TenantId("target"), "The year is being closed.", Actor("host"))

    told = (await idle_world.http.get(f"{HUB}/imports/{waiting}")).json()["queue"]

    assert told == {"position": 1, "reason": "TENANT_FROZEN"}


async def test_both_doors_tell_the_time_that_is_left_once_an_import_like_it_has_ended(idle_world):
    first = await in_line(idle_world)
    unknown = (await idle_world.http.get(f"{HUB}/imports/{first}")).json()
    await run_next(idle_world)
    idle_world.services.timing._known.clear()
    second = await in_line(idle_world)

    told = (await idle_world.http.get(f"{HUB}/imports/{second}")).json()["eta"]
    shown = (await asking(idle_world, "target").data(GOING, id=second))["importJob"]["progress"]["eta"]
    over = await idle_world.http.get(f"{HUB}/imports/{first}")

    assert "eta" not in unknown
    assert told == shown
    assert 0 < told["p50Seconds"] <= told["p90Seconds"]
    assert over.json().keys().isdisjoint({"eta", "queue"})
