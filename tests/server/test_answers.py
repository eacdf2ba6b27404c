"""What was answered is kept in so many bytes, and not beyond the next commit."""

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


@pytest.fixture
def changes():
    return Changes()


@pytest.fixture
def answers(changes):
    return Answers(changes, 10_000)


def test_an_answer_is_given_again_until_something_is_written(answers, changes):
    answers.keep(_asking(), b"first", answers.moment())
    before = answers.find(_asking())
    changes.begin()
    under_way = answers.find(_asking())
    changes.end()
    after = answers.find(_asking())

    assert (before, under_way, after) == (b"first", None, None)


def test_an_answer_that_was_begun_before_a_commit_is_not_kept(answers, changes):
    moment = answers.moment()
    changes.begin()
    answers.keep(_asking(b"1"), b"seen while it was under way", moment)
    during = answers.moment()
    changes.end()
    answers.keep(_asking(b"2"), b"seen before it", moment)
    answers.keep(_asking(b"3"), b"begun while it was under way", during)

    assert during is None
    assert [answers.find(_asking(body)) for body in (b"1", b"2", b"3")] == [None, None, None]


def test_of_two_commits_both_must_have_ended(answers, changes):
    changes.begin()
    changes.begin()
    changes.end()

    assert changes.count is None
    changes.end()
    assert changes.count == 2


def test_what_was_asked_longest_ago_makes_room_for_the_next(answers):
    for number in range(6):
        answers.keep(_asking(b"%d" % number), b"x" * 1000, answers.moment())
        answers.find(_asking(b"0"))

    kept = [number for number in range(6) if answers.find(_asking(b"%d" % number))]
    assert kept == [0, 3, 4, 5]


def test_an_answer_kept_twice_takes_its_room_once(answers):
    for _ in range(50):
        answers.keep(_asking(b"again"), b"x" * 1000, answers.moment())
    answers.keep(_asking(b"other"), b"x" * 1000, answers.moment())

    assert answers.find(_asking(b"again")) == answers.find(_asking(b"other")) == b"x" * 1000


@pytest.mark.parametrize(("body", "answer"), [(b"q" * 20_000, b"short"), (b"short", b"a" * 20_000)])
def test_what_is_too_large_is_not_kept_and_drives_nothing_out(answers, body, answer):
    answers.keep(_asking(), b"first", answers.moment())
    answers.keep(_asking(body), answer, answers.moment())

    assert answers.find(_asking(body)) is None
    assert answers.find(_asking()) == b"first"


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
def test_who_asks_and_for_whom_takes_room_too(answers, asking):
    """A caller of the whole platform may name any tenant, one that is not there too, and tokens may be long."""
    answers.keep(asking, b"short", answers.moment())

    assert answers.find(asking) is None


@pytest.mark.parametrize(("changes", "bytes_max"), [(None, 10_000), (Changes(), 0)])
def test_nothing_is_kept_where_others_may_write_or_where_no_room_is_given(changes, bytes_max):
    answers = Answers(changes, bytes_max)

    answers.keep(_asking(), b"first", answers.moment())

    assert answers.find(_asking()) is None
