"""What was answered is kept in so many bytes, and is not given beyond the next commit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.access import Caller
from domain.model import TenantId
from server.answers import Answers, Asking
from storage.changes import Changes

ANNA = Caller("anna", "https://issuer.example", frozenset(), frozenset(), datetime(2030, 1, 1, tzinfo=UTC))


def _asking(body=b"{}", header=None):
    return Asking(ANNA, header, "POST", b"", body)


class FarChanges(Changes):
    """Somebody else's, who has to be asked."""

    is_far = True
    trips = 0

    async def now(self):
        self.trips += 1
        return await super().now()


@pytest.fixture
def changes():
    return Changes()


@pytest.fixture
def answers(changes):
    return Answers(changes, 10_000)


async def found(answers, asking=None):
    return (await answers.find(asking or _asking())).answer


async def told(answers, answer, asking=None):
    """Ask, and be answered."""
    asking = asking or _asking()
    answers.keep(asking, answer, (await answers.find(asking)).moment)


async def test_an_answer_is_given_again_until_something_is_written(answers, changes):
    await told(answers, b"first")
    before = await found(answers)
    changes.begin()
    under_way = await found(answers)
    changes.end()
    after = await found(answers)

    assert (before, under_way, after) == (b"first", None, None)


async def test_an_answer_that_was_begun_before_a_commit_is_not_given_after_it(answers, changes):
    before = (await answers.find(_asking())).moment
    changes.begin()
    answers.keep(_asking(b"1"), b"seen while it was under way", before)
    during = (await answers.find(_asking())).moment
    changes.end()
    answers.keep(_asking(b"2"), b"seen before it", before)
    answers.keep(_asking(b"3"), b"begun while it was under way", during)

    assert during is None
    assert [await found(answers, _asking(body)) for body in (b"1", b"2", b"3")] == [None, None, None]


async def test_of_two_commits_both_must_have_ended(answers, changes):
    changes.begin()
    changes.begin()
    changes.end()

    assert changes.count is None
    changes.end()
    assert changes.count == 2


async def test_what_has_nothing_to_do_with_rows_is_given_whatever_is_written(answers, changes):
    answers.keep_for_good(_asking(), b"who I am")
    changes.begin()
    under_way = await found(answers)
    changes.end()

    assert (under_way, await found(answers)) == (b"who I am", b"who I am")


async def test_where_it_takes_a_trip_to_know_none_is_made_for_what_is_asked_once():
    far = FarChanges()
    answers = Answers(far, 10_000)
    answers.keep_for_good(_asking(b"good"), b"who I am")

    for number in range(5):
        await told(answers, b"once", _asking(b"%d" % number))
        await found(answers, _asking(b"good"))
    # what is never remembered makes none, however often it is asked
    await found(answers, _asking(b"fleeting"))
    await found(answers, _asking(b"fleeting"))
    once = far.trips
    # the second time before it is looked up, then each time
    await told(answers, b"again", _asking(b"1"))
    twice = far.trips
    again = [await found(answers, _asking(b"1")) for _ in range(3)]

    assert (once, twice, far.trips) == (0, 1, 4)
    assert again == [b"again"] * 3


async def test_what_was_asked_longest_ago_makes_room_for_the_next(answers):
    for number in range(6):
        await told(answers, b"x" * 1000, _asking(b"%d" % number))
        await found(answers, _asking(b"0"))

    kept = [number for number in range(6) if await found(answers, _asking(b"%d" % number))]
    assert kept == [0, 3, 4, 5]


async def test_an_answer_kept_twice_takes_its_room_once(answers):
    for _ in range(50):
        await told(answers, b"x" * 1000, _asking(b"again"))
    await told(answers, b"x" * 1000, _asking(b"other"))

    assert [await found(answers, _asking(body)) for body in (b"again", b"other")] == [b"x" * 1000] * 2


@pytest.mark.parametrize(("body", "answer"), [(b"q" * 20_000, b"short"), (b"short", b"a" * 20_000)])
async def test_what_is_too_large_is_not_kept_and_drives_nothing_out(answers, body, answer):
    await told(answers, b"first")
    await told(answers, answer, _asking(body))

    assert await found(answers, _asking(body)) is None
    assert await found(answers) == b"first"


@pytest.mark.parametrize(
    "asking",
    [
        _asking(header="t" * 20_000),
        _asking()._replace(caller=replace(ANNA, scopes=frozenset(f"scope-{number}" for number in range(300)))),
        _asking()._replace(caller=replace(ANNA, tenants=frozenset({TenantId("t" * 20_000)}))),
        _asking()._replace(caller=replace(ANNA, email="a" * 20_000)),
    ],
    ids=["header", "scopes", "tenants", "email"],
)
async def test_who_asks_and_for_whom_takes_room_too(answers, asking):
    """A caller of the whole platform may name any tenant, one that is not there too, and tokens may be long."""
    await told(answers, b"short", asking)

    assert await found(answers, asking) is None


@pytest.mark.parametrize(("changes", "bytes_max"), [(None, 10_000), (Changes(), 0)])
async def test_nothing_is_kept_where_nobody_can_tell_or_where_no_room_is_given(changes, bytes_max):
    answers = Answers(changes, bytes_max)

    await told(answers, b"first", _asking(b"1"))
    answers.keep(_asking(b"2"), b"second", 0)
    answers.keep_for_good(_asking(b"3"), b"third")

    assert [await found(answers, _asking(b"%d" % number)) for number in (1, 2, 3)] == [None, None, None]
