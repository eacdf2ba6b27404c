"""Packages in the marketplace, really published: ``await published(world, name=…)`` over the services."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from domain.access import Caller
from domain.errors import Refusal
from domain.import_model import ImportPackage
from domain.market.model import (
    Certification,
    Listing,
    ListingVersion,
    Offer,
    Publisher,
    Submission,
    SubmissionStatus,
    TrustLevel,
    VerificationMethod,
)
from domain.market.publisher_order import PublisherOrder
from domain.market.publishers import Publishers
from domain.market.submitting import SubmissionOrder, Wishes
from domain.model import PackageDependency, TenantId, TenantPlan, name_key
from domain.ports import Store
from domain.services import Services
from tests.makers import Tree, a_bundle, a_rule_set

#: far away, whatever clock a test has
_FOR_EVER = datetime(2100, 1, 1, tzinfo=UTC)
PUBLISH, RUN_MARKET = "marketplace:publish", "marketplace:admin"


class AWorld(Protocol):
    """What has services: a whole server, or the inside of one."""

    @property
    def services(self) -> Services: ...


class Shown:
    """A :class:`domain.market.ports.DomainProof` that shows what it is told, or everything."""

    def __init__(self, *, everything: bool = False) -> None:
        self.everything = everything
        self.records: set[tuple[str, VerificationMethod, str]] = set()
        self.asked: list[tuple[str, VerificationMethod]] = []
        self.trouble: Refusal | None = None

    async def shows(self, domain: str, method: VerificationMethod, token: str) -> bool:
        self.asked.append((domain, method))
        if self.trouble is not None:
            raise self.trouble
        return self.everything or (domain, method, token) in self.records


@dataclass(frozen=True, slots=True)
class Published:
    """A version that is offered, and all that made it."""

    publisher: Publisher
    submission: Submission
    listing: Listing
    version: ListingVersion
    offer: Offer

    @property
    def listing_id(self) -> str:
        return self.listing.listing_id


def a_publishing_caller(tenant: str, subject: str = "paula", *scopes: str) -> Caller:
    """Somebody of a publisher's tenant."""
    return Caller(
        subject=subject,
        issuer="tests",
        tenants=frozenset({TenantId(tenant)}),
        scopes=frozenset(scopes or {PUBLISH}),
        expires_at=_FOR_EVER,
        email=f"{subject}@{tenant}.example",
    )


def an_operator() -> Caller:
    """Who runs the market."""
    return replace(a_publishing_caller("market", "olga", RUN_MARKET), tenants=frozenset())


async def a_verified_publisher(world: AWorld, slug: str = "northwind") -> Publisher:
    """The publisher with this short name, made and verified when it is not there; its tenant has the same name."""
    services = world.services
    caller = a_publishing_caller(slug)
    known = await services.publishers.page(caller, caller.reach, first=1)
    if known.items:
        return known.items[0]
    if await services.tenancy.find(caller, slug) is None:
        await services.tenancy.add(slug, TenantPlan.ENTERPRISE)
    made = await services.publishers.create(caller, an_order(slug))
    return await proven(services, Shown(everything=True)).verify(caller, made.publisher_id, caller.reach)


def proven(services: Services, proof: Shown) -> Publishers:
    """The publishers' service, to whom domains show what the test says."""
    publishers = copy.copy(services.publishers)
    publishers._proof = proof
    return publishers


def an_order(slug: str = "northwind", **fields: Any) -> PublisherOrder:
    order = PublisherOrder(
        tenant_id=TenantId(slug),
        display_name=slug.capitalize(),
        slug=slug,
        website=f"https://www.{slug}.example/about",
        contact_email=f"packages@{slug}.example",
    )
    return replace(order, **fields)


def a_package(
    name: str = "Starter",
    version: str = "1.0.0",
    *,
    artifacts: Sequence[Tree] = (),
    dependencies: Sequence[PackageDependency | tuple[str, str, str | None]] = (),
    **fields: Any,
) -> bytes:
    """A bundle as an export of another tenant writes it; by default with one rule set of the package's own."""
    needed = tuple(one if isinstance(one, PackageDependency) else PackageDependency(*one) for one in dependencies)
    own = a_rule_set(f"rule-{zlib.crc32(name_key(name).encode())}", name=f"{name} rules")
    return a_bundle(*(artifacts or [own]), name=name, version=version, package_dependencies=needed, **fields)


