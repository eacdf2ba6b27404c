"""Foreign bytes become a checked bundle, or all of its problems."""

from __future__ import annotations

import json

import pytest

from domain import strict_json
from domain.bundle import FINDINGS_MAX, dynamic_references
from domain.contents import written
from domain.errors import ErrorCode, Refusal
from domain.model import ArtifactStatus
from domain.scanning import Severity
from tests.makers import (
    SOURCE,
    a_bundle,
    a_form,
    a_process,
    a_rule_set,
    a_suite,
    an_agent,
    an_artifact,
    an_entity,
    limits,
    sha256,
)


def refused(raw, check, **how):
    with pytest.raises(Refusal) as caught:
        check(raw, **how)
    return caught.value


def codes(refusal):
    return [problem.code for problem in refusal.problems]


def file_of(tree):
    return strict_json.canonical(tree)


def test_what_an_export_wrote_is_read_back(check):
    suite = a_suite()

    bundle = check(a_bundle(*suite))

    assert [(a.source_id, a.name, a.version, a.status) for a in bundle.artifacts] == [
        (tree["id"], tree["name"], "1.0.0", ArtifactStatus.PUBLISHED) for tree in suite
    ]
    same = {tree["id"]: tree["id"] for tree in suite}
    contents = [json.loads(written(bundle.template(artifact), same)) for artifact in bundle.artifacts]
    assert contents == [
        {key: value for key, value in tree.items() if key not in {"_exportedAt", "_schemaVersion"}} for tree in suite
    ]
    assert bundle.warnings == ()
    assert bundle.manifest.content_checksum


@pytest.mark.parametrize("spell", [json.dumps, lambda tree: json.dumps(tree, indent=4, sort_keys=False)])
def test_a_file_of_another_writer_becomes_the_same_content(check, spell):
    trees = [an_entity("ent-44", note=None), a_form(entity="ent-44")]
    foreign = [spell(tree).encode() for tree in trees]

    def state_hashes(manifest):
        for row, raw in zip(manifest["artifacts"], foreign, strict=True):
            row["hash"] = sha256(raw)
        manifest["dependencies"] = []
        manifest["checksum"] = sha256(b"".join(foreign))

    files = {tree["id"]: raw for tree, raw in zip(trees, foreign, strict=True)}
    raw = a_bundle(*trees, files=files, edit=state_hashes)
    ours = check(a_bundle(*trees))

    theirs = check(raw)

    assert [theirs.template(a) for a in theirs.artifacts] == [ours.template(a) for a in ours.artifacts]


def test_blanks_of_another_writer_hide_nothing_from_the_scan(check):
    bad = {
        "query": "'+ name +'",
        "pattern": "(a+)+",
        "label": "A" * 128,
        "password": "tr0ub4dor&3",
        "expression": "eval(1)",
    }
    process = a_process("proc-1", nodes=[{"config": bad}])
    foreign = json.dumps(process, indent=2, separators=(" ,", "\t : ")).encode()

    def state_hashes(manifest):
        manifest["artifacts"][0]["hash"] = manifest["checksum"] = sha256(foreign)

    ours, theirs = check(a_bundle(process)), check(a_bundle(process, files={"proc-1": foreign}, edit=state_hashes))

    assert {*theirs.findings} == {*ours.findings}
    assert len(ours.findings) >= len(bad)


def test_a_changed_artifact_fails_both_checksums_under_one_code(check):
    entity = an_entity("ent-44")
    raw = a_bundle(entity, files={"ent-44": file_of(entity | {"description": "evil"})})

    refusal = refused(raw, check)

    assert refusal.code is ErrorCode.CHECKSUM_MISMATCH
    assert codes(refusal) == [ErrorCode.ARTIFACT_HASH_MISMATCH, ErrorCode.BUNDLE_CHECKSUM_MISMATCH]
    assert refusal.problems[0].where == "artifacts[0].hash"
    assert refusal.details["expected"] == sha256(file_of(entity))


def test_a_wrong_bundle_checksum_over_right_artifacts_is_the_manifests_fault(check):
    raw = a_bundle(an_entity(), checksum="sha256:" + "0" * 64)

    refusal = refused(raw, check)

    assert (refusal.code, codes(refusal)) == (ErrorCode.CHECKSUM_MISMATCH, [ErrorCode.BUNDLE_CHECKSUM_MISMATCH])


