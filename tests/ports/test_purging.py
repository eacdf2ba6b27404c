"""A tenant's rows are gone through a few at a time, on both databases."""

from __future__ import annotations

from sqlalchemy import select

from domain.keeping_rows import PurgePlace
from storage.purging import PURGED
from storage.tables import artifact
from tests.ports.rows import ACME, GLOBEX, a_revision, saved, with_tenants


async def artifacts(store):
    async with store._engines.reader.connect() as connection:
        rows = await connection.execute(select(artifact.c.tenant_id, artifact.c.artifact_id))
    return sorted(tuple(row) for row in rows)


async def test_few_rows_of_one_table_go_in_each_transaction_and_none_of_another_tenant(store):
    await with_tenants(store)
    for number in range(5):
        await saved(store, a_revision(f"rule-{number}"))
        await saved(store, a_revision(f"rule-{number}"), tenant_id=GLOBEX)
    left = []
    here = PURGED.index(artifact)
    place: PurgePlace | None = PurgePlace(here)

    while place is not None and place.table == here:
        async with store.platform_unit() as unit:
            place = await unit.purging.some(ACME, place, most=2)
        left.append([row[1] for row in await artifacts(store) if row[0] == ACME])

    assert [len(some) for some in left] == [3, 1, 0, 0]
    assert await artifacts(store) == [(GLOBEX, f"rule-{number}") for number in range(5)]
