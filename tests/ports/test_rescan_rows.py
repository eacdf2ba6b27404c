"""What is due to be scanned again, who does it, and the reports, over SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain.keeping_rows import PurgePlace
from domain.model import PackageId
from domain.notices.model import Person
from domain.rescan_rows import Keeping
from domain.sessions import ISSUER
from domain.user_rows import Power, User
from storage.rescan_tables import rescan
from tests.clocks import NOON
from tests.ports.rows import ACME, ANNA, GLOBEX, a_package, an_import, an_installed, submitted, with_tenants

OLD, NEW = "rules-1", "rules-2"
ACMES, GLOBEXES = frozenset({ACME}), frozenset({GLOBEX})
IDENTITY = "issuer anna"
LEASE, OVER = 60.0, -1.0


@pytest.fixture
async def hub(store):
    """Two exported packages of acme, and one that cannot be fetched; at globex, what one import brought."""
    await with_tenants(store)
    gone = a_package("pkg-gone", name="Gone", expires_at=NOON)
    async with store.unit(ACME) as unit:
        for package in (a_package("pkg-1"), a_package("pkg-2", name="Two"), gone):
            await unit.packages.add(package, identity=IDENTITY)
    job = an_import("imp-1", GLOBEX, identity="issuer boris")
    await submitted(store, job)
    async with store.unit(GLOBEX) as unit:
        await unit.imports.save_scan(job.import_id, 0, {"packageId": "pkg-i", "rulesVersion": OLD})
        unit.imports.keep_installed([an_installed(job, package_id=PackageId("pkg-i"))])
    return store


async def due(store, rules: str = NEW):
    async with store.platform_view() as view:
        return await view.rescans.due(rules, NOON, most=10)


async def claimed(store, kept, rescan_id: str = "rsc-1", *, lease: float = LEASE, rules: str = NEW):
    async with store.platform_unit() as unit:
        return await unit.rescans.claim(kept, rules, rescan_id, lease_seconds=lease)


async def noted(store, claim, result: str = "PASS") -> bool:
    async with store.platform_unit() as unit:
        is_noted: bool = await unit.rescans.note(claim, result, {"overallResult": result}, NOON)
    return is_noted


async def test_each_tenants_packages_are_due_in_turn_as_long_as_they_are_kept(hub):
    found = await due(hub)

    assert [(one.tenant_id, one.keeping, one.subject_id, one.package_id, one.scanned_by) for one in found] == [
        (ACME, Keeping.EXPORTED, "pkg-1", "pkg-1", ""),
        (GLOBEX, Keeping.INSTALLED, "imp-1", "pkg-i", OLD),
        (ACME, Keeping.EXPORTED, "pkg-2", "pkg-2", ""),
    ]
    assert [one.subject_id for one in await due(hub, OLD)] == ["pkg-1", "pkg-2"]


async def test_what_a_tenant_has_no_more_is_not_due(hub):
    later = an_import("imp-2", GLOBEX)
    await submitted(hub, later)
    async with hub.unit(GLOBEX) as unit:
        unit.imports.keep_installed([an_installed(later, package_id=PackageId("pkg-j"), version="2.0.0")])
    async with hub.unit(ACME) as unit:
        await unit.packages.delete(PackageId("pkg-1"), NOON)

    assert [one.subject_id for one in await due(hub)] == ["pkg-2"]


async def test_one_scans_a_package_and_its_report_is_written_once(hub):
    first, installed, _ = await due(hub)
    claim = await claimed(hub, first)
    twice = await claimed(hub, first, "rsc-2")
    meanwhile = await due(hub)

    is_noted = [await noted(hub, claim), await noted(hub, claim, "FAIL")]

    assert (claim.rescan_id, claim.attempt, twice, is_noted) == ("rsc-1", 1, None, [True, False])
    assert [one.subject_id for one in meanwhile] == ["pkg-2", "imp-1"]
    assert [one.subject_id for one in await due(hub)] == ["pkg-2", "imp-1"]
    assert await noted(hub, await claimed(hub, installed, "rsc-3"))
    assert [one.subject_id for one in await due(hub)] == ["pkg-2"]
    assert [one.subject_id for one in await due(hub, OLD)] == ["pkg-1", "imp-1", "pkg-2"]


async def test_who_died_over_a_scan_loses_it_to_another_who_goes_on(hub):
    first, *_ = await due(hub)
    dead = await claimed(hub, first, lease=OVER)

    second = await claimed(hub, first, "rsc-2")

    assert (second.rescan_id, second.attempt) == (dead.rescan_id, 2)
    assert [await noted(hub, dead), await noted(hub, second)] == [False, True]


async def test_an_attempt_that_could_not_be_made_does_not_count(hub):
    first, *_ = await due(hub)
    claim = await claimed(hub, first)

    async with hub.platform_unit() as unit:
        await unit.rescans.let_go(claim)

    assert (await claimed(hub, first, "rsc-2")).attempt == 1


@pytest.mark.parametrize("tenant_id", [ACME, GLOBEX])
async def test_no_scan_of_a_tenant_is_begun_that_would_outlive_it(hub, tenant_id):
    seen = [kept for kept in await due(hub) if kept.tenant_id == tenant_id]
    place: PurgePlace | None = PurgePlace()
    number = 0

    while place is not None:
        async with hub.platform_unit() as unit:
            place = await unit.purging.some(tenant_id, place, most=1)
        for kept in seen:
            number += 1
            await claimed(hub, kept, f"rsc-{number}", lease=OVER)

    async with hub._engines.reader.connect() as connection:
        rows = await connection.execute(select(func.count()).where(rescan.c.tenant_id == tenant_id))
    assert (bool(seen), rows.scalar_one()) == (True, 0)


async def test_what_was_deleted_since_it_was_found_due_is_not_scanned(hub):
    first, *_ = await due(hub)
    async with hub.unit(ACME) as unit:
        await unit.packages.delete(PackageId(first.subject_id), NOON)

    assert await claimed(hub, first) is None


async def test_who_goes_back_to_earlier_rules_finds_the_reports_there(hub):
    first, *_ = await due(hub)
    for number, rules in enumerate((NEW, "rules-3")):
        assert await noted(hub, await claimed(hub, first, f"rsc-{number}", rules=rules))

    assert [one.subject_id for one in await due(hub)] == ["pkg-2", "imp-1"]


async def test_scans_are_shown_to_whose_packages_they_are_alone(hub):
    for number, kept in enumerate(await due(hub)):
        await noted(hub, await claimed(hub, kept, f"rsc-{number}"), "WARN")
    async with hub.platform_view() as view:
        rows = view.rescans
        page = await rows.page(ACMES, tuple(Keeping), first=1)
        rest = await rows.page(ACMES, tuple(Keeping), first=5, after=page.items[-1].rescan_id)
        named = await rows.page(None, tuple(Keeping), package_id="pkg-2", first=5)
        brought = await rows.page(None, tuple(Keeping), import_id="imp-1", first=5)
        kept_out = await rows.page(ACMES, (Keeping.INSTALLED,), first=5)
        found = [await rows.find("rsc-1", reach) for reach in (None, GLOBEXES, ACMES)]

    assert ([one.rescan_id for one in page.items], page.has_next) == (["rsc-2"], True)
    assert ([one.rescan_id for one in rest.items], rest.has_next) == (["rsc-0"], False)
    assert [one.rescan_id for one in (*named.items, *brought.items)] == ["rsc-2", "rsc-1"]
    assert (kept_out.items, found[2]) == ((), None)
    assert found[0] == found[1]
    assert (found[0].report, brought.items[0].report) == ({"overallResult": "WARN"}, None)


async def test_whom_a_scan_concerns_are_who_brought_the_package_and_the_site_admins(hub):
    users = [("u-1", Power.SITE_ADMIN, True), ("u-2", Power.SITE_ADMIN, False), ("u-3", Power.MODIFY, True)]
    async with hub.platform_unit() as unit:
        for user_id, power, is_enabled in users:
            address = f"{user_id}@acme.example"
            await unit.users.add(User(user_id, ACME, address, address, "hash", power, is_enabled, NOON))
    exported, installed, _ = await due(hub)
    for number, kept in enumerate((exported, installed)):
        await noted(hub, await claimed(hub, kept, f"rsc-{number}"), "FAIL")

    async with hub.platform_view() as view:
        found = await view.rescans.concerned(["rsc-0", "rsc-1", "rsc-9"])

    assert {rescan_id: people for rescan_id, (_, people) in found.items()} == {
        "rsc-0": (Person.of(IDENTITY, ANNA), Person(f"{ISSUER} u-1", "u-1@acme.example")),
        "rsc-1": (Person.of("issuer boris", ANNA),),
    }


async def test_many_packages_of_one_tenant_keep_no_other_waiting(hub):
    async with hub.unit(ACME) as unit:
        for number in range(12):
            await unit.packages.add(a_package(f"pkg-{number:03}", name=f"Pack {number}"))
    async with hub.platform_view() as view:
        found = await view.rescans.due(NEW, NOON + timedelta(days=1), most=2)

    assert {one.tenant_id for one in found} == {ACME, GLOBEX}
