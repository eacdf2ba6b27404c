"""Tenants, packages and lookups by id, over SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.import_model import ImportFilter, ImportMode, ImportState
from domain.model import Actor, ArtifactStatus, TenantId, TenantPlan, TenantStatus
from domain.options import ImportOptions
from domain.ports import VersionTakenError
from domain.rows import HistoryFilter, Slice
from tests.clocks import NOON
from tests.ports.rows import (
    ACME,
    GLOBEX,
    a_package,
    a_plan,
    a_revision,
    a_tenant,
    an_import,
    an_installed,
    claimed,
    ended,
    running,
    saved,
    submitted,
    with_tenants,
)

BOTH = frozenset({ACME, GLOBEX})


async def test_a_tenant_is_added_once_and_changed_in_part(store):
    async with store.platform_unit() as unit:
        added = [await unit.tenants.add(a_tenant()), await unit.tenants.add(a_tenant())]
        await unit.tenants.update(ACME, plan=TenantPlan.ENTERPRISE, status=None)

    async with store.platform_view() as view:
        assert added == [True, False]
        assert await view.tenants.find(ACME) == replace(a_tenant(), plan=TenantPlan.ENTERPRISE)
        assert await view.tenants.find("nobody\0") is None


async def test_tenants_are_listed_by_id_inside_the_reach(store):
    await with_tenants(store, *(TenantId(f"tenant-{letter}") for letter in "dbca"))

    async with store.platform_view() as view:
        all_of_them = await view.tenants.page(None, search="", first=2)
        rest = await view.tenants.page(None, search="", first=2, after="tenant-b")
        found = await view.tenants.page(frozenset({"tenant-a", "tenant-b"}), search="T-B", first=9)
        nothing = await view.tenants.page(frozenset(), search="", first=9)

    assert [tenant.tenant_id for tenant in (*all_of_them.items, *rest.items)] == [f"tenant-{x}" for x in "abcd"]
    assert (all_of_them.has_next, rest.has_next) == (True, False)
    assert ([tenant.tenant_id for tenant in found.items], nothing.items) == (["tenant-b"], ())


async def test_a_suspended_tenant_is_read_back_so(store):
    await with_tenants(store)
    async with store.platform_unit() as unit:
        await unit.tenants.update(ACME, plan=None, status=TenantStatus.SUSPENDED)
        await unit.tenants.update(GLOBEX, plan=None, status=None)

        assert (await unit.tenants.find(ACME)).status is TenantStatus.SUSPENDED


async def test_a_package_is_read_back_whole_by_its_version_in_any_case(store):
    await with_tenants(store)
    package = a_package()
    async with store.unit(ACME) as unit:
        await unit.packages.add(package)
        await unit.packages.touch(package.package_id, NOON + timedelta(days=90))
        await unit.packages.record_export({"packageId": "pkg-1", "outcome": "Failed", "exportedBy": "anna"})

    async with store.view(ACME) as view:
        found = await view.packages.of_version("strasse pack", "1.0.0")

    assert found == replace(package, expires_at=NOON + timedelta(days=90))


async def test_a_version_is_exported_once(store):
    await with_tenants(store)
    async with store.unit(ACME) as unit:
        await unit.packages.add(a_package())

    with pytest.raises(VersionTakenError):
        async with store.unit(ACME) as unit:
            await unit.packages.add(a_package("pkg-2", name="STRASSE PACK"))
    async with store.unit(GLOBEX) as unit:
        await unit.packages.add(a_package("pkg-2", tenant_id=GLOBEX))


async def test_packages_are_listed_newest_first(store):
    await with_tenants(store)
    async with store.unit(ACME) as unit:
        for number in (1, 3, 2):
            await unit.packages.add(a_package(f"pkg-{number}", version=f"{number}.0.0"))

    async with store.view(ACME) as view:
        first = await view.packages.page(search="straße", first=2)
        rest = await view.packages.page(search="", first=2, after="pkg-2")
        nothing = await view.packages.page(search="%", first=2)

    assert [package.package_id for package in (*first.items, *rest.items)] == ["pkg-3", "pkg-2", "pkg-1"]
    assert (first.has_next, rest.has_next, nothing.items) == (True, False, ())


async def test_every_list_of_packages_does_not_show_other_tenants(store):
    await with_tenants(store)
    async with store.unit(GLOBEX) as unit:
        await unit.packages.add(a_package(tenant_id=GLOBEX))

    async with store.unit(ACME) as unit:
        await unit.packages.touch("pkg-1", NOON)
        assert await unit.packages.page(search="", first=9) == Slice((), has_next=False)
        assert await unit.packages.of_version("strasse pack", "1.0.0") is None
    async with store.platform_view() as view:
        assert await view.lookup.package("pkg-1", frozenset({GLOBEX})) == a_package(tenant_id=GLOBEX)


async def test_a_lookup_finds_only_what_lies_in_the_reach(store):
    await with_tenants(store)
    job = an_import(tenant_id=GLOBEX)
    await submitted(store, job)
    async with store.unit(GLOBEX) as unit:
        await unit.packages.add(a_package(tenant_id=GLOBEX))
        await unit.imports.save_plan(a_plan(job))

    async with store.platform_view() as view:
        look = view.lookup
        found = [
            [
                await look.package("pkg-1", reach),
                await look.import_job(job.import_id, reach),
                await look.plan_tenant(f"plan-{job.import_id}", reach),
                (await look.import_jobs(reach, ImportFilter(), first=9)).items,
            ]
            for reach in (frozenset({ACME}), frozenset(), BOTH, None)
        ]

    assert found[:2] == [[None, None, None, ()]] * 2
    assert found[2:] == [[a_package(tenant_id=GLOBEX), job, GLOBEX, (job,)]] * 2


async def test_imports_are_listed_newest_first_over_all_tenants_of_the_reach(store):
    await with_tenants(store)
    jobs = [an_import(f"imp-{n}", ACME if n % 2 else GLOBEX) for n in range(1, 6)]
    await submitted(store, *jobs)

    async with store.platform_view() as view:
        first = await view.lookup.import_jobs(BOTH, ImportFilter(), first=2)
        rest = await view.lookup.import_jobs(BOTH, ImportFilter(), first=9, after="imp-4")

    assert [*first.items, *rest.items] == jobs[::-1]
    assert (first.has_next, rest.has_next) == (True, False)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ImportFilter(), ["imp-3", "imp-2", "imp-1"]),
        (ImportFilter(include_dry_runs=True), ["imp-4", "imp-3", "imp-2", "imp-1"]),
        (ImportFilter(states=(ImportState.RUNNING,)), []),
        (ImportFilter(states=(ImportState.CANCELLING, ImportState.SUCCEEDED)), ["imp-2", "imp-1"]),
        (ImportFilter(package_name="STRASSE"), ["imp-1"]),
    ],
)
async def test_imports_are_filtered_by_what_callers_see(store, wanted, expected):
    await with_tenants(store)
    shown = an_import("imp-4", mode=ImportMode.PLAN)
    await submitted(store, an_import("imp-1", package_name="Straße"), an_import("imp-2"), an_import("imp-3"), shown)
    await ended(store, await claimed(store))
    second = await claimed(store)
    async with store.unit(ACME) as unit:
        await unit.imports.request_cancel(second.import_id)

    async with store.platform_view() as view:
        found = await view.lookup.import_jobs(None, wanted, first=9)

    assert [job.import_id for job in found.items] == expected


async def test_imports_are_found_by_who_asked_for_them_and_by_who_is_named(store):
    await with_tenants(store)
    service, nameless = Actor("robot", "robot@acme.example", is_service=True), Actor("ben")
    on_behalf = ImportOptions(imported_by="carla@acme.example")
    await submitted(
        store,
        an_import("imp-1"),
        an_import("imp-2", submitted_by=service, options=on_behalf),
        an_import("imp-3", submitted_by=nameless),
    )
    people = ["anna@acme.example", "robot@acme.example", "carla@acme.example", "ben", "anna"]

    async with store.platform_view() as view:
        asked = [await view.lookup.import_jobs(None, ImportFilter(submitted_by=one), first=9) for one in people]
        named = [await view.lookup.import_jobs(None, ImportFilter(imported_by=one), first=9) for one in people]

    assert [[job.import_id for job in page.items] for page in asked] == [["imp-1"], ["imp-2"], [], ["imp-3"], []]
    assert [[job.import_id for job in page.items] for page in named] == [["imp-1"], [], ["imp-2"], ["imp-3"], []]


async def test_installed_packages_are_counted_and_paged_inside_the_reach(store):
    await with_tenants(store)
    for tenant_id, names in ((GLOBEX, ["Beta"]), (ACME, ["Gamma", "alpha", "BETA"])):
        job = await running(store, tenant_id)
        async with store.unit(tenant_id) as unit:
            await unit.imports.activate(job.import_id, [an_installed(job, name=name) for name in names], written=0)
    asked = [(None, "", 1), (None, "", 2), (None, "", 3), (None, "beta", 1), (frozenset({GLOBEX}), "", 1)]

    async with store.platform_view() as view:
        pages = [
            await view.lookup.installed_page(reach, package_name=name, page=page, page_size=3)
            for reach, name, page in [*asked, (frozenset(), "", 1)]
        ]
        listed = await view.lookup.installed(None, package_name="", first=9, after=None)

    found = [[(one.tenant_id, one.name) for one in page.items] for page in pages]
    everything = [(ACME, "alpha"), (ACME, "BETA"), (ACME, "Gamma"), (GLOBEX, "Beta")]
    assert found == [everything[:3], everything[3:], [], [everything[1], everything[3]], everything[3:], []]
    assert [page.total_count for page in pages] == [4, 4, 4, 2, 1, 0]
    assert [(one.tenant_id, one.name) for one in listed.items] == everything


async def test_lines_of_the_export_history_go_on_where_a_page_ended(store):
    await with_tenants(store)
    async with store.unit(ACME) as unit:
        for number in range(5):
            await unit.packages.record_export({"exportId": f"exp-{number}", "exportedBy": "ab"[number % 2]})
    async with store.unit(GLOBEX) as unit:
        await unit.packages.record_export({"exportId": "exp-foreign", "exportedBy": "a"})

    async with store.view(ACME) as view:
        first = await view.packages.exports(HistoryFilter(), first=2)
        rest = await view.packages.exports(HistoryFilter(), first=9, after=first.items[-1].number)
        some = await view.packages.exports(HistoryFilter(exported_by="b"), first=9)

    assert [line.record["exportId"] for line in (*first.items, *rest.items)] == [f"exp-{n}" for n in (4, 3, 2, 1, 0)]
    assert (first.has_next, rest.has_next) == (True, False)
    assert [line.record["exportId"] for line in some.items] == ["exp-3", "exp-1"]


async def test_one_tenant_is_named_for_each_artifact_that_is_there(store):
    await with_tenants(store)
    await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    await saved(store, a_revision("rule-1"), a_revision("rule-3", status=ArtifactStatus.DELETED), tenant_id=GLOBEX)
    asked = ["rule-1", "rule-2", "rule-3", "rule-4"]

    async with store.platform_view() as view:
        everywhere = await view.lookup.tenants_holding(asked, None)
        there = await view.lookup.tenants_holding(asked, frozenset({GLOBEX}))
        nowhere = await view.lookup.tenants_holding(asked, frozenset())

    assert everywhere == {"rule-1": ACME, "rule-2": ACME}
    assert (there, nowhere) == ({"rule-1": GLOBEX}, {})
