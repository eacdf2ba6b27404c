"""The line to a hub elsewhere: each install is told in its order, and again until the hub has heard it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from domain.errors import ErrorCode, Refusal, refuse
from domain.market.model import TrustLevel
from domain.market.reporting import INSTALLED_ELSEWHERE, Reporting, known_as
from domain.notices.sending import Patience
from domain.ports import Ports
from storage.limiter import MemoryLimiter
from storage.tables import secret
from tests.journeys.inside import GLOBEX, Inside
from tests.journeys.test_installs import Flawed, installed, over
from tests.market import published

EAGER, SLOW = Patience(first=0.0, longest=0.0), Patience(first=3600.0)
AWAY = refuse(ErrorCode.HUB_UNAVAILABLE, "The hub is away.")
UNKNOWN = refuse(ErrorCode.NOT_FOUND, "The hub does not know it.")


@dataclass
class Desk:
    """A hub's desk; before it listens it says ``answers``, one a report."""

    answers: list[Refusal] = field(default_factory=list)
    heard: list[Mapping[str, Any]] = field(default_factory=list)

    async def tell(self, path: tuple[str, ...], told: Mapping[str, Any], *, key: str = "") -> Mapping[str, Any]:
        assert (path, key) == (("installs",), "")
        if self.answers:
            raise self.answers.pop(0)
        self.heard.append(told)
        return {}


def reporting(inside: Inside, desk: Desk, patience: Patience = EAGER) -> Reporting:
    ports = Ports(inside.sql, inside.blobs, inside.bell, MemoryLimiter(), inside.clock, hub_desk=desk)
    return Reporting(ports, patience)


async def reported(inside: Inside, *versions: str) -> None:
    """Messages of installs, relayed."""
    for version in versions:
        async with inside.sql.unit(GLOBEX) as unit:
            await unit.imports.post(INSTALLED_ELSEWHERE, {"listingId": "mkt-pkg-1", "version": version})
    await inside.services.relay.empty()


def versions(desk: Desk) -> list[str]:
    return [told["version"] for told in desk.heard]


@pytest.mark.parametrize("is_elsewhere", [True, False])
async def test_an_install_leaves_its_message_where_the_hub_is_elsewhere(inside, is_elsewhere):
    listing = await published(inside, name="Rules", trust=TrustLevel.CERTIFIED)

    await installed(over(inside, Flawed(inside)) if is_elsewhere else inside, listing)

    async with inside.sql.platform_view() as view:
        waiting = [message for message in await view.notices.waiting(limit=10) if message.kind == INSTALLED_ELSEWHERE]
    told = {"listingId": listing.listing_id, "version": "1.0.0"}
    assert [(message.tenant_id, message.payload) for message in waiting] == [(GLOBEX, told)] * is_elsewhere


async def test_each_install_is_told_once_in_its_order_and_names_nobody(inside):
    desk = Desk()
    await reported(inside, "1.0.0", "1.1.0")

    attempts = [await reporting(inside, desk).tell_hub() for _ in range(2)]

    assert (attempts, versions(desk)) == ([2, 0], ["1.0.0", "1.1.0"])
    keys = {told["tenant"] for told in desk.heard}
    assert len(keys) == 1
    assert GLOBEX not in str(desk.heard)


async def test_only_who_has_the_installations_secret_makes_its_keys(inside):
    async with inside.sql.platform_unit() as unit:
        tenant, again, person = [await known_as(unit, kind, GLOBEX) for kind in ("tenant", "tenant", "person")]
        rows: Any = unit.keeping
        await rows._session.run(delete(secret))
    async with inside.sql.platform_unit() as unit:
        elsewhere = await known_as(unit, "tenant", GLOBEX)

    assert tenant == again
    assert len({tenant, person, elsewhere}) == 3
    assert all(len(key) == 64 for key in (tenant, person, elsewhere))


async def test_while_the_hub_is_away_the_line_rests_and_nothing_is_lost(inside):
    desk = Desk([AWAY, AWAY])
    await reported(inside, "1.0.0", "1.1.0")

    resting = [await reporting(inside, desk, SLOW).tell_hub() for _ in range(2)]
    await reporting(inside, desk).take_back()
    done = await reporting(inside, desk).tell_hub()

    assert (resting, done, versions(desk)) == ([1, 0], 3, ["1.0.0", "1.1.0"])


async def test_what_the_hub_refuses_is_given_up_and_keeps_nobody_waiting(inside):
    desk = Desk([UNKNOWN])
    await reported(inside, "1.0.0", "1.1.0")

    await reporting(inside, desk).tell_hub()
    async with inside.sql.platform_view() as view:
        left = await view.notices.undelivered(most=10)

    assert versions(desk) == ["1.1.0"]
    assert [(one.tenant_id, one.error) for one in left] == [(GLOBEX, UNKNOWN.message)]


async def test_who_stops_between_telling_and_noting_it_tells_once_more(inside):
    desk = Desk()
    await reported(inside, "1.0.0")

    async with inside.sql.platform_unit() as unit:
        assert await unit.remote.claim_report(lease_seconds=-1.0) is not None
    await reporting(inside, desk).tell_hub()

    assert versions(desk) == ["1.0.0"]


async def test_what_could_not_be_told_within_a_month_is_told_no_more(inside):
    desk = Desk()
    await reported(inside, "1.0.0")
    inside.clock.advance(timedelta(days=31))

    dropped = await reporting(inside, desk).tidy()

    assert (dropped, await reporting(inside, desk).tell_hub(), desk.heard) == (1, 0, [])


async def test_without_a_desk_installs_wait(inside):
    await reported(inside, "1.0.0")
    ports = Ports(inside.sql, inside.blobs, inside.bell, MemoryLimiter(), inside.clock)

    assert await Reporting(ports).tell_hub() == 0
    async with inside.sql.platform_view() as view:
        assert await view.remote.is_report_due()
