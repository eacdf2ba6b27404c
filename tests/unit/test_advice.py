"""Which version tells of what changed: removed is major, new is minor, text is patch (installhub.md section 7.6)."""

from __future__ import annotations

import pytest

from domain import strict_json
from domain.advice import Advice, Named, Reason, advice_of, artifact_reasons, content_reasons, earlier_version
from domain.artifact_types import ArtifactType
from domain.versions import Bump, bumped, is_semver, next_major, tells
from tests.makers import an_entity

SCHEMA = ArtifactType.ENTITY_SCHEMA


def bump_of(before, after):
    old, new = (strict_json.canonical(tree) for tree in (before, after))
    return advice_of("1.2.3", content_reasons("Leave", old, new, SCHEMA)).bump


def a_field(name="days", **members):
    return {"fieldName": name, "dataType": "string"} | members


@pytest.mark.parametrize(
    ("before", "after", "bump"),
    [
        ([a_field()], [a_field()], Bump.PATCH),
        ([a_field(), a_field("hours")], [a_field()], Bump.MAJOR),
        ([a_field()], [a_field(), a_field("hours")], Bump.MINOR),
        ([a_field()], [a_field(), a_field("hours", required=True)], Bump.MAJOR),
        ([a_field()], [a_field(label="Days")], Bump.MINOR),
        ([a_field(label="Days")], [a_field()], Bump.MAJOR),
        ([a_field(label="Days")], [a_field(label="Tage")], Bump.PATCH),
        ([a_field(label="Days")], [a_field(label=7)], Bump.MAJOR),
        ([a_field(size=1)], [a_field(size=1.5)], Bump.PATCH),
        ([a_field(size=1)], [a_field(size=True)], Bump.MAJOR),
        ([a_field()], [a_field(dataType="number")], Bump.MAJOR),
        ([a_field(required=False)], [a_field(required=True)], Bump.MAJOR),
        ([a_field(required=True)], [a_field(required=False)], Bump.PATCH),
        ([a_field(), a_field("hours")], [a_field("hours"), a_field()], Bump.PATCH),
    ],
)
def test_a_change_weighs_what_it_breaks(before, after, bump):
    assert bump_of(an_entity(fields=before), an_entity(fields=after)) is bump


def test_the_times_of_a_file_change_nothing():
    assert bump_of(an_entity(), an_entity() | {"_exportedAt": "2027-01-01T00:00:00Z"}) is Bump.PATCH


def test_an_artifact_that_goes_is_major_and_a_new_one_minor():
    old, new = Named(SCHEMA, "Old", "a"), Named(SCHEMA, "New", "b")

    reasons = [*artifact_reasons({"ent-1": old}, {"ent-2": new})]

    assert reasons == [
        Reason(Bump.MAJOR, "Old (ent-1) is not in the package any more."),
        Reason(Bump.MINOR, "New (ent-2) is new."),
    ]


def test_the_three_weightiest_reasons_are_told_and_no_value_is():
    before = an_entity(fields=[a_field(n, note="secret-note") for n in ("a", "b", "c", "d")], title="secret-title")
    after = an_entity(fields=[a_field("d", note="other-note")], title="other-title")
    old, new = (strict_json.canonical(tree) for tree in (before, after))

    advice = advice_of("1.2.3", content_reasons("Leave", old, new, SCHEMA))

    assert advice.reasons == tuple(f"Leave: fields[{place}] was removed." for place in range(3))
    assert "secret" not in repr(advice)


def test_a_version_is_compared_with_the_one_before_it():
    exported = ["2.0.0", "1.2.0", "1.10.0", "3.0.0-rc.1"]

    assert earlier_version(exported, "1.11.0") == "1.10.0"
    assert earlier_version(exported, "9.0.0") == "3.0.0-rc.1"
    assert earlier_version(exported, None) == "3.0.0-rc.1"
    assert earlier_version(exported, "1.0.0") is None
    assert earlier_version([], None) is None


@pytest.mark.parametrize(
    ("earlier", "bump", "lowest"),
    [
        ("1.2.3", Bump.MAJOR, "2.0.0"),
        ("1.2.3", Bump.MINOR, "1.3.0"),
        ("1.2.3", Bump.PATCH, "1.2.4"),
        ("0.2.3", Bump.MAJOR, "0.3.0"),
        ("0.2.3", Bump.MINOR, "0.2.4"),
        ("2.0.0-rc.1", Bump.MAJOR, "2.0.0"),
        ("2.1.0-rc.1", Bump.MAJOR, "3.0.0"),
        ("9223372036854775807.0.0", Bump.MAJOR, "9223372036854775807.0.0"),
    ],
)
def test_the_lowest_version_that_tells_of_a_change(earlier, bump, lowest):
    assert bumped(earlier, bump) == lowest
    assert tells(lowest, earlier, bump)
    assert Advice(earlier, bump, ()).suggested == lowest


def test_a_version_below_it_tells_too_little_and_its_own_pre_release_enough():
    advice = Advice("1.2.3", Bump.MAJOR, ())

    assert not advice.is_met_by("1.9.9")
    assert advice.is_met_by("2.0.0-rc.1")
    assert advice.is_met_by("2.0.0")


def test_the_next_major_version_is_a_version_or_none():
    assert next_major("1.9.0-rc.1") == "2.0.0"
    assert next_major("0.4.0") == "1.0.0"
    assert next_major("9223372036854775807.0.0") is None
    assert is_semver("9223372036854775807.0.0")
