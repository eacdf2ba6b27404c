"""Who publishes: publishers, what shows that a website is theirs, and the keys they sign with.

(installhub.md sections 10.4 and 4.3; X23; security.md, "wrong publisher")
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import uuid_utils

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.market.model import Publisher, PublisherId, PublisherKey, PublisherStatus, VerificationMethod
from domain.market.publisher_order import PublisherOrder, domain_of, order_problems
from domain.market.publishing_rows import LISTINGS
from domain.market.signatures import key_id
from domain.ports import PlatformUnit, Ports
from domain.repeating import Once, made_before, once, remember, written_once
from domain.rows import Page, Slice
from domain.tenancy import active_tenant, entry_of

#: how long a publisher has to show its record
TO_SHOW = timedelta(days=7)
#: how long a domain may be without the record before its publisher counts as lapsed (installhub.md section 10.3)
LAPSE = timedelta(days=30)
#: how often a verified domain is looked at again
_LOOK_EVERY = timedelta(days=1)
_LOOKED_AT_ONCE = 200
KEYS_MAX = 20
_PEM_MAX, _REASON_MAX = 1_024, 500
#: why nothing of a suspended publisher is found or installed
ITS_PUBLISHER_IS_SUSPENDED = "Its publisher is suspended."


class Publishers:
    """What publishers' people and the operators of the market do with publishers."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._proof = ports.proof

    async def create(self, caller: Caller, order: PublisherOrder, *, key: str | None = None) -> Publisher:
        """Make a publisher that waits to be verified; with a known idempotency key, the one made first (R25).

        Raises ``InsufficientPermission``, ``TenantMismatch``, ``InvalidTenantId``, ``MissingRequiredField``,
        ``BadUserInput``, ``PublisherNameTaken`` and ``IdempotencyKeyReused``.
        """
        require(caller, Right.PUBLISH)
        if not caller.is_member(order.tenant_id):
            raise refuse(ErrorCode.TENANT_MISMATCH, "This token gives no access to that tenant.", "tenantId")
        request = once(caller, key, "createPublisher", order)
        refuse_if(order_problems(order))
        return await written_once(lambda: self._create(caller, order, request))

    async def _create(self, caller: Caller, order: PublisherOrder, request: Once | None) -> Publisher:
        now = self._clock.now()
        publisher = _new(caller, order, now)
        async with self._store.platform_unit() as unit:
            await active_tenant(unit.tenants, order.tenant_id)
            owner = unit.of(order.tenant_id)
            if (made := await made_before(owner, request, now)) and (
                first := await unit.publishing.publisher(made["publisherId"])
            ):
                return first
            if not await unit.publishing.add(publisher):
                text = f"The short name {order.slug} is another publisher's."
                raise refuse(ErrorCode.PUBLISHER_NAME_TAKEN, text, "slug")
            await remember(owner, request, {"publisherId": publisher.publisher_id}, now)
            details = {"publisherId": publisher.publisher_id, "slug": publisher.slug}
            await self._audit(unit, caller, publisher, "publisher.created", details)
        return publisher

    async def get(self, caller: Caller, publisher_id: str, reach: Reach) -> Publisher:
        """A publisher of the caller's tenants; any for who runs the market. Others are as unknown as none.

        Raises ``InsufficientPermission`` and ``NotFound``.
        """
        if not caller.has(Right.RUN_MARKET):
            require(caller, Right.PUBLISH)
        async with self._store.platform_view() as unit:
            publisher = await unit.publishing.publisher(publisher_id)
        if publisher is None or not (caller.has(Right.RUN_MARKET) or _is_within(publisher, reach)):
            raise unknown_publisher()
        return publisher

    async def shown(self, caller: Caller, publisher_ids: Sequence[str]) -> dict[PublisherId, Publisher]:
        """Publishers as everybody sees them: verified ones, and the caller's own."""
        async with self._store.platform_view() as unit:
            found = await unit.publishing.publishers(publisher_ids)
        is_open = PublisherStatus.PENDING_VERIFICATION
        return {
            key: publisher
            for key, publisher in found.items()
            if publisher.status is not is_open or publisher.verified_at or self.is_own(caller, publisher)
        }

    def is_own(self, caller: Caller, publisher: Publisher) -> bool:
        """Whether the caller may act for it, or runs the market."""
        return caller.has(Right.RUN_MARKET) or (caller.has(Right.PUBLISH) and caller.is_member(publisher.tenant_id))

    async def page(self, caller: Caller, reach: Reach, *, first: int, after: str | None = None) -> Slice[Publisher]:
        """The publishers of the caller's tenants, oldest first; none without the right to publish."""
        if not caller.has(Right.PUBLISH):
            return Slice((), has_next=False)
        async with self._store.platform_view() as unit:
            return await unit.publishing.publishers_of(reach, first=first, after=after)

    async def numbered(self, caller: Caller, reach: Reach, *, page: int, page_size: int) -> Page[Publisher]:
        """The same list by page number. Raises ``InsufficientPermission``."""
        require(caller, Right.PUBLISH)
        async with self._store.platform_view() as unit:
            return await unit.publishing.publisher_page(reach, page=page, page_size=page_size)

    async def verify(
        self, caller: Caller, publisher_id: str, reach: Reach, *, method: VerificationMethod | None = None
    ) -> Publisher:
        """Look whether the publisher's domain shows its record; ``method`` changes where it is looked for.

        The answer is verified, or still waits: then the record is not there, or its time was over and it is a new
        one. Raises ``InsufficientPermission``, ``NotFound``, ``StateConflict`` for a suspended publisher and
        ``ServiceUnavailable``.
        """
        require(caller, Right.PUBLISH)
        publisher = await self.get(caller, publisher_id, reach)
        if publisher.status is PublisherStatus.SUSPENDED:
            raise refuse(ErrorCode.STATE_CONFLICT, "A suspended publisher cannot be verified.", "publisherId")
        asked = replace(publisher, verification_method=method or publisher.verification_method)
        now = self._clock.now()
        if asked.status is PublisherStatus.PENDING_VERIFICATION and asked.verification_expires_at <= now:
            looked = replace(asked, verification_token=_token(), verification_expires_at=now + TO_SHOW)
        elif await self._shows(asked):
            looked = _proven(asked, now)
        else:
            looked = asked
        return await self._looked(caller, publisher, looked)

    async def _looked(self, caller: Caller, seen: Publisher, looked: Publisher) -> Publisher:
        async with self._store.platform_unit() as unit:
            there = await unit.publishing.locked(seen.publisher_id)
            if there is None or not _is_as_seen(there, seen):
                raise refuse(ErrorCode.STATE_CONFLICT, "The publisher changed meanwhile. Try again.", "publisherId")
            changed = replace(looked, is_official=there.is_official)
            await unit.publishing.change(changed)
            if changed.status is not there.status:
                await self._audit(unit, caller, changed, "publisher.verified", {"domain": changed.domain})
        return changed

    async def look_again(self) -> int:
        """Look at verified domains once a day; a publisher whose domain shows nothing for thirty days has lapsed.

        It must be verified anew before it submits again, and its listings are to be looked at by people. How many
        were looked at.
        """
        if self._proof is None:
            return 0
        now = self._clock.now()
        async with self._store.platform_view() as unit:
            due = await unit.publishing.proven_before(now + LAPSE - _LOOK_EVERY, most=_LOOKED_AT_ONCE)
        for publisher in due:
            try:
                is_shown = await self._shows(publisher)
            except Refusal:
                continue  # it cannot be found out now: the next look may
            if is_shown:
                await self._rewrite(publisher, _proven(publisher, now))
            elif publisher.verification_expires_at <= now:
                await self._rewrite(publisher, _lapsed(publisher, now))
        return len(due)

    async def _rewrite(self, seen: Publisher, changed: Publisher) -> None:
        async with self._store.platform_unit() as unit:
            there = await unit.publishing.locked(seen.publisher_id)
            if there is None or not _is_as_seen(there, seen):
                return
            await unit.publishing.change(replace(changed, is_official=there.is_official))
            if changed.status is not PublisherStatus.VERIFIED:
                await unit.publishing.flag_listings(changed.publisher_id)

    async def _shows(self, publisher: Publisher) -> bool:
        if self._proof is None:
            raise refuse(ErrorCode.SERVICE_UNAVAILABLE, "This server cannot look at domains.")
        domain = domain_of(publisher.website)
        return await self._proof.shows(domain, publisher.verification_method, publisher.verification_token)

    async def mark_official(self, caller: Caller, publisher_id: str, *, is_official: bool) -> Publisher:
        """Make a publisher the hub's own house, whose packages are Official, or take that back (X21).

        The operator's word stands in for the proof of the domain, as long as it is the hub's own house.

        Raises ``InsufficientPermission`` and ``NotFound``.
        """
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_unit() as unit:
            there = await unit.publishing.locked(publisher_id)
            if there is None:
                raise unknown_publisher()
            changed = _vouched_for(there, self._clock.now()) if is_official else replace(there, is_official=False)
            if changed != there:
                await unit.publishing.change(changed)
                await unit.publishing.make_official(changed.publisher_id, is_official=is_official)
                await self._audit(unit, caller, changed, "publisher.official", {"isOfficial": is_official})
                unit.ring(LISTINGS)
        return changed

    async def suspend(self, caller: Caller, publisher_id: str, *, reason: str) -> Publisher:
        """Stop a publisher: it submits nothing, and nothing of it is installed anew; again is no error.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField`` and ``BadUserInput``.
        """
        require(caller, Right.RUN_MARKET)
        refuse_if(_reason_problems(reason))
        return await self._stopped(caller, publisher_id, PublisherStatus.SUSPENDED, reason)

    async def reinstate(self, caller: Caller, publisher_id: str) -> Publisher:
        """Let a suspended publisher go on, verified anew if its proof has run out; again is no error.

        Raises ``InsufficientPermission`` and ``NotFound``.
        """
        require(caller, Right.RUN_MARKET)
        return await self._stopped(caller, publisher_id, PublisherStatus.VERIFIED, "")

    async def _stopped(self, caller: Caller, publisher_id: str, wanted: PublisherStatus, reason: str) -> Publisher:
        is_stop = wanted is PublisherStatus.SUSPENDED
        async with self._store.platform_unit() as unit:
            there = await unit.publishing.locked(publisher_id)
            if there is None:
                raise unknown_publisher()
            if is_stop is (there.status is PublisherStatus.SUSPENDED):
                return there
            changed = replace(there, status=wanted) if is_stop else _let_go(there, self._clock.now())
            await unit.publishing.change(changed)
            action = "publisher.suspended" if is_stop else "publisher.reinstated"
            await self._audit(unit, caller, changed, action, {"reason": reason} if is_stop else {})
            unit.ring(LISTINGS)
        return changed

    async def keys(self, publisher_ids: Sequence[str]) -> dict[PublisherId, list[PublisherKey]]:
        """The public keys of publishers, revoked ones too, oldest first: nothing about them is secret."""
        async with self._store.platform_view() as unit:
            return await unit.publishing.keys(publisher_ids)

    async def add_key(self, caller: Caller, publisher_id: str, reach: Reach, public_key: str) -> PublisherKey:
        """Let a key (Ed25519, PEM) sign for the publisher, beside those that do; one it has already is the answer.

        From the first key on, unsigned submissions are refused. Raises ``InsufficientPermission``, ``NotFound``,
        ``BadUserInput`` and, for a revoked key and for too many keys, ``StateConflict``.
        """
        publisher = await self._of(caller, publisher_id, reach)
        name = _key_id(public_key)
        key = PublisherKey(publisher.publisher_id, name, public_key.strip() + "\n", self._clock.now(), caller.actor)
        async with self._store.platform_unit() as unit:
            await unit.publishing.locked(publisher.publisher_id)
            there = (await unit.publishing.keys([publisher.publisher_id])).get(publisher.publisher_id, [])
            if known := next((one for one in there if one.key_id == name), None):
                if known.revoked_at is None:
                    return known
                raise refuse(ErrorCode.STATE_CONFLICT, "This key was revoked. Make a new one.", "publicKey")
            if len([one for one in there if one.revoked_at is None]) >= KEYS_MAX:
                text = f"A publisher has at most {KEYS_MAX} keys. Revoke one first."
                raise refuse(ErrorCode.STATE_CONFLICT, text, "publicKey")
            await unit.publishing.add_key(publisher, key)
            unit.ring(LISTINGS)
            await self._audit(unit, caller, publisher, "publisher.keyAdded", {"keyId": name})
        return key

    async def revoke_key(self, caller: Caller, publisher_id: str, reach: Reach, key_id: str) -> PublisherKey:
        """Let a key verify nothing any more; again is no error. Raises ``InsufficientPermission``, ``NotFound``."""
        publisher = await self._of(caller, publisher_id, reach)
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            await unit.publishing.locked(publisher.publisher_id)
            there = (await unit.publishing.keys([publisher.publisher_id])).get(publisher.publisher_id, [])
            known = next((one for one in there if one.key_id == key_id), None)
            if known is None:
                raise refuse(ErrorCode.NOT_FOUND, "The publisher has no such key.", "keyId", what="key")
            if known.revoked_at is not None:
                return known
            await unit.publishing.revoke_key(publisher.publisher_id, key_id, now)
            unit.ring(LISTINGS)
            await self._audit(unit, caller, publisher, "publisher.keyRevoked", {"keyId": key_id})
        return replace(known, revoked_at=now)

    async def _of(self, caller: Caller, publisher_id: str, reach: Reach) -> Publisher:
        """A publisher that the caller may act for."""
        require(caller, Right.PUBLISH)
        publisher = await self.get(caller, publisher_id, reach)
        if not _is_within(publisher, reach):
            raise unknown_publisher()
        return publisher

    async def _audit(
        self, unit: PlatformUnit, caller: Caller, publisher: Publisher, action: str, details: Mapping[str, Any]
    ) -> None:
        told = {"publisherId": publisher.publisher_id, **details}
        entry = entry_of(caller, publisher.tenant_id, action, told, at=self._clock.now())
        await unit.of(publisher.tenant_id).imports.audit(entry)


