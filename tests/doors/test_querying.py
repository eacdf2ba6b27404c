"""Query parameters as values: days, times, words, pages, and everything wrong at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from starlette.requests import Request

from domain.errors import Refusal
from rest_compat.querying import Query


def a_query(text: str) -> Query:
    return Query(Request({"type": "http", "method": "GET", "headers": [], "path": "/", "query_string": text.encode()}))


@pytest.mark.parametrize(
    ("stated", "begin", "end"),
    [
        ("2026-05-25", datetime(2026, 5, 25, tzinfo=UTC), datetime(2026, 5, 26, tzinfo=UTC)),
        ("2026-05-25T09:00:00Z", *[datetime(2026, 5, 25, 9, tzinfo=UTC)] * 2),
        ("2026-05-25T09:00:00.5Z", *[datetime(2026, 5, 25, 9, 0, 0, 500_000, UTC)] * 2),
        ("2026-05-25T09:00:00%2B02:00", *[datetime(2026, 5, 25, 7, tzinfo=UTC)] * 2),
        ("2026-05-25t09:00:00.123456789z", *[datetime(2026, 5, 25, 9, 0, 0, 123_456, UTC)] * 2),
        ("9999-12-31", datetime(9999, 12, 31, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
        ("9999-12-31T23:00:00-01:00", *[datetime.max.replace(tzinfo=UTC)] * 2),
        ("0001-01-01T00:00:00%2B01:00", *[datetime.min.replace(tzinfo=UTC)] * 2),
    ],
)
def test_a_day_is_whole_and_a_time_is_itself(stated, begin, end):
    query = a_query(f"at={stated}")

    assert (query.moment("at"), query.moment("at", is_end=True)) == (begin, end)
    assert query.problems == []


@pytest.mark.parametrize(
    "stated",
    [
        *("", "today", "2026-02-30", "20260525", "2026-W21-1", "2026-05-25T09:00:00", "2026-05-25 09:00:00Z"),
        *("2026-05-25T24:00:01Z", "2026-05-25T09:00:00.Z", "2026-05-25T09:00:00%2B99:00", "٢٠٢٦-05-25"),
    ],
)
def test_what_is_neither_day_nor_time_is_refused(stated):
    query = a_query(f"at={stated}")

    assert query.moment("at") is None
    assert [problem.where for problem in query.problems] == ["at"]


def test_words_come_repeated_or_with_commas_and_stand_for_their_values():
    query = a_query("is=a,b&is=b&is=c")

    assert query.words("is", {"a": (1, 2), "b": (3,), "c": (4,)}) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "stated", ["page=0", "page=-1", "page=1e3", "page=1000001", "page=+1", "page=", "page=1&page=1"]
)
def test_a_page_that_is_none_is_refused(stated):
    query = a_query(stated)
    query.page()

    with pytest.raises(Refusal) as refused:
        query.checked()

    assert [problem.where for problem in refused.value.problems] == ["page"]


def test_everything_wrong_is_told_at_once():
    query = a_query(f"a=1&a=2&b=%00&c={'x' * 601}&d=maybe")
    for name in "abc":
        query.text(name)
    query.switch("d")

    with pytest.raises(Refusal) as refused:
        query.checked()

    assert [problem.where for problem in refused.value.problems] == ["a", "b", "c", "d"]
