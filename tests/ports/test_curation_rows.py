"""What is remembered for those who look after the market, over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.market.curation_rows import (
    DueScan,
    Judgement,
    ManualReview,
    NewScan,
    ReportStatus,
    ScanException,
    ShelfTotals,
)
from domain.market.model import (
    Certification,
    ListingId,
    ListingState,
    PublisherStatus,
    ReviewState,
    Submission,
    SubmissionId,
    SubmissionStatus,
    TrustLevel,
    VulnerabilityReport,
)
from domain.model import BlobKey
from domain.rows import Page
from domain.scanning import RULES_VERSION
from tests.clocks import NOON
from tests.ports.listings import PUBLISHER, a_listing, a_publisher, a_review, a_version, listed, with_installs
from tests.ports.rows import ACME, ANNA, GLOBEX, with_tenants

PACKAGE = a_listing("mkt-pkg-1")
CERTIFIED = Certification(NOON, ANNA, 0.8, None, NOON + timedelta(days=365))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_submission(submission_id: str = "sub-1", **fields) -> Submission:
    made = Submission(
        submission_id=SubmissionId(submission_id),
        tenant_id=GLOBEX,
        publisher_id=PUBLISHER,
        listing_id=PACKAGE.listing_id,
        name=PACKAGE.name,
        version="1.0.0",
        status=SubmissionStatus.AWAITING_HUMAN_REVIEW,
        trust_target=TrustLevel.COMMUNITY,
        blob_key=BlobKey(f"blob-{submission_id}"),
        sha256="4" * 64,
        size_bytes=1,
        wishes={},
        submitted_at=NOON,
        submitted_by=ANNA,
        scan_report={"large": True},
    )
    return replace(made, **fields)


def a_request(request_id: str = "rev-req-1", **fields) -> ManualReview:
    made = ManualReview(
        request_id=request_id,
        tenant_id=GLOBEX,
        submission_id=SubmissionId("sub-1"),
        explanation="Please look",
        status=Judgement.UNDER_REVIEW,
        details="",
        asked_at=NOON,
        asked_by=ANNA,
    )
    return replace(made, **fields)


def an_exception(exception_id: str = "exc-1", **fields) -> ScanException:
    made = ScanException(
        exception_id=exception_id,
        tenant_id=GLOBEX,
        submission_id=SubmissionId("sub-1"),
        finding_index=0,
        rule="EvalCall",
        pointer="/nodes/0/config/expression",
        artifact_hash="sha256:" + "5" * 64,
        explanation="It is a word",
        evidence="",
        status=Judgement.UNDER_REVIEW,
        asked_at=NOON,
        asked_by=ANNA,
    )
    return replace(made, **fields)


def a_report(report_id: str = "vr-1", **fields) -> VulnerabilityReport:
    made = VulnerabilityReport(
        report_id=report_id,
        listing_id=PACKAGE.listing_id,
        tenant_id=GLOBEX,
        version="1.0.0",
        severity="High",
        description="It leaks",
        reported_by=ANNA,
        reported_at=NOON,
        status=ReportStatus.RECEIVED.wire,
    )
    return replace(made, **fields)


@pytest.fixture
async def hub(store):
    """A store with one listing of two versions and one submission."""
    await with_tenants(store)
    await listed(store, PACKAGE, versions=(a_version(PACKAGE), a_version(PACKAGE, "1.1.0")))
    async with store.platform_unit() as unit:
        await unit.publishing.submit(a_submission())
    return store


async def test_a_version_stands_as_it_was_told_and_the_others_as_before(hub):
    async with hub.platform_unit() as unit:
        gone = ListingState.DEPRECATED
        await unit.curation.stand(PACKAGE.listing_id, "1.0.0", gone, reason="old", replaced_by="1.1.0")
        await unit.curation.certify(PACKAGE.listing_id, "1.1.0", CERTIFIED)
        found = {one.version: one for one in await unit.curation.standings(PACKAGE.listing_id)}

    old, new = found["1.0.0"], found["1.1.0"]
    assert (old.state, old.state_reason, old.replaced_by, old.certification) == (gone, "old", "1.1.0", None)
    assert (new.state, new.scan_result, new.certification) == (ListingState.LISTED, "PASS", CERTIFIED)


async def test_a_certification_can_be_taken_again(hub):
    async with hub.platform_unit() as unit:
        await unit.curation.certify(PACKAGE.listing_id, "1.0.0", CERTIFIED)
    async with hub.platform_unit() as unit:
        await unit.curation.certify(PACKAGE.listing_id, "1.0.0", None)
        found = await unit.curation.standings(PACKAGE.listing_id)

    assert [one.certification for one in found] == [None, None]


async def test_figures_are_real_counts(hub):
    await with_installs(hub, PACKAGE.listing_id, ACME, at=NOON - 40 * DAY)
    await with_installs(hub, PACKAGE.listing_id, GLOBEX, "third", version="1.1.0", at=NOON)
    async with hub.platform_unit() as unit:
        assert await unit.reviews.add(review := a_review())
        assert await unit.reviews.move(review, ReviewState.PUBLISHED, NOON)
        assert await unit.reviews.add(a_review("rev-2"))
        figures = await unit.curation.listing_figures(PACKAGE.listing_id, NOON - 30 * DAY)
        shelf = await unit.curation.shelf_figures(PUBLISHER, NOON - 30 * DAY, most=10)
        none_shown = await unit.curation.shelf_figures(PUBLISHER, NOON - 30 * DAY, most=0)

    assert (figures.installs, figures.installs_since) == (3, 2)
    assert (figures.by_day, figures.by_version) == ([("2026-03-02", 2)], [("1.0.0", 1), ("1.1.0", 2)])
    assert figures.stars == {4: 1}
    assert [one.listing_id for one in shelf.listings] == [PACKAGE.listing_id]
    assert (shelf.versions, shelf.installs_since) == ({PACKAGE.listing_id: 2}, {PACKAGE.listing_id: 2})
    assert shelf.submissions == {SubmissionStatus.AWAITING_HUMAN_REVIEW: 1}
    assert (none_shown.listings, none_shown.totals) == ([], ShelfTotals(1, installs=3, rating_sum=4, reviews=1))


async def test_the_figures_of_one_publisher_hold_nothing_of_another(hub):
    other = a_listing("mkt-pkg-2", publisher_id="pub-2", tenant_id=ACME)
    await listed(hub, other)
    await with_installs(hub, other.listing_id, ACME)

    async with hub.platform_view() as view:
        shelf = await view.curation.shelf_figures(PUBLISHER, NOON - DAY, most=10)

    assert [one.listing_id for one in shelf.listings] == [PACKAGE.listing_id]
    assert (shelf.versions, shelf.installs_since) == ({PACKAGE.listing_id: 2}, {})


async def test_listings_to_look_at_again_come_by_id_in_pages(hub):
    await listed(hub, *(a_listing(f"mkt-pkg-{n}", publisher_id="pub-2", needs_review=True) for n in (4, 3, 2)))

    async with hub.platform_view() as view:
        first = await view.curation.flagged(first=2)
        rest = await view.curation.flagged(first=2, after=first.items[-1].listing_id)

    pages = [([one.listing_id for one in page.items], page.has_next) for page in (first, rest)]
    assert pages == [(["mkt-pkg-2", "mkt-pkg-3"], True), (["mkt-pkg-4"], False)]


@pytest.mark.parametrize(
    ("rating_sum", "review_count", "is_flagged", "is_found"),
    [(24, 10, False, True), (25, 10, False, False), (18, 9, False, False), (24, 10, True, False)],
)
async def test_a_listing_is_badly_rated_by_enough_reviews_below_the_bound(
    store, rating_sum, review_count, is_flagged, is_found
):
    await with_tenants(store)
    listing = a_listing(rating_sum=rating_sum, review_count=review_count, needs_review=is_flagged)
    await listed(store, listing)

    async with store.platform_view() as view:
        found = await view.curation.badly_rated(below=2.5, reviews=10, most=5)

    assert (found == [listing]) is is_found


async def test_certified_listings_come_with_what_their_latest_version_stands_on(store):
    await with_tenants(store)
    for number, status in ((1, PublisherStatus.VERIFIED), (2, PublisherStatus.PENDING_VERIFICATION)):
        listing = a_listing(f"mkt-{number}", publisher_id=f"pub-{number}", trust_level=TrustLevel.CERTIFIED)
        old = a_version(listing, "0.9.0", certification=replace(CERTIFIED, line_coverage=0.1))
        await listed(store, listing, versions=(a_version(listing, certification=CERTIFIED), old))
        async with store.platform_unit() as unit:
            await unit.publishing.change(a_publisher(f"pub-{number}", status=status))
    community = a_listing("mkt-3", publisher_id="pub-1")
    await listed(store, community)

    async with store.platform_view() as view:
        found = await view.curation.certified(most=5)
        behind = await view.curation.certified(most=5, after="mkt-1")

    assert [(one.listing_id, given, is_proven) for one, given, is_proven in found] == [
        ("mkt-1", CERTIFIED, True),
        ("mkt-2", CERTIFIED, False),
    ]
    assert behind == found[1:]


async def test_the_fast_track_comes_first_in_the_review_queue_on_every_page(hub):
    async with hub.platform_unit() as unit:
        for number, is_fast_track in ((3, True), (4, False), (5, True)):
            await unit.publishing.submit(a_submission(f"sub-{number}", is_fast_track=is_fast_track))

    ids, after = [], None
    async with hub.platform_view() as view:
        numbered = await view.curation.awaiting_page(page=1, page_size=9)
        while (page := await view.curation.awaiting(first=1, after=after)).items:
            after = page.items[-1].submission_id
            ids.append(after)

    assert ids == [one.submission_id for one in numbered.items]
    assert (ids[:2], ids[-1]) == (["sub-3", "sub-5"], "sub-4")


async def test_the_review_queue_is_oldest_first_and_says_only_whether_there_are_reports(hub):
    async with hub.platform_unit() as unit:
        await unit.publishing.submit(a_submission("sub-3"))
        await unit.publishing.submit(a_submission("sub-2", status=SubmissionStatus.LISTED))
        first = await unit.curation.awaiting(first=1)
        rest = await unit.curation.awaiting(first=5, after="sub-1")
        page = await unit.curation.awaiting_page(page=2, page_size=1)

    assert ([one.submission_id for one in first.items], first.has_next) == (["sub-1"], True)
    assert ([one.submission_id for one in rest.items], rest.has_next) == (["sub-3"], False)
    assert page == Page((a_submission("sub-3", scan_report={}),), 2)


async def test_only_one_manual_review_of_a_submission_is_open(hub):
    async with hub.platform_unit() as unit:
        asked = [await unit.curation.ask_for_review(a_request(one)) for one in ("rev-req-1", "rev-req-2")]
        open_ones = await unit.curation.open_reviews(first=5)
        decided = [
            await unit.curation.decide_review("rev-req-1", Judgement.APPROVED, "fine", by=ANNA, at=NOON + HOUR)
            for _ in range(2)
        ]
        again = await unit.curation.ask_for_review(a_request("rev-req-3"))
        last = await unit.curation.manual_reviews(["sub-1", "sub-2"])

    assert (asked, open_ones.items, decided, again) == ([True, False], (a_request(),), [True, False], True)
    assert last == {"sub-1": a_request("rev-req-3")}


async def test_a_finding_has_one_exception_that_is_open_or_approved(hub):
    async with hub.platform_unit() as unit:
        asked = [await unit.curation.ask_for_exception(an_exception(one)) for one in ("exc-1", "exc-2")]
        assert await unit.curation.decide_exception("exc-1", Judgement.REJECTED, by=ANNA, at=NOON)
        after_a_no = await unit.curation.ask_for_exception(an_exception("exc-3"))
        assert await unit.curation.decide_exception("exc-3", Judgement.APPROVED, by=ANNA, at=NOON)
        after_a_yes = await unit.curation.ask_for_exception(an_exception("exc-4"))
        another = await unit.curation.ask_for_exception(an_exception("exc-5", finding_index=1))
        waiting = await unit.curation.open_exceptions(first=5)
        found = await unit.curation.exceptions(["sub-1"])

    assert (asked, after_a_no, after_a_yes, another) == ([True, False], True, False, True)
    assert [one.exception_id for one in waiting.items] == ["exc-5"]
    assert [(one.exception_id, one.status.wire) for one in found[SubmissionId("sub-1")]] == [
        ("exc-1", "Rejected"),
        ("exc-3", "Approved"),
        ("exc-5", "UnderReview"),
    ]


async def test_what_approved_exceptions_let_pass_holds_for_one_publisher_and_one_package(hub):
    async with hub.platform_unit() as unit:
        await unit.curation.ask_for_exception(an_exception())
        before = await unit.curation.granted(PUBLISHER, PACKAGE.name.casefold())
        await unit.curation.decide_exception("exc-1", Judgement.APPROVED, by=ANNA, at=NOON)
        granted = await unit.curation.granted(PUBLISHER, PACKAGE.name.casefold())
        elsewhere = [
            await unit.curation.granted(PUBLISHER, "another package"),
            await unit.curation.granted("pub-2", PACKAGE.name.casefold()),
        ]

    assert (before, granted, elsewhere) == (frozenset(), {an_exception().binding}, [frozenset(), frozenset()])


async def test_reports_stand_oldest_first_and_are_closed_once(hub):
    async with hub.platform_unit() as unit:
        for one in ("vr-2", "vr-1", "vr-3"):
            await unit.curation.report(a_report(one))
        closed = [await unit.curation.close_report("vr-1", ReportStatus.CONFIRMED) for _ in range(2)]
        waiting = await unit.curation.reports([ReportStatus.RECEIVED], first=1)
        page = await unit.curation.reports_page([], page=1, page_size=2)
        found = await unit.curation.reported("vr-1")

    assert closed == [True, False]
    assert ([one.report_id for one in waiting.items], waiting.has_next) == (["vr-2"], True)
    assert ([one.report_id for one in page.items], page.total_count) == (["vr-1", "vr-2"], 3)
    assert found == a_report("vr-1", status="Confirmed")


async def test_scans_by_other_rules_are_due_first_then_old_ones(store):
    await with_tenants(store)
    versions = (
        a_version(PACKAGE, "1.0.0", rules_version="new", scanned_at=NOON - 2 * DAY),
        a_version(PACKAGE, "1.1.0", rules_version="old", scanned_at=NOON),
        a_version(PACKAGE, "1.2.0", rules_version="new", scanned_at=NOON),
        a_version(PACKAGE, "1.3.0", rules_version="old", scanned_at=NOON, state=ListingState.YANKED),
        a_version(PACKAGE, "1.4.0", rules_version="old", scanned_at=NOON, state=ListingState.DEPRECATED),
    )
    await listed(store, PACKAGE, versions=versions)

    async with store.platform_view() as view:
        due = await view.curation.due_scans("new", NOON - DAY, unfinished_before=NOON - HOUR, most=5)

    assert [one.version for one in due] == ["1.1.0", "1.4.0", "1.0.0"]


async def test_a_scan_that_came_to_no_end_is_due_sooner_than_others(store):
    await with_tenants(store)
    versions = (
        a_version(PACKAGE, "1.0.0", scanned_at=NOON - 2 * HOUR),
        a_version(PACKAGE, "1.1.0", scanned_at=NOON - 2 * HOUR, scan_result="ERROR"),
        a_version(PACKAGE, "1.2.0", scanned_at=NOON, scan_result="ERROR"),
    )
    await listed(store, PACKAGE, versions=versions)

    async with store.platform_view() as view:
        due = await view.curation.due_scans(RULES_VERSION, NOON - DAY, unfinished_before=NOON - HOUR, most=5)

    assert [one.version for one in due] == ["1.1.0"]


async def test_a_scan_is_noted_by_whoever_is_first(hub):
    due = DueScan(PACKAGE.listing_id, GLOBEX, "1.0.0", BlobKey("blob"), NOON, RULES_VERSION)
    scan = NewScan("FAIL", {"overallResult": "FAIL"}, NOON + HOUR, "2")

    async def noted():
        async with hub.platform_unit() as unit:
            return await unit.curation.note_scan(due, scan)

    outcomes = sorted(await asyncio.gather(noted(), noted()))
    async with hub.platform_view() as view:
        version = await view.publishing.version(PACKAGE.listing_id, "1.0.0")

    assert outcomes == [False, True]
    assert (version.scan_result, version.scan_report, version.rules_version) == ("FAIL", scan.report, "2")


async def test_what_a_scan_suspended_is_overdue_after_its_time(store):
    await with_tenants(store)
    suspended = {"state": ListingState.SUSPENDED, "scanned_at": NOON - 31 * DAY}
    versions = (
        a_version(PACKAGE, "1.0.0", scan_result="FAIL", **suspended),
        a_version(PACKAGE, "1.1.0", scan_result="PASS", **suspended),
        a_version(PACKAGE, "1.2.0", scan_result="FAIL", **suspended | {"scanned_at": NOON}),
    )
    await listed(store, PACKAGE, versions=versions)

    async with store.platform_view() as view:
        overdue = await view.curation.overdue_repairs(NOON - 30 * DAY, most=5)

    assert overdue == [(ListingId("mkt-pkg-1"), "1.0.0")]
