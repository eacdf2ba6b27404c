"""The schema changes only as callers were told it would: ``docs/graphql.md``, "How the schema changes"."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from graphql import GraphQLSchema, build_schema
from graphql.utilities import find_breaking_changes

from resolvers.api import API
from tests.house.test_sdl import COMMITTED
from tests.house.tree import ROOT

REASON = re.compile(r"Use \S.*\. Goes after (\d{4}-\d{2}-\d{2})\.")


def test_nothing_that_was_promised_is_taken_away():
    if not told("rev-parse", "HEAD"):
        pytest.skip("what was promised earlier stands in git, and there is none here")
    today = datetime.now(UTC).date()

    broken = {commit: found for commit, text in earlier().items() if (found := breaks(text, API.as_str(), today=today))}

    assert broken == {}


def test_what_is_deprecated_says_what_to_use_and_until_when():
    reasons = dict(deprecations(API._schema))

    assert [path for path, reason in reasons.items() if last_day(reason) is None] == []


OLD = """type Query { a: Int @deprecated(reason: "Use b. Goes after 2026-06-30.") b: Int c(d: Int): E }
  enum E { F G @deprecated(reason: "Use F. Goes after 2026-06-30.") }"""


@pytest.mark.parametrize(
    ("new", "day", "found"),
    [
        (OLD, "2026-07-01", []),
        ("type Query { b: Int c(d: Int): E } enum E { F }", "2026-07-01", []),
        (
            "type Query { b: Int c(d: Int): E } enum E { F }",
            "2026-06-30",
            ["Field Query.a was removed.", "Enum value E.G was removed."],
        ),
        ("type Query { a: Int c(d: Int): E } enum E { F G }", "2026-07-01", ["Field Query.b was removed."]),
        ("type Query { a: Int b: Int c: E } enum E { F G }", "2026-07-01", ["Argument Query.c(d:) was removed."]),
    ],
)
def test_only_what_was_deprecated_goes_and_only_after_its_day(new, day, found):
    assert breaks(OLD, new, today=date.fromisoformat(day)) == found


@pytest.mark.parametrize(
    ("reason", "day"),
    [
        ("Use `newName`. Goes after 2027-06-30.", date(2027, 6, 30)),
        ("No longer supported", None),
        ("Use newName.", None),
        ("Goes after 2027-06-30.", None),
        ("Use newName. Goes after 2027-06-31.", None),
    ],
)
def test_a_reason_without_a_replacement_or_a_day_is_none(reason, day):
    assert last_day(reason) == day


def earlier() -> dict[str, str]:
    """The schema of the last two commits and of the newest release, as far as known here and not what is served."""
    tag = told("describe", "--tags", "--abbrev=0")
    commits = ["HEAD", "HEAD^", *([tag.strip()] if tag else []), *os.environ.get("SCHEMA_SINCE", "").split()]
    path = COMMITTED.relative_to(ROOT)
    found = {told("show", f"{commit}:{path}"): commit for commit in reversed(commits)}
    return {commit: text for text, commit in found.items() if text.strip() not in {"", API.as_str()}}


def told(*arguments: str) -> str:
    """What git says; nothing where there is no git, or no such commit."""
    try:
        return subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def breaks(old: str, new: str, *, today: date) -> list[str]:
    """What breaks callers of the old schema, but for what they were told."""
    before = build_schema(old)
    gone = {path for path, reason in deprecations(before) if (day := last_day(reason)) and day < today}
    expected = {sentence for path in gone for sentence in removals(path)}
    found = [change.description for change in find_breaking_changes(before, build_schema(new))]
    return [sentence for sentence in found if sentence not in expected]


def removals(path: str) -> list[str]:
    """How graphql-core says that this is gone."""
    owner, _, name = path.rpartition(".")
    return [f"Field {path} was removed.", f"Enum value {path} was removed.", f"Argument {owner}({name}:) was removed."]


def deprecations(schema: GraphQLSchema) -> Iterator[tuple[str, str]]:
    """Each deprecated field, argument and value with its reason."""
    for path, element in elements(schema):
        if reason := getattr(element, "deprecation_reason", None):
            yield path, reason


def elements(schema: GraphQLSchema) -> Iterator[tuple[str, object]]:
    for name, kind in schema.type_map.items():
        for member, element in (getattr(kind, "fields", None) or getattr(kind, "values", None) or {}).items():
            yield f"{name}.{member}", element
            for argument, taken in getattr(element, "args", {}).items():
                yield f"{name}.{member}.{argument}", taken


def last_day(reason: str) -> date | None:
    found = REASON.fullmatch(reason)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
