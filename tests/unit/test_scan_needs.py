"""What a rule needs stands in every text that its pattern can find: tried on the shortest of each alternative."""

from __future__ import annotations

import re._constants as code  # type: ignore[import-not-found] # typeshed has none of the two
import re._parser as parser  # type: ignore[import-not-found]
from itertools import product

import pytest

from domain.scanning import RULES

#: stands for a sign of which nothing is known but that there is one
ANY = "\0"


def shortest(items, groups):
    """The shortest texts that a parsed pattern takes, one for each way through its alternatives."""
    texts = {""}
    for kind, value in items:
        texts = {before + part for before, part in product(texts, _parts(kind, value, groups))}
    return texts


def _parts(kind, value, groups):
    if kind is code.LITERAL or (kind is code.IN and all(one is code.LITERAL for one, _ in value)):
        return {chr(sign) for _, sign in (value if kind is code.IN else [(kind, value)])}
    if kind is code.BRANCH:
        return set().union(*(shortest(way, groups) for way in value[1]))
    if kind is code.SUBPATTERN:
        groups[value[0]] = shortest(value[-1], groups)
        return groups[value[0]]
    if kind is code.GROUPREF:
        return groups[value]
    if kind in {code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT}:
        least, _, repeated = value
        return {text * min(least, 3) for text in shortest(repeated, groups)}
    return {""} if kind in {code.AT, code.ASSERT, code.ASSERT_NOT} else {ANY}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_a_rule_needs_stands_in_every_text_that_its_pattern_can_find(rule):
    texts = {text.lower() for text in shortest(parser.parse(rule.pattern.pattern, rule.pattern.flags), {})}

    assert {text for text in texts if not any(need in text for need in rule.needs)} == set()


def test_the_ways_through_a_pattern_are_all_tried():
    assert shortest(parser.parse(r"a(?:b|[cd]\w?)(e|f)x*\s"), {}) == {
        f"a{one}{two}{ANY}" for one in "bcd" for two in "ef"
    }
