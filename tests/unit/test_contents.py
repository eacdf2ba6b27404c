"""One artifact's content: references, envelope, hash, and writing it under other ids."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import contents, strict_json
from domain.artifact_types import ArtifactType
from domain.contents import (
    REFERENCES_MAX,
    content_hash,
    content_of,
    file_and_hash,
    file_of,
    is_faithful,
    is_registered_credential,
    value_at,
    with_values,
    without_credentials,
    written,
)
from domain.model import ArtifactId, ArtifactStatus, ReferenceKind

FORM, RULES, AGENT = ArtifactType.ATLAS_FORM, ArtifactType.RULE_SET, ArtifactType.AGENT_DEFINITION
NINE = datetime(2026, 5, 25, 9, 0, tzinfo=UTC)


def a_form(artifact_id="form-1", **members):
    return {"_type": "AtlasForm", "_version": "1.0.0", "id": artifact_id, "name": "Leave"} | members


def a_rule_set(*conditions, **members):
    rules = [{"ruleId": f"r{index}", "condition": text} for index, text in enumerate(conditions)]
    return {"_type": "RuleSet", "_version": "1.0.0", "id": "rule-1", "name": "Limits", "rules": rules} | members


def an_agent(**members):
    return {"_type": "AgentDefinition", "_version": "1.0.0", "id": "agent-1", "name": "Ada"} | members


def taken(tree, **how):
    artifact_type = next(member for member in ArtifactType if member.wire == tree["_type"])
    copy = json.loads(json.dumps(tree))
    return content_of(copy, artifact_type=artifact_type, artifact_id=tree["id"], version=tree["_version"], **how)


def references(content):
    return [(found.target_id, found.pointer, found.kind.wire) for found in content.references]


def same_ids(content):
    return {found.target_id: found.target_id for found in content.references} | {
        content.artifact_id: content.artifact_id
    }


# ---- references


def test_a_string_at_a_registered_path_is_literal_when_it_has_the_form_of_an_id_or_is_a_known_one():
    tree = a_form(
        fields=[{"dataSource": {"entityId": "ent-44"}}, {"dataSource": {"entityId": "old.schema"}}],
        validationRules=[{"ruleSetId": "=pick(rule-1)"}],
        formGroups=["fgroup-1", 7, None, ""],
    )

    found = references(taken(tree, known_ids={"old.schema"}))

    assert found == [
        ("ent-44", "/fields/0/dataSource/entityId", "literal"),
        ("old.schema", "/fields/1/dataSource/entityId", "literal"),
        ("=pick(rule-1)", "/validationRules/0/ruleSetId", "dynamic"),
        ("fgroup-1", "/formGroups/0", "literal"),
        ("rule-1", "/validationRules/0/ruleSetId", "possible"),
    ]


def test_whole_tokens_in_a_condition_are_references_and_parts_of_words_are_not():
    tree = a_rule_set("ent-44.total > 1 and ent-44.days < ent-45", "talent-44 or ent-46x_ or my_ent-4")

    found = references(taken(tree))

    assert found == [("ent-44", "/rules/0/condition", "literal"), ("ent-45", "/rules/0/condition", "literal")]


@pytest.mark.parametrize("before", ["", " ", "\n", "\t", "\r", "\b", "\f", "\x01", "\x1f", "é", '"', "\\", "(", "/"])
def test_a_whole_token_elsewhere_is_a_possible_reference_whatever_stands_before_it(before):
    tree = a_form(description=f"See{before}rule-305." if before else "rule-305")

    assert references(taken(tree)) == [("rule-305", "/description", "possible")]


@pytest.mark.parametrize("artifact_type", ArtifactType)
def test_ids_of_every_kind_are_possible_references(artifact_type):
    token = f"{artifact_type.entry.prefix}-7"

    assert references(taken(a_form(description=f"See {token}."))) == [(token, "/description", "possible")]


@pytest.mark.parametrize("before", ["x", "Z", "0", "_", "-", "plat"])
def test_a_token_inside_a_word_is_no_reference(before):
    assert references(taken(a_form(description=f"{before}form-2"))) == []


def test_the_own_id_and_ids_in_keys_are_no_references():
    tree = a_form(description="form-1 is me", notes={"rule-9": "nothing"})

    assert references(taken(tree)) == []


def test_an_id_longer_than_ids_are_is_never_a_literal_reference():
    long = "ent-" + "4" * 200
    form, rules = taken(a_form(formGroups=[f"fgroup-{'1' * 200}"], description=long)), taken(a_rule_set(f"{long} > 1"))

    assert [(len(r.target_id), r.kind) for r in form.references] == [(128, ReferenceKind.DYNAMIC)]
    assert rules.references == ()
    assert long.encode() in written(rules.template, same_ids(rules))


def test_more_references_than_an_artifact_may_hold_are_refused():
    tree = a_form(formGroups=["fgroup-1"] * (REFERENCES_MAX + 1))

    with pytest.raises(strict_json.NotStrict, match="more than 10000 references"):
        taken(tree)


def test_a_long_key_around_many_tokens_costs_its_length_once():
    tree = a_form(**{"k" * 1_000_000: ["ent-1"] * 50_000})

    found = taken(tree).references

    assert len(found) == 1_000
    assert all(len(reference.pointer) < 200 for reference in found)


# ---- writing under other ids


def test_an_artifact_is_written_under_new_ids_and_nothing_else_is_touched():
    tree = a_form(
        fields=[{"dataSource": {"entityId": "ent-44"}, "label": "ent-44"}],
        validationRules=[{"ruleSetId": "rule-305"}],
        note="form-1, ent-44 and rule-305 \\u0000 C:\\ent-44",
        **{"ent-44": {"form-1": "rule-305"}},
    )
    content = taken(tree)

    final = json.loads(written(content.template, {"form-1": "form-A", "ent-44": "ent-B", "rule-305": "rule-C"}))

    assert final == tree | {
        "id": "form-A",
        "fields": [{"dataSource": {"entityId": "ent-B"}, "label": "ent-44"}],
        "validationRules": [{"ruleSetId": "rule-C"}],
    }


def test_every_token_of_a_condition_is_written_anew_even_behind_a_backslash():
    content = taken(a_rule_set(r"\ent-1 = ent-1 or \\ent-2 or \u0000ent-2"))

    final = json.loads(written(content.template, {"rule-1": "rule-9", "ent-1": "ent-X", "ent-2": "ent-Y"}))

    assert final["rules"][0]["condition"] == r"\ent-X = ent-X or \\ent-Y or \u0000ent-2"


def test_a_source_id_that_the_remap_table_does_not_know_is_an_error():
    content = taken(a_form(formGroups=["fgroup-1"]))

    with pytest.raises(KeyError, match="fgroup-1"):
        written(content.template, {"form-1": "form-2"})


texts = st.text(
    st.sampled_from('\\u0an t-1"é\n{}[],:/~') | st.characters(exclude_characters="\0", codec="utf-8"), max_size=12
)
tokens = st.sampled_from(["ent-44", "rule-305", "form-1", "\\u0000", "\\\\u0000", "\\", "u0000", "_type", "null"])
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
strings = texts | tokens | st.builds("".join, st.lists(texts | tokens, max_size=4))
values = st.recursive(
    leaves | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=12,
)
forms = st.builds(
    lambda extra, entity, group: (
        extra | a_form(fields=[{"dataSource": {"entityId": entity}}], formGroups=group, status="Draft")
    ),
    st.dictionaries(strings.filter(lambda key: key not in {"_exportedAt", "_schemaVersion"}), values, max_size=4),
    strings,
    st.lists(strings, max_size=2),
)


@given(forms)
def test_written_under_its_own_ids_a_content_is_the_artifact(tree):
    content = taken(tree)

    assert written(content.template, same_ids(content)) == strict_json.canonical(tree)
    assert content.status is ArtifactStatus.DRAFT


@given(forms)
def test_there_and_back_is_the_same_content(tree):
    content = taken(tree)
    there = {source: f"ent-T{place}" for place, source in enumerate(same_ids(content))}
    arrived = json.loads(written(content.template, there))

    again = content_of(
        arrived,
        artifact_type=FORM,
        artifact_id=ArtifactId(there["form-1"]),
        version="1.0.0",
        known_ids=there.values(),
    )
    back = written(again.template, same_ids(again) | {new: old for old, new in there.items()})

    assert back == strict_json.canonical(tree)


# ---- the file


@given(forms)
def test_a_file_is_canonical_and_strict_and_its_content_is_found_again(tree):
    content = taken(tree)

    file = file_of(written(content.template, same_ids(content)), NINE)

    assert file == strict_json.canonical(strict_json.read(file))
    assert json.loads(file) == json.loads(strict_json.canonical(tree)) | {
        "_exportedAt": "2026-05-25T09:00:00Z",
        "_schemaVersion": "1.0",
    }
    assert taken(strict_json.read(file)).template == content.template


def test_fields_of_others_that_begin_with_an_underscore_stand_in_their_sorted_place():
    content = taken(a_form(_meta={"a": 1}, _seed=2, _zone=3))

    file = file_of(written(content.template, same_ids(content)), NINE)

    assert [*json.loads(file)][:6] == ["_exportedAt", "_meta", "_schemaVersion", "_seed", "_type", "_version"]


@given(forms)
def test_file_and_hash_made_in_one_go_are_those_of_the_written_content(tree):
    content = taken(tree)
    ids = {source: f"ent-T{place}" for place, source in enumerate(same_ids(content))}
    whole = written(content.template, ids)

    file, hashed = file_and_hash(content.template, ids, NINE)

    assert (file, hashed) == (file_of(whole, NINE), content_hash(whole))


@pytest.mark.parametrize(
    "members", [{"_meta": 1, "formGroups": ["form-2"]}, {"A": "x", "Z": {"_type": '\n  "_type": '}}]
)
def test_the_volatile_lines_have_their_place_whatever_stands_before_it(members):
    content = taken(a_form(**members))
    whole = written(content.template, same_ids(content))

    file, hashed = file_and_hash(content.template, same_ids(content), NINE)

    assert (file, hashed) == (file_of(whole, NINE), content_hash(whole))
    assert file == strict_json.canonical(strict_json.read(file))


def test_two_files_of_one_content_have_one_content_hash():
    content = written(taken(a_form()).template, {"form-1": "form-1"})
    later = strict_json.read(file_of(content, datetime(2027, 1, 1, tzinfo=UTC)))

    again = taken(later)

    assert content_hash(written(again.template, {"form-1": "form-1"})) == content_hash(content)


# ---- faithful files


def faithful(raw, tree_id="form-1"):
    try:
        tree = strict_json.glance(raw)
        if not isinstance(tree, dict) or not isinstance(tree.get("name"), str):
            return False
        content = content_of(tree, artifact_type=FORM, artifact_id=ArtifactId(tree_id), version="1.0.0")
    except strict_json.NotStrict:
        return False
    return is_faithful(content, raw)


@given(forms)
def test_what_we_write_is_faithful(tree):
    content = taken(tree)
    file = file_of(written(content.template, same_ids(content)), NINE)
    plain = not any(name.startswith("_") and name not in {"_type", "_version"} for name in tree)

    assert not plain or b"\\\\u0000" in file or faithful(file)


GOOD = strict_json.canonical(
    a_form(
        _exportedAt="2026-05-25T09:00:00Z",
        _schemaVersion="1.0",
        fields=[{"dataSource": {"entityId": "ent-44"}, "label": "A\\B\n\u2028", "n": [1.5, -0.0, 1e300, 2**64 - 1]}],
    )
)
pieces = st.sampled_from(
    [
        *(b'"', b"\\", b"\n", b"  ", b"{", b"}", b"[", b"]", b",", b":", b"\xef\xbb\xbf", b"\x00", b"\xed\xa0\x80"),
        *(b"\\u0000", b"\\\\u0000", b"\\ud800", b"\\u0041", b"null", b"1e400", b"1" * 401, b"-0", b"1.0", b"NaN"),
        *(b'\n  "_exportedAt": "x",', b'\n  "_schemaVersion": "1.0",', b'\n  "name": "Leave",', b'\n  "id": "form-1"'),
        *(b"18446744073709551616", b"/**/", b"\xff", b"\r", b"u0", b"000", b"\\u0", b"ent-44", b"[" * 70, b"]" * 70),
    ]
)
edits = st.lists(
    st.tuples(st.integers(0, len(GOOD)), st.integers(0, 8), pieces | st.binary(max_size=4)), min_size=1, max_size=4
)


@settings(max_examples=600)
@given(edits)
def test_whatever_is_found_faithful_is_strict_json_of_equal_value(changes):
    raw = GOOD
    for at, length, piece in changes:
        raw = raw[:at] + piece + raw[at + length :]

    if faithful(raw):
        assert strict_json.canonical(strict_json.read(raw)) == strict_json.canonical(json.loads(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD + b"\n",
        GOOD.replace(b'"name": "Leave"', b'"name": "Leave",\n  "name": "Leave"'),
        GOOD.replace(b'"name": "Leave"', b'"name": "Leave",\n  "note": null'),
        GOOD.replace(b"1.5", b"1.50"),
        GOOD.replace(b"1.5", b"1e400"),
        GOOD.replace(b"1.5", b"18446744073709551616"),
        GOOD.replace(b"1.5", b"[" * 63 + b"]" * 63),
        GOOD.replace(b"Leave", b"Le\\u0000ave"),
        GOOD.replace(b"Leave", b"Le\\u0061ve"),
        GOOD.replace(b"ent-44", b"\\u0000ent-44\\u0000"),
        GOOD.replace(b'"_exportedAt"', b'"_exportedAt": "x",\n  "_schemaVersion": "1.0",\n  "_exportedAt"'),
    ],
    ids=[
        *("mark", "newline", "duplicate", "null", "zero", "infinite", "integer", "deep", "nul", "escape", "marks"),
        "twice",
    ],
)
def test_a_file_that_is_not_ours_byte_for_byte_is_not_faithful(raw):
    assert faithful(GOOD)
    assert not faithful(raw)


# ---- values and pointers

hostile = st.text(st.sampled_from("/~01٣²-9a"), max_size=8) | st.sampled_from(
    ["/" + "9" * 5000, "/a/-1", "/a/00", "/a/1e3", "//", "/~2", "/a/0/b/c"]
)


@given(hostile)
def test_a_hostile_pointer_finds_nothing_or_something_and_never_fails(pointer):
    tree = {"a": [{"b": 1}, "x"], "": {"": 2}, "~": [0]}
    file = strict_json.canonical({"_type": "AtlasForm"} | tree)

    value_at(tree, pointer)
    with_values(file, {pointer: "secret"})
    without_credentials(file, FORM, [pointer])


def test_values_are_set_in_objects_and_in_lists_that_are_there_and_nowhere_else():
    file = strict_json.canonical({"a": {"b/c": 1, "list": ["x", ""]}, "text": "t"})

    changed = with_values(
        file,
        {"/a/b~1c": 2, "/a/new": 3, "/a/list/1": "s", "/a/list/2": "no", "/a/list/01": "no", "/text/x": 1, "/q/r": 1},
    )

    assert json.loads(changed) == {"a": {"b/c": 2, "list": ["x", "s"], "new": 3}, "text": "t"}


def test_credentials_are_no_part_of_the_content():
    without = an_agent(llmConfig={"provider": "p"}, tools=[{"name": "t"}])
    with_them = an_agent(llmConfig={"provider": "p", "credentialId": "c1"}, tools=[{"name": "t", "credentialId": "c2"}])

    content = taken(with_them)

    assert content.credentials == (("/llmConfig/credentialId", "c1"), ("/tools/0/credentialId", "c2"))
    assert content.template == taken(without).template
    assert all(is_registered_credential(pointer, AGENT) for pointer, _ in content.credentials)
    assert not is_registered_credential("/tools/0/name", AGENT)


def test_an_agent_leaves_its_tenant_without_credentials_and_without_what_looks_like_a_secret():
    file = strict_json.canonical(an_agent(llmConfig={"credentialId": "c1"}, notes=["keep", "hush"], q={"p": "w"}))

    body, gone = without_credentials(file, AGENT, ["/notes/1", "/q/p", "/name", "/id", "/absent/x"])

    assert json.loads(body) == an_agent(llmConfig={}, notes=["keep", ""], q={})
    assert gone == ("/llmConfig/credentialId", "/notes/1", "/q/p")


def test_a_file_without_credentials_leaves_byte_for_byte():
    file = b'{"not": "even canonical"}'

    assert without_credentials(file, FORM) == (file, ())
    assert contents.without_credentials(strict_json.canonical(an_agent()), AGENT)[1] == ()
