"""A dialect with statuses of its own has one for every code that refuses, and none is forgotten when a code comes."""

from __future__ import annotations

from domain.errors import ErrorCode
from rest_compat.akana_faults import _SAID, STATUSES

#: what the documents print, and the three that a client must be able to tell apart (akana.md section 3)
KNOWN = {400, 401, 403, 404, 405, 413, 415, 429, 500, 503}


def test_every_code_that_refuses_has_its_status_in_the_akana_compatible_door():
    refusing = {code for code in ErrorCode if not code.is_warning}

    assert {code.name for code in refusing ^ STATUSES.keys()} == set()
    assert set(STATUSES.values()) == KNOWN


def test_no_code_stands_in_its_table_twice():
    listed = [code for codes in _SAID.values() for code in codes]

    assert len(set(listed)) == len(listed)


def test_its_table_keeps_what_the_step_promises():
    by_status = {status: {code for code in ErrorCode if code.status == status} for status in (413, 422, 429, 503)}

    assert {STATUSES[code] for code in by_status[413]} == {413}
    assert {STATUSES[code] for code in by_status[422] - {ErrorCode.IDEMPOTENCY_KEY_REUSED}} == {500}
    assert {STATUSES[code] for code in by_status[429]} == {429}
    assert {STATUSES[code] for code in by_status[503]} == {503}
    assert STATUSES[ErrorCode.SECURITY_SCAN_FAILED] == STATUSES[ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED] == 400
    assert STATUSES[ErrorCode.PLATFORM_VERSION_INCOMPATIBLE] == STATUSES[ErrorCode.INVALID_ZIP] == 400
    assert STATUSES[ErrorCode.NOT_ACCEPTABLE] == 404
