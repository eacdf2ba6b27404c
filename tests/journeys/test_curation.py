"""Looking after what is offered: publishers change and withdraw, people decide, rules act by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.errors import ErrorCode, Refusal
from domain.market.managing import ListingChange
from domain.market.model import (
    Listing,
    ListingFilter,
    ListingState,
    ListingVersion,
    SubmissionStatus,
    TrustLevel,
)
from domain.model import TenantId
from domain.scanning import RULES_VERSION
from storage.market_tables import listing, listing_version, scan_exception
from storage.tables import audit, outbox
from tests.journeys.inside import ACME, GLOBEX, Inside
from tests.makers import an_artifact
from tests.market import (
    PUBLISH,
    RUN_MARKET,
    Published,
    a_package,
    a_publishing_caller,
    a_verified_publisher,
    an_operator,
    checked,
    offered,
    published,
    submitted,
)
from tests.unit.test_certifying import README

pytestmark = pytest.mark.rules

OLGA = an_operator()
NORA = a_publishing_caller("northwind")
STRANGER = a_publishing_caller("globex", "sam")
WARNED = an_artifact("rule-1", name="Loud", rules=[{"ruleId": "r", "condition": "window.open"}])
FORBIDDEN = an_artifact("rule-1", name="Bad", rules=[{"ruleId": "r", "condition": "{{env.SECRET}} > 1"}])
COVERED = {"lineCoverage": 0.9, "branchCoverage": 0.5}
DAY = timedelta(days=1)


async def refused(work: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value


async def listing_of(inside: Inside, made: Published) -> Listing:
    async with inside.sql.platform_view() as view:
        found = await view.publishing.listing(made.listing_id)
    assert found is not None
    return found


async def version_of(inside: Inside, made: Published, version: str = "1.0.0") -> ListingVersion:
    async with inside.sql.platform_view() as view:
        found = await view.publishing.version(made.listing_id, version)
    assert found is not None
    return found


async def rated(inside: Inside, made: Published, *, stars: int, reviews: int) -> None:
    async with inside.sql.platform_unit() as unit:
        rows: Any = unit.curation
        ratings = {"rating_sum": stars, "review_count": reviews}
        await rows._session.run(update(listing).where(listing.c.listing_id == made.listing_id).values(ratings))


async def with_other_rules(inside: Inside, made: Published) -> None:
    """The versions of a listing as an older edition of the rules let them pass."""
    async with inside.sql.platform_unit() as unit:
        rows: Any = unit.curation
        of_it = update(listing_version).where(listing_version.c.listing_id == made.listing_id)
        await rows._session.run(of_it.values(rules_version="older"))


async def posted(inside: Inside, kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    async with inside.sql.platform_view() as view:
        rows: Any = view.curation
        found = select(outbox.c.tenant_id, outbox.c.payload).where(outbox.c.kind == kind).order_by(outbox.c.tenant_id)
        return [(tenant, payload) for tenant, payload in await rows._session.rows(found)]


async def installed(inside: Inside, made: Published, *tenants: str) -> None:
    async with inside.sql.platform_unit() as unit:
        for tenant in tenants:
            at = inside.clock.now()
            await unit.catalogue.count_install(made.listing_id, TenantId(tenant), made.version.version, at)


async def audited(inside: Inside, tenant: str = "northwind") -> list[str]:
    async with inside.sql.platform_view() as view:
        rows: Any = view.curation
        found = select(audit.c.action).where(audit.c.tenant_id == tenant).order_by(audit.c.audit_id)
        return [action for (action,) in await rows._session.rows(found)]


async def excepted(inside: Inside, version: str) -> Published:
    """A version with a finding that would forbid it, but for an approved exception."""
    publisher = await a_verified_publisher(inside)
    raw = a_package(version=version, artifacts=[FORBIDDEN])
    rejected = await checked(inside, await submitted(inside, raw, publisher))
    excepting, about = inside.services.curation.excepting, rejected.submission_id
    asked = await excepting.ask(NORA, about, NORA.reach, finding_index=0, explanation="A field of ours")
    await excepting.decide(OLGA, about, asked.exception_id, is_approved=True)
    return await offered(inside, publisher, await checked(inside, rejected))


async def without_exceptions(inside: Inside) -> None:
    async with inside.sql.platform_unit() as unit:
        rows: Any = unit.curation
        await rows._session.run(update(scan_exception).values(status="Rejected"))


async def stored_at(inside: Inside, made: Published, blob_key: str) -> None:
    async with inside.sql.platform_unit() as unit:
        rows: Any = unit.curation
        of_it = update(listing_version).where(listing_version.c.listing_id == made.listing_id)
        await rows._session.run(of_it.values(blob_key=blob_key))


async def test_a_publisher_changes_how_a_package_is_described(inside: Inside):
    made = await published(inside)
    managing = inside.services.curation.managing
    inside.clock.advance(DAY)

    change = ListingChange(description="Better", tags=("new", "tags"))
    changed = await managing.change(NORA, made.listing_id, NORA.reach, change)

    assert await listing_of(inside, made) == changed
    assert (changed.description, changed.tags, changed.screenshots) == ("Better", ("new", "tags"), ())
    assert (changed.updated_at, changed.latest_version) == (inside.clock.now(), "1.0.0")


async def test_a_change_that_changes_nothing_makes_a_package_no_newer(inside: Inside):
    made = await published(inside)
    inside.clock.advance(DAY)

    change = ListingChange(description=made.listing.description, tags=made.listing.tags)
    changed = await inside.services.curation.managing.change(NORA, made.listing_id, NORA.reach, change)

    assert changed == made.listing == await listing_of(inside, made)


async def test_nobody_touches_another_publishers_listing_or_learns_of_it(inside: Inside):
    made = await published(inside)
    managing = inside.services.curation.managing
    asked: list[Any] = [
        managing.change(STRANGER, made.listing_id, STRANGER.reach, ListingChange(description="Mine")),
        managing.deprecate(STRANGER, made.listing_id, "1.0.0", STRANGER.reach, reason="old"),
        managing.take_back(STRANGER, made.listing_id, "1.0.0", STRANGER.reach, reason="bad"),
        managing.unlist(STRANGER, made.listing_id, STRANGER.reach, reason="bad"),
        managing.ask_relisting(STRANGER, made.listing_id, STRANGER.reach, explanation="please"),
        managing.analytics(STRANGER, made.listing_id, STRANGER.reach, days=30),
        managing.dashboard(STRANGER, made.publisher.publisher_id, STRANGER.reach),
    ]
    unknown = [(await refused(work)).code for work in asked]
    never = managing.change(NORA, "mkt-pkg-none", NORA.reach, ListingChange(description="x"))

    assert unknown == [ErrorCode.NOT_FOUND] * 7
    assert (await refused(never)).message == "There is no such package."
    assert await listing_of(inside, made) == made.listing


async def test_everything_wrong_with_a_change_is_told_at_once(inside: Inside):
    made = await published(inside)
    change = ListingChange(description="x" * 501, tags=("UPPER",), screenshots=("http://plain.example",))

    refusal = await refused(inside.services.curation.managing.change(NORA, made.listing_id, NORA.reach, change))

    assert [problem.where for problem in refusal.problems] == ["description", "tags", "screenshots"]


async def test_a_deprecated_version_is_no_longer_the_latest_and_whoever_has_it_is_told(inside: Inside):
    await published(inside)
    made = await published(inside, version="1.1.0")
    await installed(inside, made, ACME, GLOBEX)

    changed = await inside.services.curation.managing.deprecate(
        NORA, made.listing_id, "1.1.0", NORA.reach, reason="It loses data", replaced_by="1.0.0"
    )

    version = await version_of(inside, made, "1.1.0")
    told = await posted(inside, "market.deprecated")
    assert (changed.latest_version, changed.state) == ("1.0.0", ListingState.LISTED)
    assert (version.state, version.state_reason, version.replaced_by) == (
        *(ListingState.DEPRECATED, "It loses data"),
        "1.0.0",
    )
    assert [(tenant, row["version"], row["replacedBy"]) for tenant, row in told] == [
        (ACME, "1.1.0", "1.0.0"),
        (GLOBEX, "1.1.0", "1.0.0"),
    ]
    assert "version.deprecated" in await audited(inside)


async def test_a_package_whose_versions_are_all_deprecated_is_deprecated_until_a_new_one_comes(inside: Inside):
    made = await published(inside)
    managing = inside.services.curation.managing

    gone = await managing.deprecate(NORA, made.listing_id, "1.0.0", NORA.reach, reason="old")
    again = await published(inside, version="1.0.1")

    assert (gone.state, gone.latest_version) == (ListingState.DEPRECATED, "")
    assert (again.listing.state, again.listing.latest_version) == (ListingState.LISTED, "1.0.1")


@pytest.mark.parametrize("instead", ["1.0.0", "9.9.9"])
async def test_a_version_is_replaced_by_another_listed_one_of_the_same_package(inside: Inside, instead: str):
    made = await published(inside)

    refusal = await refused(
        inside.services.curation.managing.deprecate(
            NORA, made.listing_id, "1.0.0", NORA.reach, reason="old", replaced_by=instead
        )
    )

    assert [problem.where for problem in refusal.problems] == ["replacedByVersion"]


async def test_a_yanked_version_stays_yanked(inside: Inside):
    made = await published(inside)
    managing, safeguarding = inside.services.curation.managing, inside.services.curation.safeguarding

    await managing.take_back(NORA, made.listing_id, "1.0.0", NORA.reach, reason="It leaks")
    again = await refused(managing.take_back(NORA, made.listing_id, "1.0.0", NORA.reach, reason="Again"))
    back = await refused(safeguarding.reinstate(OLGA, made.listing_id, version="1.0.0"))

    assert (again.code, back.code) == (ErrorCode.STATE_CONFLICT, ErrorCode.STATE_CONFLICT)
    assert (await version_of(inside, made)).state is ListingState.YANKED


async def test_an_unlisted_package_comes_back_only_by_a_review(inside: Inside):
    made = await published(inside)
    managing, safeguarding = inside.services.curation.managing, inside.services.curation.safeguarding

    unlisted = await managing.unlist(NORA, made.listing_id, NORA.reach, reason="Not ready")
    asked = await managing.ask_relisting(NORA, made.listing_id, NORA.reach, explanation="Ready now")
    waiting = await safeguarding.flagged(OLGA, first=10)
    back = await safeguarding.reinstate(OLGA, made.listing_id)

    assert (unlisted.state, unlisted.state_reason) == (ListingState.UNLISTED, "Not ready")
    assert (asked.state, [one.listing_id for one in waiting.items]) == (ListingState.UNLISTED, [made.listing_id])
    assert (back.state, back.state_reason, back.needs_review) == (ListingState.LISTED, "", False)


async def test_deciding_needs_the_right_to_run_the_market(inside: Inside):
    made = await published(inside)
    care = inside.services.curation
    asked: list[Any] = [
        care.safeguarding.suspend(NORA, made.listing_id, reason="bad"),
        care.safeguarding.reinstate(NORA, made.listing_id),
        care.safeguarding.flagged(NORA, first=1),
        care.safeguarding.reports(NORA, first=1),
        care.safeguarding.close(NORA, "vr-1", is_confirmed=False),
        care.reviewing.queue(NORA, first=1),
        care.reviewing.approve(NORA, made.submission.submission_id),
        care.reviewing.reject(NORA, made.submission.submission_id, details="no"),
        care.reviewing.decide(NORA, made.submission.submission_id, is_approved=True, details="yes"),
        care.excepting.waiting(NORA, first=1),
        care.excepting.decide(NORA, made.submission.submission_id, "exc-1", is_approved=True),
        care.certifying.certify(NORA, made.listing_id, "1.0.0"),
        care.certifying.revoke(NORA, made.listing_id, reason="bad"),
    ]

    assert {(await refused(work)).code for work in asked} == {ErrorCode.INSUFFICIENT_PERMISSION}


async def test_a_package_that_asks_for_certification_waits_for_a_person_who_certifies_it(inside: Inside):
    raw = a_package("Onboarding", readme=README.replace("1.1.0", "1.0.0").encode())
    publisher = await a_verified_publisher(inside)
    waiting = await checked(
        inside, await submitted(inside, raw, publisher, requests_certification=True, coverage=COVERED)
    )
    queue = await inside.services.curation.reviewing.queue_page(OLGA, page=1, page_size=10)

    done = await inside.services.curation.reviewing.approve(OLGA, waiting.submission_id, details="Well made")

    shown, certification = await inside.services.curation.certifying.shown(waiting.listing_id)
    assert [one.submission_id for one in queue.items] == [waiting.submission_id]
    assert (done.status, done.reviewed_by, done.details) == (SubmissionStatus.LISTED, OLGA.actor, "Well made")
    assert (shown.trust_level, shown.latest_version) == (TrustLevel.CERTIFIED, "1.0.0")
    assert certification is not None
    assert (certification.line_coverage, certification.next_review) == (0.9, inside.clock.now() + 365 * DAY)
    assert "submission.approved" in await audited(inside)


async def test_what_lacks_something_is_not_certified_but_may_be_listed_as_community(inside: Inside):
    publisher = await a_verified_publisher(inside)
    waiting = await checked(inside, await submitted(inside, a_package(), publisher, requests_certification=True))
    reviewing = inside.services.curation.reviewing

    refusal = await refused(reviewing.approve(OLGA, waiting.submission_id))
    done = await reviewing.approve(OLGA, waiting.submission_id, trust_level=TrustLevel.COMMUNITY)

    assert refusal.code is ErrorCode.CERTIFICATION_REFUSED
    assert {problem.where for problem in refusal.problems} == {"coverageReport", "README.md"}
    shown, certification = await inside.services.curation.certifying.shown(done.listing_id)
    assert (done.status, shown.trust_level, certification) == (SubmissionStatus.LISTED, TrustLevel.COMMUNITY, None)


async def test_a_rejected_submission_says_why_and_may_come_again(inside: Inside):
    publisher = await a_verified_publisher(inside)
    raw = a_package()
    waiting = await checked(inside, await submitted(inside, raw, publisher, requests_certification=True))
    reviewing = inside.services.curation.reviewing

    done = await reviewing.reject(
        OLGA, waiting.submission_id, reason="InsufficientDocumentation", details="Say more", is_fast_track=True
    )
    twice = await refused(reviewing.reject(OLGA, waiting.submission_id, details="Say more"))
    taken_anew = await submitted(inside, raw, publisher)
    again = await checked(inside, taken_anew)

    assert taken_anew.is_fast_track
    assert (done.status, done.reason, done.details, done.is_fast_track) == (
        *(SubmissionStatus.REJECTED, "InsufficientDocumentation"),
        *("Say more", True),
    )
    assert (twice.code, again.status) == (ErrorCode.STATE_CONFLICT, SubmissionStatus.LISTED)


async def test_of_two_people_who_decide_at_once_one_decides(inside: Inside):
    publisher = await a_verified_publisher(inside)
    waiting = await checked(inside, await submitted(inside, a_package(), publisher, requests_certification=True))
    reviewing, about = inside.services.curation.reviewing, waiting.submission_id

    outcomes = await asyncio.gather(
        reviewing.approve(OLGA, about, trust_level=TrustLevel.COMMUNITY),
        reviewing.reject(OLGA, about, details="Say more"),
        reviewing.approve(OLGA, about, trust_level=TrustLevel.COMMUNITY),
        return_exceptions=True,
    )

    refusals = [one.code for one in outcomes if isinstance(one, Refusal)]
    (decided,) = [one for one in outcomes if not isinstance(one, BaseException)]
    assert refusals == [ErrorCode.STATE_CONFLICT, ErrorCode.STATE_CONFLICT]
    assert (await checked(inside, waiting)).status is decided.status


async def test_a_version_that_comes_while_a_package_is_unlisted_does_not_list_it(inside: Inside):
    made = await published(inside)
    await inside.services.curation.managing.unlist(NORA, made.listing_id, NORA.reach, reason="Not ready")

    again = await published(inside, version="1.1.0")

    assert (again.listing.state, again.listing.latest_version) == (ListingState.UNLISTED, "1.1.0")


async def test_a_version_that_a_person_lets_in_takes_no_wish_to_come_back_off_the_desk(inside: Inside):
    made = await published(inside)
    managing, curation = inside.services.curation.managing, inside.services.curation
    await managing.unlist(NORA, made.listing_id, NORA.reach, reason="Not ready")
    await managing.ask_relisting(NORA, made.listing_id, NORA.reach, explanation="Ready now")
    raw = a_package(version="1.1.0")
    waiting = await checked(inside, await submitted(inside, raw, made.publisher, requests_certification=True))

    done = await curation.reviewing.approve(OLGA, waiting.submission_id, trust_level=TrustLevel.COMMUNITY)

    assert done.status is SubmissionStatus.LISTED
    assert [one.listing_id for one in (await curation.safeguarding.flagged(OLGA, first=10)).items] == [made.listing_id]


async def test_nobody_approves_a_submission_of_their_own(inside: Inside):
    both = replace(NORA, scopes=frozenset({PUBLISH, RUN_MARKET}))
    publisher = await a_verified_publisher(inside)
    waiting = await checked(inside, await submitted(inside, a_package(), publisher, requests_certification=True))

    refusal = await refused(
        inside.services.curation.reviewing.approve(both, waiting.submission_id, trust_level=TrustLevel.COMMUNITY)
    )

    assert refusal.code is ErrorCode.STATE_CONFLICT


async def test_a_person_looks_at_what_the_scan_warned_of_and_may_suspend_it(inside: Inside):
    made = await published(inside, artifacts=[WARNED])
    reviewing, about = inside.services.curation.reviewing, made.submission.submission_id

    asked = await reviewing.ask(NORA, about, NORA.reach, explanation="It is a word", key="k")
    same = await reviewing.ask(NORA, about, NORA.reach, explanation="It is a word", key="k")
    twice = await refused(reviewing.ask(NORA, about, NORA.reach, explanation="Once more"))
    foreign = await refused(reviewing.asked(STRANGER, about, STRANGER.reach))
    closed = await reviewing.decide(OLGA, about, is_approved=False, details="It opens windows")

    assert asked.request_id.startswith("rev-req-")
    assert (same, twice.code, foreign.code) == (asked, ErrorCode.STATE_CONFLICT, ErrorCode.NOT_FOUND)
    assert (closed.status.wire, closed.decided_by) == ("Rejected", OLGA.actor)
    assert (await version_of(inside, made)).state is ListingState.SUSPENDED
    assert await reviewing.asked(NORA, about, NORA.reach) == closed


async def test_a_manual_review_asked_for_again_under_its_key_is_the_first_one(inside: Inside):
    made = await published(inside, artifacts=[WARNED])
    reviewing, about = inside.services.curation.reviewing, made.submission.submission_id
    first = await reviewing.ask(NORA, about, NORA.reach, explanation="It is a word", key="k")
    closed = await reviewing.decide(OLGA, about, is_approved=True, details="So it is")
    second = await reviewing.ask(NORA, about, NORA.reach, explanation="And the other word?")

    same = await reviewing.ask(NORA, about, NORA.reach, explanation="It is a word", key="k")

    assert (same, second.request_id == first.request_id) == (closed, False)


async def test_no_manual_review_is_asked_for_what_the_scan_found_nothing_in(inside: Inside):
    made = await published(inside)

    refusal = await refused(
        inside.services.curation.reviewing.ask(
            NORA, made.submission.submission_id, NORA.reach, explanation="Look all the same"
        )
    )

    assert refusal.code is ErrorCode.STATE_CONFLICT


async def test_an_approved_exception_lets_that_finding_pass_and_no_other(inside: Inside):
    publisher = await a_verified_publisher(inside)
    rejected = await checked(inside, await submitted(inside, a_package(artifacts=[FORBIDDEN]), publisher))
    excepting, about = inside.services.curation.excepting, rejected.submission_id
    wish: dict[str, Any] = {"finding_index": 0, "explanation": "env is one of our fields"}

    asked = await excepting.ask(NORA, about, NORA.reach, **wish, key="k")
    same = await excepting.ask(NORA, about, NORA.reach, **wish, key="k")
    decided = await excepting.decide(OLGA, about, asked.exception_id, is_approved=True)
    listed = await checked(inside, rejected)
    worse = an_artifact("rule-1", name="Bad", rules=[{"ruleId": "r", "condition": "{{env.OTHER}} > 1"}])
    other = await checked(inside, await submitted(inside, a_package(version="1.0.1", artifacts=[worse]), publisher))

    assert (rejected.status, rejected.reason) == (SubmissionStatus.REJECTED, "SecurityScanFailed")
    assert (same, decided.status.wire, listed.status) == (asked, "Approved", SubmissionStatus.LISTED)
    assert (other.status, other.reason) == (SubmissionStatus.REJECTED, "SecurityScanFailed")
    assert await excepting.find(NORA, about, asked.exception_id, NORA.reach) == decided


async def test_a_rejected_exception_changes_nothing(inside: Inside):
    publisher = await a_verified_publisher(inside)
    rejected = await checked(inside, await submitted(inside, a_package(artifacts=[FORBIDDEN]), publisher))
    excepting, about = inside.services.curation.excepting, rejected.submission_id
    asked = await excepting.ask(NORA, about, NORA.reach, finding_index=0, explanation="Trust me")

    await excepting.decide(OLGA, about, asked.exception_id, is_approved=False)
    twice = await refused(excepting.decide(OLGA, about, asked.exception_id, is_approved=True))

    assert (await checked(inside, rejected)).status is SubmissionStatus.REJECTED
    assert twice.code is ErrorCode.STATE_CONFLICT


@pytest.mark.parametrize("index", [-1, 1, 10**9])
async def test_only_a_finding_that_is_there_is_excepted(inside: Inside, index: int):
    publisher = await a_verified_publisher(inside)
    rejected = await checked(inside, await submitted(inside, a_package(artifacts=[FORBIDDEN]), publisher))

    refusal = await refused(
        inside.services.curation.excepting.ask(
            NORA, rejected.submission_id, NORA.reach, finding_index=index, explanation="x"
        )
    )

    assert [problem.where for problem in refusal.problems] == ["findingIndex"]


async def test_a_suspended_package_is_offered_to_nobody_anew_until_it_is_reinstated(inside: Inside):
    made = await published(inside)
    safeguarding = inside.services.curation.safeguarding

    await safeguarding.suspend(OLGA, made.listing_id, reason="Under investigation")
    async with inside.sql.platform_view() as view:
        (offer,) = await view.offers.of_listing(made.listing_id)
    twice = await refused(safeguarding.suspend(OLGA, made.listing_id, reason="Again"))
    back = await safeguarding.reinstate(OLGA, made.listing_id)

    assert (offer.state, offer.state_reason) == (ListingState.SUSPENDED, "Under investigation")
    assert (twice.code, back.state) == (ErrorCode.STATE_CONFLICT, ListingState.LISTED)


async def test_suspending_one_version_leaves_the_others(inside: Inside):
    await published(inside)
    made = await published(inside, version="1.1.0")
    safeguarding = inside.services.curation.safeguarding

    without = await safeguarding.suspend(OLGA, made.listing_id, reason="It leaks", version="1.1.0")
    back = await safeguarding.reinstate(OLGA, made.listing_id, version="1.1.0")

    assert (without.state, without.latest_version) == (ListingState.LISTED, "1.0.0")
    assert back.latest_version == "1.1.0"


async def test_a_confirmed_vulnerability_suspends_the_version_and_everybody_who_has_it_is_told_once(inside: Inside):
    made = await published(inside)
    await installed(inside, made, ACME, GLOBEX)
    safeguarding, anybody = inside.services.curation.safeguarding, replace(STRANGER, scopes=frozenset())

    report = await safeguarding.report(anybody, made.listing_id, severity="High", description="It leaks", key="k")
    same = await safeguarding.report(anybody, made.listing_id, severity="High", description="It leaks", key="k")
    waiting = await safeguarding.reports(OLGA, first=10)
    closed = await safeguarding.close(OLGA, report.report_id, is_confirmed=True, advisory="Remove it")
    twice = await refused(safeguarding.close(OLGA, report.report_id, is_confirmed=True, advisory="Remove it"))

    told = await posted(inside, "market.advisory")
    assert (report.version, report.status, same) == ("1.0.0", "Received", report)
    assert ([one.report_id for one in waiting.items], closed.status) == ([report.report_id], "Confirmed")
    assert [(tenant, row["version"], row["reason"]) for tenant, row in told] == [
        (ACME, "1.0.0", "Remove it"),
        (GLOBEX, "1.0.0", "Remove it"),
    ]
    assert twice.code is ErrorCode.STATE_CONFLICT
    assert (await version_of(inside, made)).state is ListingState.SUSPENDED


async def test_what_its_publisher_took_back_stays_yanked_when_a_report_about_it_is_confirmed(inside: Inside):
    made = await published(inside)
    care = inside.services.curation
    report = await care.safeguarding.report(STRANGER, made.listing_id, severity="High", description="It leaks")
    await care.managing.take_back(NORA, made.listing_id, "1.0.0", NORA.reach, reason="It leaks")

    await care.safeguarding.close(OLGA, report.report_id, is_confirmed=True, advisory="Remove it")

    assert (await version_of(inside, made)).state is ListingState.YANKED


async def test_only_who_may_know_an_unlisted_package_reports_about_it(inside: Inside):
    made = await published(inside)
    await installed(inside, made, GLOBEX)
    care, nobody = inside.services.curation, a_publishing_caller("elsewhere")
    await care.managing.unlist(NORA, made.listing_id, NORA.reach, reason="Not ready")

    refusal = await refused(care.safeguarding.report(nobody, made.listing_id, severity="Low", description="x"))
    report = await care.safeguarding.report(STRANGER, made.listing_id, severity="Low", description="x")

    assert (refusal.code, report.listing_id) == (ErrorCode.NOT_FOUND, made.listing_id)


async def test_a_dismissed_report_changes_nothing(inside: Inside):
    made = await published(inside)
    safeguarding = inside.services.curation.safeguarding
    report = await safeguarding.report(STRANGER, made.listing_id, severity="Low", description="Ugly")

    await safeguarding.close(OLGA, report.report_id, is_confirmed=False)

    assert await posted(inside, "market.advisory") == []
    assert await version_of(inside, made) == made.version


async def test_nobody_floods_the_desk_with_reports(inside: Inside):
    made = await published(inside)
    safeguarding = inside.services.curation.safeguarding
    for number in range(20):
        await safeguarding.report(STRANGER, made.listing_id, severity="Low", description=f"Number {number}")

    refusal = await refused(safeguarding.report(STRANGER, made.listing_id, severity="Low", description="More"))

    assert refusal.code is ErrorCode.RATE_LIMIT_EXCEEDED


async def test_a_badly_rated_package_is_flagged_for_people(inside: Inside):
    made = await published(inside)
    await rated(inside, made, stars=24, reviews=10)

    changed = [await inside.services.curation.safeguarding.tend() for _ in range(2)]

    found = await listing_of(inside, made)
    assert (changed, found.needs_review, found.state) == ([1, 0], True, ListingState.LISTED)


async def test_a_certified_package_rated_below_three_stars_is_suspended(inside: Inside):
    made = await published(inside, trust=TrustLevel.CERTIFIED)
    await rated(inside, made, stars=29, reviews=10)

    await inside.services.curation.safeguarding.tend()

    found = await listing_of(inside, made)
    assert (found.state, found.state_reason) == (ListingState.SUSPENDED, "The package is rated below 3.0.")


async def test_a_certification_ends_when_its_next_review_is_due(inside: Inside):
    made = await published(inside, trust=TrustLevel.CERTIFIED)
    safeguarding = inside.services.curation.safeguarding

    early = await safeguarding.tend()
    inside.clock.advance(366 * DAY)
    await safeguarding.tend()

    found = await listing_of(inside, made)
    assert (early, found.trust_level, found.state) == (0, TrustLevel.COMMUNITY, ListingState.LISTED)
    assert (await version_of(inside, made)).certification is None


async def test_a_certified_package_of_a_lapsed_domain_is_suspended(inside: Inside):
    made = await published(inside, trust=TrustLevel.CERTIFIED)
    async with inside.sql.platform_unit() as unit:
        publisher = await unit.publishing.locked(made.publisher.publisher_id)
        assert publisher is not None
        lapsed = type(publisher.status)("PendingVerification")
        await unit.publishing.change(replace(publisher, status=lapsed))

    await inside.services.curation.safeguarding.tend()

    assert (await listing_of(inside, made)).state is ListingState.SUSPENDED


async def test_an_operator_certifies_a_published_version_and_takes_it_back(inside: Inside):
    raw = a_package("Onboarding", readme=README.replace("1.1.0", "1.0.0").encode())
    made = await published(inside, raw=raw, coverage=COVERED)
    certifying = inside.services.curation.certifying

    given = await certifying.certify(OLGA, made.listing_id, "1.0.0")
    taken = await certifying.revoke(OLGA, made.listing_id, reason="Tests were faked")
    twice = await refused(certifying.revoke(OLGA, made.listing_id, reason="Again"))

    assert (given.trust_level, taken.trust_level) == (TrustLevel.CERTIFIED, TrustLevel.COMMUNITY)
    assert twice.code is ErrorCode.STATE_CONFLICT


async def test_what_is_listed_is_scanned_again_when_the_rules_change(inside: Inside):
    made = await published(inside)
    await with_other_rules(inside, made)
    rescanning = inside.services.curation.rescanning
    inside.clock.advance(60)

    scanned = [await rescanning.scan_due() for _ in range(2)]

    version = await version_of(inside, made)
    assert scanned == [1, 0]
    assert (version.rules_version, version.scanned_at, version.scan_result) == (
        *(RULES_VERSION, inside.clock.now()),
        "PASS",
    )


async def test_a_listed_version_that_meets_a_bug_keeps_no_other_from_being_scanned(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
):
    odd, sound = await published(inside), await published(inside, name="Other")
    for made in (odd, sound):
        await with_other_rules(inside, made)
    local = inside.blobs.local

    def at_a_bug(key: Any, **more: Any) -> Any:
        if key == odd.version.blob_key:
            raise ZeroDivisionError
        return local(key, **more)

    monkeypatch.setattr(inside.blobs, "local", at_a_bug)
    with pytest.raises(ZeroDivisionError):
        await inside.services.curation.rescanning.scan_due()

    assert [(await version_of(inside, made)).rules_version for made in (odd, sound)] == ["older", RULES_VERSION]


async def test_what_is_listed_is_scanned_again_every_day(inside: Inside):
    await published(inside)
    inside.clock.advance(DAY + timedelta(seconds=1))

    assert await inside.services.curation.rescanning.scan_due() == 1


async def test_a_version_that_a_new_scan_forbids_is_suspended_and_unlisted_when_nobody_mends_it(inside: Inside):
    await published(inside, version="0.9.0")
    made = await excepted(inside, "1.0.0")
    await without_exceptions(inside)
    await with_other_rules(inside, made)
    care = inside.services.curation

    await care.rescanning.scan_due()
    suspended, still = await version_of(inside, made), await listing_of(inside, made)
    inside.clock.advance(31 * DAY)
    await care.safeguarding.tend()

    assert (suspended.state, suspended.scan_result) == (ListingState.SUSPENDED, "FAIL")
    assert (still.state, still.latest_version) == (ListingState.LISTED, "0.9.0")
    assert (await version_of(inside, made)).state is ListingState.UNLISTED


async def test_an_approved_exception_holds_when_a_version_is_scanned_again(inside: Inside):
    made = await excepted(inside, "1.0.0")
    await with_other_rules(inside, made)

    await inside.services.curation.rescanning.scan_due()

    version = await version_of(inside, made)
    assert (version.state, version.scan_result, version.rules_version) == (ListingState.LISTED, "PASS", RULES_VERSION)


async def offered_now(inside: Inside, made: Published) -> tuple[list[str], ListingState]:
    """What a visitor finds, and what the index says of the version."""
    found = await inside.services.catalogue.search(None, ListingFilter(), first=10)
    async with inside.sql.platform_view() as view:
        (offer,) = await view.offers.of_listing(made.listing_id)
    return [shown.head.name for shown in found.items], offer.state


async def test_what_cannot_be_scanned_is_neither_shown_nor_installed_and_comes_back_by_itself(inside: Inside):
    made = await published(inside)
    rescanning, results, key = inside.services.curation.rescanning, [], made.version.blob_key

    for blob_key, later in ((key[:-1] + ("1" if key[-1] == "0" else "0"), 2 * DAY), (key, timedelta(hours=2))):
        await stored_at(inside, made, blob_key)
        inside.clock.advance(later)
        await rescanning.scan_due()
        version = await version_of(inside, made)
        results.append((version.scan_result, version.state, *await offered_now(inside, made)))

    assert results == [
        ("ERROR", ListingState.LISTED, [], ListingState.SUSPENDED),
        ("PASS", ListingState.LISTED, ["Starter"], ListingState.LISTED),
    ]


async def test_what_other_rules_let_pass_is_shown_to_nobody_until_it_was_scanned_again(inside: Inside):
    made = await published(inside)
    await with_other_rules(inside, made)
    catalogue = inside.services.catalogue
    # the scan of whoever installs it decides meanwhile
    hidden = await offered_now(inside, made)
    told = await refused(catalogue.get(None, made.listing_id))
    own = await catalogue.get(NORA, made.listing_id)

    await inside.services.curation.rescanning.scan_due()

    assert hidden == ([], ListingState.LISTED)
    assert (told.code, told.details["retryAfter"] > 0) == (ErrorCode.RESCAN_PENDING, True)
    assert own.version.is_rescan_pending
    assert not (await catalogue.get(None, made.listing_id)).version.is_rescan_pending


async def test_analytics_and_dashboard_tell_real_counts(inside: Inside):
    made = await published(inside)
    await installed(inside, made, ACME, GLOBEX)
    managing = inside.services.curation.managing

    listing_, figures = await managing.analytics(NORA, made.listing_id, NORA.reach, days=30)
    publisher, shelf = await managing.dashboard(NORA, made.publisher.publisher_id, NORA.reach)

    assert (listing_.listing_id, figures.installs, figures.by_version) == (made.listing_id, 2, [("1.0.0", 2)])
    assert (publisher.slug, [one.install_count for one in shelf.listings]) == ("northwind", [2])
    assert shelf.submissions == {SubmissionStatus.LISTED: 1}