async def kept(world: AWorld, raw: bytes) -> ImportPackage:
    """Bytes as a door stores them."""
    async with world.services.blobs.create() as blob:
        await blob.write(raw)
        key = await blob.finish()
    return ImportPackage(0, key, hashlib.sha256(raw).hexdigest(), len(raw))


async def submitted(
    world: AWorld, raw: bytes, publisher: Publisher, *, key: str | None = None, **fields: Any
) -> Submission:
    """A submission in the line; ``fields`` are those of the order."""
    caller = a_publishing_caller(publisher.tenant_id)
    order = SubmissionOrder(publisher.publisher_id, await kept(world, raw), wishes())
    made, _ = await world.services.submissions.submit(caller, replace(order, **fields), caller.reach, key=key)
    return made


def wishes(**fields: Any) -> Wishes:
    return replace(Wishes(description="What it is for", category="utilities", tags=("starter",)), **fields)


async def checked(world: AWorld, submission: Submission) -> Submission:
    """The submission once the automatic checks have let it go."""
    caller = a_publishing_caller(submission.tenant_id)
    async with asyncio.timeout(30):
        while True:
            # a whole server's own worker may be quicker
            await world.services.pipeline.check_waiting()
            found = await world.services.submissions.get(caller, submission.submission_id, caller.reach)
            if found.status.is_final or found.status is SubmissionStatus.AWAITING_HUMAN_REVIEW:
                return found
            await asyncio.sleep(0.01)


async def published(
    world: AWorld,
    *,
    name: str = "Starter",
    version: str = "1.0.0",
    publisher: str = "northwind",
    trust: TrustLevel = TrustLevel.COMMUNITY,
    dependencies: Sequence[PackageDependency | tuple[str, str, str | None]] = (),
    artifacts: Sequence[Tree] = (),
    raw: bytes | None = None,
    **fields: Any,
) -> Published:
    """A version that went all the way: publisher, submission, checks and, for a certified one, a person.

    ``raw`` is the bundle itself; ``fields`` are those of the submission.
    """
    owner = await a_verified_publisher(world, publisher)
    if trust is TrustLevel.OFFICIAL:
        owner = await world.services.publishers.mark_official(an_operator(), owner.publisher_id, is_official=True)
    bundle = raw or a_package(name, version, artifacts=artifacts, dependencies=dependencies)
    fields.setdefault("requests_certification", trust is TrustLevel.CERTIFIED)
    done = await checked(world, await submitted(world, bundle, owner, **fields))
    if done.status is SubmissionStatus.AWAITING_HUMAN_REVIEW:
        done = await approved(world, done)
    assert done.status is SubmissionStatus.LISTED, (done.reason, done.details)
    return await offered(world, owner, done)


async def approved(world: AWorld, submission: Submission) -> Submission:
    """What a person does who certifies it."""
    services, store, by = world.services, store_of(world), an_operator().actor
    now = services.clock.now()
    certification = Certification(now, by, 0.8, 0.7, now + timedelta(days=365))
    prepared = await services.publication.prepared(submission)
    async with store.platform_unit() as unit:
        await services.publication.publish(
            unit, prepared, trust_level=TrustLevel.CERTIFIED, certification=certification, decided_by=by
        )
        waits, listed = SubmissionStatus.AWAITING_HUMAN_REVIEW, SubmissionStatus.LISTED
        changes = {"reviewed_at": now, "reviewed_by": by, "details": ""}
        assert await unit.publishing.decide(submission.submission_id, waits, listed, changes)
    return await checked(world, submission)


async def offered(world: AWorld, publisher: Publisher, submission: Submission) -> Published:
    async with store_of(world).platform_view() as unit:
        listing = await unit.publishing.listing(submission.listing_id)
        version = await unit.publishing.version(submission.listing_id, submission.version)
        offers = await unit.offers.of_listing(submission.listing_id)
    assert listing is not None
    assert version is not None
    offer = next(one for one in offers if one.version == submission.version)
    return Published(publisher, submission, listing, version, offer)


def store_of(world: AWorld) -> Store:
    """Where the services remember."""
    return world.services.publishers._store
