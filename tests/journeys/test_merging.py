"""Merging with what a package put there before, copying beside what is there, and following what a package drops."""

from __future__ import annotations

import pytest

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.model import ArtifactId, ArtifactStatus, ExternalReference, PackageDependency
from domain.options import ConflictStrategy, Decision, Side
from domain.plan_model import ActionKind
from tests.journeys.inside import ACME, BOOKS, GLOBEX, MERGE, REPLACE, SKIP, codes, written_to
from tests.makers import SOURCE, a_bundle, a_form, a_rule_set, an_entity

pytestmark = pytest.mark.rules

COPY = ConflictStrategy.COPY


def rules(*rows, **members):
    made = [{"ruleId": key, "condition": condition} for key, condition in rows]
    return a_rule_set("rule-1", name="Rules") | {"rules": made} | members


async def shipped(inside, tree, version="1.0.0"):
    """This rule set, in a version of the package."""
    await inside.save(ACME, tree)
    return (await inside.export(ACME, "rule-1", version=version)).package


async def edited(inside, *rows, **members):
    """The tenant's own edit of what the package brought."""
    head = (await inside.heads(GLOBEX))["Rules"]
    await inside.save(GLOBEX, rules(*rows, **members) | {"id": head.artifact_id})


async def rules_there(inside):
    return [(row["ruleId"], row["condition"]) for row in (await inside.contents(GLOBEX))["Rules"]["rules"]]


# ---- three sides


async def test_edits_here_and_changes_there_come_together_and_removals_are_changes(inside):
    await inside.bring(GLOBEX, await shipped(inside, rules(("a", "1"), ("b", "1"), ("c", "1"))))
    await edited(inside, ("a", "mine"), ("b", "1"), ("c", "1"), ("own", "1"))
    second = await shipped(inside, rules(("a", "1"), ("b", "2"), ("new", "1")), "1.1.0")

    job = await inside.bring(GLOBEX, second, default_strategy=MERGE)
    before = await inside.row_counts()
    again = await inside.bring(GLOBEX, second, default_strategy=MERGE)

    assert await rules_there(inside) == [("a", "mine"), ("b", "2"), ("own", "1"), ("new", "1")]
    assert (job.outcome["counts"]["merge"], again.outcome["counts"]["unchanged"]) == (1, 1)
    assert written_to(before, await inside.row_counts()) <= BOOKS


async def clashing(inside, **options):
    """An import that meets one place that both sides changed, and one that it need not ask about."""
    await inside.bring(GLOBEX, await shipped(inside, rules(("a", "1"), ("b", "1"))))
    await edited(inside, ("a", "mine"), ("b", "1"))
    second = await shipped(inside, rules(("a", "theirs"), ("b", "2")), "1.1.0")
    return await inside.bring(GLOBEX, second, **{"default_strategy": MERGE, **options})


async def test_a_place_that_both_sides_changed_is_asked_for_and_decided(inside):
    paused = await clashing(inside)
    (row,) = paused.outcome["conflictReport"]["conflicts"]

    taken = {row["conflictId"]: Decision(sides={"/rules/0/condition": Side.PACKAGE})}
    await inside.services.line.resume(inside.caller, paused.import_id, None, taken)
    job = await inside.run_next()

    assert row["paths"] == [{"pointer": "/rules/0/condition", "decided": None}]
    (warning,) = [one for one in paused.outcome["warnings"] if one["code"] == "MergeConflict"]
    assert warning["where"] == "rules[0].condition"
    assert warning["details"] == {
        "field": "rules[0].condition",
        "pointer": "/rules/0/condition",
        "existing": "mine",
        "package": "theirs",
        "action": "Decide the path, or the whole artifact.",
    }
    assert await rules_there(inside) == [("a", "theirs"), ("b", "2")]
    assert job.outcome["counts"]["merge"] == 1
    (audited,) = await inside.services.conflicts.audit(inside.caller, job.import_id, None)
    assert (audited.resolved_by.subject, audited.action.decided_by.wire) == ("anna", "PerPath")


async def test_the_three_values_of_a_place_can_be_looked_at_while_it_waits_and_afterwards(inside):
    paused = await clashing(inside)

    waiting = await inside.services.conflicts.diff(inside.caller, paused.import_id, "conf-001", None)
    decision = Decision(MERGE, {"/rules/0/condition": Side.EXISTING})
    await inside.services.line.resume(inside.caller, paused.import_id, None, {"conf-001": decision})
    await inside.run_next()
    decided = await inside.services.conflicts.diff(inside.caller, paused.import_id, "conf-001", None)

    told = [[(p.pointer, p.base, p.existing, p.package, p.side) for p in diff.paths] for diff in (waiting, decided)]
    assert told == [
        [("/rules/0/condition", "1", "mine", "theirs", None)],
        [("/rules/0/condition", "1", "mine", "theirs", Side.EXISTING)],
    ]
    assert await rules_there(inside) == [("a", "mine"), ("b", "2")]


