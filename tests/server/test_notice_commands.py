"""What did not leave the house, on the command line."""

from __future__ import annotations

import asyncio
import json

from domain.market.model import ListingId
from domain.market.remote_rows import NewReport
from domain.model import TenantId, rfc3339
from server import settings
from server.runtime import running
from tests.clocks import NOON


async def _given_up() -> None:
    """A report to a hub that does not know the package."""
    async with running(settings.load()) as runtime, runtime.ports.store.platform_unit() as unit:
        await unit.remote.line_up([NewReport(TenantId("acme"), ListingId("mkt-pkg-1"), "1.0.0", NOON)])
        report = await unit.remote.claim_report(lease_seconds=60)
        assert report is not None
        await unit.remote.report_not_told(report, "There is no such package.", again_in=None)


def outbox(here) -> list[dict]:
    return [json.loads(line) for line in here("notices", "outbox").stdout.splitlines()]


def test_what_was_not_delivered_is_shown_and_tried_again(here):
    nothing = outbox(here)
    asyncio.run(_given_up())

    before = outbox(here)
    left = here("notices", "retry"), outbox(here)
    again = here("notices", "retry", "--given-up"), outbox(here)

    told = {"way": "hub", "tenant": "acme", "to": "mkt-pkg-1", "attempts": 1, "error": "There is no such package."}
    assert nothing == []
    assert before == left[1] == [told | {"state": "Dead", "since": rfc3339(NOON)}]
    assert [(one["state"], one["attempts"]) for one in again[1]] == [("Waiting", 0)]
    assert left[0].stdout == "What waits is tried now.\n"
    assert again[0].stdout == "What waits is tried now, with what was given up.\n"
