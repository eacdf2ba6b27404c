"""Whoever acts in a tenant by the platform's scope alone leaves a mark in its audit (decisions section 9.1)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from domain.access import ADMIN, PLATFORM
from domain.edits import ArtifactChanges, draft_of_file
from domain.errors import ErrorCode, Refusal
from domain.export_order import ExportOrder
from domain.import_model import ImportPackage
from domain.line import ImportOrder
from domain.model import TenantPlan, TenantStatus
from domain.options import ConflictStrategy, Decision, ImportOptions
from domain.strict_json import canonical
from domain.tenant_changes import TenantChange
from storage.tables import audit
from tests.journeys.inside import ACME, GLOBEX, a_caller
from tests.makers import a_bundle, an_entity

MEMBER = a_caller("mia")
GUEST = a_caller("gus", tenants=frozenset(), scopes=frozenset({ADMIN, PLATFORM}))


async def audited(inside, tenant=GLOBEX):
    found = select(audit.c.action, audit.c.actor, audit.c.details).where(audit.c.tenant_id == tenant)
    async with inside.sql._engines.reader.connect() as connection:
        return (await connection.execute(found.order_by(audit.c.audit_id))).all()


async def everything(inside, caller):
    """All that leaves something behind in the tenant globex."""
    save = (draft_of_file(canonical(an_entity("ent-1", "hours", name="One"))),)
    await inside.services.authoring.change(caller, ArtifactChanges(GLOBEX, save=save))
    order = ExportOrder(GLOBEX, "Ones", "config-package", "1.0.0", ("ent-1",))
    await inside.services.exporter.export(caller, order)
    with pytest.raises(Refusal):
        await inside.services.exporter.export(caller, order)
    async with inside.blobs.create() as blob:
        await blob.write(a_bundle(an_entity("ent-2", name="One")))
        package = ImportPackage(0, await blob.finish(), "", 1)
    await inside.services.uploads.keep(caller, GLOBEX, package)
    job = await inside.services.line.submit(caller, ImportOrder(GLOBEX, package, ImportOptions()))
    await inside.run_next()
    decisions = {"conf-001": Decision(ConflictStrategy.SKIP)}
    await inside.services.line.resume(caller, job.import_id, None, decisions)
    await inside.services.line.cancel(caller, job.import_id, None)
    await inside.services.tenant_changes.update(caller, GLOBEX, TenantChange(status=TenantStatus.ACTIVE))


async def test_each_use_of_the_platform_scope_is_marked(inside):
    await everything(inside, GUEST)

    marked = [row for row in await audited(inside) if row.details.get("asPlatform")]
    assert [row.action for row in marked] == [
        "artifacts.changed",
        "package.exported",
        "package.refused",
        "upload.kept",
        "import.submitted",
        "import.resumed",
        "import.cancelled",
        "tenant.changed",
    ]
    assert {row.actor for row in marked} == {GUEST.actor}


async def test_nothing_a_member_does_is_marked(inside):
    await everything(inside, MEMBER)

    rows = await audited(inside)
    assert [row.action for row in rows] == ["import.waiting", "import.resumed", "import.cancelled", "tenant.changed"]
    assert not any("asPlatform" in row.details for row in rows)


async def test_a_tenant_that_the_platform_made_says_so_once(inside):
    for _ in range(2):
        await inside.services.tenancy.create(GUEST, "new", TenantPlan.STANDARD, key="once")

    (row,) = await audited(inside, "new")
    assert (row.action, row.details) == ("tenant.created", {"plan": "Standard", "asPlatform": True})


async def test_what_is_refused_leaves_no_mark_in_another_tenant(inside):
    with pytest.raises(Refusal) as caught:
        await inside.services.authoring.change(GUEST, ArtifactChanges(ACME, remove=("ent-none",)))

    assert caught.value.code is ErrorCode.NOT_FOUND
    assert await audited(inside, ACME) == []
