"""A frozen tenant lets no new import begin; what runs finishes, undos and dry runs go on."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.model import Actor
from tests.journeys.inside import ACME, GLOBEX, a_caller
from tests.journeys.test_platform import audited
from tests.journeys.undoing import a_package, roll_back

FIRST = a_package()


async def test_a_new_import_waits_until_the_tenant_is_let_go(inside):
    freezing = inside.services.freezing
    await freezing.freeze(inside.caller, GLOBEX, "The quarter is being closed.")
    submitted = await inside.submit(GLOBEX, FIRST)

    waiting = await inside.claim()
    elsewhere = await inside.bring(ACME, FIRST)
    await freezing.unfreeze(inside.caller, GLOBEX)
    job = await inside.run_next()

    assert waiting is None
    assert elsewhere.state is ImportState.SUCCEEDED
    assert (job.import_id, job.state) == (submitted.import_id, ImportState.SUCCEEDED)


async def test_undos_and_dry_runs_go_on_in_a_frozen_tenant(inside):
    job = await inside.bring(GLOBEX, FIRST)
    await inside.services.freezing.freeze(inside.caller, GLOBEX, "Something is wrong.")

    shown = await inside.bring(GLOBEX, FIRST, dry_run=True)
    undo = await roll_back(inside, job.import_id)

    assert [shown.state, undo.state] == [ImportState.SUCCEEDED] * 2
    assert await inside.heads(GLOBEX) == {}


async def test_an_import_that_runs_when_its_tenant_is_frozen_finishes_even_in_another_process(inside):
    submitted = await inside.submit(GLOBEX, FIRST)
    assert await inside.claim("dying") is not None
    await inside.services.freezing.freeze(inside.caller, GLOBEX, "Something is wrong.")
    await inside.services.upkeep.requeue_lost(all_running=True)

    job = await inside.run_next()

    assert (job.import_id, job.state) == (submitted.import_id, ImportState.SUCCEEDED)


async def test_freezing_is_audited_once_and_said_with_its_reason(inside):
    freezing = inside.services.freezing

    tenants = [await freezing.freeze(inside.caller, GLOBEX, " The quarter is being closed. ") for _ in range(2)]
    again = await freezing.apply(GLOBEX, None, Actor("host"))
    entries = [row for row in await audited(inside) if row.action.startswith("tenant.")]

    assert [tenant.freeze_reason for tenant in (*tenants, again)] == ["The quarter is being closed."] * 2 + [None]
    assert [(row.action, row.details["reason"]) for row in entries] == [
        ("tenant.frozen", "The quarter is being closed."),
        ("tenant.unfrozen", None),
    ]


async def test_only_an_administrator_of_the_tenant_freezes_it(inside):
    reader = a_caller("rita", scopes=frozenset({"installhub:import"}))
    stranger = a_caller("eve", tenants=frozenset({ACME}), scopes=frozenset({"installhub:admin"}))

    caught = []
    for caller, tenant in ((reader, GLOBEX), (stranger, GLOBEX), (inside.caller, "nowhere")):
        with pytest.raises(Refusal) as refused:
            await inside.services.freezing.freeze(caller, tenant, "why")
        caught.append(refused.value.code)

    assert caught == [ErrorCode.INSUFFICIENT_PERMISSION, ErrorCode.TENANT_MISMATCH, ErrorCode.NOT_FOUND]


async def test_who_would_wait_for_an_import_is_told_that_the_tenant_is_frozen(inside):
    await inside.services.freezing.freeze(inside.caller, GLOBEX, "The quarter is being closed.")

    with pytest.raises(Refusal) as caught:
        await inside.services.freezing.refuse_frozen(GLOBEX)

    assert (caught.value.code, caught.value.status) == (ErrorCode.TENANT_FROZEN, 503)
    assert caught.value.details["retryAfter"] == 60
    with pytest.raises(Refusal) as wordless:
        await inside.services.freezing.freeze(inside.caller, GLOBEX, "  ")
    assert wordless.value.code is ErrorCode.BAD_USER_INPUT
