"""Installs whose hub, tenant or caller does something else meanwhile (source: marketplace-install; issue, "Bad input").

Also what belongs to one package of several is told of that one (R8).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from domain.conflicts import MergeDetails
from domain.errors import ErrorCode, Refusal, refuse
from domain.import_model import ImportState, Stage
from domain.market.model import ListingState, Offer, TrustLevel
from domain.market.own_hub import OwnHub
from domain.model import PackageDependency
from domain.options import ConflictStrategy, Decision
from tests.journeys.inside import GLOBEX, Inside
from tests.journeys.test_installs import INSTALLER, blobs_of, install, installed, over, versions_of
from tests.makers import a_rule_set
from tests.market import Published, published

pytestmark = pytest.mark.rules

CERTIFIED = TrustLevel.CERTIFIED


class Turning(OwnHub):
    """Our own hub, whose index says what ``turned`` makes of it."""

    def __init__(self, inside: Inside, turned: Callable[[Offer], Offer] = lambda offer: offer) -> None:
        super().__init__(inside.sql, inside.blobs)
        self.turned = turned
        self.is_away = False
        self.reads = 0

    async def renew(self) -> None:
        if self.is_away:
            raise refuse(ErrorCode.HUB_UNAVAILABLE, "The hub is away.")

    async def offers_of(self, listing_id: str) -> Sequence[Offer]:
        return [self.turned(offer) for offer in await super().offers_of(listing_id)]

    async def offers_named(self, name_keys: Collection[str]) -> Sequence[Offer]:
        return [self.turned(offer) for offer in await super().offers_named(name_keys)]

    async def read(self, offer: Offer, *, start: int = 0) -> AsyncGenerator[bytes]:
        self.reads += 1
        async for chunk in super().read(offer, start=start):
            yield chunk


async def _waiting(inside: Inside, listing: Published) -> Any:
    """An install that met an artifact of the tenant's own and waits for a decision about it."""
    await inside.save(GLOBEX, a_rule_set("rule-9", name="Rules rules", note="ours"))
    job = await installed(inside, listing)
    assert job.state is ImportState.WAITING_FOR_DECISIONS
    return job


async def _decided(inside: Inside, job: Any) -> Any:
    keys = [row["conflictId"] for row in job.outcome["conflictReport"]["conflicts"]]
    await inside.services.line.resume(
        INSTALLER, job.import_id, None, dict.fromkeys(keys, Decision(ConflictStrategy.REPLACE))
    )
    return await inside.run_next()


