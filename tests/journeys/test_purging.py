"""A tenant is given up with everything that it has, and nothing of anybody else (decisions R40)."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select

from domain.errors import ErrorCode, Refusal
from domain.import_model import AuditEntry, ImportState
from domain.model import Actor, TenantId, TenantPlan, TenantStatus
from domain.ports import Turn
from storage.purging import KEPT, PURGED
from storage.tables import audit
from tests.journeys.inside import ACME, GLOBEX, a_caller
from tests.journeys.trouble import KilledError, Troubled, killed
from tests.makers import an_entity
from tests.market import published

HOST = Actor("host")


class CutOff(Troubled):
    """Counts the transactions of no tenant."""

    @asynccontextmanager
    async def platform_unit(self, *, turn=Turn.ASKED):
        self.count += 1
        if self._is_it():
            await self.before()
        async with self.store.platform_unit(turn=turn) as unit:
            yield unit


async def rows_of(inside, tenant):
    """How many rows name the tenant, by table."""
    async with inside.sql._engines.reader.connect() as connection:
        counts = {
            table.name: (
                await connection.execute(select(func.count()).select_from(table).where(table.c.tenant_id == tenant))
            ).scalar_one()
            for table in (*PURGED, *KEPT)
        }
    return {name: count for name, count in counts.items() if count}


@pytest.fixture
async def lived_in(inside, package):
    """Both tenants have artifacts, exports and imports; in GLOBEX one waits for decisions and one is queued."""
    await inside.bring(GLOBEX, package)
    await inside.save(GLOBEX, an_entity("ent-own", name="Own"))
    own = await inside.export(GLOBEX, "ent-own", package_type="config-package")
    await inside.save(ACME, an_entity("ent-theirs", "other", name="Own"))
    waiting = await inside.bring(ACME, own.package)
    assert waiting.state is ImportState.WAITING_FOR_DECISIONS
    await inside.submit(GLOBEX, package)
    return inside


async def test_nothing_of_a_purged_tenant_is_left_and_nothing_of_another_is_touched(lived_in):
    others = await rows_of(lived_in, ACME)

    purged = await lived_in.services.purging.purge(lived_in.caller, GLOBEX, confirmed=GLOBEX)

    assert purged.is_gone
    assert await rows_of(lived_in, GLOBEX) == {}
    assert await rows_of(lived_in, ACME) == others
    assert await lived_in.services.tenancy.find(lived_in.caller, GLOBEX) is None
    assert await lived_in.claim() is None


async def test_the_installation_remembers_who_purged_which_tenant(lived_in):
    await lived_in.services.purging.apply(GLOBEX, HOST)

    async with lived_in.sql._engines.reader.connect() as connection:
        found = select(audit.c.at, audit.c.actor, audit.c.action, audit.c.import_id, audit.c.details)
        rows = (await connection.execute(found.where(audit.c.tenant_id == ""))).all()
    at = lived_in.clock.now()
    assert [AuditEntry(*row) for row in rows] == [AuditEntry(at, HOST, "tenant.purged", None, {"tenantId": GLOBEX})]


async def test_a_tenant_in_which_something_runs_is_not_purged(lived_in):
    await lived_in.claim()
    before = await rows_of(lived_in, GLOBEX)

    with pytest.raises(Refusal) as caught:
        await lived_in.services.purging.apply(GLOBEX, HOST)

    tenant = await lived_in.services.tenancy.find(lived_in.caller, GLOBEX)
    assert caught.value.code is ErrorCode.TENANT_BUSY
    assert tenant is not None
    assert tenant.status is TenantStatus.ACTIVE
    assert await rows_of(lived_in, GLOBEX) == before


@pytest.mark.rules
@pytest.mark.parametrize(
    ("caller", "confirmed", "code"),
    [
        (a_caller(scopes=frozenset({"installhub:import"})), GLOBEX, ErrorCode.INSUFFICIENT_PERMISSION),
        (
            a_caller(tenants=frozenset({ACME}), scopes=frozenset({"installhub:admin"})),
            GLOBEX,
            ErrorCode.TENANT_MISMATCH,
        ),
        (a_caller(), ACME, ErrorCode.BAD_USER_INPUT),
    ],
)
async def test_only_who_may_and_means_it_purges_a_tenant(lived_in, caller, confirmed, code):
    before = await rows_of(lived_in, GLOBEX)

    with pytest.raises(Refusal) as caught:
        await lived_in.services.purging.purge(caller, GLOBEX, confirmed=confirmed)

    assert caught.value.code is code
    assert await rows_of(lived_in, GLOBEX) == before


async def test_an_unknown_tenant_cannot_be_purged(inside):
    with pytest.raises(Refusal) as caught:
        await inside.services.purging.apply(TenantId("nobody"), HOST)

    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_a_purge_that_was_cut_off_is_begun_again(lived_in):
    troubled = lived_in.over(CutOff(lived_in.sql, at=9, before=killed))
    with pytest.raises(KilledError):
        await troubled.services.purging.apply(GLOBEX, HOST)
    assert await rows_of(lived_in, GLOBEX) != {}

    purged = await lived_in.services.purging.apply(GLOBEX, HOST)

    assert purged.is_gone
    assert await rows_of(lived_in, GLOBEX) == {}


async def test_a_purged_tenant_can_be_made_again_and_knows_nothing(lived_in):
    await lived_in.services.purging.apply(GLOBEX, HOST)

    await lived_in.services.tenancy.add(GLOBEX, TenantPlan.STANDARD)

    assert await lived_in.heads(GLOBEX) == {}


async def test_what_a_purged_tenant_published_stays_on_offer(inside):
    offer = (await published(inside)).offer
    publisher = TenantId("northwind")
    await inside.save(publisher, an_entity("ent-own", name="Own"))

    purged = await inside.services.purging.apply(publisher, HOST)

    tenant = await inside.services.tenancy.find(inside.caller, publisher)
    async with inside.sql.platform_view() as unit:
        offered = await unit.offers.of_listing(offer.listing_id)
    assert tenant is not None
    assert (purged.is_gone, tenant.status) == (False, TenantStatus.SUSPENDED)
    assert offered == [offer]
    assert await inside.heads(publisher) == {}
    assert {*await rows_of(inside, publisher)} <= {table.name for table in KEPT}
