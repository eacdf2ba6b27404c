"""Whatever names a tenant goes when it is purged, or has a reason to stay."""

from __future__ import annotations

from storage.purging import KEPT, PURGED
from storage.tables import METADATA


def test_every_table_that_names_a_tenant_is_purged_or_kept_for_a_reason():
    named = {table for table in METADATA.tables.values() if "tenant_id" in table.c}

    assert named == {*PURGED, *KEPT}
    assert {*PURGED}.isdisjoint(KEPT)
    assert all(KEPT.values())


def test_what_names_other_rows_is_purged_before_them():
    places = {table: place for place, table in enumerate(PURGED)}

    late = [
        (table.name, foreign.column.table.name)
        for table in PURGED
        for foreign in table.foreign_keys
        if places.get(foreign.column.table, len(PURGED)) <= places[table]
    ]

    assert late == []