def unknown_publisher() -> Refusal:
    """What is said of a publisher that is not there, or another tenant's."""
    return refuse(ErrorCode.NOT_FOUND, "There is no such publisher.", "publisherId", what="publisher")


def record_value(publisher: Publisher) -> str:
    """What the domain is to show (installhub.md section 10.4)."""
    return f"bizfirstai-verify={publisher.verification_token}"


def _is_within(publisher: Publisher, reach: Reach) -> bool:
    return reach is None or publisher.tenant_id in reach


def _is_as_seen(there: Publisher, seen: Publisher) -> bool:
    return (there.status, there.verification_token) == (seen.status, seen.verification_token)


def _token() -> str:
    return secrets.token_hex(16)


def _new(caller: Caller, order: PublisherOrder, now: datetime) -> Publisher:
    return Publisher(
        publisher_id=PublisherId(f"pub-{uuid_utils.uuid7()}"),
        tenant_id=order.tenant_id,
        display_name=order.display_name,
        slug=order.slug,
        website=order.website,
        contact_email=order.contact_email,
        description=order.description,
        logo_url=order.logo_url,
        status=PublisherStatus.PENDING_VERIFICATION,
        is_official=False,
        verification_method=order.method,
        verification_token=_token(),
        verification_expires_at=now + TO_SHOW,
        created_at=now,
        created_by=caller.actor,
    )


