"""What a tenant remembers of bindings: sealed, for one pair, and read by nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.artifact_types import ArtifactType
from domain.binding_slots import BindingSlot, BindingSource
from domain.manifest_fields import BINDINGS_MAX
from domain.model import ArtifactId, PackageDependency, name_key
from domain.plan_model import ExternalTarget
from storage.sealing import Seal
from tests.clocks import NOON
from tests.ports.rows import ACME, ANNA, GLOBEX, a_package, a_plan, an_installed, running, with_tenants

KEY, OTHER_KEY, SECRET = "agent-1/llmConfig/credentialId", "agent-2/llmConfig/credentialId", "s3cret-of-the-tenant"
SOURCE = "tenant-source"


@pytest.fixture(autouse=True)
async def _tenants(store):
    await with_tenants(store)


async def remembered(store, tenant=ACME, source=SOURCE, keys=None):
    async with store.view(tenant) as unit:
        rows = await unit.bindings.remembered(source, keys)
        return await unit.bindings.opened({row.key: row.sealed for row in rows})


async def remember(store, values, tenant=ACME, source=SOURCE, at=NOON):
    async with store.unit(tenant) as unit:
        await unit.bindings.remember(source, await unit.bindings.sealed(values), at=at, by=ANNA)


async def test_values_are_remembered_with_who_sent_them_and_replaced_by_key(store):
    await remember(store, {KEY: "first", OTHER_KEY: "other"})
    await remember(store, {KEY: SECRET}, at=NOON + timedelta(hours=1))

    async with store.view(ACME) as unit:
        rows = await unit.bindings.remembered(SOURCE)

    assert await remembered(store) == {KEY: SECRET, OTHER_KEY: "other"}
    assert [(row.key, row.kept_at, row.kept_by) for row in rows] == [
        (KEY, NOON + timedelta(hours=1), ANNA),
        (OTHER_KEY, NOON, ANNA),
    ]
    assert await remembered(store, keys=[OTHER_KEY, "unknown"]) == {OTHER_KEY: "other"}


async def test_another_tenant_and_another_source_remember_nothing_of_it(store):
    await remember(store, {KEY: SECRET})

    assert await remembered(store, GLOBEX) == {}
    assert await remembered(store, source="elsewhere") == {}


async def test_what_is_not_kept_is_forgotten_for_this_pair_alone(store):
    await remember(store, {KEY: "a", OTHER_KEY: "b"})
    await remember(store, {KEY: "c"}, source="elsewhere")

    async with store.unit(ACME) as unit:
        await unit.bindings.forget(SOURCE, but=[OTHER_KEY])
    some = await remembered(store)
    async with store.unit(ACME) as unit:
        await unit.bindings.forget(SOURCE)

    assert (some, await remembered(store)) == ({OTHER_KEY: "b"}, {})
    assert await remembered(store, source="elsewhere") == {KEY: "c"}


async def test_many_keys_are_remembered_at_once(store):
    values = {f"agent-{n:04}/llmConfig/credentialId": f"cred-{n}" for n in range(1_100)}

    await remember(store, values)

    assert await remembered(store) == values
    assert await remembered(store, keys=list(values)) == values


async def test_the_oldest_are_forgotten_beyond_what_a_file_may_hold(store):
    async with store.unit(ACME) as unit:
        await unit.bindings.remember(SOURCE, {"agent-old/x": "sealed"}, at=NOON, by=ANNA)
        many = {f"agent-{n}/x": "sealed" for n in range(BINDINGS_MAX)}
        await unit.bindings.remember(SOURCE, many, at=NOON + timedelta(seconds=1), by=ANNA)

    async with store.view(ACME) as unit:
        kept = {row.key for row in await unit.bindings.remembered(SOURCE)}

    assert kept == set(many)


async def test_no_row_holds_a_value_and_another_tenant_cannot_open_it(store):
    await remember(store, {KEY: SECRET})
    async with store._engines.reader.connect() as connection:
        rows = (await connection.execute(text("SELECT sealed FROM remembered_binding"))).scalars().all()

    async with store.view(GLOBEX) as unit:
        stolen = await unit.bindings.opened({KEY: rows[0]})
    async with store.view(ACME) as unit:
        misplaced = await unit.bindings.opened({OTHER_KEY: rows[0]})

    assert SECRET not in repr(rows)
    assert (stolen, misplaced) == ({KEY: rows[0]}, {OTHER_KEY: rows[0]})


async def test_sealing_twice_is_sealing_once_and_what_only_looks_sealed_is_sealed(store):
    async with store.unit(ACME) as unit:
        once = await unit.bindings.sealed({KEY: SECRET})
        twice = await unit.bindings.sealed(once)
        strange = {KEY: "sealed:1:AAAA", OTHER_KEY: "sealed:1:%"}
        opened = await unit.bindings.opened(await unit.bindings.sealed(strange))

    assert once == twice != {KEY: SECRET}
    assert opened == strange


async def test_a_text_that_no_database_stores_is_kept_as_near_as_can_be(store):
    await remember(store, {KEY: "a\0b\ud800c"})

    assert await remembered(store) == {KEY: "a\ufffdb\ufffdc"}


def test_another_key_opens_nothing():
    sealed = Seal(bytes(32)).sealed(SECRET, "acme", KEY)

    assert Seal(bytes(32)).opened(sealed, "acme", KEY) == SECRET
    assert Seal(b"\1" * 32).opened(sealed, "acme", KEY) is None
    assert Seal(bytes(32)).opened(sealed[:-4] + "AAAA", "acme", KEY) is None


async def test_a_plan_keeps_its_bindings_and_what_it_refers_to(store):
    job = await running(store)
    slots = (
        BindingSlot(KEY, "credential", "Agent", ArtifactType.AGENT_DEFINITION, ArtifactId("agent-1"), "A"),
        BindingSlot(
            OTHER_KEY, "Key", "", ArtifactType.RULE_SET, ArtifactId("agent-2"), "B", BindingSource.REMEMBERED, 1
        ),
    )
    externals = (ExternalTarget(0, ArtifactId("ent-1"), ArtifactId("ent-here")),)
    plan = a_plan(job, bindings=slots, externals=externals)

    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(plan)
    async with store.view(ACME) as unit:
        kept = await unit.imports.plan(plan.plan_id)

    assert (kept.bindings, kept.externals) == (slots, externals)


async def test_an_installed_package_keeps_what_it_needs(store):
    job = await running(store)
    needs = (PackageDependency("Core", "1.0.0", "2.0.0"), PackageDependency("Löhne", "0.1.0"))

    async with store.unit(ACME) as unit:
        packages = [an_installed(job, dependencies=needs), an_installed(job, name="Alone")]
        await unit.imports.activate(job.import_id, packages, written=0)
    async with store.view(ACME) as unit:
        installed = await unit.imports.installed()

    assert {one.name: one.dependencies for one in installed} == {"Alone": (), "Starter": needs}


async def test_the_versions_of_a_package_are_listed_newest_first(store):
    async with store.unit(ACME) as unit:
        for number, version in enumerate(["1.0.0", "2.0.0", "1.0.1"]):
            await unit.packages.add(a_package(f"pkg-{number}", version=version))
        await unit.packages.add(a_package("pkg-9", name="Other"))
    async with store.view(ACME) as mine, store.view(GLOBEX) as other:
        key = name_key("Straße Pack")

        assert await mine.packages.versions(key, most=10) == ["1.0.1", "2.0.0", "1.0.0"]
        assert await mine.packages.versions(key, most=1) == ["1.0.1"]
        assert await other.packages.versions(key, most=10) == []
