"""What an import replaces is kept first, as a package that brings it back (decisions R38; installhub.md 8.6)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from domain.errors import ErrorCode
from domain.import_model import ImportState
from domain.importing import SMALL_ARTIFACTS
from domain.model import ArtifactStatus, TenantId, TenantPlan, name_key
from domain.options import ImportOptions
from domain.rows import HistoryFilter
from storage.blobs import FileBlobs
from storage.documents import options_document, options_of
from tests.journeys.inside import ACME, GLOBEX, MERGE, REPLACE, SKIP, codes, is_whole, members
from tests.journeys.trouble import KilledError, Troubled, killed
from tests.makers import a_bundle, a_form, a_rule_set, an_agent, an_entity

#: more than fits one transaction, and one artifact of it is there already
COUNT = SMALL_ARTIFACTS + 5
BIG = a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(COUNT)])
SMALL = a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(5)])
DRAFT = ArtifactStatus.DRAFT
WISH = {"default_strategy": REPLACE, "backup_before_replace": True}


async def with_suite(inside, tenant=GLOBEX):
    """A form over an entity and rules that an import meets, one of them a draft, and the package that it brings."""
    await inside.save(tenant, an_entity("ent-1", "mine", name="Entity"))
    await inside.save(tenant, a_rule_set("rule-1", "ent-1", name="Rules", note="mine"), status=DRAFT)
    await inside.save(tenant, a_form("form-1", entity="ent-1", rules="rule-1", name="Form", title="Mine"))
    form = a_form("form-9", rules="rule-9", name="Form")
    return a_bundle(a_rule_set("rule-9", name="Rules"), form, an_entity("ent-9", name="New"))


async def package_of(inside, job):
    return await inside.services.records.get_package(inside.caller, job.outcome["backupPackageId"], None)


async def history(inside, tenant=GLOBEX):
    found = await inside.services.records.export_history(inside.caller, tenant, HistoryFilter(), page=1, page_size=50)
    return found.items


async def backups_of(inside, tenant, import_id):
    async with inside.sql.view(tenant) as unit:
        found = await unit.packages.page(search="Backup", first=50)
    return [one for one in found.items if one.name == f"Backup {import_id}"]


async def hashes(inside, tenant=GLOBEX):
    return {name: (head.content_hash, head.status) for name, head in (await inside.heads(tenant)).items()}


async def test_a_backup_holds_exactly_what_is_replaced_whatever_its_status(inside):
    job = await inside.bring(GLOBEX, await with_suite(inside), **WISH)

    backup = await package_of(inside, job)

    assert (backup.name, backup.version) == (f"Backup {job.import_id}", "1.0.0")
    assert backup.install_order == ("rule-1", "form-1")
    assert backup.package_type.wire == "config-package"
    assert (backup.tenant_id, backup.exported_by) == (GLOBEX, inside.caller.actor)


async def test_a_backup_brought_back_with_replace_brings_the_old_contents_back(inside):
    raw = await with_suite(inside)
    before = await hashes(inside)
    job = await inside.bring(GLOBEX, raw, **WISH)
    changed = await hashes(inside)

    restored = await inside.bring(GLOBEX, await package_of(inside, job), default_strategy=REPLACE)

    assert restored.state is ImportState.SUCCEEDED
    after = await hashes(inside)
    assert changed["Rules"] != before["Rules"]
    assert after == {**before, "New": changed["New"]}
    assert (await inside.contents(GLOBEX))["Form"]["fields"][0]["dataSource"] == {"entityId": "ent-1"}


async def test_a_backup_brings_back_what_a_merge_changed(inside):
    raw = await with_suite(inside)
    before = await hashes(inside)
    job = await inside.bring(GLOBEX, raw, default_strategy=MERGE, backup_before_replace=True)

    backup = await package_of(inside, job)
    await inside.bring(GLOBEX, backup, default_strategy=REPLACE)

    assert backup.install_order == ("rule-1",)
    assert (await hashes(inside))["Rules"] == before["Rules"]


async def test_a_backup_stands_in_the_export_history_and_in_the_audit_and_is_not_counted(inside):
    raw = await with_suite(inside)
    strict = inside.over(inside.sql, exports_per_user_minute=0, exports_per_tenant_hour=0)

    job = await strict.bring(GLOBEX, raw, **WISH)

    (line,) = await history(inside)
    assert (line["packageName"], line["status"]) == (f"Backup {job.import_id}", "Success")
    assert (line["packageId"], line["rootArtifactIds"]) == (job.outcome["backupPackageId"], ["rule-1", "form-1"])
    entries = await inside.services.records.audit(inside.caller, job)
    assert [entry.action for entry in entries] == ["import.backed-up", "import.activated"]


@pytest.mark.parametrize(
    "options",
    [
        {"default_strategy": REPLACE},
        {"default_strategy": SKIP, "backup_before_replace": True},
        {**WISH, "dry_run": True},
    ],
)
async def test_nothing_is_kept_where_nothing_is_replaced_or_nobody_asked(inside, options):
    job = await inside.bring(GLOBEX, await with_suite(inside), **options)

    assert job.state is ImportState.SUCCEEDED
    assert "backupPackageId" not in job.outcome
    assert await history(inside) == ()


async def test_an_import_that_only_creates_needs_no_backup(inside):
    job = await inside.bring(GLOBEX, BIG, **WISH)

    assert "backupPackageId" not in job.outcome


async def test_credentials_never_travel_and_those_that_are_active_stay(inside):
    config = {"credentialId": "vault-mine", "model": "m1"}
    await inside.save(GLOBEX, an_agent(name="Agent", llmConfig=config, note="old"))
    job = await inside.bring(GLOBEX, a_bundle(an_agent(name="Agent", llmConfig={"model": "m2"})), **WISH)
    await inside.save(GLOBEX, an_agent(name="Agent", llmConfig={"credentialId": "vault-new", "model": "m2"}))
    backup = await package_of(inside, job)

    await inside.bring(GLOBEX, backup, default_strategy=REPLACE)

    agent = (await inside.contents(GLOBEX))["Agent"]
    assert b"vault-mine" not in await inside.bytes_of(backup)
    assert (agent["note"], agent["llmConfig"]) == ("old", {"credentialId": "vault-new", "model": "m1"})


async def test_a_backup_that_cannot_be_made_ends_the_import_before_anything_is_written(inside):
    job_id = (await inside.submit(GLOBEX, await with_suite(inside), **WISH)).import_id
    await inside.export(GLOBEX, "ent-1", package_name=f"Backup {job_id}", package_type="config-package")
    before = await hashes(inside)

    job = await inside.run_next()

    assert (job.state, codes(job)) == (ImportState.FAILED, {ErrorCode.VERSION_CONFLICT})
    assert await hashes(inside) == before
    (taken,) = await backups_of(inside, GLOBEX, job_id)
    assert taken.install_order == ("ent-1",)


async def test_what_changed_between_two_plans_is_kept_as_it_is_now(inside):
    await inside.submit(ACME, BIG)
    quiet = Troubled(inside.sql)
    await inside.over(quiet).services.importer.run(await inside.claim())
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E3"))
    job_id = (await inside.submit(GLOBEX, BIG, **WISH)).import_id

    async def save():
        await inside.save(GLOBEX, an_entity("ent-1", "minutes", name="E3"))

    # one transaction more than without a backup
    troubled = Troubled(inside.sql, quiet.count + 1, before=save)
    await inside.over(troubled).services.importer.run(await inside.claim())

    job, (backup,) = await inside.job(job_id), await backups_of(inside, GLOBEX, job_id)
    assert (job.state, job.outcome["backupPackageId"]) == (ImportState.SUCCEEDED, backup.package_id)
    assert b"minutes" in members(await inside.bytes_of(backup))["artifacts/entities/ent-1.json"]
    assert len(await history(inside)) == 2


async def test_nobody_waits_for_a_writer_while_a_backup_is_packed(inside, tmp_path):
    raw = await with_suite(inside)

    class Meanwhile(FileBlobs):
        """Somebody saves while bytes are on their way in."""

        @asynccontextmanager
        async def create(self):
            async with super().create() as blob, asyncio.timeout(5):
                await inside.save(ACME, an_entity("ent-5", name="Five"))
                yield blob

    await inside.submit(GLOBEX, raw, **WISH)
    busy = replace(inside, blobs=Meanwhile(tmp_path / "blobs", tmp_path / "scratch")).over(inside.sql)
    job = await busy.run_next()

    assert job.state is ImportState.SUCCEEDED
    assert job.outcome["backupPackageId"]
    assert list(await inside.heads(ACME)) == ["Five"]


@pytest.mark.parametrize(
    ("raw", "where"), [(SMALL, "inside"), (BIG, "inside"), (BIG, "after")], ids=["small", "big", "big-after"]
)
async def test_a_run_that_dies_at_any_commit_leaves_one_backup(inside, raw, where):
    async def a_tenant(number):
        tenant = TenantId(f"tenant-{number}")
        await inside.services.tenancy.add(tenant, TenantPlan.ENTERPRISE)
        await inside.save(tenant, an_entity("ent-1", "hours", name="E3"))
        return tenant, (await inside.submit(tenant, raw, **WISH)).import_id

    await a_tenant("whole")
    quiet = Troubled(inside.sql)
    await inside.over(quiet).services.importer.run(await inside.claim())

    for at in range(1, quiet.count + 1):
        tenant, job_id = await a_tenant(at)
        dying = inside.over(Troubled(inside.sql, at, **{where: killed}))
        with pytest.raises(KilledError):
            await dying.services.importer.run(await inside.claim())
        if not (await inside.job(job_id)).state.is_final:
            await inside.services.upkeep.requeue_lost(all_running=True)
            await inside.run_next()

        job, (backup,) = await inside.job(job_id), await backups_of(inside, tenant, job_id)
        assert (job.state, job.outcome["backupPackageId"]) == (ImportState.SUCCEEDED, backup.package_id)
        assert [line["packageId"] for line in await history(inside, tenant)] == [backup.package_id]
        assert is_whole(await inside.events(job_id))


async def test_backups_do_not_show_other_tenants(inside):
    job = await inside.bring(GLOBEX, await with_suite(inside), **WISH)

    assert await history(inside, ACME) == ()
    async with inside.sql.view(ACME) as unit:
        assert await unit.packages.of_version(name_key(f"Backup {job.import_id}"), "1.0.0") is None


def test_an_import_that_was_put_down_before_there_were_backups_keeps_none():
    document = options_document(ImportOptions(backup_before_replace=True))
    del document["backup_before_replace"]

    assert options_of(document) == ImportOptions()