def test_a_readme_that_is_not_the_sealed_one_is_refused(check):
    def claim(manifest):
        manifest["readmeHash"] = "sha256:" + "1" * 64

    refusal = refused(a_bundle(an_entity(), edit=claim), check)

    assert (codes(refusal), refusal.problems[0].where) == ([ErrorCode.CONTENT_CHECKSUM_MISMATCH], "README.md")


def test_a_readme_that_is_no_text_is_refused(check):
    assert codes(refused(a_bundle(an_entity(), readme=b"\xff\xfe"), check)) == [ErrorCode.FORBIDDEN_CONTENT]


def test_a_reference_that_leaves_the_package_is_broken(check):
    refusal = refused(a_bundle(a_form(entity="ent-99")), check)

    assert refusal.code is ErrorCode.BROKEN_REFERENCE
    assert [(p.where, p.artifact_id) for p in refusal.problems] == [
        ("artifacts[0]/fields/0/dataSource/entityId", "form-2005")
    ]


def test_a_bundle_of_the_very_tenant_may_refer_to_what_the_tenant_has(check):
    bundle = check(a_bundle(a_form(entity="ent-99")), target=SOURCE)

    assert [reference.target_id for reference in bundle.artifacts[0].references] == ["ent-99"]


def test_a_circle_is_told_with_its_ids_and_hides_the_orders_flaws(check):
    first = a_form("form-1", formGroups=["fgroup-1"])
    group = an_artifact("fgroup-1", fieldLibraries=["lib-1"])
    library = an_artifact("lib-1", fields=[{"dataSource": {"entityId": "form-1"}}])

    refusal = refused(a_bundle(first, group, library), check)

    assert codes(refusal) == [ErrorCode.CIRCULAR_DEPENDENCY]
    assert refusal.details["cycle"] == ["fgroup-1", "lib-1", "form-1", "fgroup-1"]


def test_an_artifact_that_refers_to_itself_is_a_circle(check):
    refusal = refused(a_bundle(a_form("form-1", formGroups=["form-1"])), check)

    assert refusal.details["cycle"] == ["form-1", "form-1"]


def test_an_order_that_puts_a_user_before_its_need_is_refused(check):
    refusal = refused(a_bundle(a_form(entity="ent-44"), an_entity("ent-44")), check)

    assert codes(refusal) == [ErrorCode.INSTALL_ORDER_INVALID]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"_type": "RuleSet"}, "_type"),
        ({"_version": "1.0.1"}, "_version"),
        ({"id": "ent-45"}, "id"),
        ({"name": "Another"}, "name"),
        ({"name": None}, "name"),
        ({"_schemaVersion": "2.0"}, "_schemaVersion"),
        ({"status": "Deleted"}, "deleted"),
    ],
)
def test_a_file_that_disagrees_with_its_row_is_refused(check, change, named):
    entity = an_entity("ent-44")
    raw_file = file_of(entity | change)

    def state(manifest):
        manifest["artifacts"][0]["hash"] = manifest["checksum"] = sha256(raw_file)
        manifest["dependencies"] = []

    refusal = refused(a_bundle(entity, files={"ent-44": raw_file}, edit=state), check)

    assert codes(refusal) == [ErrorCode.ARTIFACT_INVALID]
    assert named in refusal.problems[0].message


@pytest.mark.parametrize("stated", [{}, {"_schemaVersion": None}])
def test_a_file_without_a_schema_version_is_worth_a_warning(check, stated):
    entity = an_entity()
    del entity["_schemaVersion"]
    raw_file = json.dumps(entity | stated).encode()

    def state(manifest):
        manifest["artifacts"][0]["hash"] = manifest["checksum"] = sha256(raw_file)
        manifest["dependencies"] = []

    bundle = check(a_bundle(entity, files={"ent-44": raw_file}, edit=state))

    assert [problem.code for problem in bundle.warnings] == [ErrorCode.SCHEMA_VERSION_MISSING]


@pytest.mark.parametrize(
    "raw_file",
    [
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"{" * 300,
        b"[" * 5_000 + b"]" * 5_000,
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b"\xef\xbb\xbf{}",
        b'{"a": "\\ud800"}',
        b'{"a": 1, "a": 2}',
        b'{"a\\u0000b": 1}',
        b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}",
        b"[" + b"0," * 260_000 + b"0]",
        b"\xff\xfe{\x00}\x00",
    ],
    ids=lambda raw: str(raw[:12]),
)
def test_bytes_that_are_no_strict_artifact_are_refused_and_nothing_else_happens(check, raw_file):
    def state(manifest):
        manifest["artifacts"][0]["hash"] = manifest["checksum"] = sha256(raw_file)
        manifest["dependencies"] = []

    refusal = refused(a_bundle(an_entity(), files={"ent-44": raw_file}, edit=state), check)

    assert {*codes(refusal)} == {ErrorCode.ARTIFACT_INVALID}