async def test_a_place_that_was_decided_for_the_tenant_is_not_asked_for_again(inside):
    paused = await clashing(inside)
    taken = {"conf-001": Decision(sides={"/rules/0/condition": Side.EXISTING})}
    await inside.services.line.resume(inside.caller, paused.import_id, None, taken)
    await inside.run_next()

    third = await shipped(inside, rules(("a", "theirs"), ("b", "3")), "1.2.0")
    again = await inside.bring(GLOBEX, third, default_strategy=MERGE)

    assert again.state is ImportState.SUCCEEDED
    assert await rules_there(inside) == [("a", "mine"), ("b", "3")]


async def test_decisions_sent_with_the_import_are_by_artifact_and_by_path(inside):
    sent = {"rule-1": Decision(sides={"/rules/0/condition": Side.PACKAGE})}

    job = await clashing(inside, decisions=sent, default_strategy=SKIP)
    third = await shipped(inside, rules(("a", "x")), "1.2.0")
    again = await inside.bring(GLOBEX, third, decisions={"rule-1": Decision(SKIP)})

    assert job.state is ImportState.SUCCEEDED
    assert await rules_there(inside) == [("a", "theirs"), ("b", "2")]
    assert again.outcome["counts"]["skip"] == 1


async def test_without_a_strategy_the_report_says_what_a_merge_would_ask(inside):
    paused = await clashing(inside, default_strategy=None)
    (row,) = paused.outcome["conflictReport"]["conflicts"]

    await inside.services.line.resume(inside.caller, paused.import_id, None, {row["conflictId"]: Decision(MERGE)})
    asked = await inside.run_next()

    assert (row["proposedStrategy"], [one["pointer"] for one in row["paths"]]) == (None, ["/rules/0/condition"])
    assert asked.state is ImportState.WAITING_FOR_DECISIONS
    assert asked.outcome["conflictReport"]["conflicts"][0]["paths"] == row["paths"]


async def test_decisions_about_nothing_are_refused_with_the_list_and_change_nothing(inside):
    paused = await clashing(inside)
    strange = {"conf-001": Decision(MERGE, {"/rules/7": Side.PACKAGE}), "conf-009": Decision(SKIP)}

    with pytest.raises(Refusal) as caught:
        await inside.services.line.resume(inside.caller, paused.import_id, None, strange)

    details = [problem.details for problem in caught.value.problems]
    assert caught.value.code is ErrorCode.BAD_USER_INPUT
    assert details == [
        {"unknown": ["conf-009"]},
        {"unknownPaths": [{"conflictId": "conf-001", "pointer": "/rules/7"}]},
    ]
    assert await inside.job(paused.import_id) == paused


async def test_decisions_about_artifacts_that_the_package_does_not_hold_are_refused_before_anything_is_written(inside):
    before = await inside.tenant_counts(GLOBEX)
    package = await shipped(inside, rules(("a", "1")))

    job = await inside.bring(GLOBEX, package, decisions={"rule-1": Decision(SKIP), "rule-9": Decision(SKIP)})

    assert codes(job) == {ErrorCode.INVALID_OPTIONS}
    assert job.failure.problems[0].details == {"unknown": ["rule-9"]}
    assert (await inside.tenant_counts(GLOBEX))["revision"] == before["revision"]


async def test_an_artifact_that_changed_while_its_import_waited_is_told_and_its_paths_are_asked_for_again(inside):
    paused = await clashing(inside)
    await edited(inside, ("first", "1"), ("a", "mine"), ("b", "1"))

    taken = {"conf-001": Decision(sides={"/rules/0/condition": Side.PACKAGE})}
    await inside.services.line.resume(inside.caller, paused.import_id, None, taken)
    again = await inside.run_next()

    (row,) = again.outcome["conflictReport"]["conflicts"]
    (told,) = [one for one in again.outcome["warnings"] if one["code"] == "ChangedMeanwhile"]
    head = (await inside.heads(GLOBEX))["Rules"]
    assert again.state is ImportState.WAITING_FOR_DECISIONS
    assert row["paths"] == [{"pointer": "/rules/1/condition", "decided": None}]
    assert (told["details"]["artifactId"], told["details"]["revision"]) == (head.artifact_id, head.revision)
    assert told["details"]["changedBy"] == "anna@acme.example"
    assert again.expires_at == paused.expires_at


