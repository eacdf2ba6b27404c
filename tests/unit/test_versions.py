"""SemVer, held strictly, and the rules that compare versions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.versions import (
    PlatformVerdict,
    compare,
    higher,
    in_range,
    is_downgrade,
    is_major_upgrade,
    is_prerelease,
    is_semver,
    is_unstable,
    is_update_of,
    platform_verdict,
    range_text,
)

#: semver.org section 11, each lower than the next
ASCENDING = [
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.10",
    "1.2.0",
    "2.0.0",
    "10.0.0",
]

numbers = st.integers(0, 2**63 - 1) | st.integers(0, 3)
versions = st.builds(
    "{}.{}.{}{}{}".format,
    numbers,
    numbers,
    numbers,
    st.sampled_from(["", "-rc.1", "-rc.2", "-alpha", "-0.x-y"]),
    st.sampled_from(["", "+build.7"]),
)


@pytest.mark.parametrize(
    "text", ["0.0.0", "2.1.0", "2.1.0-rc.1", "1.0.0-0a", "1.0.0--", "1.0.0+001", "9223372036854775807.0.0", *ASCENDING]
)
def test_a_version_of_the_standard_is_one(text):
    assert is_semver(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2.1",
        "v2.1",
        "v2.1.0",
        "2.1.0\n",
        " 2.1.0",
        "2.1.0.0",
        "01.0.0",
        "1.0.0-01",
        "1.0.0-",
        "1.0.0-a..b",
        "1.0.0+",
        "1.0.0-ä",
        "\uff11.\uff10.\uff10",  # full-width digits
        "1.0.0-\u0661",  # an Arabic digit
        "9223372036854775808.0.0",  # one more than a 64-bit column holds
        "1.0.0-" + "a" * 123,
        "1" * 5000 + ".0.0",
        "1.0.0-" + "0" * 100_000,
    ],
)
def test_what_only_looks_like_a_version_is_none(text):
    assert not is_semver(text)


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_not_and_nothing_else_happens(text):
    if not is_semver(text):
        with pytest.raises(ValueError):
            compare(text, "1.0.0")


def test_versions_stand_in_the_order_of_the_standard():
    assert all(compare(low, high) < 0 < compare(high, low) for low, high in pairwise(ASCENDING))


@given(versions, versions, versions)
def test_the_order_is_total_and_build_metadata_does_not_count(first, second, third):
    assert compare(first, second) == -compare(second, first)
    assert compare(first.partition("+")[0], first) == 0
    assert not (compare(first, second) <= 0 and compare(second, third) <= 0 and compare(first, third) > 0)


@pytest.mark.parametrize(
    ("version", "minimum", "maximum", "expected"),
    [
        ("1.0.0", "1.0.0", None, True),
        ("99.0.0", "1.0.0", None, True),
        ("1.0.0-rc.1", "1.0.0", None, False),
        ("1.9.9", "1.0.0", "2.0.0", True),
        ("2.0.0", "1.0.0", "2.0.0", False),
        ("2.0.0-rc.1", "1.0.0", "2.0.0", False),
        ("2.1.7", "2.1.0", "2.2.0", True),
        ("2.2.0-beta", "2.1.0", "2.2.0", False),
        ("3.0.0", "3.0.0", "3.0.1", True),
        ("3.0.0+build", "3.0.0", "3.0.1", True),
        ("3.0.1-rc.1", "3.0.0", "3.0.1", False),
        ("2.0.0-rc.1", "1.0.0", "2.0.0-rc.2", True),
        ("2.0.0-rc.2", "1.0.0", "2.0.0-rc.2", False),
    ],
)
def test_a_range_holds_its_minimum_and_not_its_maximum(version, minimum, maximum, expected):
    assert in_range(version, minimum, maximum) is expected


def test_a_range_is_printed_with_and_without_its_maximum():
    assert [range_text("1.0.0", "2.0.0"), range_text("1.0.0", None)] == [">=1.0.0 <2.0.0", ">=1.0.0"]


@pytest.mark.parametrize(
    ("package", "target", "expected"),
    [
        ("4.2.0", "4.1.5", PlatformVerdict.OLDER_TARGET),
        ("4.2.0", "4.2.0", PlatformVerdict.SAME),
        ("4.2.0", "4.9.0", PlatformVerdict.SAME),
        ("4.2.0", "5.0.0", PlatformVerdict.MAJOR),
        ("4.2.0", "3.9.9", PlatformVerdict.MAJOR),
    ],
)
def test_a_platform_is_the_same_older_or_of_another_major_version(package, target, expected):
    assert platform_verdict(package, target) is expected


def test_an_upgrade_is_major_when_the_first_number_rises():
    verdicts = [is_major_upgrade("1.9.0", new) for new in ("2.0.0", "2.0.0-rc.1", "1.10.0", "0.1.0")]

    assert verdicts == [True, True, False, False]


def test_a_lower_version_is_a_downgrade_and_a_level_one_is_not():
    verdicts = [is_downgrade("1.3.0", new) for new in ("1.2.9", "1.3.0-rc.1", "1.3.0", "1.3.0+other", "1.3.1")]

    assert verdicts == [True, True, False, False, False]


def test_prereleases_and_unstable_versions_are_told_by_their_form():
    assert [is_prerelease(version) for version in ("2.1.0-rc.1", "2.1.0", "2.1.0+rc.1")] == [True, False, False]
    assert [is_unstable(version) for version in ("0.9.0", "1.0.0", "10.0.0")] == [True, False, False]


@given(versions, versions)
def test_the_higher_of_two_is_one_of_them_and_not_lower_than_either(first, second):
    result = higher(first, second)

    assert result in {first, second}
    assert compare(result, first) >= 0
    assert compare(result, second) >= 0


@pytest.mark.parametrize(
    ("exported", "target", "expected"),
    [
        ("2020.1.2", "2020.1.5", True),
        ("2020.1.5", "2020.1.2", False),
        ("2020.1.0", "2020.2.0", False),
        ("2020.2.0", "2020.1.0", False),
        ("8.4.23", "8.4.24", True),
        ("8.4.24", "8.4.24", True),
        ("8.4.9", "8.4.10", True),
        ("8.4.24", "9.4.24", False),
        ("4.2.0-rc.1", "4.2.0", True),
        ("4.2.0", "4.2.0-rc.1", False),
        ("4.2.0+build.1", "4.2.0", True),
    ],
)
def test_an_export_goes_to_the_same_version_and_to_later_updates_of_its_release(exported, target, expected):
    assert is_update_of(exported, target) is expected


@given(versions, versions)
def test_of_two_versions_of_one_release_one_is_an_update_of_the_other(first, second):
    both = is_update_of(first, second) or is_update_of(second, first)

    assert both == (first.split(".")[:2] == second.split(".")[:2])
