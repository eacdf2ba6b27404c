"""Packages come from the marketplace through the importer's line, all or nothing (source: marketplace-install)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.access import Caller
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportJob, ImportKind, ImportState, Stage
from domain.market.installs import InstallOrder, install_id
from domain.market.model import InstallWish, ListingId, Offer, TrustLevel
from domain.market.own_hub import OwnHub
from domain.market.ports import HubUnreachableError
from domain.model import TenantId, TenantPlan
from domain.options import ConflictStrategy, Decision, ImportOptions
from domain.ports import Ports
from domain.services import services
from storage.limiter import MemoryLimiter
from tests.journeys.inside import GLOBEX, Inside, a_caller, is_whole, visible
from tests.journeys.trouble import KilledError, Troubled, killed
from tests.makers import a_rule_set, an_entity
from tests.market import Published, a_package, published

INSTALLER = a_caller(
    "ina",
    tenants=frozenset({GLOBEX}),
    scopes=frozenset({"installhub:import", "marketplace:install", "marketplace:install:community"}),
)
CERTIFIED = TrustLevel.CERTIFIED


def without(*scopes: str) -> Caller:
    return replace(INSTALLER, scopes=INSTALLER.scopes - set(scopes))


async def install(
    inside: Inside,
    listing: str | Published,
    *,
    caller: Caller = INSTALLER,
    version: str | None = None,
    acknowledged: bool = True,
    key: str | None = None,
    tenant: TenantId = GLOBEX,
    **options: object,
) -> ImportJob:
    listing_id = listing if isinstance(listing, str) else listing.listing_id
    wish = InstallWish(ListingId(listing_id), version, acknowledged)
    order = InstallOrder(tenant, wish, ImportOptions(**options))  # type: ignore[arg-type]
    return await inside.services.installs.submit(caller, order, key=key)


async def installed(inside: Inside, listing: str | Published, **fields: Any) -> Any:
    """Submitted and run to its end."""
    await install(inside, listing, **fields)
    return await inside.run_next()


async def versions_of(inside: Inside, tenant: TenantId = GLOBEX) -> dict[str, str]:
    async with inside.sql.view(tenant) as unit:
        return {package.name: package.version for package in await unit.imports.installed()}


async def test_a_package_is_downloaded_and_comes_in_as_an_import_does(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)

    submitted = await install(inside, listing, acknowledged=False)
    job: Any = await inside.run_next()

    assert (submitted.kind, submitted.state) == (ImportKind.INSTALL, ImportState.QUEUED)
    assert job.state is ImportState.SUCCEEDED
    assert (job.package_name, job.package_version) == ("Rules", "1.0.0")
    assert list(await inside.heads(GLOBEX)) == ["Rules rules"]
    assert await versions_of(inside) == {"Rules": "1.0.0"}
    stages = [event.progress.stage for event in await inside.events(job.import_id)]
    assert list(dict.fromkeys(stage for stage in stages if stage)) == [
        stage for stage in Stage if stage is not Stage.UPLOAD
    ]
    percents = [event.progress.percent for event in await inside.events(job.import_id)]
    assert percents == sorted(percents)
    assert percents[-1] == 100.0


async def test_what_is_needed_comes_first_and_all_becomes_active_at_once(inside):
    core = await published(inside, name="Core", version="1.4.0", trust=CERTIFIED)
    await published(inside, name="Core", version="2.0.0", trust=CERTIFIED)
    await published(inside, name="Billing", version="1.1.0", trust=CERTIFIED, dependencies=[("Core", "1.2.0", "2.0.0")])
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Billing", "1.0.0", None)])

    job = await installed(inside, suite)

    assert job.state is ImportState.SUCCEEDED
    assert [package.offer.full_name for package in job.packages] == ["Core@1.4.0", "Billing@1.1.0", "Suite@1.0.0"]
    assert await versions_of(inside) == {"Core": "1.4.0", "Billing": "1.1.0", "Suite": "1.0.0"}
    assert set(await inside.heads(GLOBEX)) == {"Core rules", "Billing rules", "Suite rules"}
    assert [row["packageName"] for row in job.outcome["packages"]] == ["Core", "Billing", "Suite"]
    assert job.outcome["artifactsInstalled"] == 3
    async with inside.sql.platform_view() as unit:
        assert (await unit.publishing.listing(core.listing_id)).install_count == 1


async def test_one_package_that_fails_takes_all_others_with_it(inside):
    await published(inside, name="Core", trust=CERTIFIED, artifacts=[a_rule_set("rule-1", name="Shared")])
    suite = await published(
        inside,
        name="Suite",
        trust=CERTIFIED,
        dependencies=[("Core", "1.0.0", None)],
        artifacts=[a_rule_set("rule-2", name="SHARED")],
    )

    job = await installed(inside, suite)

    assert job.state is ImportState.FAILED
    assert job.failure.code == "DuplicateArtifact"
    assert job.failure.rolled_back
    assert await inside.heads(GLOBEX) == {}
    assert await versions_of(inside) == {}


async def test_the_audit_keeps_what_was_agreed_to_and_how_far_it_is_trusted(inside):
    await published(inside, name="Core")
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])

    job = await installed(inside, suite)

    entries = {entry.action: entry.details for entry in await inside.services.records.audit(INSTALLER, job)}
    for action in ("import.submitted", "import.activated"):
        told = [(row["packageName"], row["trustLevel"], row["publisher"]) for row in entries[action]["packages"]]
        assert told == [("Core", "Community", "Northwind"), ("Suite", "Certified", "Northwind")]
        assert [row["checksum"] for row in entries[action]["packages"]][1] == suite.offer.checksum
        assert entries[action]["acknowledged"] is True
        assert entries[action]["indexVersion"] == 0


async def test_what_is_installed_already_is_not_brought_again(inside):
    core = await published(inside, name="Core", trust=CERTIFIED)
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])
    await installed(inside, core)

    job = await installed(inside, suite)

    assert [package.offer.full_name for package in job.packages] == ["Suite@1.0.0"]
    assert job.state is ImportState.SUCCEEDED


async def test_the_same_install_again_writes_nothing(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    await installed(inside, listing)

    job = await installed(inside, listing)

    assert job.state is ImportState.SUCCEEDED
    assert (job.outcome["artifactsWritten"], job.outcome["artifactsUnchanged"]) == (0, 1)
    async with inside.sql.platform_view() as unit:
        assert (await unit.publishing.listing(listing.listing_id)).install_count == 1


@pytest.mark.parametrize(
    ("missing", "required"),
    [
        ("installhub:import", "installhub:import"),
        ("marketplace:install", "marketplace:install"),
        ("marketplace:install:community", "marketplace:install:community"),
    ],
)
async def test_permission_comes_before_acknowledgement(inside, missing, required):
    listing = await published(inside, name="Rules")

    with pytest.raises(Refusal) as caught:
        await install(inside, listing, caller=without(missing), acknowledged=False)

    assert caught.value.code is ErrorCode.INSUFFICIENT_PERMISSION
    assert caught.value.details["required"] == required


async def test_a_community_package_wants_to_be_acknowledged_and_then_comes(inside):
    listing = await published(inside, name="Rules")

    with pytest.raises(Refusal) as caught:
        await install(inside, listing, acknowledged=False)
    job = await installed(inside, listing)

    assert caught.value.code is ErrorCode.ACKNOWLEDGMENT_REQUIRED
    assert caught.value.message == ("This is a Community package. Set 'acknowledgeCommunityPackage': true to confirm.")
    assert "packages" not in caught.value.details
    assert job.state is ImportState.SUCCEEDED


async def test_trust_is_judged_over_everything_that_would_come(inside):
    core = await published(inside, name="Core")
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])

    with pytest.raises(Refusal) as forbidden:
        await install(inside, suite, caller=without("marketplace:install:community"))
    with pytest.raises(Refusal) as unconfirmed:
        await install(inside, suite, acknowledged=False)

    assert forbidden.value.code is ErrorCode.INSUFFICIENT_PERMISSION
    assert unconfirmed.value.details["packages"] == [
        {"packageName": "Core", "version": "1.0.0", "packageId": core.listing_id}
    ]
    assert await inside.claim() is None


async def test_a_dry_run_shows_the_whole_plan_and_writes_nothing(inside):
    await published(inside, name="Core")
    suite = await published(inside, name="Suite", dependencies=[("Core", "1.0.0", None)])

    job = await installed(inside, suite, acknowledged=False, dry_run=True)

    assert job.state is ImportState.SUCCEEDED
    assert job.outcome["wouldInstall"] == ["Core rules", "Suite rules"]
    assert [row["packageName"] for row in job.outcome["packages"]] == ["Core", "Suite"]
    assert [row["code"] for row in job.outcome["blockers"]] == ["AcknowledgmentRequired"]
    assert await inside.heads(GLOBEX) == {}


async def test_a_conflict_waits_and_the_install_goes_on_with_the_decision(inside):
    await inside.save(GLOBEX, a_rule_set("rule-9", name="Rules rules", status_note="ours"))
    listing = await published(inside, name="Rules", trust=CERTIFIED)

    waiting = await installed(inside, listing)
    key = waiting.outcome["conflictReport"]["conflicts"][0]["conflictId"]
    await inside.services.line.resume(INSTALLER, waiting.import_id, None, {key: Decision(ConflictStrategy.REPLACE)})
    job = await inside.run_next()

    assert waiting.state is ImportState.WAITING_FOR_DECISIONS
    assert (job.import_id, job.state) == (waiting.import_id, ImportState.SUCCEEDED)
    assert job.outcome["counts"]["update"] == 1


async def test_conflicts_of_two_packages_have_numbers_of_their_own(inside):
    await inside.save(
        GLOBEX, a_rule_set("rule-8", name="Core rules", more=1), a_rule_set("rule-9", name="Suite rules", more=1)
    )
    await published(inside, name="Core", trust=CERTIFIED)
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])

    waiting = await installed(inside, suite)
    rows = waiting.outcome["conflictReport"]["conflicts"]
    keys = {row["artifactName"]: row["conflictId"] for row in rows}
    wishes = {"Core rules": ConflictStrategy.SKIP, "Suite rules": ConflictStrategy.REPLACE}
    decisions = {keys[name]: Decision(strategy) for name, strategy in wishes.items()}
    await inside.services.line.resume(INSTALLER, waiting.import_id, None, decisions)
    job = await inside.run_next()

    assert keys == {"Core rules": "conf-001", "Suite rules": "conf-002"}
    assert (job.outcome["counts"]["skip"], job.outcome["counts"]["update"]) == (1, 1)


async def test_a_key_gives_the_same_install_again_even_when_the_hub_has_changed_its_mind(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    first = await install(inside, listing, key="once")
    await inside.run_next()
    await published(inside, name="Rules", version="1.1.0", trust=CERTIFIED)

    again = await install(inside, listing, key="once")
    with pytest.raises(Refusal) as other:
        await install(inside, listing, key="once", version="1.1.0")

    assert again.import_id == first.import_id
    assert again.state is ImportState.SUCCEEDED
    assert other.value.code is ErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_another_tenants_install_is_unknown_and_an_import_is_no_install(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    job = await installed(inside, listing)
    plain = await inside.bring(GLOBEX, a_package("Other"))
    elsewhere = a_caller("eve", tenants=frozenset({"elsewhere"}), scopes=INSTALLER.scopes)

    found = await inside.services.installs.get(INSTALLER, install_id(job), INSTALLER.reach)

    assert found.import_id == job.import_id
    for caller, wanted in (
        (elsewhere, install_id(job)),
        (INSTALLER, install_id(plain)),
        (INSTALLER, job.import_id),
        (INSTALLER, "mkt-install-nothing"),
    ):
        with pytest.raises(Refusal) as caught:
            await inside.services.installs.get(caller, wanted, caller.reach)
        assert (caught.value.code, caught.value.details["what"]) == (ErrorCode.NOT_FOUND, "install")


async def test_an_older_version_does_not_take_the_place_of_a_newer_one_by_itself(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    await published(
        inside, name="Rules", version="1.2.0", trust=CERTIFIED, artifacts=[a_rule_set("rule-2", name="Newer")]
    )
    await installed(inside, listing, version="1.2.0")

    with pytest.raises(Refusal) as caught:
        await install(inside, listing, version="1.0.0")
    job = await installed(inside, listing, version="1.0.0", allow_version_downgrade=True)

    assert caught.value.code is ErrorCode.VERSION_DOWNGRADE_NOT_ALLOWED
    assert job.state is ImportState.SUCCEEDED


async def test_the_estimate_comes_from_runs_of_that_size(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    untried = await install(inside, listing)
    first_guess = await inside.services.installs.estimated_seconds(untried)
    inside.clock.advance(timedelta(seconds=42))
    await inside.run_next()

    again = await install(inside, listing)

    assert first_guess == 2
    assert await inside.services.installs.estimated_seconds(again) == 42


class Flawed(OwnHub):
    """Our own hub with a flaw in its bytes: the nth read is what ``flaw`` makes of it."""

    def __init__(self, inside: Inside, *flaws: Callable[[bytes], Sequence[bytes | Exception]]) -> None:
        super().__init__(inside.sql, inside.blobs)
        self.flaws = list(flaws)
        self.starts: list[int] = []

    async def read(self, offer: Offer, *, start: int = 0) -> AsyncGenerator[bytes]:
        self.starts.append(start)
        whole = b"".join([chunk async for chunk in super().read(offer, start=start)])
        pieces = self.flaws.pop(0)(whole) if self.flaws else [whole]
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def over(inside: Inside, hub: OwnHub) -> Inside:
    """The same with another hub."""
    ports = Ports(inside.sql, inside.blobs, inside.bell, MemoryLimiter(), inside.clock, hub=hub)
    made = services(ports, inside.services.installation)
    return Inside(inside.sql, inside.blobs, inside.clock, inside.bell, made, inside.caller)


class Renewed(OwnHub):
    """Our own hub, whose index is renewed while somebody looks into it for the first time."""

    def __init__(self, inside: Inside) -> None:
        super().__init__(inside.sql, inside.blobs)
        self.looks = 0

    async def index_version(self) -> int:
        return 7 if self.looks == 0 else 8

    async def offers_of(self, listing_id: str) -> Sequence[Offer]:
        self.looks += 1
        return await super().offers_of(listing_id)


async def test_what_is_installed_comes_from_one_version_of_the_index_which_is_kept_with_it(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    hub = Renewed(inside)

    job: Any = await install(over(inside, hub), listing)

    assert (hub.looks, job.install.index_version) == (2, 8)


async def blobs_of(inside: Inside) -> Collection[str]:
    later = inside.clock.now() + timedelta(days=9_999)
    return [key async for keys in inside.blobs.keys(older_than=later) for key in keys]


@pytest.mark.parametrize(
    ("flaw", "why"),
    [
        (lambda raw: [raw[:-1] + bytes([raw[-1] ^ 1])], "its hash is another"),
        (lambda raw: [raw, b"more"], "it is longer than the index says"),
        (lambda raw: [raw[:-1]], "it is shorter than the index says"),
    ],
    ids=["another byte", "longer", "shorter"],
)
async def test_bytes_that_are_not_as_the_index_states_fail_the_install_and_are_not_kept(inside, flaw, why):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    before = await blobs_of(inside)

    job = await installed(over(inside, Flawed(inside, flaw)), listing)

    assert job.state is ImportState.FAILED
    assert (job.failure.code, job.failure.stage) == ("HubContentRefused", Stage.DOWNLOAD)
    assert why in job.failure.message
    assert job.failure.rolled_back
    assert await blobs_of(inside) == before
    assert await inside.heads(GLOBEX) == {}


async def test_a_connection_that_breaks_is_taken_up_where_it_ended(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    hub = Flawed(inside, lambda raw: [raw[:100], HubUnreachableError("gone")])

    job = await installed(over(inside, hub), listing)

    assert job.state is ImportState.SUCCEEDED
    assert hub.starts == [0, 100]


async def test_a_hub_that_never_answers_fails_the_install_and_a_retry_goes_on(inside):
    await published(inside, name="Core", trust=CERTIFIED)
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])

    def gone(raw: bytes) -> Sequence[bytes | Exception]:
        return [HubUnreachableError("gone")]

    hub = Flawed(inside, lambda raw: [raw], *[gone] * 5)
    there = over(inside, hub)
    failed = await installed(there, suite)
    again = await there.services.line.retry(INSTALLER, failed.import_id, None)
    job: Any = await there.run_next()

    assert (failed.failure.code, failed.failure.stage) == ("HubUnavailable", Stage.DOWNLOAD)
    assert again.retry_of == failed.import_id
    assert job.state is ImportState.SUCCEEDED
    # what had come the first time was not fetched again
    assert len(hub.starts) == 1 + 5 + 1


async def test_what_the_hub_stops_after_the_submission_is_not_installed(inside):
    listing = await published(inside, name="Rules", trust=CERTIFIED)
    await install(inside, listing)

    class Changed(OwnHub):
        async def offers_of(self, listing_id: str) -> Sequence[Offer]:
            offers = await super().offers_of(listing_id)
            return [replace(offer, checksum="sha256:" + "0" * 64) for offer in offers]

    there = over(inside, Changed(inside.sql, inside.blobs))
    job: Any = await there.run_next()

    assert (job.state, job.failure.code) == (ImportState.FAILED, "HubContentRefused")
    assert await inside.heads(GLOBEX) == {}


async def test_two_packages_of_one_install_may_use_the_same_source_ids(inside):
    await published(inside, name="Core", trust=CERTIFIED, artifacts=[an_entity("ent-1", name="Core entity")])
    suite = await published(
        inside,
        name="Suite",
        trust=CERTIFIED,
        dependencies=[("Core", "1.0.0", None)],
        artifacts=[an_entity("ent-1", name="Suite entity")],
    )

    job = await installed(inside, suite)

    heads = await inside.heads(GLOBEX)
    assert job.state is ImportState.SUCCEEDED
    assert len({head.artifact_id for head in heads.values()}) == 2
    assert {head.origin.package_name for head in heads.values()} == {"Core", "Suite"}


async def _a_tenant(inside: Inside, number: int | str) -> TenantId:
    return (await inside.services.tenancy.add(f"tenant-{number}", TenantPlan.ENTERPRISE)).tenant_id


@pytest.mark.parametrize("where", ["before", "inside", "after"])
async def test_an_install_that_dies_at_any_commit_is_taken_up_and_comes_to_the_same_end(inside, where):
    await published(inside, name="Core", trust=CERTIFIED)
    suite = await published(inside, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])
    anyone = a_caller("ina")
    anyone = replace(anyone, scopes=anyone.scopes | INSTALLER.scopes)
    whole = await _a_tenant(inside, "whole")
    await install(inside, suite, caller=anyone, tenant=whole)
    store = Troubled(inside.sql)
    await inside.over(store).services.importer.run(await inside.claim())
    expected = visible(await inside.contents(whole))

    for at in range(1, store.count + 1):
        tenant = await _a_tenant(inside, at)
        job_id = (await install(inside, suite, caller=anyone, tenant=tenant)).import_id
        with pytest.raises(KilledError):
            await inside.over(Troubled(inside.sql, at, **{where: killed})).services.importer.run(await inside.claim())
        if not (await inside.job(job_id)).state.is_final:
            assert await inside.heads(tenant) == {}
            assert await inside.services.upkeep.requeue_lost(all_running=True) == 1
            await inside.run_next()

        assert (await inside.job(job_id)).state is ImportState.SUCCEEDED
        assert visible(await inside.contents(tenant)) == expected
        assert await versions_of(inside, tenant) == {"Core": "1.0.0", "Suite": "1.0.0"}
        assert is_whole(await inside.events(job_id))
    assert store.count == 4
