"""Whole stories: export in one tenant, import into another, and again, and otherwise."""

from __future__ import annotations

import pytest

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Refusal
from domain.holding import BATCH_REVISIONS
from domain.import_model import EventKind, ImportState, Stage
from domain.model import ArtifactStatus, TenantStatus
from domain.options import Decision
from domain.tenant_changes import TenantChange
from tests.journeys.inside import (
    ACME,
    BOOKS,
    GLOBEX,
    REPLACE,
    ROOT,
    SKIP,
    codes,
    is_whole,
    visible,
    written_to,
)
from tests.makers import a_bundle, a_form, a_process, a_rule_set, an_entity


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

    found = await inside.services.batches.used_by(inside.caller, GLOBEX, [remap["ent-44"]], first=10, after=None)

    assert {head.artifact_id for head in found[remap["ent-44"]].items} == {remap["rule-305"], remap["form-2005"]}


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
    chosen = {row["conflictId"]: Decision(REPLACE if row["type"] == "RuleSet" else SKIP) for row in report["conflicts"]}

    await inside.services.line.resume(inside.caller, paused.import_id, None, chosen)
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

    await inside.services.line.resume(inside.caller, first.import_id, None, {ids["EntitySchema"]: Decision(SKIP)})
    second = await inside.run_next()

    assert second.state is ImportState.WAITING_FOR_DECISIONS
    assert second.expires_at == first.expires_at
    rows = second.outcome["conflictReport"]["conflicts"]
    assert second.outcome["conflictReport"]["conflictsFound"] == 2
    assert {row["conflictId"]: row["proposedStrategy"] for row in rows} == {
        ids["EntitySchema"]: "Skip",
        ids["RuleSet"]: None,
    }
    assert (await inside.events(first.import_id))[-1].message == "1 conflict waits for a decision."


async def test_a_resume_without_decisions_waits_again_and_every_conflict_keeps_its_id(inside, package):
    await inside.save(GLOBEX, a_rule_set("rule-1", name="RuleSet 305"))
    first = await inside.bring(GLOBEX, package)
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))

    await inside.services.line.resume(inside.caller, first.import_id, None, {})
    second = await inside.run_next()

    keys = {row["type"]: row["conflictId"] for row in second.outcome["conflictReport"]["conflicts"]}
    assert keys == {"RuleSet": "conf-001", "EntitySchema": "conf-002"}