def test_a_deep_but_right_looking_artifact_is_refused_by_its_place(check):
    deep = json.dumps(an_entity()).encode()[:-1] + b', "x": ' + b"[" * 64 + b"]" * 64 + b"}"

    def state(manifest):
        manifest["artifacts"][0]["hash"] = manifest["checksum"] = sha256(deep)
        manifest["dependencies"] = []

    refusal = refused(a_bundle(an_entity(), files={"ent-44": deep}, edit=state), check)

    assert codes(refusal) == [ErrorCode.ARTIFACT_INVALID]
    assert "deeper than 64" in refusal.problems[0].message


def test_too_many_artifacts_answer_alone(check):
    raw = a_bundle(an_entity("ent-1"), a_form(entity="ent-99"), checksum="sha256:" + "0" * 64)

    refusal = refused(raw, check, bounds=limits(artifacts_max=1))

    assert (refusal.code, refusal.status, len(refusal.problems)) == (ErrorCode.TOO_MANY_ARTIFACTS, 413, 1)
    assert {"limit": 1, "actual": 2, "plan": "Enterprise"}.items() <= refusal.details.items()


def test_flaws_of_several_families_are_all_listed_under_one_code(check):
    form = a_form(entity="ent-99")
    raw = a_bundle(form, an_entity("ent-1"), files={"ent-1": b"[]"}, readme=b"\xff")

    refusal = refused(raw, check)

    assert (refusal.code, refusal.status) == (ErrorCode.VALIDATION_FAILED, 400)
    assert codes(refusal) == [
        ErrorCode.FORBIDDEN_CONTENT,
        ErrorCode.ARTIFACT_HASH_MISMATCH,
        ErrorCode.ARTIFACT_INVALID,
        ErrorCode.BUNDLE_CHECKSUM_MISMATCH,
        ErrorCode.BROKEN_REFERENCE,
    ]


def test_a_computed_reference_is_a_warning_and_stays_as_it_is(check):
    bundle = check(a_bundle(a_process(form="=choose(a, b)")))

    (warning,) = dynamic_references(bundle.artifacts)

    assert (warning.code, warning.where) == (ErrorCode.DYNAMIC_REFERENCE, "artifacts[0]/nodes/0/config/formId")
    assert b"=choose(a, b)" in bundle.template(bundle.artifacts[0]).plain


def test_a_credential_in_a_foreign_bundle_is_dropped_and_asked_for(check):
    agent = an_agent(llmConfig={"credentialId": "their-secret"}, tools=[{"name": "mail"}])

    bundle = check(a_bundle(agent, bindings=[("agent-1", "/tools/0/key")]))

    assert bundle.artifacts[0].credentials == ("/tools/0/key", "/llmConfig/credentialId")
    assert b"their-secret" not in bundle.template(bundle.artifacts[0]).plain


@pytest.mark.parametrize("path", ["/tools/0/processId", "/tools/0", "/tools", "/tools/0/processId/x", "/status"])
def test_a_binding_may_not_overwrite_a_reference_or_the_status(check, path):
    trees = a_process("proc-1"), an_agent(tools=[{"processId": "proc-1"}])

    refusal = refused(a_bundle(*trees, bindings=[("agent-1", path)]), check)

    assert codes(refusal) == [ErrorCode.MANIFEST_INVALID]


def test_a_flood_of_broken_references_is_cut(check):
    form = a_form(formGroups=[f"fgroup-{number}" for number in range(5_000)])

    refusal = refused(a_bundle(form), check)

    assert (refusal.code, len(refusal.problems)) == (ErrorCode.BROKEN_REFERENCE, 200)


def test_the_reader_tells_how_far_it_is(check):
    told = []
    trees = [a_rule_set(f"rule-{number}") for number in range(3)]

    check(a_bundle(*trees), told=lambda done, total: told.append((done, total)))

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_flood_of_findings_is_cut_but_the_worst_one_is_told(check):
    mild = [{"config": {"query": "SELECT * FROM t"}}] * (FINDINGS_MAX + 50)

    bundle = check(a_bundle(a_process("proc-1", nodes=[*mild, {"config": {"expression": "eval(1)"}}, *mild[:9]])))

    assert len(bundle.findings) == FINDINGS_MAX + 1
    assert bundle.findings[-1].severity is Severity.CRITICAL
