"""Whole stories: export in one tenant, import into another, and again, and otherwise."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from domain.errors import ErrorCode, Refusal
from domain.import_model import EventKind, ImportState, Stage, UnresolvedBindings
from domain.model import ArtifactFilter, ArtifactStatus, ReferenceKind, TenantStatus
from domain.tenancy import TenantChange
from tests.journeys.inside import ACME, GLOBEX, MERGE, REPLACE, SKIP, is_whole, visible
from tests.makers import a_bundle, a_form, a_process, a_rule_set, a_suite, an_agent, an_entity

ROOT = "proc-1001"
#: what a run writes down about itself, whatever it does to artifacts
BOOKS = {"audit", "import_event", "import_job", "import_package", "outbox", "plan", "plan_action", "scan_report"}


@pytest.fixture
async def package(inside):
    await inside.save(ACME, *a_suite())
    return (await inside.export(ACME, ROOT)).package


def written_to(before, after):
    return {table for table, count in after.items() if count != before[table]}


async def codes(inside, job):
    assert job.failure is not None
    return {problem.code for problem in job.failure.problems}


async def test_a_package_arrives_with_new_ids_origins_and_references(inside, package):
    job = await inside.bring(GLOBEX, package)

    heads, contents = await inside.heads(GLOBEX), await inside.contents(GLOBEX)
    remap = job.outcome["idRemapTable"]
    assert job.state is ImportState.SUCCEEDED
    assert {*remap} == {"ent-44", "rule-305", "form-2005", ROOT}
    assert not {*remap} & {*remap.values()}
    assert {head.origin.source_id: head.artifact_id for head in heads.values()} == remap
    assert {(h.origin.source, h.origin.package_version, h.status) for h in heads.values()} == {
        (ACME, "1.0.0", ArtifactStatus.PUBLISHED)
    }
    form = contents["AtlasForm 2005"]
    assert form["fields"][0]["dataSource"]["entityId"] == remap["ent-44"]
    assert form["validationRules"] == [{"ruleSetId": remap["rule-305"]}]
    assert contents["RuleSet 305"]["rules"][0]["condition"] == f"{remap['ent-44']}.days > 1"
    assert visible(contents) == visible(await inside.contents(ACME))


async def test_what_uses_an_artifact_is_known_after_an_import(inside, package):
    job = await inside.bring(GLOBEX, package)
    remap = job.outcome["idRemapTable"]

    used_by = await inside.services.authoring.used_by(inside.caller, GLOBEX, remap["ent-44"], first=10, after=None)

    assert {head.artifact_id for head in used_by.items} == {remap["rule-305"], remap["form-2005"]}


async def test_the_journal_is_whole_and_the_answer_has_the_documented_fields(inside, package):
    job = await inside.bring(GLOBEX, package)

    events = await inside.followed(job.import_id)
    assert is_whole(await inside.events(job.import_id))
    assert events[-1].state is ImportState.SUCCEEDED
    assert events[-1].progress.sentence == "4 of 4 artifacts installed"
    assert job.outcome["artifactsInstalled"] == job.outcome["artifactsWritten"] == 4
    assert job.outcome["installOrder"] == ["ent-44", "rule-305", "form-2005", ROOT]
    assert job.outcome["conflictsResolved"] == 0


async def test_the_second_import_needs_no_strategy_and_writes_nothing(inside, package):
    await inside.bring(GLOBEX, package)
    before = await inside.row_counts()

    job = await inside.bring(GLOBEX, package)

    assert job.state is ImportState.SUCCEEDED
    assert written_to(before, await inside.row_counts()) <= BOOKS
    assert (job.outcome["artifactsWritten"], job.outcome["artifactsUnchanged"]) == (0, 4)


async def test_another_export_of_the_same_revisions_is_unchanged_too(inside, package):
    await inside.bring(GLOBEX, package)
    inside.clock.advance(3_600)
    later = (await inside.export(ACME, ROOT, version="1.1.0")).package

    job = await inside.bring(GLOBEX, later)

    assert later.checksum == package.checksum
    assert job.outcome["artifactsWritten"] == 0


async def test_a_package_comes_home_to_the_very_artifacts_it_was_made_of(inside, package):
    before = await inside.heads(ACME)

    job = await inside.bring(ACME, package)

    assert job.outcome["artifactsUnchanged"] == 4
    assert await inside.heads(ACME) == before


async def test_a_dry_run_writes_nothing_but_its_plan(inside, package):
    before = await inside.row_counts()

    job = await inside.bring(GLOBEX, package, dry_run=True)

    assert written_to(before, await inside.row_counts()) <= BOOKS
    assert await inside.heads(GLOBEX) == {}
    assert job.outcome["counts"]["create"] == 4
    assert (await inside.services.records.plan(inside.caller, job.plan_id, None)).plan_hash == job.outcome["planHash"]


async def test_conflicts_wait_for_decisions_and_the_import_goes_on_with_them(inside, package):
    await inside.save(
        GLOBEX, a_rule_set("rule-1", name="RULESET 305"), an_entity("ent-1", "hours", name="EntitySchema 44")
    )
    paused = await inside.bring(GLOBEX, package)
    report = paused.outcome["conflictReport"]
    chosen = {row["conflictId"]: REPLACE if row["type"] == "RuleSet" else SKIP for row in report["conflicts"]}

    await inside.services.records.resume(inside.caller, paused.import_id, None, chosen)
    job = await inside.run_next()

    heads = await inside.heads(GLOBEX)
    assert (paused.state, job.state) == (ImportState.WAITING_FOR_DECISIONS, ImportState.SUCCEEDED)
    assert {row["artifactName"] for row in report["conflicts"]} == {"EntitySchema 44", "RuleSet 305"}
    assert heads["RuleSet 305"].artifact_id == "rule-1"
    assert heads["EntitySchema 44"].revision == 1
    contents = await inside.contents(GLOBEX)
    assert contents["AtlasForm 2005"]["fields"][0]["dataSource"]["entityId"] == "ent-1"
    assert contents["RuleSet 305"]["rules"][0]["condition"] == "ent-1.days > 1"
    assert is_whole(await inside.events(job.import_id))


async def test_a_resume_that_leaves_some_open_waits_again_with_the_same_ids_and_deadline(inside, package):
    await inside.save(
        GLOBEX, a_rule_set("rule-1", name="RuleSet 305"), an_entity("ent-1", "hours", name="EntitySchema 44")
    )
    first = await inside.bring(GLOBEX, package)
    ids = {row["type"]: row["conflictId"] for row in first.outcome["conflictReport"]["conflicts"]}
    inside.clock.advance(3_600)

    await inside.services.records.resume(inside.caller, first.import_id, None, {ids["EntitySchema"]: SKIP})
    second = await inside.run_next()

    assert second.state is ImportState.WAITING_FOR_DECISIONS
    assert second.expires_at == first.expires_at
    assert [row["conflictId"] for row in second.outcome["conflictReport"]["conflicts"]] == [ids["RuleSet"]]


async def test_a_resume_with_unknown_conflicts_is_refused_and_changes_nothing(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    paused = await inside.bring(GLOBEX, package)

    with pytest.raises(Refusal) as caught:
        await inside.services.records.resume(inside.caller, paused.import_id, None, {"conf-099": SKIP})

    assert caught.value.code is ErrorCode.BAD_USER_INPUT
    assert await inside.job(paused.import_id) == paused


async def test_nobody_answers_and_the_import_expires(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    paused = await inside.bring(GLOBEX, package)
    inside.clock.advance(24 * 3_600 + 1)

    await inside.services.upkeep.expire_waiting()

    assert (await inside.job(paused.import_id)).state is ImportState.EXPIRED
    assert is_whole(await inside.events(paused.import_id))


async def test_replace_keeps_the_id_and_takes_the_rest(inside, package):
    await inside.save(GLOBEX, a_form("form-9", name="atlasFORM 2005", title="Mine"))

    job = await inside.bring(GLOBEX, package, default_strategy=REPLACE)

    head = (await inside.heads(GLOBEX))["AtlasForm 2005"]
    assert (head.artifact_id, head.revision) == ("form-9", 2)
    assert "title" not in (await inside.contents(GLOBEX))["AtlasForm 2005"]
    assert job.outcome["conflictReport"]["conflicts"][0]["resolution"] == "Replace"


async def test_merge_keeps_what_only_the_tenant_has_and_falls_back_where_it_is_not_offered(inside, package):
    await inside.save(
        GLOBEX,
        an_entity("ent-1", "hours", name="EntitySchema 44", version="3.0.0"),
        a_form("form-9", name="AtlasForm 2005"),
    )

    job = await inside.bring(GLOBEX, package, default_strategy=MERGE)

    heads, contents = await inside.heads(GLOBEX), await inside.contents(GLOBEX)
    assert [row["fieldName"] for row in contents["EntitySchema 44"]["fields"]] == ["hours", "days"]
    assert (heads["EntitySchema 44"].version, heads["EntitySchema 44"].artifact_id) == ("3.0.0", "ent-1")
    assert heads["AtlasForm 2005"].revision == 1
    assert {row["code"] for row in job.outcome["warnings"]} == {"MergeFallback"}
    assert job.outcome["counts"] | {"merge": 1, "skip": 1, "create": 2} == job.outcome["counts"]


async def test_a_merge_twice_is_unchanged_the_second_time(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    await inside.bring(GLOBEX, package, default_strategy=MERGE)
    before = await inside.row_counts()

    job = await inside.bring(GLOBEX, package, default_strategy=MERGE)

    assert job.outcome["artifactsWritten"] == 0
    assert written_to(before, await inside.row_counts()) <= BOOKS


async def test_merged_contents_refer_to_artifacts_of_the_target(inside):
    await inside.save(ACME, an_entity("ent-44"), a_rule_set("rule-305", "ent-44"))
    package = (await inside.export(ACME, "rule-305")).package
    await inside.save(GLOBEX, an_entity("ent-7", name="Own"), a_rule_set("rule-1", "ent-7", name="RuleSet 305"))
    merged = a_rule_set("rule-1", name="RuleSet 305")
    merged["rules"] = [{"ruleId": "mine", "condition": "ent-7.days > 1"}]
    await inside.save(GLOBEX, merged)

    job = await inside.bring(GLOBEX, package, default_strategy=MERGE)

    async with inside.sql.view(GLOBEX) as unit:
        found = await unit.artifacts.references(["rule-1"])
    assert {r.target_id for r in found if r.kind is ReferenceKind.LITERAL} == {
        "ent-7",
        job.outcome["idRemapTable"]["ent-44"],
    }


async def test_skip_leaves_everything_and_others_refer_to_what_is_there(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))

    job = await inside.bring(GLOBEX, package, default_strategy=SKIP)

    contents = await inside.contents(GLOBEX)
    assert contents["AtlasForm 2005"]["fields"][0]["dataSource"]["entityId"] == "ent-1"
    assert (job.outcome["artifactsInstalled"], job.outcome["artifactsSkipped"]) == (3, 1)


async def test_a_renamed_artifact_is_found_by_its_origin(inside, package):
    await inside.bring(GLOBEX, package)
    before = await inside.heads(GLOBEX)
    suite = a_suite()
    suite[2] = suite[2] | {"name": "Renamed"}
    await inside.save(ACME, *suite)
    second = (await inside.export(ACME, ROOT, version="1.1.0")).package

    job = await inside.bring(GLOBEX, second, default_strategy=REPLACE)

    after = await inside.heads(GLOBEX)
    assert after["Renamed"].artifact_id == before["AtlasForm 2005"].artifact_id
    assert "AtlasForm 2005" not in after
    assert job.outcome["counts"]["update"] == 1


async def test_two_artifacts_may_swap_their_names(inside):
    await inside.save(ACME, an_entity("ent-1", name="A"), an_entity("ent-2", name="B"))
    first = (await inside.export(ACME, "ent-1", "ent-2", package_type="config-package")).package
    await inside.bring(GLOBEX, first)
    before = await inside.heads(GLOBEX)
    await inside.save(ACME, an_entity("ent-2", name="C"))
    await inside.save(ACME, an_entity("ent-1", name="B"))
    await inside.save(ACME, an_entity("ent-2", name="A"))
    second = (await inside.export(ACME, "ent-1", "ent-2", version="1.1.0")).package

    await inside.bring(GLOBEX, second, default_strategy=REPLACE)

    after = await inside.heads(GLOBEX)
    assert (after["A"].artifact_id, after["B"].artifact_id) == (before["B"].artifact_id, before["A"].artifact_id)


async def test_a_name_that_a_skipped_artifact_keeps_is_said_and_not_tried_again_and_again(inside):
    await inside.save(ACME, an_entity("ent-1", name="A"))
    await inside.bring(GLOBEX, (await inside.export(ACME, "ent-1")).package)
    await inside.save(ACME, an_entity("ent-1", name="B"))
    await inside.save(ACME, an_entity("ent-2", name="A"))
    second = (await inside.export(ACME, "ent-1", "ent-2", version="1.1.0")).package

    job = await inside.bring(GLOBEX, second, default_strategy=SKIP)

    assert job.state is ImportState.FAILED
    assert await codes(inside, job) == {ErrorCode.DUPLICATE_ARTIFACT}
    assert {*await inside.heads(GLOBEX)} == {"A"}


async def test_a_replaced_artifact_may_not_take_the_name_of_another(inside):
    await inside.save(ACME, an_entity("ent-1", name="A"))
    await inside.bring(GLOBEX, (await inside.export(ACME, "ent-1")).package)
    await inside.save(GLOBEX, an_entity("ent-7", name="B"))
    await inside.save(ACME, an_entity("ent-1", name="B"))
    second = (await inside.export(ACME, "ent-1", version="1.1.0")).package
    paused = await inside.bring(GLOBEX, second, default_strategy=REPLACE)
    key = paused.outcome["conflictReport"]["conflicts"][0]["conflictId"]

    await inside.services.records.resume(inside.caller, paused.import_id, None, {key: REPLACE})
    job = await inside.run_next()

    assert paused.state is ImportState.WAITING_FOR_DECISIONS
    assert await codes(inside, job) == {ErrorCode.DUPLICATE_ARTIFACT}


async def test_an_artifact_deleted_in_the_target_is_created_anew(inside, package):
    await inside.bring(GLOBEX, package)
    gone = (await inside.heads(GLOBEX))["ProcessDefinition 1001"].artifact_id
    await inside.change(GLOBEX, remove=(gone,))

    job = await inside.bring(GLOBEX, package)

    assert job.outcome["counts"] | {"create": 1, "unchanged": 3} == job.outcome["counts"]
    assert (await inside.heads(GLOBEX))["ProcessDefinition 1001"].artifact_id != gone


@pytest.mark.parametrize(
    ("status", "strategy", "expected"),
    [
        (ArtifactStatus.LOCKED, REPLACE, ErrorCode.ARTIFACT_LOCKED),
        (ArtifactStatus.LOCKED, MERGE, ErrorCode.ARTIFACT_LOCKED),
        (ArtifactStatus.DRAFT, REPLACE, None),
        (ArtifactStatus.LOCKED, SKIP, None),
    ],
)
async def test_locked_blocks_and_a_draft_is_replaced_with_a_warning(inside, package, status, strategy, expected):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"), status=status)

    job = await inside.bring(GLOBEX, package, default_strategy=strategy)

    if expected:
        assert await codes(inside, job) == {expected}
    else:
        told = {row["code"] for row in job.outcome["warnings"]}
        assert told == ({"DraftReplaced"} if status is ArtifactStatus.DRAFT else set())


async def test_imported_artifacts_keep_the_status_that_the_bundle_states(inside):
    raw = a_bundle(an_entity("ent-1", "hours", name="D", status="Draft"), an_entity("ent-2", name="L", status="Locked"))

    await inside.bring(GLOBEX, raw)

    heads = await inside.heads(GLOBEX)
    assert (heads["D"].status, heads["L"].status) == (ArtifactStatus.DRAFT, ArtifactStatus.LOCKED)


async def test_a_foreign_id_that_changed_its_type_never_changes_an_artifact_of_ours(inside):
    await inside.bring(GLOBEX, a_bundle(_as("x1", an_entity("ent-1", "hours", name="Thing"))))

    job = await inside.bring(GLOBEX, a_bundle(_as("x1", a_form("form-1", name="Thing")), version="1.1.0"))

    heads = [head async for head in _all(inside, GLOBEX)]
    assert job.outcome["counts"]["create"] == 1
    assert sorted((head.artifact_type.wire, head.revision) for head in heads) == [("AtlasForm", 1), ("EntitySchema", 1)]


async def test_credentials_stay_at_home_and_the_active_one_survives_an_update(inside):
    agent = an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme", "model": "m1"})
    await inside.save(ACME, agent)
    exported = await inside.export(ACME, "agent-1", package_type="agent-package")
    raw = await inside.bytes_of(exported.package)

    refused = await inside.bring(GLOBEX, exported.package)
    first = await inside.bring(GLOBEX, exported.package, bindings={"agent-1/llmConfig/credentialId": "cred-globex"})
    await inside.save(ACME, an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme", "model": "m2"}))
    second = await inside.export(ACME, "agent-1", package_type="agent-package", version="1.1.0")
    await inside.bring(GLOBEX, second.package, default_strategy=REPLACE)

    assert b"cred-acme" not in b"".join(_members(raw).values())
    assert exported.warnings == ()
    assert exported.package.manifest["bindings"] == [
        {"artifactId": "agent-1", "path": "/llmConfig/credentialId", "kind": "credential", "hint": "Ada: credentialId"}
    ]
    assert await codes(inside, refused) == {ErrorCode.BINDING_UNRESOLVED}
    assert first.state is ImportState.SUCCEEDED
    assert (await inside.contents(GLOBEX))["Ada"]["llmConfig"] == {"credentialId": "cred-globex", "model": "m2"}


async def test_a_package_that_comes_home_leaves_the_active_credential(inside):
    await inside.save(ACME, an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme"}))
    package = (await inside.export(ACME, "agent-1")).package
    await inside.save(ACME, an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-new"}, note="x"))

    job = await inside.bring(ACME, package, default_strategy=REPLACE)

    assert job.outcome["counts"]["update"] == 1
    ada = (await inside.contents(ACME))["Ada"]
    assert (ada["llmConfig"], "note" in ada) == ({"credentialId": "cred-new"}, False)


async def test_an_agent_without_its_credential_may_be_imported_switched_off(inside):
    await inside.save(ACME, an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme"}))
    package = (await inside.export(ACME, "agent-1")).package

    job = await inside.bring(GLOBEX, package, unresolved_bindings=UnresolvedBindings.IMPORT_SWITCHED_OFF)

    assert (await inside.heads(GLOBEX))["Ada"].status is ArtifactStatus.LOCKED
    assert [row["code"] for row in job.outcome["warnings"]] == ["BindingMissing"]


async def test_what_looks_like_a_secret_is_left_out_with_a_warning(inside):
    secret = "AKIAIOSFODNN7EXAMPLE"
    process = a_process("proc-1", name="P", nodes=[{"config": {"args": ["x", secret]}}], **{secret: "by name"})
    await inside.save(ACME, process)

    exported = await inside.export(ACME, "proc-1")
    raw = await inside.bytes_of(exported.package)
    job = await inside.bring(GLOBEX, raw, bindings={"proc-1/nodes/0/config/args/1": "own"})

    assert secret.encode() not in b"".join(_members(raw).values())
    assert {warning.code for warning in exported.warnings} == {ErrorCode.CREDENTIAL_REMOVED}
    assert [row["path"] for row in exported.package.manifest["bindings"]] == ["/nodes/0/config/args/1"]
    assert job.state is ImportState.SUCCEEDED
    assert (await inside.contents(GLOBEX))["P"]["nodes"] == [{"config": {"args": ["x", "own"]}}]


async def test_the_same_revisions_give_the_same_package_again(inside, package):
    inside.clock.advance(86_400)
    again = (await inside.export(ACME, ROOT, version="1.0.1")).package

    first, second = [_members(await inside.bytes_of(one)) for one in (package, again)]
    manifests = [json.loads(members.pop("manifest.json")) for members in (first, second)]
    readmes = [members.pop("README.md").decode().splitlines() for members in (first, second)]

    volatile = {"packageId", "exportedAt", "exportedBy", "readmeHash", "contentChecksum", "version"}
    assert first == second
    kept = [{key: value for key, value in tree.items() if key not in volatile} for tree in manifests]
    assert kept[0] == kept[1]
    assert len([1 for one, other in zip(*readmes, strict=True) if one != other]) == 2


async def test_a_taken_version_is_a_conflict_that_says_whether_it_is_the_same(inside, package):
    with pytest.raises(Refusal) as same:
        await inside.export(ACME, ROOT, package_name="STARTER")
    await inside.save(ACME, an_entity("ent-44", "hours"))
    with pytest.raises(Refusal) as other:
        await inside.export(ACME, ROOT)

    assert [caught.value.details for caught in (same, other)] == [
        {"existingPackageId": package.package_id, "identical": True},
        {"existingPackageId": package.package_id, "identical": False},
    ]


async def test_drafts_dangling_and_foreign_references_are_all_told(inside):
    await inside.save(ACME, an_entity("ent-1"), status=ArtifactStatus.DRAFT)
    await inside.save(GLOBEX, a_rule_set("rule-9"))
    await inside.save(ACME, a_form("form-1", entity="ent-1", rules="rule-9", formGroups=["fgroup-0"]))

    with pytest.raises(Refusal) as caught:
        await inside.export(ACME, "form-1", "form-0", version="1")

    assert caught.value.code is ErrorCode.VALIDATION_FAILED
    assert {problem.code for problem in caught.value.problems} == {
        ErrorCode.INVALID_VERSION,
        ErrorCode.ARTIFACT_NOT_FOUND,
        ErrorCode.CROSS_TENANT_REFERENCE,
        ErrorCode.INCOMPLETE_ARTIFACT,
        ErrorCode.ARTIFACT_NOT_EXPORTABLE,
    }


async def test_too_many_artifacts_are_told_alone(inside):
    groups = [f"fgroup-{number}" for number in range(600)]
    await inside.save(ACME, *[_group(group) for group in groups])
    await inside.save(ACME, *[an_entity(f"ent-{number}") for number in range(600)])
    await inside.save(ACME, a_form("form-1", formGroups=groups))

    with pytest.raises(Refusal) as caught:
        await inside.export(ACME, "form-1")

    assert [problem.code for problem in caught.value.problems] == [ErrorCode.BUNDLE_SIZE_EXCEEDED]


async def test_an_id_in_a_text_is_named_by_the_preview_when_there_is_such_an_artifact(inside):
    await inside.save(ACME, a_rule_set("rule-1"), a_form("form-1", help="first\nrule-1 or rule-2"))

    preview = await inside.services.exporter.preview(inside.caller, ACME, ["form-1"])

    assert [(warning.code, warning.where) for warning in preview.warnings] == [
        (ErrorCode.DYNAMIC_REFERENCE, "form-1/help")
    ]


async def test_an_import_into_a_tenant_that_was_suspended_meanwhile_fails_and_writes_nothing(inside, package):
    submitted = await inside.submit(GLOBEX, package)
    await inside.services.tenancy.update(inside.caller, GLOBEX, TenantChange(status=TenantStatus.SUSPENDED))

    job = await inside.run_next()

    assert job.import_id == submitted.import_id
    assert await codes(inside, job) == {ErrorCode.INVALID_TENANT_ID}
    assert is_whole(await inside.events(job.import_id))


async def test_a_bundle_that_is_gone_is_said_to_be_gone(inside, package):
    await inside.submit(GLOBEX, package)
    await inside.blobs.delete(package.blob_key)

    job = await inside.run_next()

    assert (await codes(inside, job), job.failure.status) == ({ErrorCode.BUNDLE_EXPIRED}, 410)


async def test_a_failed_import_keeps_its_scan_report_and_the_word_of_its_stage(inside):
    raw = a_bundle(a_process("proc-1", nodes=[{"config": {"expression": "eval('x')"}}]))

    job = await inside.bring(GLOBEX, raw)

    reports = await inside.services.records.scan_reports(inside.caller, job)
    assert job.state is ImportState.FAILED
    assert job.failure.stage.wire == "SecurityScan"
    assert len(reports) == 1
    assert is_whole(await inside.events(job.import_id))


async def test_a_big_import_arrives_in_batches_and_is_active_at_once(inside):
    entities = [an_entity(f"ent-{number}", note="x" * 100) for number in range(1_000)]

    job = await inside.bring(GLOBEX, a_bundle(*entities))

    events = await inside.events(job.import_id)
    assert job.outcome["artifactsWritten"] == 1_000
    assert len(await inside.heads(GLOBEX)) == 1_000
    assert is_whole(events)
    installing = [
        e.progress.done for e in events if e.kind is EventKind.PROGRESS and e.progress.stage is Stage.INSTALLATION
    ]
    assert installing == [*range(50, 1_001, 50)]


async def test_batches_are_cut_by_their_bytes_too(inside):
    entities = [an_entity(f"ent-{number}", note="x" * (2 << 20)) for number in range(4)]

    job = await inside.bring(GLOBEX, a_bundle(*entities))

    done = [e.progress.done for e in await inside.events(job.import_id) if "artifacts installed" in e.message]
    assert (job.outcome["artifactsWritten"], done) == (4, [2, 4])


async def test_only_the_actor_is_recorded_and_importedby_is_told_to_be_ignored(inside, package):
    job = await inside.bring(GLOBEX, package, imported_by="boss@acme.example")

    audit = await inside.services.records.audit(inside.caller, job)
    assert job.outcome["installedBy"] == "anna@acme.example"
    assert [row["code"] for row in job.outcome["warnings"]] == ["ImportedByIgnored"]
    assert audit[-1].details["onBehalfOf"] == "boss@acme.example"


async def test_a_plan_never_takes_the_tenants_place(inside, package):
    await inside.submit(GLOBEX, package)
    running = await inside.claim()
    planned = await inside.submit(GLOBEX, package, dry_run=True)

    second = await inside.claim("other")

    assert running.import_id != planned.import_id
    assert second.import_id == planned.import_id


def _as(source_id, tree):
    return tree | {"id": source_id}


def _group(artifact_id):
    return {
        "_type": "FormGroup",
        "_version": "1.0.0",
        "id": artifact_id,
        "name": artifact_id,
        "fields": [{"dataSource": {"entityId": f"ent-{artifact_id.partition('-')[2]}"}}],
    }


def _members(raw):
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def _all(inside, tenant):
    async with inside.sql.view(tenant) as unit:
        page = await unit.artifacts.page(ArtifactFilter(), first=100)
    for head in page.items:
        yield head
