"""What a tenant's people say of findings in its imports is remembered, over SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.exception_rows import ImportException, Verdict
from domain.import_model import ImportState
from domain.market.curation_rows import Judgement
from domain.model import BlobKey, ImportId
from tests.clocks import NOON
from tests.ports.rows import ACME, ANNA, GLOBEX, an_import, claimed, ended, submitted, with_tenants

BORIS = replace(ANNA, subject="boris")
DAY = timedelta(days=1)
YES = Verdict(Judgement.APPROVED, "It is a word", NOON + DAY, NOON, BORIS)
NO = Verdict(Judgement.REJECTED, "It is not", None, NOON, BORIS)


def an_exception(exception_id: str = "exc-1", **fields) -> ImportException:
    made = ImportException(
        exception_id=exception_id,
        tenant_id=ACME,
        import_id=ImportId("imp-1"),
        finding_index=0,
        rule="EvalCall",
        pointer="/nodes/0/config/expression",
        artifact_hash="sha256:" + "5" * 64,
        explanation="It is a word",
        justification="",
        status=Judgement.UNDER_REVIEW,
        asked_at=NOON,
        asked_by=ANNA,
    )
    return replace(made, **fields)


@pytest.fixture
async def hub(store):
    await with_tenants(store)
    await submitted(store, an_import("imp-1"))
    return store


async def test_a_finding_has_one_exception_that_stands(hub):
    async with hub.unit(ACME) as unit:
        asked = [await unit.exceptions.ask(an_exception("exc-1")), await unit.exceptions.ask(an_exception("exc-2"))]
        other = await unit.exceptions.ask(an_exception("exc-3", finding_index=1))
        rejected = await unit.exceptions.decide("exc-1", NO)
        again = await unit.exceptions.ask(an_exception("exc-4"))
        count = await unit.exceptions.count("imp-1")

    assert (asked, other, rejected, again, count) == ([True, False], True, True, True, 3)


async def test_what_was_approved_counts_until_its_time_is_over_or_it_is_taken_back(hub):
    wanted = an_exception()
    async with hub.unit(ACME) as unit:
        await unit.exceptions.ask(wanted)
        before = await unit.exceptions.granted(NOON)
        await unit.exceptions.decide("exc-1", YES)
        twice = await unit.exceptions.decide("exc-1", YES)
        granted = await unit.exceptions.granted(NOON)
        found = await unit.exceptions.find("imp-1", "exc-1")
        after = await unit.exceptions.granted(NOON + DAY)
        await unit.exceptions.decide("exc-1", NO)
        withdrawn = await unit.exceptions.granted(NOON)

    assert (before, twice, after, withdrawn) == (frozenset(), False, frozenset(), frozenset())
    assert granted == {(wanted.rule, wanted.pointer, wanted.artifact_hash)}
    assert found == replace(
        wanted, status=YES.status, details=YES.details, valid_until=YES.valid_until, decided_at=NOON, decided_by=BORIS
    )


async def test_exceptions_are_listed_by_how_they_stand_a_page_after_the_other(hub):
    async with hub.unit(ACME) as unit:
        for number in range(3):
            await unit.exceptions.ask(an_exception(f"exc-{number}", finding_index=number))
        await unit.exceptions.decide("exc-1", YES)
        open_ones = await unit.exceptions.page((Judgement.UNDER_REVIEW,), first=1)
        rest = await unit.exceptions.page((Judgement.UNDER_REVIEW,), first=5, after=open_ones.items[0].exception_id)

    assert ([one.exception_id for one in open_ones.items], open_ones.has_next) == (["exc-0"], True)
    assert ([one.exception_id for one in rest.items], rest.has_next) == (["exc-2"], False)


async def test_another_tenant_neither_sees_nor_uses_nor_decides_them(hub):
    async with hub.unit(ACME) as unit:
        await unit.exceptions.ask(an_exception())
        await unit.exceptions.decide("exc-1", YES)

    async with hub.unit(GLOBEX) as unit:
        found = await unit.exceptions.find("imp-1", "exc-1")
        page = await unit.exceptions.page(tuple(Judgement), first=5)
        seen = (await unit.exceptions.granted(NOON), await unit.exceptions.count("imp-1"))
        decided = await unit.exceptions.decide("exc-1", NO)

    assert (found, page.items, seen, decided) == (None, (), (frozenset(), 0), False)


async def test_the_package_is_kept_while_somebody_may_decide_and_while_it_counts(hub):
    await ended(hub, await claimed(hub), ImportState.FAILED)
    blob = BlobKey("blob-1")

    async def is_kept() -> bool:
        async with hub.platform_view() as unit:
            return not await unit.keeping.unnamed([blob], now=NOON + 90 * DAY, kept_after_use=30 * DAY)

    kept = [await is_kept()]
    async with hub.unit(ACME) as unit:
        await unit.exceptions.ask(an_exception())
    kept.append(await is_kept())
    for verdict in (replace(YES, valid_until=NOON + 80 * DAY), NO):
        async with hub.unit(ACME) as unit:
            await unit.exceptions.decide("exc-1", verdict)
        kept.append(await is_kept())

    assert kept == [False, True, True, False]