async def test_what_was_suspended_while_its_install_waited_is_not_installed(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    hub = Turning(inside)
    there = over(inside, hub)
    waiting = await _waiting(there, listing)
    hub.turned = lambda offer: replace(offer, state=ListingState.SUSPENDED, state_reason="It is dangerous.")

    job = await _decided(there, waiting)
    again = await there.services.line.retry(INSTALLER, job.import_id, None)
    retried: Any = await there.run_next()

    assert (job.state, job.failure.code, job.failure.stage) == (ImportState.FAILED, "PackageSuspended", Stage.DOWNLOAD)
    assert (retried.import_id, retried.failure.code) == (again.import_id, "PackageSuspended")
    assert await versions_of(inside) == {}


async def test_an_install_that_has_all_its_bytes_goes_on_while_the_hub_is_away(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    hub = Turning(inside)
    there = over(inside, hub)
    waiting = await _waiting(there, listing)
    hub.is_away = True

    job = await _decided(there, waiting)

    assert job.state is ImportState.SUCCEEDED
    assert hub.reads == 1


async def test_a_package_that_lost_its_certificate_meanwhile_wants_to_be_asked_for_anew(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    hub = Turning(inside)
    there = over(inside, hub)
    await install(there, listing, acknowledged=False)
    hub.turned = lambda offer: replace(offer, trust_level=TrustLevel.COMMUNITY)

    job: Any = await there.run_next()

    assert (job.state, job.failure.code) == (ImportState.FAILED, "HubContentRefused")
    assert hub.reads == 0
    assert await versions_of(inside) == {}


async def test_keys_that_count_are_those_of_the_day_of_the_run(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    hub = Turning(inside)
    there = over(inside, hub)
    await install(there, listing)
    hub.turned = lambda offer: replace(offer, publisher_keys={"key-1": "a key that came since"})

    job: Any = await there.run_next()

    assert (job.state, job.failure.code, job.failure.stage) == (
        ImportState.FAILED,
        "SignatureInvalid",
        Stage.VALIDATION,
    )


@pytest.mark.parametrize(
    "stated", [{"checksum": "sha256:" + "0" * 64}, {"artifact_count": 7}, {"platform_version": "1.0.0"}]
)
async def test_a_bundle_that_is_not_what_the_index_says_of_it_is_not_kept(inside, stated):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    before = await blobs_of(inside)
    there = over(inside, Turning(inside, lambda offer: replace(offer, **stated)))

    job = await installed(there, listing)

    assert (job.failure.code, job.failure.rolled_back) == ("HubContentRefused", True)
    assert [package.blob_key for package in job.packages] == [""]
    assert await blobs_of(inside) == before


async def test_a_package_larger_than_the_tenant_may_bring_is_not_even_fetched(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    hub = Turning(inside, lambda offer: replace(offer, size_bytes=2**50))

    job = await installed(over(inside, hub), listing)

    assert (job.failure.code, job.failure.stage) == ("PayloadTooLarge", Stage.DOWNLOAD)
    assert hub.reads == 0


async def test_of_two_installs_at_once_the_older_version_does_not_take_the_newers_place(inside):
    await published(inside, name="Rules", trust=CERTIFIED)
    listing = await published(inside, name="Rules", version="1.2.0", trust=CERTIFIED)
    await install(inside, listing, version="1.2.0")
    await install(inside, listing, version="1.0.0")

    newer: Any = await inside.run_next()
    older: Any = await inside.run_next()

    assert newer.state is ImportState.SUCCEEDED
    assert (older.state, older.failure.code) == (ImportState.FAILED, "VersionDowngradeNotAllowed")
    assert await versions_of(inside) == {"Rules": "1.2.0"}


async def test_a_package_brought_meanwhile_in_a_later_version_stays(inside):
    core = await published(inside, name="Core", trust=CERTIFIED)
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", "2.0.0")])
    await published(inside, name="Core", version="2.0.0", trust=CERTIFIED)
    await install(inside, core, version="2.0.0")
    await install(inside, suite)

    await inside.run_next()
    job: Any = await inside.run_next()

    assert (job.state, job.failure.code) == (ImportState.FAILED, "VersionDowngradeNotAllowed")
    assert await versions_of(inside) == {"Core": "2.0.0"}


async def test_a_dry_run_of_an_older_version_shows_what_stops_it(inside):
    await published(inside, name="Rules", trust=CERTIFIED)
    listing = await published(inside, name="Rules", version="1.2.0", trust=CERTIFIED)
    await installed(inside, listing)

    job = await installed(inside, listing, version="1.0.0", dry_run=True)

    assert job.state is ImportState.SUCCEEDED
    assert "VersionDowngradeNotAllowed" in [row["code"] for row in job.outcome["blockers"]]


async def test_an_install_is_cancelled_although_its_hub_stands_still(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    asked = asyncio.Event()

    class Still(OwnHub):
        async def read(self, offer: Offer, *, start: int = 0) -> AsyncGenerator[bytes]:
            async for chunk in super().read(offer, start=start):
                asked.set()
                await asyncio.Event().wait()
                yield chunk

    there = over(inside, Still(inside.sql, inside.blobs))
    before = await blobs_of(inside)
    submitted = await install(there, listing)
    run = asyncio.create_task(there.run_next())

    async with asyncio.timeout(20):
        await asked.wait()
        seen = await inside.job(submitted.import_id)
        await there.services.line.cancel(INSTALLER, submitted.import_id, None)
        job: Any = await run

    assert (seen.state, seen.stage) == (ImportState.RUNNING, Stage.DOWNLOAD)
    assert (job.state, job.failure.stage) == (ImportState.CANCELLED, Stage.DOWNLOAD)
    assert await blobs_of(inside) == before


async def test_a_package_that_needs_hundreds_is_refused_before_anything_is_looked_up(inside):
    needed = tuple(PackageDependency(f"P{n}", "1.0.0") for n in range(501))
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    there = over(inside, Turning(inside, lambda offer: replace(offer, dependencies=needed)))

    with pytest.raises(Refusal) as caught:
        await install(there, listing)

    assert caught.value.code is ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY
    assert await inside.claim() is None


async def test_merges_of_two_packages_with_the_same_source_ids_are_told_apart(inside):
    await inside.save(
        GLOBEX,
        a_rule_set("rule-8", name="Core rules", rules=[], mine=1),
        a_rule_set("rule-9", name="Suite rules", rules=[], mine=1),
    )
    core, suite = a_rule_set("rule-1", name="Core rules", ofCore=1), a_rule_set("rule-1", name="Suite rules", ofSuite=1)
    await published(inside, name="Core", trust=CERTIFIED, artifacts=[core])
    listing = await published(
        inside, name="Suite", trust=CERTIFIED, artifacts=[suite], dependencies=[("Core", "1.0.0", None)]
    )

    job = await installed(inside, listing, default_strategy=ConflictStrategy.MERGE)
    found = await inside.services.conflicts.audit(inside.caller, job.import_id, None)

    assert job.state is ImportState.SUCCEEDED
    assert {one.action.name: one.merge for one in found} == {
        "Core rules": MergeDetails(added=("ofCore",)),
        "Suite rules": MergeDetails(added=("ofSuite",)),
    }


async def test_what_a_needed_package_touched_is_told_of_that_package(inside):
    await inside.save(GLOBEX, a_rule_set("rule-8", name="Core rules", more=1))
    await published(inside, name="Core", version="1.4.0", trust=CERTIFIED)
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])

    await installed(inside, suite, default_strategy=ConflictStrategy.REPLACE)

    for name, package in (("Core rules", ("Core", "1.4.0")), ("Suite rules", ("Suite", "1.0.0"))):
        touched = await inside.services.conflicts.touched(inside.caller, GLOBEX, name, page=1, page_size=10)
        (touch,) = touched.items
        assert (touch.package_name, touch.package_version) == package


async def test_scan_reports_of_an_install_are_one_report_of_what_was_asked_for(inside):
    await published(inside, name="Core", trust=CERTIFIED)
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])

    job = await installed(inside, suite)
    each = await inside.services.records.scan_reports(inside.caller, job)
    found = await inside.services.batches.scan_reports(inside.caller, [job.import_id])

    assert len(each) == 2
    assert found[job.import_id]["packageId"] == each[1]["packageId"]
    assert found[job.import_id]["overallResult"] == "PASS"
