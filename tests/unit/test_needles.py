"""Seeking many expressions at once: what is told is what ``re`` finds, wherever it stands and whoever else seeks."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import hyperscan
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.needles import Needles
from domain.scanning import trigger
from domain.scanning.rules import RULES

CORPUS = sorted((Path(__file__).parents[1] / "scans").rglob("*.json"))
#: every expression that the scan seeks, under its own name
EXPRESSIONS = sorted(
    {needle for rule in RULES for needle in rule.trigger}
    | {needle for needles in trigger._PLACES.values() for needle in needles}
    | {*trigger._HIDDEN}
)
EACH = Needles({expression: (expression,) for expression in EXPRESSIONS})
AS_RE = {expression: re.compile(expression.encode(), re.DOTALL) for expression in EXPRESSIONS}
#: more than any of the registers that the search fills at a time
BEFORE = st.integers(0, 130)


def found_by_re(raw):
    return {expression for expression, pattern in AS_RE.items() if pattern.search(raw)}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_needle_is_told_wherever_it_stands(expression, data):
    needle = data.draw(st.from_regex(AS_RE[expression], fullmatch=True))
    raw = b"." * data.draw(BEFORE) + needle + b"." * data.draw(BEFORE)

    assert EACH.names_in(raw) == found_by_re(raw) >= {expression}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(EXPRESSIONS).flatmap(lambda one: st.from_regex(AS_RE[one])) | st.binary(), max_size=8))
def test_exactly_what_re_finds_is_told_in_any_bytes(pieces):
    raw = b"".join(pieces)

    assert EACH.names_in(raw) == found_by_re(raw)


def test_exactly_what_re_finds_is_told_in_every_file_of_the_corpus():
    raws = [path.read_bytes() for path in CORPUS]

    told = [EACH.names_in(raw) for raw in raws]

    assert told == [found_by_re(raw) for raw in raws]
    assert set().union(*told) >= {"AIza", r"\{\{", "PRIVATE KEY"}


def test_a_set_is_told_by_its_name_if_one_of_its_expressions_is_there():
    needles = Needles({"beasts": ("cat", "(?i)dog"), "plants": ("tree",), "any": (r"[\x80-\xFF]",)})

    told = [needles.names_in(raw) for raw in (b"", b"CAT", b"a DOG by a tree", "\u00e9".encode())]

    assert told == [set(), set(), {"beasts", "plants"}, {"any"}]


def test_threads_seek_at_the_same_time_and_are_told_their_own():
    raws = [(f"{expression}|" * 400).encode() for expression in ("AKIA", "password=", "{{", "https://", "nothing")]
    alone = [EACH.names_in(raw) for raw in raws]
    wrong: list[set[str]] = []

    def seek(number):
        wrong.extend(told for _ in range(300) if (told := EACH.names_in(raws[number])) != alone[number])

    threads = [threading.Thread(target=seek, args=(number % len(raws),)) for number in range(15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len({frozenset(told) for told in alone}) == len(raws)


@pytest.mark.parametrize("expression", ["(", "a(?=b)", "a{2,1}", "(?P<x>a)(?P=x)"])
def test_an_expression_that_cannot_be_sought_stops_the_start(expression):
    with pytest.raises(hyperscan.error):
        Needles({"flawed": (expression,)})
