"""Publishers, submissions and listings, as the store remembers them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.market.model import (
    Certification,
    ListingId,
    ListingState,
    PublisherId,
    PublisherKey,
    PublisherStatus,
    Submission,
    SubmissionId,
    SubmissionStatus,
    TrustLevel,
)
from domain.model import BlobKey, PackageDependency, TenantId
from domain.ports import LeaseLostError
from storage.store import SqlStore
from tests.clocks import NOON
from tests.ports.listings import a_listing, a_publisher, a_version
from tests.ports.rows import ACME, ANNA, GLOBEX, with_tenants

QUEUED, SCANNING, LISTED = SubmissionStatus.QUEUED, SubmissionStatus.SECURITY_SCANNING, SubmissionStatus.LISTED


def a_submission(number: int = 1, **fields: object) -> Submission:
    made = Submission(
        submission_id=SubmissionId(f"sub-{number:03}"),
        tenant_id=GLOBEX,
        publisher_id=PublisherId("pub-1"),
        listing_id=ListingId("mkt-1"),
        name="Starter",
        version=f"{number}.0.0",
        status=QUEUED,
        trust_target=TrustLevel.COMMUNITY,
        blob_key=BlobKey(f"blob-{number}"),
        sha256="0" * 64,
        size_bytes=12,
        wishes={"description": "What it is for"},
        submitted_at=NOON + timedelta(hours=number),
        submitted_by=ANNA,
        signature={"payload": ""},
    )
    return replace(made, **fields)  # type: ignore[arg-type]


async def with_submissions(store: SqlStore, *submissions: Submission) -> None:
    await with_tenants(store)
    async with store.platform_unit() as unit:
        assert await unit.publishing.add(a_publisher("pub-1"))
        for submission in submissions:
            await unit.publishing.submit(submission)


async def test_a_publisher_is_read_back_as_it_was_written(store: SqlStore):
    await with_tenants(store)
    publisher = a_publisher("pub-1", verified_at=NOON, domain="pub-1.example")

    async with store.platform_unit() as unit:
        added = await unit.publishing.add(publisher)
        twice = await unit.publishing.add(replace(publisher, publisher_id=PublisherId("pub-2")))

    async with store.platform_view() as unit:
        assert (added, twice) == (True, False)
        assert await unit.publishing.publisher("pub-1") == publisher
        assert await unit.publishing.publisher("pub-2") is None
        assert await unit.publishing.publishers(["pub-1", "pub-9"]) == {publisher.publisher_id: publisher}


async def test_a_change_of_a_publisher_leaves_what_it_said_of_itself(store: SqlStore):
    await with_tenants(store)
    publisher = a_publisher("pub-1")
    async with store.platform_unit() as unit:
        await unit.publishing.add(publisher)

    changed = replace(publisher, status=PublisherStatus.SUSPENDED, is_official=True, domain="x.example")
    async with store.platform_unit() as unit:
        assert await unit.publishing.locked("pub-1") == publisher
        await unit.publishing.change(replace(changed, display_name="Another"))

    async with store.platform_view() as unit:
        assert await unit.publishing.publisher("pub-1") == changed


async def test_a_list_of_publishers_does_not_show_other_tenants(store: SqlStore):
    await with_tenants(store)
    publishers = [a_publisher(f"pub-{n}", tenant_id=tenant) for n, tenant in enumerate((ACME, GLOBEX, ACME, ACME))]
    async with store.platform_unit() as unit:
        for publisher in publishers:
            await unit.publishing.add(publisher)

    async with store.platform_view() as unit:
        first = await unit.publishing.publishers_of(frozenset({ACME}), first=2)
        rest = await unit.publishing.publishers_of(frozenset({ACME}), first=2, after="pub-2")
        everywhere = await unit.publishing.publishers_of(None, first=10)
        nowhere = await unit.publishing.publishers_of(frozenset({TenantId("none")}), first=10)

    assert [one.publisher_id for one in (*first.items, *rest.items)] == ["pub-0", "pub-2", "pub-3"]
    assert (first.has_next, rest.has_next, len(everywhere.items), nowhere.items) == (True, False, 4, ())


async def test_keys_are_added_and_revoked_once(store: SqlStore):
    await with_tenants(store)
    publisher = a_publisher("pub-1")
    key = PublisherKey(publisher.publisher_id, "key-1", "PEM", NOON, ANNA)

    async with store.platform_unit() as unit:
        await unit.publishing.add(publisher)
        added = [await unit.publishing.add_key(publisher, key) for _ in range(2)]
        revoked = [await unit.publishing.revoke_key("pub-1", "key-1", NOON) for _ in range(2)]
        keys = await unit.publishing.keys(["pub-1", "pub-2"])

    assert (added, revoked) == ([True, False], [True, False])
    assert keys == {publisher.publisher_id: [replace(key, revoked_at=NOON)]}


async def test_publishers_are_due_by_the_end_of_their_proof(store: SqlStore):
    await with_tenants(store)
    ends = {"pub-a": 3, "pub-b": 1, "pub-c": 9}
    publishers = [a_publisher(name, verification_expires_at=NOON + timedelta(days=n)) for name, n in ends.items()]
    waiting = a_publisher("pub-d", status=PublisherStatus.PENDING_VERIFICATION, verification_expires_at=NOON)
    async with store.platform_unit() as unit:
        for publisher in (*publishers, waiting):
            await unit.publishing.add(publisher)

    async with store.platform_view() as unit:
        due = await unit.publishing.proven_before(NOON + timedelta(days=5), most=10)
        one = await unit.publishing.proven_before(NOON + timedelta(days=5), most=1)

    assert [publisher.publisher_id for publisher in due] == ["pub-b", "pub-a"]
    assert [publisher.publisher_id for publisher in one] == ["pub-b"]


async def test_a_submission_is_read_back_as_it_was_written(store: SqlStore):
    submission = a_submission(coverage={"lineCoverage": 0.5}, explanation="It is fine", scan_report={"a": 1})
    await with_submissions(store, submission)

    async with store.platform_view() as unit:
        assert await unit.publishing.submission("sub-001") == submission
        (listed,) = (await unit.publishing.submissions(["pub-1"], (), first=5))[submission.publisher_id].items
        named = await unit.publishing.submissions_named(["sub-001", "sub-009"])
        (numbered,) = (await unit.publishing.submission_page("pub-1", (), page=1, page_size=5)).items
        last = await unit.publishing.last_of("pub-1", "starter")

    assert named == {submission.submission_id: submission}
    assert listed == numbered == last == replace(submission, scan_report={})


async def test_submissions_are_listed_newest_first_by_status_and_page(store: SqlStore):
    waiting = [a_submission(number) for number in (1, 2, 3)]
    await with_submissions(store, *waiting, a_submission(4, status=LISTED))

    async with store.platform_view() as unit:
        page = await unit.publishing.submission_page("pub-1", {QUEUED}, page=2, page_size=2)
        pages = [
            (await unit.publishing.submissions(["pub-1", "pub-2"], {QUEUED, LISTED}, first=2, after=after))
            for after in (None, "sub-003")
        ]
        others = await unit.publishing.submission_page("pub-2", (), page=1, page_size=2)
        today = await unit.publishing.submitted_since("pub-1", NOON + timedelta(hours=2))

    first, rest = (page[PublisherId("pub-1")] for page in pages)
    assert ([one.submission_id for one in page.items], page.total_count) == (["sub-001"], 3)
    assert [one.submission_id for one in (*first.items, *rest.items)] == ["sub-004", "sub-003", "sub-002", "sub-001"]
    assert (first.has_next, rest.has_next, others.total_count) == (True, False, 0)
    assert today == [NOON + timedelta(hours=4), NOON + timedelta(hours=3)]


async def test_only_what_has_not_come_to_its_end_is_under_way(store: SqlStore):
    numbered = (
        (1, LISTED, "1.0.0"),
        (2, QUEUED, "1.0.0"),
        (3, SubmissionStatus.AWAITING_HUMAN_REVIEW, "3.0.0"),
        (4, LISTED, "4.0.0"),
    )
    made = (a_submission(number, status=status, version=version) for number, status, version in numbered)
    await with_submissions(store, *made)

    async with store.platform_view() as unit:
        under_way = [await unit.publishing.under_way("pub-1", "starter", one) for one in ("1.0.0", "3.0.0", "4.0.0")]
        last = await unit.publishing.last_of("pub-1", "starter")
        others = await unit.publishing.last_of("pub-2", "starter")

    assert under_way == ["sub-002", "sub-003", None]
    assert (last and last.submission_id, others) == ("sub-004", None)


async def test_the_fast_track_is_claimed_first_then_the_oldest_and_each_once(store: SqlStore):
    fast = a_submission(4, is_fast_track=True)
    await with_submissions(store, a_submission(2), a_submission(1), a_submission(3, status=LISTED), fast)

    claims = []
    for _ in range(4):
        async with store.platform_unit() as unit:
            claims.append(await unit.publishing.claim(lease_seconds=60))

    found = [(one.submission.submission_id, one.submission.status, one.attempt) if one else None for one in claims]
    assert found == [("sub-004", SCANNING, 1), ("sub-001", SCANNING, 1), ("sub-002", SCANNING, 1), None]


async def test_who_lost_the_lease_moves_nothing_any_more(store: SqlStore):
    await with_submissions(store, a_submission())
    async with store.platform_unit() as unit:
        slow = await unit.publishing.claim(lease_seconds=-1)
    async with store.platform_unit() as unit:
        quick = await unit.publishing.claim(lease_seconds=60)
    assert slow is not None
    assert quick is not None

    with pytest.raises(LeaseLostError):
        async with store.platform_unit() as unit:
            await unit.publishing.advance(slow, LISTED)
    async with store.platform_unit() as unit:
        await unit.publishing.let_go(slow)
        await unit.publishing.advance(quick, LISTED, {"scan_report": {"b": 2}, "reviewed_at": NOON})
    with pytest.raises(LeaseLostError):
        async with store.platform_unit() as unit:
            await unit.publishing.advance(quick, SubmissionStatus.REJECTED)

    async with store.platform_view() as unit:
        done = await unit.publishing.submission("sub-001")
    assert done == a_submission(status=LISTED, scan_report={"b": 2}, reviewed_at=NOON)


async def test_what_was_let_go_is_claimed_again_as_if_nothing_had_been(store: SqlStore):
    await with_submissions(store, a_submission())
    async with store.platform_unit() as unit:
        claim = await unit.publishing.claim(lease_seconds=60)
    assert claim is not None

    async with store.platform_unit() as unit:
        await unit.publishing.let_go(claim)
    async with store.platform_unit() as unit:
        again = await unit.publishing.claim(lease_seconds=60)

    assert again == claim


async def test_a_person_decides_only_what_still_stands_so(store: SqlStore):
    waits = SubmissionStatus.AWAITING_HUMAN_REVIEW
    await with_submissions(store, a_submission(status=waits))
    changes = {"reviewed_by": ANNA, "reviewed_at": NOON, "reason": "InsufficientDocumentation"}

    async with store.platform_unit() as unit:
        first = await unit.publishing.decide("sub-001", waits, SubmissionStatus.REJECTED, changes)
        second = await unit.publishing.decide("sub-001", waits, LISTED, {})
        back = await unit.publishing.decide("sub-001", SubmissionStatus.REJECTED, QUEUED, {"reason": ""})
        claim = await unit.publishing.claim(lease_seconds=60)

    assert (first, second, back) == (True, False, True)
    assert claim is not None
    assert (claim.attempt, claim.submission.reviewed_by) == (1, ANNA)


async def test_a_listing_and_a_version_are_read_back_as_they_were_written(store: SqlStore):
    await with_tenants(store)
    listing = a_listing("mkt-1", publisher_id=PublisherId("pub-1"), name="Ünïcode")
    certification = Certification(NOON, ANNA, 0.75, None, NOON + timedelta(days=365))
    needed = (PackageDependency("Base", "1.0.0", "2.0.0"), PackageDependency("Other", "1.0.0"))
    version = a_version(listing, dependencies=needed, certification=certification, signature={"payload": "x"})

    async with store.platform_unit() as unit:
        await unit.publishing.add(a_publisher("pub-1"))
        added = [await unit.publishing.add_listing(one) for one in (listing, replace(listing, name="üNÏCODE"))]
        versions = [await unit.publishing.add_version(version) for _ in range(2)]

    async with store.platform_view() as unit:
        assert (added, versions) == ([True, False], [True, False])
        assert await unit.publishing.listing("mkt-1") == listing
        assert await unit.publishing.listing_named("ünïcode") == listing
        assert await unit.publishing.version("mkt-1", "1.0.0") == version
        assert await unit.publishing.version("mkt-1", "2.0.0") is None
        there = await unit.publishing.versions_named(["ünïcode", "unknown"])
        assert there == {"ünïcode": [("1.0.0", ListingState.LISTED)]}


async def test_a_publication_changes_no_counts_of_a_listing(store: SqlStore):
    await with_tenants(store)
    listing = a_listing("mkt-1", publisher_id=PublisherId("pub-1"), install_count=7, rating_sum=9, review_count=2)
    async with store.platform_unit() as unit:
        await unit.publishing.add(a_publisher("pub-1"))
        await unit.publishing.add_listing(listing)

    wanted = replace(listing, latest_version="2.0.0", tags=("new",), description="Other", updated_at=NOON)
    async with store.platform_unit() as unit:
        await unit.publishing.change_listing(replace(wanted, install_count=0, rating_sum=0, review_count=0))

    async with store.platform_view() as unit:
        assert await unit.publishing.listing("mkt-1") == wanted


async def test_official_listings_get_back_the_trust_that_they_have_without_it(store: SqlStore):
    await with_tenants(store)
    plain, certified = (a_listing(name, publisher_id=PublisherId("pub-1")) for name in ("mkt-1", "mkt-2"))
    certification = Certification(NOON, ANNA, 0.75, None, NOON + timedelta(days=365))
    async with store.platform_unit() as unit:
        await unit.publishing.add(a_publisher("pub-1"))
        for listing, given in ((plain, None), (certified, certification)):
            await unit.publishing.add_listing(listing)
            await unit.publishing.add_version(a_version(listing, certification=given))

    levels = []
    for is_official in (True, False):
        async with store.platform_unit() as unit:
            await unit.publishing.make_official(PublisherId("pub-1"), is_official=is_official)
            await unit.publishing.flag_listings(PublisherId("pub-1"))
        async with store.platform_view() as unit:
            found = [await unit.publishing.listing(name) for name in ("mkt-1", "mkt-2")]
        levels.append([(one.trust_level, one.needs_review) for one in found if one])

    official, community, kept = TrustLevel.OFFICIAL, TrustLevel.COMMUNITY, TrustLevel.CERTIFIED
    assert levels == [[(official, True), (official, True)], [(community, True), (kept, True)]]
