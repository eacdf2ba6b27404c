"""From a publisher's first day to a version that others can install, and all that may stand in the way."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain import strict_json
from domain.errors import ErrorCode, Refusal
from domain.manifest import content_checksum
from domain.market.model import (
    ListingState,
    PublisherStatus,
    Submission,
    SubmissionStatus,
    TrustLevel,
)
from domain.market.pipeline import ATTEMPTS_MAX
from domain.market.submitting import SubmissionOrder
from domain.ports import PlatformUnit, Turn
from tests.journeys.inside import Inside, an_inside, members
from tests.journeys.trouble import KilledError, Troubled, killed
from tests.makers import Checking, a_process, a_rule_set, a_suite, an_artifact, an_entity
from tests.market import (
    a_package,
    a_publishing_caller,
    a_verified_publisher,
    an_operator,
    an_order,
    approved,
    checked,
    kept,
    offered,
    published,
    submitted,
    wishes,
)

FAILING = an_artifact("rule-1", name="Bad", rules=[{"ruleId": "r", "condition": "{{env.DATABASE_PASSWORD}}"}])


@pytest.fixture
async def inside(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[Inside]:
    """On SQLite alone: what depends on the database stands in the suite of the store, and in tests ``on_both``."""
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    async with an_inside(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}", tmp_path) as made:
        yield made


@pytest.fixture
async def on_both(database_url: str, tmp_path: Path) -> AsyncIterator[Inside]:
    """Once on SQLite and once on PostgreSQL."""
    async with an_inside(database_url, tmp_path) as made:
        yield made


async def bytes_at(inside: Inside, blob_key: Any) -> bytes:
    return b"".join([chunk async for chunk in inside.blobs.read(blob_key)])


async def submission_of(inside: Inside, submission: Submission) -> Submission:
    async with inside.sql.platform_view() as unit:
        found = await unit.publishing.submission(submission.submission_id)
    assert found is not None
    return found


async def refused(work: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value


async def test_a_submitted_package_is_offered_once_the_checks_have_passed(on_both: Inside):
    publisher = await a_verified_publisher(on_both)

    queued = await submitted(on_both, a_package("Starter", "1.0.0"), publisher)
    done = await checked(on_both, queued)

    made = await offered(on_both, publisher, done)
    assert (queued.status, done.status) == (SubmissionStatus.QUEUED, SubmissionStatus.LISTED)
    assert (made.listing.name, made.listing.latest_version, made.listing.trust_level, made.listing.state) == (
        *("Starter", "1.0.0"),
        TrustLevel.COMMUNITY,
        ListingState.LISTED,
    )
    assert made.listing.listing_id == queued.listing_id
    assert (made.offer.version, made.offer.publisher_id) == ("1.0.0", publisher.publisher_id)


async def test_what_the_hub_offers_is_restated_and_its_artifacts_are_not(inside: Inside, tmp_path: Path):
    raw = a_package("Starter", artifacts=a_suite(), description="For starters")

    made = await published(inside, raw=raw)

    offered_raw = await bytes_at(inside, made.version.blob_key)
    before, after = members(raw), members(offered_raw)
    stated, said = strict_json.trusted(before["manifest.json"]), strict_json.trusted(after["manifest.json"])
    artifacts = [name for name in before if name.startswith("artifacts/")]
    assert {name: after[name] for name in artifacts} == {name: before[name] for name in artifacts}
    assert (said["tenantId"], said["exportedBy"]) == (made.publisher.publisher_id, made.publisher.contact_email)
    volatile = {"tenantId", "exportedBy", "readmeHash", "contentChecksum"}
    assert {key: said[key] for key in said if key not in volatile} == {
        k: stated[k] for k in stated if k not in volatile
    }
    assert b"packages@northwind.example" in after["README.md"]
    assert b"ana@example.com" not in b"".join(after.values())
    assert made.version.manifest == said
    assert made.version.content_checksum == said["contentChecksum"] == content_checksum(said)
    assert (made.version.size_bytes, made.offer.checksum) == (len(offered_raw), stated["checksum"])
    with closing(Checking(tmp_path)) as check:
        assert check(offered_raw).manifest.tenant_id == made.publisher.publisher_id


async def test_members_of_a_manifest_that_nobody_knows_are_published_as_they_are(inside: Inside):
    def with_more(tree: dict[str, Any]) -> None:
        tree |= {"license": "MIT", "vendorNotes": {"reviewed": True}}

    made = await published(inside, raw=a_package(edit=with_more))

    assert made.version.manifest["vendorNotes"]["reviewed"] is True
    assert made.listing.license == "MIT"


async def test_a_package_that_the_scan_forbids_is_rejected_with_its_report(inside: Inside):
    publisher = await a_verified_publisher(inside)

    done = await checked(inside, await submitted(inside, a_package(artifacts=[FAILING]), publisher))

    assert (done.status, done.reason) == (SubmissionStatus.REJECTED, "SecurityScanFailed")
    assert done.scan_report is not None
    assert done.scan_report["overallResult"] == "FAIL"
    async with inside.sql.platform_view() as unit:
        assert await unit.publishing.listing_named("starter") is None


async def test_a_rejected_version_may_be_submitted_again(inside: Inside):
    publisher = await a_verified_publisher(inside)
    first = await checked(inside, await submitted(inside, a_package(artifacts=[FAILING]), publisher))

    made = await published(inside, name="Starter", version="1.0.0")

    assert made.listing.listing_id == first.listing_id


async def test_a_package_with_warnings_is_offered_with_them(inside: Inside):
    node = {"nodeId": "n1", "config": {"url": "https://api.partner.example/v1", "expression": "window.name"}}
    warned = a_process(nodes=[node])

    made = await published(inside, artifacts=[warned])

    assert made.version.scan_result == "WARN", made.version.scan_report
    assert made.version.powers["hosts"] == ["api.partner.example"]


async def test_a_published_version_never_changes(inside: Inside):
    made = await published(inside, version="1.0.0")

    refusal = await refused(submitted(inside, a_package(version="1.0.0"), made.publisher))

    assert (refusal.code, refusal.status) == (ErrorCode.VERSION_ALREADY_PUBLISHED, 400)


async def test_a_version_that_is_being_looked_at_is_not_taken_twice(inside: Inside):
    publisher = await a_verified_publisher(inside)
    first = await submitted(inside, a_package(), publisher)

    refusal = await refused(submitted(inside, a_package(), publisher))

    assert (refusal.code, refusal.details["submissionId"]) == (ErrorCode.STATE_CONFLICT, first.submission_id)


async def test_a_name_belongs_to_the_publisher_that_has_published_it(inside: Inside):
    await published(inside, name="Starter")
    other = await a_verified_publisher(inside, "southwind")

    refusal = await refused(submitted(inside, a_package("STARTER", "2.0.0"), other))

    assert (refusal.code, refusal.status) == (ErrorCode.PACKAGE_BELONGS_TO_OTHER_PUBLISHER, 403)


async def test_of_two_publishers_that_submit_one_name_the_first_one_listed_has_it(on_both: Inside):
    first, second = await a_verified_publisher(on_both), await a_verified_publisher(on_both, "southwind")
    early = await submitted(on_both, a_package("Twice"), first)
    late = await submitted(on_both, a_package("twice"), second)

    done = [await checked(on_both, one) for one in (early, late)]

    assert [one.status for one in done] == [SubmissionStatus.LISTED, SubmissionStatus.REJECTED]
    assert done[1].reason == "PackageBelongsToOtherPublisher"


async def test_what_a_package_needs_must_be_in_the_marketplace(inside: Inside):
    publisher = await a_verified_publisher(inside)
    await published(inside, name="Base", version="1.0.0")
    needing = a_package("Starter", dependencies=[("Base", "2.0.0", None), ("Unheard of", "1.0.0", None)])

    refusal = await refused(submitted(inside, needing, publisher))

    assert [(one.code, one.where) for one in refusal.problems] == [
        (ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY, "packageDependencies[0]"),
        (ErrorCode.MISSING_PACKAGE_DEPENDENCY, "packageDependencies[1]"),
    ]


@pytest.mark.parametrize("stop", ["listing", "publisher"])
async def test_what_is_suspended_as_a_whole_meets_no_needs(inside: Inside, stop: str):
    base = await published(inside, name="Base", publisher="fabrikam")
    operator, services = an_operator(), inside.services
    if stop == "listing":
        await services.curation.safeguarding.suspend(operator, base.listing_id, reason="Bad")
    else:
        await services.publishers.suspend(operator, base.publisher.publisher_id, reason="Bad")
    publisher = await a_verified_publisher(inside)

    refusal = await refused(submitted(inside, a_package(dependencies=[("Base", "1.0.0", None)]), publisher))

    assert refusal.code is ErrorCode.MISSING_PACKAGE_DEPENDENCY


async def test_a_package_whose_needs_are_met_is_offered_with_them(inside: Inside):
    await published(inside, name="Base", version="1.2.0")

    made = await published(inside, name="Starter", dependencies=[("base", "1.0.0", "2.0.0")])

    assert [one.package_name for one in made.offer.dependencies] == ["base"]


async def test_only_a_verified_publisher_submits(inside: Inside):
    await inside.services.tenancy.add(
        "northwind", (await inside.services.tenancy.page(inside.caller, first=1)).items[0].plan
    )
    caller = a_publishing_caller("northwind")
    publisher = await inside.services.publishers.create(caller, an_order())

    refusal = await refused(submitted(inside, a_package(), publisher))

    assert (refusal.code, refusal.status) == (ErrorCode.PUBLISHER_NOT_VERIFIED, 403)


async def test_a_publisher_submits_so_many_packages_a_day_and_then_waits(inside: Inside):
    few = inside.over(inside.sql, submissions_per_publisher_day=2)
    publisher = await a_verified_publisher(few)
    for version in ("1.0.0", "1.1.0"):
        await submitted(few, a_package(version=version), publisher)
        inside.clock.advance(timedelta(hours=1))

    refusal = await refused(submitted(few, a_package(version="1.2.0"), publisher))
    inside.clock.advance(timedelta(hours=22, minutes=1))
    later = await submitted(few, a_package(version="1.2.0"), publisher)

    assert (refusal.code, refusal.details["retryAfter"]) == (ErrorCode.RATE_LIMIT_EXCEEDED, 22 * 3600)
    assert later.status is SubmissionStatus.QUEUED


async def test_a_broken_package_is_refused_with_everything_that_is_wrong(inside: Inside):
    publisher = await a_verified_publisher(inside)
    raw = a_package(files={"rule-7": b"{}"}, artifacts=[a_rule_set("rule-7"), an_entity()])

    refusal = await refused(submitted(inside, raw, publisher, wishes=wishes(description="", tags=("NOT SO",))))

    assert (refusal.status, {one.code for one in refusal.problems}) == (
        400,
        {
            *(ErrorCode.MISSING_REQUIRED_FIELD, ErrorCode.BAD_USER_INPUT, ErrorCode.ARTIFACT_HASH_MISMATCH),
            *(ErrorCode.ARTIFACT_INVALID, ErrorCode.BUNDLE_CHECKSUM_MISMATCH),
        },
    )


async def test_what_is_no_package_is_told_as_such(inside: Inside):
    publisher = await a_verified_publisher(inside)

    refusal = await refused(submitted(inside, b"no ZIP at all, and long enough to be one", publisher))

    assert (refusal.code, refusal.status) == (ErrorCode.INVALID_PACKAGE_FORMAT, 400)
    assert refusal.problems[0].code is ErrorCode.INVALID_ZIP


async def test_more_artifacts_than_a_submission_may_hold_are_refused(inside: Inside):
    few = inside.over(inside.sql, submission_artifacts=2)
    publisher = await a_verified_publisher(few)

    refusal = await refused(submitted(few, a_package(artifacts=a_suite()), publisher))

    assert (refusal.code, refusal.details["limit"], refusal.details["actual"]) == (ErrorCode.TOO_MANY_ARTIFACTS, 2, 4)


async def test_a_validation_tells_errors_and_warnings_and_writes_nothing(inside: Inside):
    publisher = await a_verified_publisher(inside)
    package = await kept(inside, a_package(artifacts=[FAILING], dependencies=[("Base", "1.0.0", None)]))
    caller = a_publishing_caller(publisher.tenant_id)
    before = await inside.row_counts()

    verdict = await inside.services.submissions.validate(caller, package.blob_key, caller.reach)

    assert {one.code for one in verdict.errors} == {
        ErrorCode.SECURITY_SCAN_FAILED,
        ErrorCode.MISSING_PACKAGE_DEPENDENCY,
    }
    assert {ErrorCode.MISSING_LICENSE, ErrorCode.README_TOO_SHORT, ErrorCode.NO_SCREENSHOTS} <= {
        one.code for one in verdict.warnings
    }
    assert await inside.row_counts() == before


async def test_a_validation_tells_of_a_name_that_is_taken_and_of_a_version_that_is_published(inside: Inside):
    made = await published(inside)
    package = await kept(inside, a_package())
    owner, other = a_publishing_caller(made.publisher.tenant_id), a_publishing_caller("fabrikam")
    submissions = inside.services.submissions

    verdicts = [await submissions.validate(one, package.blob_key, one.reach) for one in (owner, other)]

    assert [[one.code for one in verdict.errors] for verdict in verdicts] == [
        [ErrorCode.VERSION_ALREADY_PUBLISHED],
        [ErrorCode.PACKAGE_BELONGS_TO_OTHER_PUBLISHER],
    ]


async def test_a_repeated_submission_under_one_key_is_made_once(inside: Inside):
    publisher = await a_verified_publisher(inside)

    made = [await submitted(inside, a_package(), publisher, key="k1") for _ in range(2)]
    other = await refused(submitted(inside, a_package(version="3.0.0"), publisher, key="k1"))

    assert made[0] == made[1]
    assert other.code is ErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_an_older_version_published_later_is_not_the_latest_one(inside: Inside):
    await published(inside, version="2.0.0")

    backport = await published(inside, version="1.9.0")
    preview = await published(inside, version="3.0.0-rc.1")
    major = await published(inside, version="3.0.0")

    assert [one.listing.latest_version for one in (backport, preview, major)] == ["2.0.0", "2.0.0", "3.0.0"]
    assert [one.version.is_breaking for one in (backport, preview, major)] == [False, True, True]


async def test_packages_of_an_official_publisher_are_official(on_both: Inside):
    before = await published(on_both, name="Older")

    made = await published(on_both, name="Starter", trust=TrustLevel.OFFICIAL)

    async with on_both.sql.platform_view() as unit:
        older = await unit.publishing.listing(before.listing_id)
    assert older is not None
    assert (made.listing.trust_level, older.trust_level) == (TrustLevel.OFFICIAL, TrustLevel.OFFICIAL)
    await on_both.services.publishers.mark_official(an_operator(), made.publisher.publisher_id, is_official=False)
    async with on_both.sql.platform_view() as unit:
        older = await unit.publishing.listing(before.listing_id)
    assert older is not None
    assert older.trust_level is TrustLevel.COMMUNITY


async def test_a_wish_to_be_certified_is_decided_by_people(inside: Inside):
    publisher = await a_verified_publisher(inside)

    waiting = await checked(inside, await submitted(inside, a_package(), publisher, requests_certification=True))
    done = await approved(inside, waiting)

    made = await offered(inside, publisher, done)
    assert waiting.status is SubmissionStatus.AWAITING_HUMAN_REVIEW
    assert (done.status, made.listing.trust_level) == (SubmissionStatus.LISTED, TrustLevel.CERTIFIED)


async def test_a_patch_inherits_a_certification_and_a_major_version_does_not(on_both: Inside):
    first = await published(on_both, version="1.0.0", trust=TrustLevel.CERTIFIED)

    patch = await published(on_both, version="1.0.1")
    major = await checked(on_both, await submitted(on_both, a_package(version="2.0.0"), first.publisher))

    assert (patch.listing.trust_level, patch.version.certification) == (
        TrustLevel.CERTIFIED,
        first.version.certification,
    )
    assert major.status is SubmissionStatus.AWAITING_HUMAN_REVIEW


async def test_a_minor_version_of_a_certified_package_that_can_do_more_is_looked_at(inside: Inside):
    first = await published(inside, version="1.0.0", trust=TrustLevel.CERTIFIED)
    reaching = an_artifact("agent-9", name="Agent", tools=[{"name": "mailer", "processId": ""}])

    more = a_package(version="1.1.0", artifacts=[reaching])
    minor = await checked(inside, await submitted(inside, more, first.publisher))

    assert minor.status is SubmissionStatus.AWAITING_HUMAN_REVIEW, minor


async def test_a_process_killed_during_the_checks_leaves_them_to_the_next_one(on_both: Inside):
    publisher = await a_verified_publisher(on_both)
    waiting = await submitted(on_both, a_package(), publisher)
    async with on_both.sql.platform_unit() as unit:
        dead = await unit.publishing.claim(lease_seconds=60)
    assert dead is not None

    nothing = await on_both.services.pipeline.check_waiting()
    await on_both.services.pipeline.release_all()
    done = await checked(on_both, waiting)

    assert (nothing, done.status) == (0, SubmissionStatus.LISTED)
    with pytest.raises(Exception, match=waiting.submission_id):
        async with on_both.sql.platform_unit() as unit:
            await unit.publishing.advance(dead, SubmissionStatus.REJECTED)


class Dying(Troubled):
    """Counts the writing transactions without a tenant."""

    @asynccontextmanager
    async def platform_unit(self, *, turn: Turn = Turn.ASKED) -> AsyncIterator[PlatformUnit]:
        self.count += 1
        is_it = self._is_it()
        if is_it:
            await self.before()
        async with self.store.platform_unit(turn=turn) as unit:
            yield unit
            if is_it:
                await self.inside()
        if is_it:
            await self.after()


@pytest.mark.parametrize("where", ["before", "inside", "after"])
async def test_checks_that_die_at_any_commit_are_begun_again_and_come_to_one_end(inside: Inside, where: str):
    publisher = await a_verified_publisher(inside)
    ends = []
    for at in (1, 2, 3):
        waiting = await submitted(inside, a_package(version=f"{at}.0.0"), publisher)
        dying = inside.over(Dying(inside.sql, at=at, **{where: killed}))

        with pytest.raises(KilledError):
            await dying.services.pipeline.check_waiting()
        await inside.services.pipeline.release_all()
        ends.append(await offered(inside, publisher, await checked(inside, waiting)))

    assert [one.submission.status for one in ends] == [SubmissionStatus.LISTED] * 3
    assert ends[-1].listing.latest_version == "3.0.0"
    for one in ends:
        assert members(await bytes_at(inside, one.version.blob_key))


async def test_a_submission_that_kills_every_process_is_rejected_at_last(inside: Inside):
    publisher = await a_verified_publisher(inside)
    poison = await submitted(inside, a_package(), publisher)
    for _ in range(ATTEMPTS_MAX):
        async with inside.sql.platform_unit() as unit:
            assert await unit.publishing.claim(lease_seconds=60)
        await inside.services.pipeline.release_all()

    done = await checked(inside, poison)

    assert (done.status, done.reason) == (SubmissionStatus.REJECTED, "ScanError")


async def test_checks_that_take_too_long_are_begun_again_a_few_times_and_never_let_a_package_pass(inside: Inside):
    publisher = await a_verified_publisher(inside)
    slow = inside.over(inside.sql, scan_seconds=0)
    waiting = await submitted(inside, a_package(), publisher)

    seen = []
    for _ in range(ATTEMPTS_MAX):
        await slow.services.pipeline.check_waiting()
        seen.append((await submission_of(inside, waiting)).status)
        await inside.services.pipeline.release_all()
    done = await checked(inside, waiting)

    assert seen == [SubmissionStatus.QUEUED] * ATTEMPTS_MAX
    assert (done.status, done.reason) == (SubmissionStatus.REJECTED, "ScanError")


async def test_a_worker_that_is_stopped_gives_its_submission_back(inside: Inside):
    publisher = await a_verified_publisher(inside)
    waiting = await submitted(inside, a_package(), publisher)
    reached, never = asyncio.Event(), asyncio.Event()

    async def held() -> None:
        reached.set()
        await never.wait()

    stopping = inside.over(Dying(inside.sql, at=2, before=held))
    work = asyncio.create_task(stopping.services.pipeline.check_waiting())
    await reached.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

    assert (await submission_of(inside, waiting)).status is SubmissionStatus.QUEUED
    assert await inside.services.pipeline.check_waiting() == 1


async def test_two_workers_never_check_one_submission(on_both: Inside):
    publisher = await a_verified_publisher(on_both)
    await submitted(on_both, a_package(), publisher)

    async with on_both.sql.platform_unit() as unit:
        first = await unit.publishing.claim(lease_seconds=60)
    async with on_both.sql.platform_unit() as unit:
        second = await unit.publishing.claim(lease_seconds=60)

    assert first is not None
    assert second is None


async def test_a_submission_whose_bytes_are_gone_is_rejected(inside: Inside):
    publisher = await a_verified_publisher(inside)
    waiting = await submitted(inside, a_package(), publisher)
    await inside.blobs.delete(waiting.blob_key)

    done = await checked(inside, waiting)

    assert (done.status, done.reason) == (SubmissionStatus.REJECTED, "BundleExpired")


async def test_a_publisher_suspended_meanwhile_publishes_nothing(inside: Inside):
    publisher = await a_verified_publisher(inside)
    waiting = await submitted(inside, a_package(), publisher)
    async with inside.sql.platform_unit() as unit:
        await unit.publishing.change(replace(publisher, status=PublisherStatus.SUSPENDED))

    done = await checked(inside, waiting)

    assert (done.status, done.reason) == (SubmissionStatus.REJECTED, "PublisherNotVerified")


async def test_the_sweep_keeps_what_is_offered_and_what_waits(on_both: Inside):
    made = await published(on_both)
    publisher = made.publisher
    waiting = await submitted(on_both, a_package(version="2.0.0"), publisher)
    done = await checked(on_both, await submitted(on_both, a_package(version="3.0.0", artifacts=[FAILING]), publisher))
    waiting_on = await submitted(on_both, a_package("Other"), publisher)
    keys = [made.version.blob_key, waiting.blob_key, waiting_on.blob_key, done.blob_key]
    far = on_both.clock.now() + timedelta(days=400)

    async with on_both.sql.platform_view() as unit:
        now = await unit.keeping.unnamed(keys, now=on_both.clock.now(), kept_after_use=timedelta(days=30))
        later = await unit.keeping.unnamed(keys, now=far, kept_after_use=timedelta(days=30))

    assert now == set()
    assert later == {waiting.blob_key, done.blob_key}
    assert (await checked(on_both, waiting_on)).status is SubmissionStatus.LISTED


async def test_submissions_do_not_show_to_other_tenants(inside: Inside):
    publisher = await a_verified_publisher(inside)
    waiting = await submitted(inside, a_package(), publisher)
    stranger = a_publishing_caller("acme")

    seen = await refused(inside.services.submissions.get(stranger, waiting.submission_id, stranger.reach))
    order = SubmissionOrder(publisher.publisher_id, await kept(inside, a_package(version="2.0.0")), wishes())
    made = await refused(inside.services.submissions.submit(stranger, order, stranger.reach))

    assert [(one.code, one.status) for one in (seen, made)] == [(ErrorCode.NOT_FOUND, 404)] * 2
