"""A scanner that dies, hangs or talks nonsense, or is not there at all, never lets a package pass (rule 7, F14)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from domain import scanning
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState, Stage
from domain.market.publishing import scan_refusal
from domain.scanning import Scanner, ScanResult, ScanRun
from tests.journeys.inside import GLOBEX, codes
from tests.makers import a_bundle, a_process

_NOON = datetime(2026, 5, 25, 12, tzinfo=UTC)
HARMLESS = a_bundle(a_process("proc-1"))
RELEASED = threading.Event()


class Dying(Scanner):
    def artifact(self, *_what):
        raise MemoryError("no more")


class Hanging(Scanner):
    def artifact(self, *_what):
        RELEASED.wait()
        return []


class Talking(Scanner):
    def artifact(self, *_what):
        return ["all is well"]


class Silent(Scanner):
    def artifact(self, *_what):
        return None


FAULTS = {"dies": Dying(), "hangs": Hanging(), "nonsense": Talking(), "nothing": Silent(), "not configured": None}


@pytest.fixture(autouse=True)
def _afterwards() -> Iterator[None]:
    RELEASED.clear()
    yield
    RELEASED.set()
    scanning.put_in_force(Scanner())


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_scan_that_came_to_no_end_blocks_the_import_whatever_it_allows(inside, fault):
    slow = inside.over(inside.sql, scan_seconds=0 if fault == "hangs" else 60)
    scanning.put_in_force(FAULTS[fault])

    job = await slow.bring(GLOBEX, HARMLESS, allow_security_warnings=True)

    (report,) = await inside.services.records.scan_reports(inside.caller, job)
    assert (job.state, job.failure.stage, job.failure.status) == (ImportState.FAILED, Stage.SECURITY_SCAN, 503)
    assert codes(job) == {ErrorCode.SCAN_ERROR}
    assert (report["overallResult"], bool(report["error"])) == ("ERROR", True)
    assert await inside.heads(GLOBEX) == {}


def test_a_part_is_tried_three_times_and_a_scanner_that_recovers_is_believed():
    class Recovering(Scanner):
        def artifact(self, *_what):
            tried.append(1)
            if len(tried) < 3:
                raise OSError
            return []

    tried: list[int] = []
    scanning.put_in_force(Recovering())
    run = ScanRun(lambda _found: None, seconds=60)

    run.artifact("RuleSet", "rule-1", "Limits", b"{}")
    run.finish()

    assert (len(tried), run.trouble) == (3, "")


def test_a_scan_that_is_late_once_goes_on_with_another_thread():
    class LateOnce(Scanner):
        def artifact(self, *_what):
            tried.append(threading.get_ident())
            if len(tried) == 1:
                RELEASED.wait()
            return []

    tried: list[int] = []
    scanning.put_in_force(LateOnce())
    run = ScanRun(lambda _found: None, seconds=0.5)

    run.artifact("RuleSet", "rule-1", "Limits", b"{}")
    run.finish()

    assert (len(set(tried)), run.trouble) == (2, "")


def test_a_submission_whose_scan_came_to_no_end_is_refused_for_that():
    ended = scanning.report("p", "1.0.0", [], scanned_at=_NOON, duration_ms=0, trouble="The scanner failed.")

    refusal = scan_refusal(ended)

    assert ended.overall_result is ScanResult.ERROR
    assert isinstance(refusal, Refusal)
    assert refusal.code is ErrorCode.SCAN_ERROR


def test_a_report_keeps_why_it_came_to_no_end():
    ended = scanning.report("p", "1.0.0", [], scanned_at=_NOON, duration_ms=0, trouble="The scanner failed.")

    again = scanning.ScanReport.from_wire(ended.to_stored())

    assert again == ended
