"""What a hub let pass is a warning to whoever installs it, and never less (ADR 0013; decisions R6)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from domain.access import OVERRIDE_SECURITY
from domain.import_model import ImportState, Stage
from domain.market.model import Offer
from domain.market.own_hub import OwnHub
from rest_compat import install_bodies
from storage.tables import tenant
from tests.journeys.inside import GLOBEX, Inside
from tests.journeys.test_curation import excepted, without_exceptions
from tests.journeys.test_installs import INSTALLER, installed, over, versions_of

pytestmark = pytest.mark.rules

CAREFUL = replace(INSTALLER, scopes=INSTALLER.scopes | {OVERRIDE_SECURITY})


def codes(job, kind: str) -> list[str]:
    return [row["code"] for row in job.outcome[kind]]


async def test_what_the_hub_let_pass_stops_an_install_that_does_not_allow_warnings(inside: Inside):
    listing = await excepted(inside, "1.0.0")

    job = await installed(inside, listing)
    planned = await installed(inside, listing, dry_run=True)

    assert job.state is ImportState.FAILED
    assert (job.failure.code, job.failure.stage) == ("SecurityWarningsNotAllowed", Stage.SECURITY_SCAN)
    assert any("let it pass" in problem.message for problem in job.failure.problems)
    assert await versions_of(inside) == {}
    assert set(codes(planned, "blockers")) == {"SecurityWarningsNotAllowed"}


async def test_who_allows_warnings_installs_it_and_the_plan_and_the_record_say_what_was_let_pass(inside: Inside):
    listing = await excepted(inside, "1.0.0")

    planned = await installed(inside, listing, caller=CAREFUL, dry_run=True, allow_security_warnings=True)
    job = await installed(inside, listing, caller=CAREFUL, allow_security_warnings=True)

    assert (job.state, job.outcome["securityScanResult"]) == (ImportState.SUCCEEDED, "WARN")
    for outcome in (planned, job):
        assert {"ScanException", "SecurityWarning"} <= set(codes(outcome, "warnings"))
    assert planned.outcome["blockers"] == []


async def test_a_setting_of_the_tenant_does_not_cover_what_the_hub_let_pass(inside: Inside):
    listing = await excepted(inside, "1.0.0")
    async with inside.sql.platform_unit() as unit:
        await unit.tenants._session.run(  # type: ignore[attr-defined]
            update(tenant).where(tenant.c.tenant_id == GLOBEX).values(accepts_warnings=True)
        )

    job = await installed(inside, listing)

    assert (job.state, job.failure.code) == (ImportState.FAILED, "SecurityWarningsNotAllowed")


class Turned(OwnHub):
    """Our own hub, whose index binds its exceptions to something else."""

    def __init__(self, inside: Inside, place: int) -> None:
        super().__init__(inside.sql, inside.blobs)
        self.place = place

    async def offers_of(self, listing_id: str) -> list[Offer]:
        return [
            replace(offer, exceptions=tuple(_turned(one, self.place) for one in offer.exceptions))
            for offer in await super().offers_of(listing_id)
        ]


def _turned(binding: tuple[str, str, str], place: int) -> tuple[str, str, str]:
    rule, pointer, digest = (part + "x" if at == place else part for at, part in enumerate(binding))
    return rule, pointer, digest


@pytest.mark.parametrize("place", [0, 1, 2], ids=["rule", "place", "bytes"])
async def test_an_exception_for_anything_else_changes_nothing(inside: Inside, place: int):
    listing = await excepted(inside, "1.0.0")

    job = await installed(over(inside, Turned(inside, place)), listing, caller=CAREFUL, allow_security_warnings=True)

    assert (job.state, job.failure.code) == (ImportState.FAILED, "SecurityScanFailed")


async def test_an_exception_that_was_taken_back_is_one_no_more(inside: Inside):
    listing = await excepted(inside, "1.0.0")
    await without_exceptions(inside)

    job = await installed(inside, listing, caller=CAREFUL, allow_security_warnings=True)

    assert (job.state, job.failure.code) == (ImportState.FAILED, "SecurityScanFailed")


async def test_an_install_that_the_scan_forbids_ends_with_the_printed_body(inside: Inside):
    listing = await excepted(inside, "1.0.0")
    await without_exceptions(inside)

    job = await installed(inside, listing, caller=CAREFUL)

    # the source document, member by member
    assert list(install_bodies.status(job, None).items()) == [
        ("status", "Failed"),
        ("stage", "SecurityScan"),
        ("error", "SecurityScanFailed"),
        ("message", "Package scan returned FAIL — installation blocked"),
        ("rolledBack", True),
    ]
