"""What a tenant does about edits of what packages put there, and the other things that it can be told (section 9.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.edits import ArtifactChanges, draft_of_file
from domain.errors import ErrorCode, Refusal
from domain.model import Protection, TenantPlan, TenantStatus
from domain.strict_json import canonical
from domain.tenant_changes import TenantChange
from tests.journeys.inside import ACME, GLOBEX, REPLACE, a_caller
from tests.makers import an_entity

pytestmark = pytest.mark.rules

INSTALLED, OWN = "Customer", "Own"


@pytest.fixture
async def installed(inside):
    """GLOBEX has an artifact that a package brought, and one of its own."""
    await inside.save(ACME, an_entity("ent-1", name=INSTALLED))
    exported = await inside.export(ACME, "ent-1", package_type="config-package")
    await inside.bring(GLOBEX, exported.package)
    await inside.save(GLOBEX, an_entity("ent-own", name=OWN))
    return inside


async def told(inside, **change):
    return await inside.services.tenant_changes.update(inside.caller, GLOBEX, TenantChange(**change))


async def edits(inside):
    """A batch that edits both artifacts."""
    heads = await inside.heads(GLOBEX)
    tree = an_entity(heads[INSTALLED].artifact_id, name=INSTALLED, description="edited here")
    return ArtifactChanges(GLOBEX, save=(draft_of_file(canonical(tree)),), archive=(heads[OWN].artifact_id,))


async def test_a_tenant_that_warns_lets_installed_artifacts_be_edited_and_says_so(installed):
    await told(installed, protect_installed=Protection.WARN)
    batch = await edits(installed)

    made, again = [await installed.services.authoring.change(installed.caller, batch, key="once") for _ in range(2)]

    assert [(one.code, one.where, one.artifact_id) for one in made.warnings] == [
        (ErrorCode.INSTALLED_ARTIFACT_CHANGED, "save[0]", batch.save[0].artifact_id)
    ]
    assert again == made
    assert (await installed.contents(GLOBEX))[INSTALLED]["description"] == "edited here"


@pytest.mark.parametrize("verb", ["save", "publish", "archive", "remove"])
async def test_a_tenant_that_blocks_lets_nobody_edit_installed_artifacts(installed, verb):
    await told(installed, protect_installed=Protection.BLOCK)
    batch, before = await edits(installed), await installed.heads(GLOBEX)
    named = batch.save[0].artifact_id or ""
    alone: dict[str, Any] = {verb: (named,)}
    wished = batch if verb == "save" else ArtifactChanges(GLOBEX, **alone)

    with pytest.raises(Refusal) as caught:
        await installed.services.authoring.change(installed.caller, wished)

    assert (caught.value.code, caught.value.problems[0].where) == (
        ErrorCode.INSTALLED_ARTIFACT_PROTECTED,
        f"{verb}[0]",
    )
    assert await installed.heads(GLOBEX) == before


async def test_imports_are_no_edits(installed):
    await told(installed, protect_installed=Protection.BLOCK)
    await installed.save(ACME, an_entity("ent-1", name=INSTALLED, description="the next one"))
    newer = await installed.export(ACME, "ent-1", package_type="config-package", version="1.1.0")

    await installed.bring(GLOBEX, newer.package, default_strategy=REPLACE)

    assert (await installed.contents(GLOBEX))[INSTALLED]["description"] == "the next one"


async def test_a_tenants_own_artifacts_are_never_protected(installed):
    await told(installed, protect_installed=Protection.BLOCK)

    made = await installed.services.authoring.change(installed.caller, ArtifactChanges(GLOBEX, archive=("ent-own",)))

    assert made.warnings == ()


async def test_all_that_a_tenant_can_be_told_is_changed_at_once(inside):
    tenant = await inside.services.tenancy.find(inside.caller, GLOBEX)

    changed = await told(
        inside,
        plan=TenantPlan.ENTERPRISE,
        approvals_needed=2,
        protect_installed=Protection.WARN,
        accepts_warnings=True,
        freeze_reason=" The year is being closed. ",
    )
    let_go = await told(inside, unfreeze=True, approvals_needed=0)

    assert tenant is not None
    assert changed == replace(
        tenant,
        plan=TenantPlan.ENTERPRISE,
        approvals_needed=2,
        protect_installed=Protection.WARN,
        accepts_warnings=True,
        freeze_reason="The year is being closed.",
    )
    assert let_go == replace(changed, freeze_reason=None, approvals_needed=0)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"approvals_needed": -1}, "approvalsNeeded"),
        ({"approvals_needed": 11}, "approvalsNeeded"),
        ({"freeze_reason": "  "}, "freezeReason"),
        ({"freeze_reason": "why", "unfreeze": True}, "unfreeze"),
    ],
)
async def test_what_a_tenant_cannot_be_told_changes_nothing(inside, change, where):
    before = await inside.services.tenancy.find(inside.caller, GLOBEX)

    with pytest.raises(Refusal) as caught:
        await told(inside, status=TenantStatus.SUSPENDED, **change)

    assert (caught.value.code, caught.value.problems[0].where) == (ErrorCode.BAD_USER_INPUT, where)
    assert await inside.services.tenancy.find(inside.caller, GLOBEX) == before


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        (a_caller(scopes=frozenset({"installhub:import"})), ErrorCode.INSUFFICIENT_PERMISSION),
        (a_caller(tenants=frozenset({ACME}), scopes=frozenset({"installhub:admin"})), ErrorCode.TENANT_MISMATCH),
    ],
)
async def test_only_administrators_of_a_tenant_change_it(inside, caller, code):
    with pytest.raises(Refusal) as caught:
        await inside.services.tenant_changes.update(caller, GLOBEX, TenantChange(approvals_needed=1))

    assert caught.value.code is code
