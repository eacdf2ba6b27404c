"""Imports by who asked for them and by who is named by them, at both doors (decisions R38, R40)."""

from __future__ import annotations

import pytest

from tests.doors.graphql_world import A, B, asking, exported, submitted, with_artifacts
from tests.doors.rest import HUB
from tests.world import ANNA, a_world

pytestmark = pytest.mark.rules

FOUND = "query($filter: ImportFilter) { importJobs(filter: $filter) { nodes { id submittedBy { email } importedBy } } }"
ROBOT, CARLA = "robot@acme.example", "carla@acme.example"


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        yield world


@pytest.fixture
async def names(world):
    """By id the letters of two imports: one that Anna asked for, and one that a service did, on behalf of Carla."""
    anna = await with_artifacts(world)
    service = asking(world, A, B, subject=ROBOT, managed_identity_id="robot-1")
    package_id = await exported(anna)
    mine = await submitted(anna, package_id, defaultStrategy="REPLACE")
    named = await submitted(service, package_id, defaultStrategy="REPLACE", importedBy=CARLA)
    await anna.events(named)
    return {mine: "a", named: "r"}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "ra"),
        ({"submittedBy": ANNA}, "a"),
        ({"submittedBy": ROBOT}, "r"),
        ({"submittedBy": CARLA}, ""),
        ({"importedBy": ANNA}, "a"),
        ({"importedBy": ROBOT}, ""),
        ({"importedBy": CARLA}, "r"),
        ({"submittedBy": ROBOT, "importedBy": CARLA}, "r"),
        ({"submittedBy": ANNA, "importedBy": CARLA}, ""),
    ],
)
async def test_both_doors_find_imports_by_who_asked_and_by_who_is_named(world, names, wanted, expected):
    caller = asking(world, A, B)

    here = (await caller.data(FOUND, filter=wanted))["importJobs"]["nodes"]
    there = (await world.http.get(f"{HUB}/imports", params=wanted, headers=dict(caller.headers))).json()["items"]

    people = [(one["id"], one["submittedBy"]["email"], one["importedBy"]) for one in here]
    assert "".join(names[import_id] for import_id, _, _ in people) == expected
    assert [(one["importId"], one["submittedBy"], one["importedBy"]) for one in there] == people
    assert {person for _, *who in people for person in who} <= {ANNA, ROBOT, CARLA}
