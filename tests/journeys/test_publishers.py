"""Publishers: who they are, what shows it, and the keys they sign with."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner

from domain import strict_json
from domain.errors import ErrorCode, Refusal, refuse
from domain.market.model import ListingState, Publisher, PublisherStatus, SubmissionStatus, VerificationMethod
from domain.market.publisher_order import domain_of
from domain.market.publishers import LAPSE, TO_SHOW
from domain.market.signatures import signed
from domain.model import TenantId, TenantStatus
from tests.journeys.inside import ACME, Inside, an_inside, members
from tests.market import (
    Shown,
    a_package,
    a_publishing_caller,
    a_verified_publisher,
    an_operator,
    an_order,
    checked,
    offered,
    proven,
    published,
    submitted,
)

PAULA = a_publishing_caller("acme")
DNS, FILE = VerificationMethod.DNS, VerificationMethod.FILE


@pytest.fixture
async def inside(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[Inside]:
    """On SQLite alone: what depends on the database stands in the suite of the store."""
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    async with an_inside(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}", tmp_path) as made:
        yield made


class Signing:
    """A key pair of a publisher."""

    def __init__(self) -> None:
        private = Ed25519PrivateKey.generate()
        self.public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self._signer = CryptoSigner(private)

    def envelope(self, raw: bytes) -> dict[str, Any]:
        return signed(strict_json.trusted(members(raw)["manifest.json"]), self._signer)


async def refused(work: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value


async def a_pending_publisher(inside: Inside, slug: str = "northwind", **fields: Any) -> Publisher:
    return await inside.services.publishers.create(PAULA, an_order(slug, tenant_id=ACME, **fields))


async def shown(inside: Inside, publisher: Publisher, method: VerificationMethod = DNS) -> Shown:
    proof = Shown()
    proof.records.add(("www.northwind.example", method, publisher.verification_token))
    return proof


async def now_of(inside: Inside, publisher: Publisher) -> Publisher:
    return await inside.services.publishers.get(PAULA, publisher.publisher_id, PAULA.reach)


async def test_a_new_publisher_waits_to_show_that_its_website_is_its_own(inside: Inside):
    publisher = await a_pending_publisher(inside)

    assert (publisher.status, publisher.verification_method) == (PublisherStatus.PENDING_VERIFICATION, DNS)
    assert publisher.verification_expires_at == inside.clock.now() + TO_SHOW
    assert await now_of(inside, publisher) == publisher


async def test_everything_wrong_with_a_new_publisher_is_told_at_once(inside: Inside):
    order = an_order(
        slug="Not A Slug",
        tenant_id=ACME,
        display_name=" ",
        website="https://10.0.0.1/",
        contact_email="nobody",
        description="x" * 501,
        logo_url="http://plain.example/logo.png",
    )

    refusal = await refused(inside.services.publishers.create(PAULA, order))

    assert {one.where: one.code for one in refusal.problems} == {
        "displayName": ErrorCode.MISSING_REQUIRED_FIELD,
        **dict.fromkeys(("slug", "website", "contactEmail", "description", "logoUrl"), ErrorCode.BAD_USER_INPUT),
    }


async def test_a_short_name_is_taken_once(inside: Inside):
    await a_pending_publisher(inside)

    refusal = await refused(a_pending_publisher(inside))

    assert (refusal.code, refusal.status) == (ErrorCode.PUBLISHER_NAME_TAKEN, 409)


async def test_a_repeated_request_makes_one_publisher(inside: Inside):
    create = inside.services.publishers.create

    first = await create(PAULA, an_order(tenant_id=ACME), key="k1")
    again = await create(PAULA, an_order(tenant_id=ACME), key="k1")

    assert again == first


@pytest.mark.parametrize("method", VerificationMethod)
async def test_a_publisher_is_verified_once_its_domain_shows_the_record(inside: Inside, method: VerificationMethod):
    publisher = await a_pending_publisher(inside)
    proof = Shown()
    publishers = proven(inside.services, proof)

    before = await publishers.verify(PAULA, publisher.publisher_id, PAULA.reach, method=method)
    proof.records.add(("www.northwind.example", method, publisher.verification_token))
    after = await publishers.verify(PAULA, publisher.publisher_id, PAULA.reach)

    assert before.status is PublisherStatus.PENDING_VERIFICATION
    assert (after.status, after.domain, after.verified_at) == (
        PublisherStatus.VERIFIED,
        "www.northwind.example",
        inside.clock.now(),
    )


async def test_a_record_shown_too_late_is_replaced_by_a_new_one(inside: Inside):
    publisher = await a_pending_publisher(inside)
    proof = await shown(inside, publisher)
    inside.clock.advance(TO_SHOW)

    late = await proven(inside.services, proof).verify(PAULA, publisher.publisher_id, PAULA.reach)

    assert late.status is PublisherStatus.PENDING_VERIFICATION
    assert late.verification_token != publisher.verification_token
    assert late.verification_expires_at == inside.clock.now() + TO_SHOW


async def test_a_domain_that_cannot_be_looked_at_now_changes_nothing(inside: Inside):
    publisher = await a_pending_publisher(inside)
    proof = Shown()
    proof.trouble = refuse(ErrorCode.SERVICE_UNAVAILABLE, "No name server answers.")

    refusal = await refused(proven(inside.services, proof).verify(PAULA, publisher.publisher_id, PAULA.reach))

    assert refusal.code is ErrorCode.SERVICE_UNAVAILABLE
    assert await now_of(inside, publisher) == publisher


async def test_a_publisher_whose_domain_shows_nothing_for_thirty_days_has_lapsed(inside: Inside):
    made = await published(inside)
    publisher, proof = made.publisher, Shown(everything=True)
    publishers = proven(inside.services, proof)
    inside.clock.advance(timedelta(days=2))
    await publishers.look_again()
    proof.everything = False

    inside.clock.advance(LAPSE - timedelta(minutes=1))
    await publishers.look_again()
    async with inside.sql.platform_view() as unit:
        warned = await unit.publishing.publisher(publisher.publisher_id)
    inside.clock.advance(timedelta(minutes=2))
    await publishers.look_again()

    async with inside.sql.platform_view() as unit:
        lapsed = await unit.publishing.publisher(publisher.publisher_id)
        listing = await unit.publishing.listing(made.listing_id)
    assert warned is not None
    assert lapsed is not None
    assert listing is not None
    assert (warned.status, lapsed.status) == (PublisherStatus.VERIFIED, PublisherStatus.PENDING_VERIFICATION)
    assert (listing.needs_review, lapsed.verification_token == publisher.verification_token) == (True, False)


async def test_verified_domains_are_looked_at_once_a_day(inside: Inside):
    await a_verified_publisher(inside)
    proof = Shown(everything=True)
    publishers = proven(inside.services, proof)

    counts = []
    for _ in range(2):
        inside.clock.advance(timedelta(hours=25))
        counts += [await publishers.look_again(), await publishers.look_again()]

    assert counts == [1, 0, 1, 0]


async def test_a_publisher_does_not_show_to_other_tenants(inside: Inside):
    publisher = await a_pending_publisher(inside)
    stranger, services = a_publishing_caller("globex"), inside.services.publishers
    reach, pem = stranger.reach, Signing().public

    answers = [
        await refused(services.get(stranger, publisher.publisher_id, reach)),
        await refused(services.verify(stranger, publisher.publisher_id, reach)),
        await refused(services.add_key(stranger, publisher.publisher_id, reach, pem)),
        await refused(services.revoke_key(stranger, publisher.publisher_id, reach, "any")),
    ]

    assert [(one.code, one.status) for one in answers] == [(ErrorCode.NOT_FOUND, 404)] * 4
    assert (await services.page(stranger, reach, first=10)).items == ()
    assert await services.shown(stranger, [publisher.publisher_id]) == {}


async def test_who_runs_the_market_looks_at_every_publisher_and_acts_for_none(inside: Inside):
    publisher = await a_pending_publisher(inside)
    operator = replace(an_operator(), scopes=frozenset({"marketplace:admin", "marketplace:publish"}))

    seen = await inside.services.publishers.get(operator, publisher.publisher_id, operator.reach)
    add = inside.services.publishers.add_key(operator, publisher.publisher_id, operator.reach, Signing().public)

    assert seen == publisher
    assert (await refused(add)).code is ErrorCode.NOT_FOUND


async def test_a_publisher_is_made_only_for_a_tenant_of_the_caller(inside: Inside):
    elsewhere = inside.services.publishers.create(PAULA, an_order(tenant_id=TenantId("globex")))
    without = inside.services.publishers.create(a_publishing_caller("acme", "rita", "installhub:read"), an_order())

    assert (await refused(elsewhere)).code is ErrorCode.TENANT_MISMATCH
    assert (await refused(without)).code is ErrorCode.INSUFFICIENT_PERMISSION


async def test_from_the_first_key_on_unsigned_submissions_are_refused(inside: Inside):
    publisher, signing = await a_verified_publisher(inside), Signing()
    caller = a_publishing_caller(publisher.tenant_id)
    await inside.services.publishers.add_key(caller, publisher.publisher_id, caller.reach, signing.public)
    raw = a_package()

    unsigned = await refused(submitted(inside, raw, publisher))
    by_another = await refused(submitted(inside, raw, publisher, signature=Signing().envelope(raw)))
    of_another = await refused(submitted(inside, raw, publisher, signature=signing.envelope(a_package("Other"))))
    done = await checked(inside, await submitted(inside, raw, publisher, signature=signing.envelope(raw)))

    assert [one.code for one in (unsigned, by_another, of_another)] == [ErrorCode.SIGNATURE_INVALID] * 3
    assert "not signed" in unsigned.message
    assert done.status is SubmissionStatus.LISTED
    assert (await offered(inside, publisher, done)).offer.signature == signing.envelope(raw)


async def test_keys_rotate_side_by_side_and_a_revoked_one_verifies_nothing(inside: Inside):
    publisher, old, new = await a_verified_publisher(inside), Signing(), Signing()
    caller, services = a_publishing_caller(publisher.tenant_id), inside.services.publishers
    first = await services.add_key(caller, publisher.publisher_id, caller.reach, old.public)
    await services.add_key(caller, publisher.publisher_id, caller.reach, new.public)
    raw, more = a_package(version="1.0.0"), a_package(version="2.0.0")
    both = [
        await checked(inside, await submitted(inside, raw, publisher, signature=old.envelope(raw))),
        await submitted(inside, more, publisher, signature=old.envelope(more)),
    ]

    await services.revoke_key(caller, publisher.publisher_id, caller.reach, first.key_id)
    late = await checked(inside, both[1])
    fresh = await checked(inside, await submitted(inside, more, publisher, signature=new.envelope(more)))

    assert [one.status for one in (both[0], late, fresh)] == [
        *(SubmissionStatus.LISTED, SubmissionStatus.REJECTED, SubmissionStatus.LISTED),
    ]
    assert late.reason == "SignatureInvalid"
    back = services.add_key(caller, publisher.publisher_id, caller.reach, old.public)
    assert (await refused(back)).code is ErrorCode.STATE_CONFLICT


async def test_a_key_is_added_once_and_revoked_once(inside: Inside):
    publisher, signing = await a_pending_publisher(inside), Signing()
    services, named = inside.services.publishers, publisher.publisher_id

    added = [await services.add_key(PAULA, named, PAULA.reach, signing.public) for _ in range(2)]
    revoked = [await services.revoke_key(PAULA, named, PAULA.reach, added[0].key_id) for _ in range(2)]

    assert added[0] == added[1]
    assert revoked[0] == revoked[1]
    assert (await services.keys([named]))[publisher.publisher_id] == [revoked[0]]


@pytest.mark.parametrize(
    "pem", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "x" * 9_999]
)
async def test_what_is_no_public_key_is_refused(inside: Inside, pem: str):
    publisher = await a_pending_publisher(inside)

    refusal = await refused(inside.services.publishers.add_key(PAULA, publisher.publisher_id, PAULA.reach, pem))

    assert (refusal.code, refusal.problems[0].where) == (ErrorCode.BAD_USER_INPUT, "publicKey")


async def test_only_an_operator_makes_a_publisher_official(inside: Inside):
    publisher = await a_pending_publisher(inside)
    services = inside.services.publishers

    refusal = await refused(services.mark_official(PAULA, publisher.publisher_id, is_official=True))
    unknown = await refused(services.mark_official(an_operator(), "pub-unknown", is_official=True))

    assert (refusal.code, unknown.code) == (ErrorCode.INSUFFICIENT_PERMISSION, ErrorCode.NOT_FOUND)


async def test_an_operators_word_stands_in_for_the_proof_of_a_domain(inside: Inside):
    publisher = await a_pending_publisher(inside)
    services = proven(inside.services, Shown())

    vouched = await services.mark_official(an_operator(), publisher.publisher_id, is_official=True)
    inside.clock.advance(timedelta(days=60))
    looked_at = await services.look_again()
    released = await services.mark_official(an_operator(), publisher.publisher_id, is_official=False)
    await services.look_again()
    lapsed = await services.get(PAULA, publisher.publisher_id, PAULA.reach)

    assert (vouched.status, vouched.is_official) == (PublisherStatus.VERIFIED, True)
    assert looked_at == 0
    assert (released.status, lapsed.status) == (PublisherStatus.VERIFIED, PublisherStatus.PENDING_VERIFICATION)


async def test_a_suspended_tenant_makes_no_publisher(inside: Inside):
    async with inside.sql.platform_unit() as unit:
        await unit.tenants.update(ACME, plan=None, status=TenantStatus.SUSPENDED)

    refusal = await refused(a_pending_publisher(inside))

    assert refusal.code is ErrorCode.INVALID_TENANT_ID


async def test_a_suspended_publisher_submits_nothing_until_it_is_reinstated(inside: Inside):
    made = await published(inside)
    services, operator, named = inside.services.publishers, an_operator(), made.publisher.publisher_id

    stopped = [await services.suspend(operator, named, reason="Malware") for _ in range(2)]
    refusal = await refused(submitted(inside, a_package(version="2.0.0"), made.publisher))
    verify = await refused(services.verify(a_publishing_caller("northwind"), named, frozenset({TenantId("northwind")})))
    async with inside.sql.platform_view() as unit:
        (offer,) = await unit.offers.of_listing(made.listing_id)
    back = await services.reinstate(operator, named)

    assert [one.status for one in stopped] == [PublisherStatus.SUSPENDED] * 2
    assert (refusal.code, verify.code) == (ErrorCode.PUBLISHER_NOT_VERIFIED, ErrorCode.STATE_CONFLICT)
    assert offer.state is ListingState.SUSPENDED
    assert back == made.publisher


async def test_a_publisher_reinstated_after_its_proof_has_run_out_is_verified_anew(inside: Inside):
    publisher = await a_verified_publisher(inside)
    services, operator = inside.services.publishers, an_operator()
    await services.suspend(operator, publisher.publisher_id, reason="Malware")
    inside.clock.advance(LAPSE + timedelta(days=1))

    back = await services.reinstate(operator, publisher.publisher_id)

    assert back.status is PublisherStatus.PENDING_VERIFICATION


async def test_only_who_runs_the_market_suspends_and_says_why(inside: Inside):
    publisher = await a_verified_publisher(inside)
    caller, services = a_publishing_caller("northwind"), inside.services.publishers

    refusals = [
        await refused(services.suspend(caller, publisher.publisher_id, reason="x")),
        await refused(services.reinstate(caller, publisher.publisher_id)),
        await refused(services.suspend(an_operator(), publisher.publisher_id, reason=" ")),
        await refused(services.suspend(an_operator(), "pub-unknown", reason="x")),
    ]

    assert [one.code for one in refusals] == [
        *(ErrorCode.INSUFFICIENT_PERMISSION, ErrorCode.INSUFFICIENT_PERMISSION),
        *(ErrorCode.MISSING_REQUIRED_FIELD, ErrorCode.NOT_FOUND),
    ]


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://Acme.example/path?x", "acme.example"),
        ("https://acme.example.", "acme.example"),
        ("https://acme.example:443", "acme.example"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        *((website, "") for website in ("http://acme.example", "https://acme.example:8443", "https://u@acme.example")),
        *((website, "") for website in ("https://127.0.0.1", "https://[::1]/", "https://localhost", "https://1.2")),
        *((website, "") for website in ("https://", "https://a..b", "https://[", "https://-a.example", "")),
    ],
)
def test_a_domain_is_a_name_that_public_dns_can_know(website: str, domain: str):
    assert domain_of(website) == domain
