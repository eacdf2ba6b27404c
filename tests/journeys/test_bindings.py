"""Values that never travel: taken out at export, supplied at import, remembered for the next one (R22)."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
from sqlalchemy import text

from domain.binding_slots import MASK, BindingSource
from domain.errors import ErrorCode, Refusal
from domain.fixes import fixed, fixes_of
from domain.import_model import ImportState
from domain.model import ArtifactStatus
from domain.options import Activation, UnresolvedBindings
from tests.journeys.inside import ACME, GLOBEX, REPLACE, a_caller, codes, members
from tests.makers import a_process, an_agent

pytestmark = pytest.mark.rules

CREDENTIAL = "cred-openai-of-acme"
SECRET = "AKIA" + "ABCDEFGHIJKLMNOP"
SUPPLIED = "s3cret value of globex"
LLM, HEADER = "agent-1/llmConfig/credentialId", "agent-1/headers/key"


def the_agent(**members):
    wired = {"llmConfig": {"model": "m", "credentialId": CREDENTIAL}, "headers": {"key": SECRET, "accept": "json"}}
    return an_agent("agent-1", name="Billing agent", **{**wired, **members})


@pytest.fixture
async def package(inside):
    """An agent with a credential and a secret in a place that nobody registered."""
    await inside.save(ACME, the_agent())
    return (await inside.export(ACME, "agent-1", package_type="agent-package")).package


async def everything_stored(inside):
    """Every row of the database, but the bodies of revisions: those are the tenant's own artifacts."""
    async with inside.sql._engines.reader.connect() as connection:
        tables = [name for name in await inside.row_counts() if name != "revision_body"]
        return repr([(await connection.execute(text(f"SELECT * FROM {name}"))).all() for name in tables])


async def test_no_secret_leaves_and_each_becomes_a_place_to_fill(inside, package):
    raw = await inside.bytes_of(package)

    assert [(row["artifactId"] + row["path"], row["kind"]) for row in package.manifest["bindings"]] == [
        (LLM, "credential"),
        (HEADER, "AwsAccessKey"),
    ]
    for name, member in members(raw).items():
        assert CREDENTIAL.encode() not in member, name
        assert SECRET.encode() not in member, name


async def test_what_is_supplied_is_written_and_stands_nowhere_else(inside, package, caplog):
    caplog.set_level(logging.INFO)
    supplied = {LLM: SUPPLIED, HEADER: SUPPLIED + "!"}

    shown = await inside.bring(GLOBEX, package, bindings=supplied, dry_run=True)
    job = await inside.bring(GLOBEX, package, bindings=supplied)

    written = (await inside.contents(GLOBEX))["Billing agent"]
    assert (written["llmConfig"]["credentialId"], written["headers"]["key"]) == (SUPPLIED, SUPPLIED + "!")
    assert [row["source"] for row in shown.outcome["bindings"]] == ["Supplied", "Supplied"]
    assert job.state is ImportState.SUCCEEDED
    for told in (await everything_stored(inside), caplog.text, repr(await inside.events(job.import_id))):
        assert SUPPLIED not in told


async def test_the_next_import_of_the_pair_takes_what_this_one_was_given(inside, package):
    await inside.bring(GLOBEX, package, bindings={LLM: "cred-globex", HEADER: "other-key"})
    await inside.change(GLOBEX, remove=[(await inside.heads(GLOBEX))["Billing agent"].artifact_id])

    job = await inside.bring(GLOBEX, package)

    written = (await inside.contents(GLOBEX))["Billing agent"]
    async with inside.sql.view(GLOBEX) as unit:
        plan = await unit.imports.plan(job.plan_id)
    assert written["llmConfig"]["credentialId"] == "cred-globex"
    assert [slot.source for slot in plan.bindings] == [BindingSource.REMEMBERED] * 2


async def test_what_one_tool_was_given_is_remembered_for_that_tool_alone(inside):
    await inside.save(ACME, an_agent("agent-1", tools=[{"name": "mail", "credentialId": CREDENTIAL}]))
    first = (await inside.export(ACME, "agent-1", package_type="agent-package")).package
    new = {"name": "new", "credentialId": "cred-new"}
    await inside.save(ACME, an_agent("agent-1", tools=[new, {"name": "mail", "credentialId": CREDENTIAL}]))
    second = (await inside.export(ACME, "agent-1", package_type="agent-package", version="1.1.0")).package
    await inside.bring(GLOBEX, first, bindings={"agent-1/tools/0/credentialId": "cred-of-mail"})

    job = await inside.bring(GLOBEX, second, default_strategy=REPLACE)

    assert [problem.details["bindingKey"] for problem in job.failure.problems] == ["agent-1/tools/0/credentialId"]


