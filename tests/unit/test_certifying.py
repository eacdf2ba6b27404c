"""What Certified means, and who stays so (installhub.md section 10.3; X22)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.market.certifying import (
    Candidate,
    Way,
    carried_over,
    certification_problems,
    certified,
    readme_problems,
    way_of,
)
from domain.market.powers import Powers
from domain.model import Actor
from tests.clocks import NOON

OLGA = Actor("olga", None)
BEFORE = certified(OLGA, NOON, {"lineCoverage": 0.8, "branchCoverage": 0.6})
CALLS = Powers(hosts=frozenset({"api.example"}))
README = f"""# Employee Onboarding

Takes a signed offer to an approved record. It asks everybody who has a say.

## What's Included
Five artifacts. {"They work together. " * 25}

## Prerequisites
None declared.

## Installation Notes and Configuration
Name the approvers.

## Changelog
### 1.1.0
First.

## Support
help@example.com

## License
MIT
"""
GOOD = Candidate("1.1.0", README, {"lineCoverage": 0.7, "branchCoverage": None}, "PASS", is_publisher_verified=True)


def lacking(candidate: Candidate) -> list[str]:
    return [problem.message for problem in certification_problems(candidate)]


def test_a_version_that_meets_every_rule_lacks_nothing():
    assert lacking(GOOD) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"is_publisher_verified": False}, "domain"),
        ({"scan_result": "WARN"}, "PASS"),
        ({"coverage": None}, "coverage report"),
        ({"coverage": {"lineCoverage": 0.6999}}, "70%"),
        ({"readme": README[:499]}, "499 characters"),
        ({"version": "1.2.0"}, "entry for 1.2.0"),
    ],
)
def test_what_a_version_lacks_is_told(changes: dict[str, Any], word: str):
    assert any(word in text for text in lacking(replace(GOOD, **changes)))


def test_everything_that_is_lacking_is_told_at_once():
    bad = Candidate("1.0.0", "", None, "FAIL", is_publisher_verified=False)

    assert len(lacking(bad)) >= 9


@pytest.mark.parametrize("heading", ["What's Included", "Prerequisites", "Changelog", "Support", "License"])
def test_a_readme_without_one_of_its_sections_says_which(heading: str):
    readme = README.replace(f"## {heading}", "## Something else")

    assert len([*readme_problems(readme, "1.1.0")]) == 1


def test_an_empty_section_and_one_inside_of_code_are_no_sections():
    empty = README.replace("help@example.com", "")
    code = README.replace("## Support\nhelp@example.com", "```\n## Support\nhelp@example.com\n```")

    assert [len([*readme_problems(readme, "1.1.0")]) for readme in (empty, code)] == [1, 1]


@pytest.mark.parametrize(
    ("before", "after", "way"),
    [
        (None, "1.0.0", Way.REVIEWED),
        ("1.2.3", "1.2.4", Way.INHERITED),
        ("1.2.3", "1.3.0", Way.AUTOMATED),
        ("1.2.3", "2.0.0", Way.REVIEWED),
        ("1.2.3", "1.2.2", Way.REVIEWED),
        ("1.2.3", "1.2.4-rc.1", Way.REVIEWED),
    ],
)
def test_patches_inherit_minor_versions_are_checked_and_major_ones_reviewed(before: str | None, after: str, way: Way):
    assert way_of(before, after) is way


def test_a_patch_inherits_the_certification_as_it_is():
    patch = replace(GOOD, version="1.0.1", coverage=None, readme="")

    assert carried_over(("1.0.0", BEFORE, CALLS), patch, CALLS, NOON) == BEFORE


def test_a_minor_version_that_meets_the_rules_and_does_nothing_new_is_certified_by_its_own_coverage():
    assert carried_over(("1.0.0", BEFORE, CALLS), GOOD, CALLS, NOON) == replace(
        BEFORE, line_coverage=0.7, branch_coverage=None
    )


@pytest.mark.parametrize(
    ("changes", "powers", "days"),
    [
        ({"version": "2.0.0"}, CALLS, 0),
        ({"coverage": {"lineCoverage": 0.1}}, CALLS, 0),
        ({}, Powers(hosts=frozenset({"api.example", "new.example"})), 0),
        ({"version": "1.0.1", "scan_result": "WARN"}, CALLS, 0),
        ({"version": "1.0.1"}, CALLS, 365),
        ({"version": "1.0.1", "is_publisher_verified": False}, CALLS, 0),
    ],
)
def test_whatever_is_new_bad_or_late_is_looked_at_by_people(changes: dict[str, Any], powers: Powers, days: int):
    at = NOON + timedelta(days=days)

    assert carried_over(("1.0.0", BEFORE, CALLS), replace(GOOD, **changes), powers, at) is None


def test_nothing_is_carried_over_from_nothing():
    assert carried_over(None, GOOD, CALLS, NOON) is None