async def test_paths_can_be_decided_one_after_the_other(inside):
    await inside.bring(GLOBEX, await shipped(inside, rules(("a", "1"), ("b", "1"))))
    await edited(inside, ("a", "mine"), ("b", "mine"))
    second = await shipped(inside, rules(("a", "theirs"), ("b", "theirs")), "1.1.0")
    paused = await inside.bring(GLOBEX, second, default_strategy=MERGE)

    states = []
    for place, side in enumerate((Side.PACKAGE, Side.EXISTING)):
        taken = {"conf-001": Decision(sides={f"/rules/{place}/condition": side})}
        await inside.services.line.resume(inside.caller, paused.import_id, None, taken)
        states.append((await inside.run_next()).state)

    assert states == [ImportState.WAITING_FOR_DECISIONS, ImportState.SUCCEEDED]
    assert await rules_there(inside) == [("a", "theirs"), ("b", "mine")]


# ---- copies


async def test_a_copy_stands_beside_what_is_there_and_the_package_refers_to_the_copy(inside):
    await inside.save(GLOBEX, an_entity("ent-7", "mine", name="Days"), an_entity("ent-8", name="DAYS (2)"))
    await inside.save(ACME, an_entity("ent-1", name="Days"), a_form("form-1", entity="ent-1", name="Form"))
    package = (await inside.export(ACME, "form-1")).package

    job = await inside.bring(GLOBEX, package, strategy_by_type={ArtifactType.ENTITY_SCHEMA: COPY})
    before = await inside.row_counts()
    again = await inside.bring(GLOBEX, package, strategy_by_type={ArtifactType.ENTITY_SCHEMA: COPY})

    heads, contents = await inside.heads(GLOBEX), await inside.contents(GLOBEX)
    copy = heads["Days (3)"]
    assert (heads["Days"].artifact_id, heads["Days"].revision) == ("ent-7", 1)
    assert contents["Form"]["fields"][0]["dataSource"]["entityId"] == copy.artifact_id
    assert contents["Days (3)"]["name"] == "Days (3)"
    assert (copy.origin.source_id, copy.revision) == ("ent-1", 1)
    assert (job.outcome["counts"]["copy"], job.outcome["installed"][0]["action"]) == (1, "Copied")
    assert again.outcome["counts"] | {"unchanged": 2, "copy": 0} == again.outcome["counts"]
    assert again.outcome["idRemapTable"] == job.outcome["idRemapTable"]
    assert written_to(before, await inside.row_counts()) <= BOOKS


async def test_an_ambiguous_match_can_be_decided_as_a_copy(inside):
    await inside.save(ACME, an_entity("ent-1", name="A"))
    await inside.bring(GLOBEX, (await inside.export(ACME, "ent-1")).package)
    await inside.save(GLOBEX, an_entity("ent-7", name="B"))
    await inside.save(ACME, an_entity("ent-1", name="B"))
    second = (await inside.export(ACME, "ent-1", version="1.1.0")).package

    paused = await inside.bring(GLOBEX, second, default_strategy=REPLACE)
    await inside.services.line.resume(inside.caller, paused.import_id, None, {"conf-001": Decision(COPY)})
    job = await inside.run_next()

    assert paused.state is ImportState.WAITING_FOR_DECISIONS
    assert job.outcome["counts"]["copy"] == 1
    assert {*await inside.heads(GLOBEX)} == {"A", "B", "B (2)"}


# ---- what a package drops


async def two_entities(inside):
    """A package of two entities in the tenant, and its next version, which has one of them."""
    await inside.save(ACME, an_entity("ent-1", name="Kept"), an_entity("ent-2", name="Dropped"))
    first = (await inside.export(ACME, "ent-1", "ent-2")).package
    await inside.bring(GLOBEX, first)
    return (await inside.export(ACME, "ent-1", version="1.1.0")).package


