"""What other installations tell our hub of their tenants and people (installhub.md sections 10.2 and 10.4; ADR 0014).

An installation is known by the token that it shows, and may only speak of its own: what it calls a tenant or a person
is put together with the token's identity, so nobody can speak in the name of another's. It can make up tenants; so only
so many of one installation are counted, and the operator of the hub decides who gets such a token. It can make up
people without end; so what no moderator reads, a mark or a flag, counts once a tenant.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.limits import Installation
from domain.market.catalogue import no_listing, seen
from domain.market.model import Review
from domain.market.remote_rows import ELSEWHERE
from domain.market.reviews import (
    ReviewDraft,
    Reviews,
    draft_problems,
    kept_once,
    known_review,
    readable_review,
    refuse_self,
    review_of,
    reviewed_version,
)
from domain.model import TenantId
from domain.ports import PlatformUnit, Ports
from domain.repeating import Once, made_before, once, remember

AUTHOR_MAX = 100
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person of a tenant of another installation, by the keys under which it speaks of them, and as readers see them.

    Both keys are 64 hexadecimal digits, always the same for the same.
    """

    tenant: str
    person: str
    author: str


@dataclass(frozen=True, slots=True)
class ReportedInstall:
    """An install in another installation."""

    tenant: str
    listing_id: str
    version: str


@dataclass(frozen=True, slots=True)
class ReportedReview:
    """What somebody elsewhere says of a listing."""

    somebody: Somebody
    listing_id: str
    rating: int
    title: str
    body: str


class Reported:
    """Installs, reviews and marks of other installations. Everything needs ``marketplace:report``."""

    def __init__(self, ports: Ports, installation: Installation, reviews: Reviews) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._tenants_max = installation.limits.reported_tenants
        self._reviews = reviews

    async def install(self, caller: Caller, told: ReportedInstall) -> None:
        """Count an install, once a tenant and listing; the same again changes nothing.

        Raises ``InsufficientPermission``, ``BadUserInput``, ``NotFound`` for what this hub never offered, and
        ``StateConflict`` when as many tenants of this installation are counted as may be.
        """
        require(caller, Right.REPORT)
        refuse_if(_key_problems("tenant", told.tenant))
        tenant_id = _tenant_of(caller, told.tenant)
        async with self._store.platform_unit() as unit:
            if await unit.publishing.version(told.listing_id, told.version) is None:
                raise no_listing()
            await self._admit(unit, caller, tenant_id)
            await unit.catalogue.count_install(told.listing_id, tenant_id, told.version, self._clock.now())

    async def review(self, caller: Caller, told: ReportedReview, *, key: str | None = None) -> Review:
        """Keep a review for the moderators, as one of our own people's; with a known key the first one is the answer.

        Raises ``InsufficientPermission``, ``NotFound``, ``NotAnInstaller`` for a tenant whose install was not
        reported, ``AlreadyReviewed``, ``BadUserInput`` with all problems, and ``IdempotencyKeyReused``.
        """
        require(caller, Right.REPORT)
        request = once(caller, key, "reportReview", told)
        return await kept_once(lambda: self._review(caller, told, request))

    async def _review(self, caller: Caller, told: ReportedReview, request: Once | None) -> Review:
        author, now = _person_of(caller, told.somebody), self._clock.now()
        draft = ReviewDraft(told.listing_id, min(author.tenants), told.rating, told.title, told.body)
        async with self._store.platform_unit() as unit:
            listing = await seen(unit.catalogue, author, told.listing_id)
            # a key is remembered where the listing is at home: the tenant elsewhere has no place here
            home = unit.of(listing.head.tenant_id)
            if made := await made_before(home, request, now):
                return await known_review(unit, made["reviewId"])
            refuse_if([*_somebody_problems(told.somebody), *draft_problems(draft)])
            review = review_of(author, draft, await reviewed_version(unit, caller, listing, draft), now)
            if not await unit.reviews.add(review):
                raise refuse(ErrorCode.ALREADY_REVIEWED, "This person has reviewed the package.", "packageId")
            await remember(home, request, {"reviewId": review.review_id}, now)
        return review

    async def mark_helpful(self, caller: Caller, somebody: Somebody, review_id: str) -> Review:
        """Say that a review helped somebody elsewhere; counted once a tenant.

        Raises as :meth:`Reviews.mark_helpful` and :meth:`install`.
        """
        require(caller, Right.REPORT)
        refuse_if([*_somebody_problems(somebody)])
        person = _person_of(caller, somebody)
        async with self._store.platform_unit() as unit:
            refuse_self(await readable_review(unit, person, review_id), person)
            await self._admit(unit, caller, min(person.tenants))
        return await self._reviews.mark_helpful(_voice_of(person, somebody), review_id)

    async def flag(self, caller: Caller, somebody: Somebody, review_id: str, reason: str) -> Review:
        """Ask the moderators for somebody elsewhere to look again; once a tenant. Raises as :meth:`Reviews.flag`."""
        require(caller, Right.REPORT)
        refuse_if([*_somebody_problems(somebody)])
        return await self._reviews.flag(_voice_of(_person_of(caller, somebody), somebody), review_id, reason)

    async def _admit(self, unit: PlatformUnit, caller: Caller, tenant_id: TenantId) -> None:
        """Raises ``StateConflict`` when as many tenants of this installation are counted as may be."""
        if not await unit.remote.admit_tenant(caller.identity, tenant_id, most=self._tenants_max):
            text = f"{self._tenants_max} tenants of this installation are counted already."
            raise refuse(ErrorCode.STATE_CONFLICT, text, "tenant", limit=self._tenants_max)


def _tenant_of(caller: Caller, tenant: str) -> TenantId:
    """What the hub knows another installation's tenant by: the same key of another token is another tenant."""
    named = hashlib.sha256(f"{caller.identity} {tenant}".encode(errors="replace")).hexdigest()
    return TenantId(f"{ELSEWHERE}{named}")


def _person_of(caller: Caller, somebody: Somebody) -> Caller:
    """The person as the rules about reviews see them; without any right of the token's."""
    return Caller(
        subject=somebody.person,
        issuer=caller.identity,
        tenants=frozenset({_tenant_of(caller, somebody.tenant)}),
        scopes=frozenset(),
        expires_at=caller.expires_at,
        email=somebody.author.strip(),
    )


def _voice_of(person: Caller, somebody: Somebody) -> Caller:
    """Whom a mark counts for: the person's tenant, because people can be made up without end."""
    return replace(person, subject=somebody.tenant)


def _somebody_problems(somebody: Somebody) -> Iterator[Problem]:
    yield from _key_problems("tenant", somebody.tenant)
    yield from _key_problems("person", somebody.person)
    name = somebody.author.strip()
    if not 0 < len(name) <= AUTHOR_MAX or not name.isprintable():
        yield Problem(ErrorCode.BAD_USER_INPUT, f"author is a name of 1 to {AUTHOR_MAX} characters.", "author")


def _key_problems(name: str, key: str) -> Iterator[Problem]:
    if not _KEY.fullmatch(key):
        yield Problem(ErrorCode.BAD_USER_INPUT, f"{name} is a key of 64 hexadecimal digits.", name)