async def test_what_waits_to_be_switched_on_is_remembered_once_it_is(inside, package):
    given = {LLM: "cred-globex", HEADER: "other-key"}
    held = await inside.bring(GLOBEX, package, bindings=given, activation=Activation.MANUAL)
    waiting = await inside.services.bindings.file(inside.caller, ACME, GLOBEX)

    await inside.services.line.activate(inside.caller, held.import_id, None)
    await inside.run_next()

    kept = await inside.services.bindings.file(inside.caller, ACME, GLOBEX)
    assert waiting.bindings == ()
    assert {one.key: one.value for one in kept.bindings} == given


async def test_a_plan_is_applied_with_the_values_it_was_made_with(inside, package):
    shown = await inside.bring(GLOBEX, package, bindings={LLM: SUPPLIED, HEADER: "other-key"}, dry_run=True)

    await inside.services.plans.apply(inside.caller, shown.plan_id, None)
    job = await inside.run_next()

    written = (await inside.contents(GLOBEX))["Billing agent"]
    assert (job.state, job.applies_plan) == (ImportState.SUCCEEDED, shown.plan_id)
    assert written["llmConfig"]["credentialId"] == SUPPLIED


async def test_the_remembered_file_can_be_sent_along_as_it_is_shown(inside, package):
    service = inside.services.bindings
    await service.save(inside.caller, ACME, GLOBEX, {LLM: SUPPLIED, HEADER: "cred-name"})
    shown = {one.key: one.value for one in (await service.file(inside.caller, ACME, GLOBEX)).bindings}

    job = await inside.bring(GLOBEX, package, bindings=shown)

    written = (await inside.contents(GLOBEX))["Billing agent"]
    async with inside.sql.view(GLOBEX) as unit:
        rows = await unit.bindings.remembered(ACME)
        kept = await unit.bindings.opened({row.key: row.sealed for row in rows})
    assert (shown[LLM], job.state) == (MASK, ImportState.SUCCEEDED)
    assert (written["llmConfig"]["credentialId"], written["headers"]["key"]) == (SUPPLIED, "cred-name")
    assert kept == {LLM: SUPPLIED, HEADER: "cred-name"}


async def test_an_import_that_came_to_nothing_remembers_nothing(inside, package):
    job = await inside.bring(GLOBEX, package, bindings={LLM: "cred-globex"})

    kept = await inside.services.bindings.file(inside.caller, ACME, GLOBEX)
    assert codes(job) == {ErrorCode.BINDING_UNRESOLVED}
    assert kept.bindings == ()


async def test_the_active_value_stays_unless_another_is_supplied(inside, package):
    await inside.bring(GLOBEX, package, bindings={LLM: "cred-one", HEADER: "key-one"})
    await inside.save(ACME, the_agent(version="1.1.0", prompt="new"))
    newer = (await inside.export(ACME, "agent-1", package_type="agent-package", version="1.1.0")).package

    await inside.bring(GLOBEX, newer, bindings={HEADER: "key-two"}, default_strategy=REPLACE)

    written = (await inside.contents(GLOBEX))["Billing agent"]
    assert (written["llmConfig"]["credentialId"], written["headers"]["key"]) == ("cred-one", "key-two")


async def test_an_artifact_without_its_values_comes_in_switched_off_if_that_is_wished(inside, package):
    wish = UnresolvedBindings.IMPORT_SWITCHED_OFF

    job = await inside.bring(GLOBEX, package, unresolved_bindings=wish)

    assert job.state is ImportState.SUCCEEDED
    assert (await inside.heads(GLOBEX))["Billing agent"].status is ArtifactStatus.LOCKED
    assert {row["code"] for row in job.outcome["warnings"]} >= {"BindingMissing"}


async def test_an_import_is_tried_again_with_the_same_values(inside, package):
    failed = await inside.bring(GLOBEX, package, bindings={LLM: SUPPLIED})

    again = await inside.services.line.retry(inside.caller, failed.import_id, None)
    ended = await inside.run_next()

    assert again.options.bindings == failed.options.bindings != {LLM: SUPPLIED}
    assert [problem.details["bindingKey"] for problem in ended.failure.problems] == [HEADER]


# ---- the remembered file