def _proven(publisher: Publisher, now: datetime) -> Publisher:
    """Verified; from now on ``verification_expires_at`` says until when this look counts."""
    return replace(
        publisher,
        status=PublisherStatus.VERIFIED,
        verified_at=publisher.verified_at or now,
        verification_expires_at=now + LAPSE,
        domain=domain_of(publisher.website),
    )


def _vouched_for(publisher: Publisher, now: datetime) -> Publisher:
    is_waiting = publisher.status is PublisherStatus.PENDING_VERIFICATION
    return replace(_proven(publisher, now) if is_waiting else publisher, is_official=True)


def _lapsed(publisher: Publisher, now: datetime) -> Publisher:
    return replace(
        publisher,
        status=PublisherStatus.PENDING_VERIFICATION,
        verification_token=_token(),
        verification_expires_at=now + TO_SHOW,
    )


def _let_go(publisher: Publisher, now: datetime) -> Publisher:
    """Verified as before where the last look still counts; else it must show its record again."""
    if publisher.verified_at is not None and publisher.verification_expires_at > now:
        return replace(publisher, status=PublisherStatus.VERIFIED)
    return _lapsed(publisher, now)


def _reason_problems(reason: str) -> Iterator[Problem]:
    if not reason.strip():
        yield Problem(ErrorCode.MISSING_REQUIRED_FIELD, "reason is required.", "reason")
    elif len(reason) > _REASON_MAX:
        yield Problem(ErrorCode.BAD_USER_INPUT, f"reason must be at most {_REASON_MAX} characters.", "reason")


def _key_id(public_key: str) -> str:
    try:
        if len(public_key) > _PEM_MAX:
            raise ValueError("this is far too long")
        return key_id(public_key)
    except ValueError as flaw:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"Send an Ed25519 public key in PEM: {flaw}.", "publicKey") from flaw
