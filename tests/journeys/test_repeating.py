"""The same request sent again under one key is carried out once; its answer is the first one's (decisions R25)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.access import Caller
from domain.edits import ArtifactChanges, draft_of_file
from domain.errors import ErrorCode, Refusal
from domain.export_order import ExportOrder
from domain.import_model import ImportFilter, ImportPackage, ImportState
from domain.line import ImportOrder
from domain.model import ImportId, Package, TenantId, TenantPlan, TenantStatus
from domain.options import ImportOptions
from domain.repeating import KEPT
from domain.strict_json import canonical
from domain.tenant_changes import TenantChange
from tests.journeys.inside import ACME, GLOBEX, REPLACE, ROOT, SKIP, Inside, a_caller
from tests.makers import a_suite, an_entity

BORIS = a_caller("boris")


def order_of(package: Package, tenant: TenantId = GLOBEX, **options: object) -> ImportOrder:
    stored = ImportPackage(0, package.blob_key, package.bundle_sha256, package.size_bytes, package.package_id)
    return ImportOrder(tenant, stored, ImportOptions(**options))  # type: ignore[arg-type]


def export_order(**fields: object) -> ExportOrder:
    values = {
        "tenant_id": ACME,
        "package_name": "Starter",
        "package_type": "workflow-package",
        "version": "1.0.0",
        "artifact_ids": (ROOT,),
    }
    return ExportOrder(**{**values, **fields})  # type: ignore[arg-type]


async def imports_of(inside: Inside) -> int:
    page = await inside.services.records.import_page(inside.caller, None, ImportFilter(), page=1, page_size=100)
    return page.total_count


async def test_an_import_sent_again_is_joined_before_during_and_after_its_run(inside, package):
    line, order = inside.services.line, order_of(package)

    first = await line.submit(inside.caller, order, key="once")
    queued = await line.submit(inside.caller, order, key="once")
    job = await inside.claim()
    running = await line.submit(inside.caller, order, key="once")
    await inside.services.importer.run(job)
    ended = await line.submit(inside.caller, order, key="once")

    assert {again.import_id for again in (queued, running, ended)} == {first.import_id}
    assert [again.state for again in (queued, running, ended)] == [
        ImportState.QUEUED,
        ImportState.RUNNING,
        ImportState.SUCCEEDED,
    ]
    assert await imports_of(inside) == 1


async def test_an_import_that_waits_is_found_again_by_its_key(inside, package):
    await inside.bring(GLOBEX, package)
    changed = an_entity("ent-44", name="Employee", _version="1.1.0")
    await inside.save(ACME, changed)
    newer = (await inside.export(ACME, "ent-44", version="1.1.0")).package

    paused = await inside.services.line.submit(inside.caller, order_of(newer), key="careful")
    await inside.run_next()
    again = await inside.services.line.submit(inside.caller, order_of(newer), key="careful")

    assert (again.import_id, again.state) == (paused.import_id, ImportState.WAITING_FOR_DECISIONS)


@pytest.mark.parametrize("field", ["options", "package", "retry_of"])
async def test_another_request_under_the_key_is_refused_and_changes_nothing(inside, package, field):
    order = order_of(package, default_strategy=REPLACE)
    other = {
        "options": replace(order, options=replace(order.options, default_strategy=SKIP)),
        "package": replace(order, package=replace(order.package, sha256="0" * 64)),
        "retry_of": replace(order, retry_of=ImportId("imp-other")),
    }[field]
    await inside.services.line.submit(inside.caller, order, key="once")
    before = await inside.row_counts()

    with pytest.raises(Refusal) as caught:
        await inside.services.line.submit(inside.caller, other, key="once")

    assert (caught.value.code, caught.value.status) == (ErrorCode.IDEMPOTENCY_KEY_REUSED, 422)
    assert await inside.row_counts() == before


async def test_a_key_belongs_to_its_caller_and_its_tenant(inside, package):
    line = inside.services.line

    jobs = [
        await line.submit(caller, order_of(package, tenant), key="once")
        for caller in (inside.caller, BORIS, replace(inside.caller, issuer="elsewhere"))
        for tenant in (ACME, GLOBEX)
    ]

    assert len({job.import_id for job in jobs}) == len(jobs)


async def test_a_key_is_forgotten_after_thirty_days(inside, package):
    first = await inside.services.line.submit(inside.caller, order_of(package), key="once")
    inside.clock.advance(KEPT)

    later = await inside.services.line.submit(inside.caller, order_of(package), key="once")

    assert later.import_id != first.import_id
    inside.clock.advance(KEPT + timedelta(hours=1))
    assert await inside.services.upkeep.forget_expired() == 1


async def test_an_import_is_found_by_its_key_when_its_package_is_no_longer_kept(inside, package):
    line, records = inside.services.line, inside.services.records
    first = await line.submit(inside.caller, order_of(package), key="once")
    await inside.blobs.delete(package.blob_key)

    source = await records.importable(inside.caller, package.package_id, None, GLOBEX)
    order = ImportOrder(GLOBEX, source.package, ImportOptions(), gone=source.gone)
    again = await line.submit(inside.caller, order, key="once")

    assert again.import_id == first.import_id
    for key in (None, "other"):
        with pytest.raises(Refusal) as caught:
            await line.submit(inside.caller, order, key=key)
        assert (caught.value.code, caught.value.status) == (ErrorCode.BUNDLE_EXPIRED, 410)
    assert await imports_of(inside) == 1


async def test_an_import_is_found_by_its_key_when_its_upload_waited_too_long(inside, package):
    line, uploads = inside.services.line, inside.services.uploads
    upload = await uploads.keep(inside.caller, GLOBEX, order_of(package).package)

    async def sent(key):
        source = await uploads.importable(inside.caller, upload.upload_id, GLOBEX)
        return await line.submit(
            inside.caller, ImportOrder(GLOBEX, source.package, ImportOptions(), gone=source.gone), key=key
        )

    first = await sent("once")
    inside.clock.advance(KEPT - timedelta(hours=1))
    await inside.services.upkeep.forget_expired()
    again = await sent("once")

    assert again.import_id == first.import_id
    with pytest.raises(Refusal) as caught:
        await sent("other")
    assert caught.value.code is ErrorCode.UPLOAD_EXPIRED


async def test_a_retry_is_found_by_its_key_when_the_bytes_are_gone(inside, package):
    failed = await inside.submit(GLOBEX, package)
    await inside.services.line.cancel(inside.caller, failed.import_id, None)
    first = await inside.services.line.retry(inside.caller, failed.import_id, None, key="again")
    await inside.blobs.delete(package.blob_key)

    again = await inside.services.line.retry(inside.caller, failed.import_id, None, key="again")

    assert again.import_id == first.import_id
    with pytest.raises(Refusal) as caught:
        await inside.services.line.retry(inside.caller, failed.import_id, None, key="other")
    assert caught.value.code is ErrorCode.BUNDLE_EXPIRED


async def test_twins_sent_at_once_make_one_import(inside, package):
    line, order = inside.services.line, order_of(package)

    jobs = await asyncio.gather(*(line.submit(inside.caller, order, key="once") for _ in range(8)))

    assert len({job.import_id for job in jobs}) == 1
    assert await imports_of(inside) == 1


async def test_an_import_is_found_by_the_key_whose_answer_was_lost(inside, package):
    first = await inside.services.line.submit(inside.caller, order_of(package), key="lost")
    await inside.services.line.submit(inside.caller, order_of(package), key="other")

    wanted = ImportFilter(idempotency_key="lost")
    found = await inside.services.records.import_page(inside.caller, None, wanted, page=1, page_size=10)

    assert ([job.import_id for job in found.items], found.total_count) == ([first.import_id], 1)


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256, "line\nbreak"])
async def test_a_key_of_another_form_is_refused(inside, package, key):
    with pytest.raises(Refusal) as caught:
        await inside.services.line.submit(inside.caller, order_of(package), key=key)

    assert caught.value.code is ErrorCode.BAD_USER_INPUT
    assert await imports_of(inside) == 0


async def test_an_export_sent_again_gives_the_first_package_and_counts_once(inside):
    await inside.save(ACME, *a_suite())
    tight = inside.over(inside.sql, exports_per_user_minute=1)

    first = await tight.services.exporter.export(inside.caller, export_order(), key="once")
    again = await tight.services.exporter.export(inside.caller, export_order(), key="once")

    assert again == first
    with pytest.raises(Refusal) as caught:
        await tight.services.exporter.export(inside.caller, export_order(version="1.0.1"), key="once")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_an_export_of_the_same_version_without_the_key_is_still_a_conflict(inside):
    await inside.save(ACME, *a_suite())
    await inside.services.exporter.export(inside.caller, export_order(), key="once")

    with pytest.raises(Refusal) as caught:
        await inside.services.exporter.export(inside.caller, export_order(), key="twice")

    assert caught.value.code is ErrorCode.VERSION_CONFLICT


async def test_twin_exports_make_one_package(inside):
    await inside.save(ACME, *a_suite())
    export = inside.services.exporter.export

    made = await asyncio.gather(*(export(inside.caller, export_order(), key="once") for _ in range(4)))

    assert len({exported.package.package_id for exported in made}) == 1
    stored = [keys async for keys in inside.blobs.keys(older_than=made[0].package.exported_at + timedelta(days=9999))]
    assert [key for keys in stored for key in keys] == [made[0].package.blob_key]


async def test_a_refused_export_is_not_remembered(inside):
    await inside.save(ACME, *a_suite())
    with pytest.raises(Refusal):
        await inside.services.exporter.export(inside.caller, export_order(artifact_ids=("proc-nope",)), key="once")

    exported = await inside.services.exporter.export(inside.caller, export_order(), key="once")

    assert exported.package.version == "1.0.0"


async def test_changes_sent_again_are_made_once(inside):
    draft = draft_of_file(canonical(an_entity("ent-7", name="Seven")))
    changes = ArtifactChanges(ACME, save=(draft,))

    first = await inside.services.authoring.change(inside.caller, changes, key="once")
    again = await inside.services.authoring.change(inside.caller, changes, key="once")

    assert [head.revision for head in (*first.heads, *again.heads)] == [1, 1]
    assert again == first


@pytest.mark.parametrize("artifact_id", [None, "ent-7", "ent-8"], ids=["new id", "named id", "there already"])
async def test_twin_changes_are_made_once(inside, artifact_id):
    await inside.save(ACME, an_entity("ent-8", name="Eight"))
    draft = draft_of_file(canonical(an_entity("ent-7", name="Seven")))
    changes = ArtifactChanges(ACME, save=(replace(draft, artifact_id=artifact_id),))
    change = inside.services.authoring.change

    made = await asyncio.gather(*(change(inside.caller, changes, key="once") for _ in range(4)))

    assert all(changed == made[0] for changed in made)
    assert made[0].heads[0].revision == (2 if artifact_id == "ent-8" else 1)
    assert "Seven" in await inside.heads(ACME)


async def test_changes_that_are_refused_under_a_key_are_refused_again(inside):
    changes = ArtifactChanges(ACME, publish=("ent-none",))

    for _ in range(2):
        with pytest.raises(Refusal) as caught:
            await inside.services.authoring.change(inside.caller, changes, key="once")
        assert caught.value.code is ErrorCode.NOT_FOUND


async def test_a_tenant_made_again_under_its_key_is_the_first_one_as_it_is_now(inside):
    create = inside.services.tenancy.create

    first = await create(inside.caller, "new", TenantPlan.STANDARD, key="once")
    suspended = TenantChange(status=TenantStatus.SUSPENDED)
    await inside.services.tenant_changes.update(inside.caller, TenantId("new"), suspended)
    again = await create(inside.caller, "new", TenantPlan.STANDARD, key="once")

    assert again == replace(first, status=TenantStatus.SUSPENDED)
    with pytest.raises(Refusal) as caught:
        await create(inside.caller, "new", TenantPlan.ENTERPRISE, key="once")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_KEY_REUSED


@pytest.mark.parametrize("key", [None, "other"])
async def test_a_tenant_that_is_there_is_not_made_by_another_request(inside, key):
    await inside.services.tenancy.create(inside.caller, "new", TenantPlan.STANDARD, key="once")

    with pytest.raises(Refusal) as caught:
        await inside.services.tenancy.create(inside.caller, "new", TenantPlan.STANDARD, key=key)

    assert caught.value.code is ErrorCode.TENANT_EXISTS


async def test_twins_make_one_tenant(inside):
    create = inside.services.tenancy.create

    made = await asyncio.gather(*(create(inside.caller, "new", TenantPlan.STANDARD, key="once") for _ in range(4)))

    assert all(tenant == made[0] for tenant in made)


async def test_a_new_artifact_saved_again_keeps_its_one_id(inside):
    draft = replace(draft_of_file(canonical(an_entity("ent-7", name="Seven"))), artifact_id=None)
    changes = ArtifactChanges(ACME, save=(draft,))

    made = [await inside.services.authoring.change(inside.caller, changes, key="once") for _ in range(2)]

    assert made[0] == made[1]
    assert len(await inside.heads(ACME)) == 1


def test_two_callers_are_told_apart_by_issuer_and_subject():
    assert a_caller("x").identity != a_caller("x", issuer="other").identity
    assert isinstance(BORIS, Caller)