async def test_what_the_new_version_dropped_is_removed_where_that_is_wished(inside):
    second = await two_entities(inside)
    dropped = (await inside.heads(GLOBEX))["Dropped"]

    shown = await inside.bring(GLOBEX, second, default_strategy=REPLACE, remove_dropped=True, dry_run=True)
    job = await inside.bring(GLOBEX, second, default_strategy=REPLACE, remove_dropped=True, backup_before_replace=True)

    assert {*await inside.heads(GLOBEX)} == {"Kept"}
    row = {"type": "EntitySchema", "name": "Dropped", "artifactId": dropped.artifact_id}
    assert (shown.outcome["wouldRemove"], job.outcome["removed"]) == ([row], [row])
    assert job.outcome["counts"] | {"unchanged": 1, "remove": 1} == job.outcome["counts"]
    assert (job.outcome["installOrder"], [*job.outcome["idRemapTable"]]) == (["ent-1"], ["ent-1"])
    assert job.outcome["artifactsInstalled"] == 1
    backup = await inside.services.records.get_package(inside.caller, job.outcome["backupPackageId"], None)
    assert backup.artifact_count == 1
    async with inside.sql.view(GLOBEX) as unit:
        head = (await unit.artifacts.heads([dropped.artifact_id]))[dropped.artifact_id]
        bodies = await unit.artifacts.bodies([head.revision_id, dropped.revision_id])
    assert (head.status, head.revision) == (ArtifactStatus.DELETED, 2)
    assert bodies[head.revision_id] == bodies[dropped.revision_id]


async def test_nothing_is_removed_without_the_wish(inside):
    second = await two_entities(inside)

    job = await inside.bring(GLOBEX, second, default_strategy=REPLACE)

    assert job.outcome["counts"]["remove"] == 0
    assert {*await inside.heads(GLOBEX)} == {"Kept", "Dropped"}


async def test_a_package_of_the_same_name_and_another_origin_removes_nothing(inside):
    await two_entities(inside)
    await inside.save(GLOBEX, an_entity("ent-7", name="Own"))
    stranger = a_bundle(an_entity("ent-9", name="Other"), name="Starter", version="2.0.0")

    job = await inside.bring(GLOBEX, stranger, default_strategy=REPLACE, remove_dropped=True)

    assert job.state is ImportState.SUCCEEDED
    assert {*await inside.heads(GLOBEX)} == {"Kept", "Dropped", "Own", "Other"}


async def test_what_somebody_edited_or_still_needs_is_not_removed_and_named(inside):
    second = await two_entities(inside)
    dropped = (await inside.heads(GLOBEX))["Dropped"].artifact_id
    await inside.save(GLOBEX, a_form("form-7", entity=dropped, name="Needs it"))
    await inside.save(GLOBEX, an_entity(dropped, "mine", name="Dropped"))

    job = await inside.bring(GLOBEX, second, default_strategy=MERGE, remove_dropped=True)

    problems = job.failure.problems
    assert codes(job) == {ErrorCode.REMOVAL_BLOCKED}
    assert {problem.artifact_id for problem in problems} == {dropped}
    assert [problem.details.get("usedBy") for problem in problems] == [None, ["Needs it"]]
    assert "Dropped" in await inside.heads(GLOBEX)


async def test_what_the_new_version_itself_will_refer_to_is_not_removed(inside):
    await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", name="Moved"), a_form(entity="ent-1"), name="Suite"))
    await inside.bring(GLOBEX, a_bundle(a_rule_set("rule-1"), name="Core"))
    moved = ExternalReference(ArtifactId("ent-1"), ArtifactType.ENTITY_SCHEMA, "Moved", "Core", SOURCE, "ent-9")
    second = a_bundle(
        a_form(entity="ent-1", title="Newer"),
        name="Suite",
        version="1.1.0",
        external_references=(moved,),
        package_dependencies=(PackageDependency("Core", "1.0.0", "2.0.0"),),
    )

    job = await inside.bring(GLOBEX, second, default_strategy=REPLACE, remove_dropped=True)

    (problem,) = job.failure.problems
    assert (problem.code, problem.details["usedBy"]) == (ErrorCode.REMOVAL_BLOCKED, ["AtlasForm 2005"])


async def test_removals_are_for_strategies_that_follow_the_package(inside):
    second = await two_entities(inside)

    for strategy in (SKIP, COPY, None):
        with pytest.raises(Refusal) as caught:
            await inside.submit(GLOBEX, second, default_strategy=strategy, remove_dropped=True)
        assert caught.value.code is ErrorCode.INVALID_OPTIONS


async def test_a_removal_relies_on_the_artifact_as_it_was_planned(inside):
    second = await two_entities(inside)
    shown = await inside.bring(GLOBEX, second, default_strategy=REPLACE, remove_dropped=True, dry_run=True)
    dropped = (await inside.heads(GLOBEX))["Dropped"].artifact_id
    await inside.save(GLOBEX, an_entity(dropped, "mine", name="Dropped"))

    async with inside.sql.view(GLOBEX) as unit:
        drift = await unit.imports.drift(shown.import_id)
        actions = await unit.imports.actions(shown.import_id, first=10)

    assert [moved.artifact_id for moved in drift] == [dropped]
    assert [action.kind for action in actions.items] == [ActionKind.UNCHANGED, ActionKind.REMOVE]