async def test_a_resume_with_unknown_conflicts_is_refused_and_changes_nothing(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    paused = await inside.bring(GLOBEX, package)

    with pytest.raises(Refusal) as caught:
        await inside.services.line.resume(inside.caller, paused.import_id, None, {"conf-099": Decision(SKIP)})

    assert caught.value.code is ErrorCode.BAD_USER_INPUT
    assert await inside.job(paused.import_id) == paused


async def test_decisions_that_come_too_late_are_refused_though_no_sweep_came_by(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    paused = await inside.bring(GLOBEX, package)
    inside.clock.advance(24 * 3_600)

    with pytest.raises(Refusal) as caught:
        await inside.services.line.resume(inside.caller, paused.import_id, None, {"conf-001": Decision(SKIP)})

    assert (caught.value.code, caught.value.status) == (ErrorCode.IMPORT_EXPIRED, 410)
    assert await inside.job(paused.import_id) == paused


async def test_what_a_strategy_decided_is_reported_and_can_be_decided_otherwise(inside, package):
    await inside.save(
        GLOBEX, a_rule_set("rule-1", name="RuleSet 305"), an_entity("ent-1", "hours", name="EntitySchema 44")
    )
    paused = await inside.bring(GLOBEX, package, strategy_by_type={ArtifactType.ENTITY_SCHEMA: REPLACE})
    rows = {row["type"]: row for row in paused.outcome["conflictReport"]["conflicts"]}

    decisions = {row["conflictId"]: Decision(SKIP) for row in rows.values()}
    await inside.services.line.resume(inside.caller, paused.import_id, None, decisions)
    job = await inside.run_next()

    assert [rows[kind]["proposedStrategy"] for kind in ("EntitySchema", "RuleSet")] == ["Replace", None]
    assert job.outcome["counts"]["skip"] == 2


async def test_nobody_answers_and_the_import_expires(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    paused = await inside.bring(GLOBEX, package)
    inside.clock.advance(24 * 3_600 + 1)

    await inside.services.upkeep.expire_waiting()

    assert (await inside.job(paused.import_id)).state is ImportState.EXPIRED
    assert is_whole(await inside.events(paused.import_id))


async def test_an_import_into_a_tenant_that_was_suspended_meanwhile_fails_and_writes_nothing(inside, package):
    submitted = await inside.submit(GLOBEX, package)
    await inside.services.tenant_changes.update(inside.caller, GLOBEX, TenantChange(status=TenantStatus.SUSPENDED))

    job = await inside.run_next()

    assert job.import_id == submitted.import_id
    assert codes(job) == {ErrorCode.INVALID_TENANT_ID}
    assert is_whole(await inside.events(job.import_id))


async def test_a_bundle_that_is_gone_is_said_to_be_gone(inside, package):
    await inside.submit(GLOBEX, package)
    await inside.blobs.delete(package.blob_key)

    job = await inside.run_next()

    assert (codes(job), job.failure.status) == ({ErrorCode.BUNDLE_EXPIRED}, 410)


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
    assert installing == [*range(BATCH_REVISIONS, 1_001, BATCH_REVISIONS)]


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


@pytest.mark.parametrize("end", ["fails", "is cancelled", "is cancelled in line", "expires"])
async def test_the_audit_keeps_on_whose_behalf_however_an_import_ends(inside, package, end):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    source = a_bundle(an_entity("ent-1"))[:-30] if end == "fails" else package
    job = await inside.submit(GLOBEX, source, imported_by="boss@acme.example")

    if end != "is cancelled in line":
        await inside.run_next()
    if end.startswith("is cancelled"):
        await inside.services.line.cancel(inside.caller, job.import_id, None)
    inside.clock.advance(25 * 3_600)
    await inside.services.upkeep.expire_waiting()

    job = await inside.job(job.import_id)
    audit = await inside.services.records.audit(inside.caller, job)
    assert job.state.is_final
    assert (audit[0].action, audit[0].details["onBehalfOf"]) == ("import.submitted", "boss@acme.example")
    assert end != "fails" or audit[-1].details["onBehalfOf"] == "boss@acme.example"


@pytest.mark.parametrize("named", [None, "anna", "anna@acme.example"])
async def test_nobody_is_named_who_imports_for_themselves(inside, package, named):
    job = await inside.bring(GLOBEX, package, imported_by=named)

    (entry,) = await inside.services.records.audit(inside.caller, job)
    assert "onBehalfOf" not in entry.details
    assert job.outcome["warnings"] == []


async def test_a_plan_never_takes_the_tenants_place(inside, package):
    await inside.submit(GLOBEX, package)
    running = await inside.claim()
    planned = await inside.submit(GLOBEX, package, dry_run=True)

    second = await inside.claim("other")

    assert running.import_id != planned.import_id
    assert second.import_id == planned.import_id


async def test_a_failed_small_import_tells_every_stage_once(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"), status=ArtifactStatus.LOCKED)

    job = await inside.bring(GLOBEX, package, default_strategy=REPLACE)

    events = await inside.events(job.import_id)
    begun = [event.progress.stage for event in events if event.kind is EventKind.STAGE_STARTED]
    assert begun == [Stage.VALIDATION, Stage.SECURITY_SCAN, Stage.DEPENDENCY_CHECK, Stage.PLANNING]
    assert job.stage is Stage.PLANNING
    assert events[-1].progress.sentence == "0 of 4 artifacts installed"
    assert is_whole(events)


async def test_a_bundle_that_says_it_is_ours_may_not_refer_to_what_is_not_there(inside):
    job = await inside.bring(ACME, a_bundle(a_form(entity="ent-99"), tenant_id=ACME))

    assert codes(job) == {ErrorCode.BROKEN_REFERENCE}
    assert (job.failure.status, job.failure.stage) == (422, Stage.VERIFICATION)
    assert await inside.heads(ACME) == {}
    assert (await inside.tenant_counts(ACME))["revision"] == 0