async def test_a_file_is_replaced_as_a_whole_and_a_mask_leaves_what_is_there(inside):
    service, caller = inside.services.bindings, inside.caller
    await service.save(caller, ACME, GLOBEX, {LLM: SUPPLIED, HEADER: "cred-name", "agent-2/x": "gone"})

    kept = await service.save(caller, ACME, GLOBEX, {LLM: MASK, HEADER: "", "agent-3/x": "cred-new"})

    assert {one.key: one.value for one in kept.bindings} == {LLM: MASK, "agent-3/x": "cred-new"}
    async with inside.sql.view(GLOBEX) as unit:
        rows = await unit.bindings.remembered(ACME, [LLM])
        assert await unit.bindings.opened({row.key: row.sealed for row in rows}) == {LLM: SUPPLIED}


async def test_saving_a_file_is_audited_without_its_values(inside):
    await inside.services.bindings.save(inside.caller, ACME, GLOBEX, {LLM: SUPPLIED})

    async with inside.sql._engines.reader.connect() as connection:
        (row,) = (await connection.execute(text("SELECT tenant_id, action, details FROM audit"))).all()
    assert (row[0], row[1], json.loads(row[2])) == (
        GLOBEX,
        "bindings.saved",
        {"sourceTenantId": ACME, "saved": 1, "kept": 0},
    )


@pytest.mark.parametrize(
    "values", [{LLM: MASK}, {"agent-1": "v"}, {"": "v"}, {LLM: "v" * 70_000}], ids=["mask", "no place", "empty", "long"]
)
async def test_a_file_that_cannot_be_kept_is_refused_and_the_old_one_stays(inside, values):
    service, caller = inside.services.bindings, inside.caller
    before = await service.save(caller, ACME, GLOBEX, {HEADER: "cred-name"})

    with pytest.raises(Refusal) as refused:
        await service.save(caller, ACME, GLOBEX, values)

    assert refused.value.code is ErrorCode.INVALID_OPTIONS
    assert (await service.file(caller, ACME, GLOBEX)) == before


async def test_only_who_may_import_there_sees_or_changes_a_file(inside):
    reader = replace(a_caller(), scopes=frozenset({"installhub:read"}))

    for asked in (
        inside.services.bindings.file(reader, ACME, GLOBEX),
        inside.services.bindings.save(reader, ACME, GLOBEX, {}),
    ):
        with pytest.raises(Refusal) as refused:
            await asked
        assert refused.value.code is ErrorCode.INSUFFICIENT_PERMISSION


# ---- suggestions


async def test_what_artifacts_of_that_kind_use_is_suggested_the_likest_name_first(inside, package):
    for number, name, value in [(5, "Sales", "cred-sales"), (6, "Billing agent, old", "cred-bill"), (7, "X", SUPPLIED)]:
        await inside.save(GLOBEX, an_agent(f"agent-{number}", name=name, llmConfig={"credentialId": value}))
    await inside.save(GLOBEX, a_process("proc-1"))
    job = await inside.bring(GLOBEX, package, dry_run=True)
    async with inside.sql.view(GLOBEX) as unit:
        plan = await unit.imports.plan(job.plan_id)

    found = await inside.services.bindings.suggestions(inside.caller, GLOBEX, plan.bindings)

    assert [one.shown for one in found[LLM]] == ["cred-bill", "cred-sales", f"{MASK} (X)"]
    assert found[HEADER] == ()
    reader = replace(a_caller(), scopes=frozenset({"installhub:read"}))
    assert await inside.services.bindings.suggestions(reader, GLOBEX, plan.bindings) == {}


async def test_a_plan_that_lacks_a_value_offers_the_name_that_others_use_as_a_fix(inside, package):
    await inside.save(GLOBEX, an_agent("agent-5", name="Billing agent, old", llmConfig={"credentialId": "cred-bill"}))
    job = await inside.bring(GLOBEX, package, dry_run=True, bindings={HEADER: "cred-header"})
    async with inside.sql.view(GLOBEX) as unit:
        (blocker,) = (await unit.imports.plan(job.plan_id)).blockers

    patches = [fix.patch for fix in fixes_of(blocker)]

    assert blocker.details == {"bindingKey": LLM, "suggestions": ["cred-bill"]}
    assert {"bindings": {LLM: "cred-bill"}} in patches
    cured = next(fix for fix in fixes_of(blocker) if "bindings" in fix.patch)
    assert fixed(job, cured).options.bindings == {**job.options.bindings, LLM: "cred-bill"}
