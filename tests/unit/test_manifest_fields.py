"""One look at a whole row of a manifest: it never says more than the looks at each field."""

from __future__ import annotations

import pytest

from domain.manifest_fields import LISTS

HASH = "sha256:" + "0123456789abcdef" * 4
ROW = {
    "type": "EntitySchema",
    "id": "ent-44",
    "name": "EmployeeSchema",
    "version": "1.0.0",
    "hash": HASH,
    "file": "artifacts/entities/ent-44.json",
}
LOOKED_AT = [rows for rows in LISTS if rows.name in ("artifacts", "dependencies")]


@pytest.mark.parametrize("rows", LOOKED_AT, ids=lambda rows: rows.name)
@pytest.mark.parametrize(
    "value",
    [
        *(None, 5, [], ["EntitySchema"], "", " ", "\u2003", "\u00a0x", "\t", "a\tb", "a\n", "a\x85", "\x1cb", "é"),
        *("1.0", "01.0.0", "1.0.01", "1.0.0\n", "1.0.0-rc.1", "１.0.0", "9223372036854775808.0.0"),
        *("1.0.9223372036854775808", "1000000.0.0", "1" * 64 + ".0.0"),
        *(HASH, HASH + "\n", HASH[:-1], HASH.upper(), "e" * 129, ".e", "form-1\n", "EntitySchema\tent-44"),
    ],
)
def test_one_look_at_a_row_takes_none_that_has_a_field_of_a_wrong_form(rows, value):
    changed = [{**ROW, field.name: value} for field in rows.fields]
    lacking = [{name: text for name, text in ROW.items() if name != field.name} for field in rows.fields]

    taken = [row for row in (*changed, *lacking) if rows.is_plain(row)]

    assert [row for row in taken if not all(field.is_valid(row.get(field.name)) for field in rows.fields)] == []


@pytest.mark.parametrize("rows", LOOKED_AT, ids=lambda rows: rows.name)
def test_one_look_is_enough_for_a_usual_row(rows):
    names = ["EmployeeSchema", "Größe der Mannschaft, 2. Teil", "従業員"]

    assert all(rows.is_plain({**ROW, "name": name}) for name in names)


@pytest.mark.parametrize("value", [None, 5, "EntitySchema", [], {}])
def test_what_is_no_row_at_all_is_not_taken_for_one(value):
    assert not any(rows.is_plain(value) for rows in LISTS)
