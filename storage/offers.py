"""Offers of the embedded hub: a version with what its listing and publisher say (installhub.md section 10.4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from domain.market.curation_rows import Binding, Judgement
from domain.market.model import ListingState, Offer, PublisherStatus
from domain.market.offering import EXCEPTIONS_MAX, dependency_of
from domain.market.publishers import ITS_PUBLISHER_IS_SUSPENDED
from domain.market.rescanning import IS_NOT_SCANNED
from domain.model import BlobKey, name_key
from storage.listing_heads import OFFERED_STATES
from storage.market_tables import listing, listing_version, publisher, publisher_key, scan_exception, submission
from storage.session import Session
from storage.sql import chunks, word

_V, _L, _P, _K = listing_version.c, listing.c, publisher.c, publisher_key.c
_S, _E = submission.c, scan_exception.c
_OFFERED = (
    *(_L.listing_id, _L.publisher_id, _P.display_name, _L.name, _V.version, _L.package_type, _L.trust_level),
    *(_V.state, _V.platform_version, _V.dependencies, _V.checksum, _V.content_checksum, _V.sha256, _V.size_bytes),
    *(_V.artifact_count, _V.published_at, _V.state_reason, _V.replaced_by, _V.signature),
    *(_V.scan_result, _L.state.label("of_listing"), _L.state_reason.label("listing_reason"), _P.status),
)
_OFFERS = (
    select(*_OFFERED)
    .join(listing, _L.listing_id == _V.listing_id)
    .join(publisher, _P.publisher_id == _L.publisher_id)
    .order_by(_L.listing_id, _V.published_at.desc(), _V.version)
)
_OF_LISTING = _OFFERS.where(_V.listing_id == bindparam("listing"))
_NAMED = _OFFERS.where(_L.name_key.in_(bindparam("keys", expanding=True)))
_KEYS = select(_K.publisher_id, _K.key_id, _K.public_key).where(
    _K.publisher_id.in_(bindparam("publishers", expanding=True)), _K.revoked_at.is_(None)
)
#: approved exceptions hold for every version of the package
_EXCEPTIONS = (
    select(_S.publisher_id, _S.name_key, _E.rule, _E.pointer, _E.artifact_hash)
    .join(submission, _S.submission_id == _E.submission_id)
    .where(_S.publisher_id.in_(bindparam("publishers", expanding=True)), _E.status == word(Judgement.APPROVED.wire))
    .distinct()
    .order_by(_E.rule, _E.pointer, _E.artifact_hash)
)
_BLOB = select(_V.blob_key).where(_V.listing_id == bindparam("listing"), _V.version == bindparam("version"))
#: results of a scan after which a version is offered; in the index it stands otherwise as one that was suspended
_PASSED = frozenset({"PASS", "WARN"})
#: states of a listing that hold for all its versions
_FOR_ALL = (ListingState.SUSPENDED, ListingState.UNLISTED)


class SqlOffers:
    """:class:`domain.market.offer_rows.OfferRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def of_listing(self, listing_id: str) -> list[Offer]:
        return await self._offers(await self._session.rows(_OF_LISTING, {"listing": listing_id}))

    async def named(self, name_keys: Collection[str]) -> list[Offer]:
        rows: list[Sequence[Any]] = []
        for some in chunks(sorted(set(name_keys))):
            rows += await self._session.rows(_NAMED, {"keys": some})
        return await self._offers(rows)

    async def blob(self, listing_id: str, version: str) -> BlobKey | None:
        row = await self._session.row(_BLOB, {"listing": listing_id, "version": version})
        return BlobKey(row[0]) if row else None

    async def _offers(self, rows: Iterable[Sequence[Any]]) -> list[Offer]:
        found = list(rows)
        keys: dict[str, dict[str, str]] = {}
        for some in chunks(sorted({row[1] for row in found})):
            for publisher_id, key_id, pem in await self._session.rows(_KEYS, {"publishers": some}):
                keys.setdefault(publisher_id, {})[key_id] = pem
        excepted = await self._exceptions({row[1] for row in found})
        return [_offer(row, keys.get(row[1], {}), excepted.get((row[1], name_key(row[3])), ())) for row in found]

    async def _exceptions(self, publishers: Collection[str]) -> dict[tuple[str, str], tuple[Binding, ...]]:
        """By publisher and name of the package."""
        found: dict[tuple[str, str], tuple[Binding, ...]] = {}
        for some in chunks(sorted(publishers)):
            for owner, key, *binding in await self._session.rows(_EXCEPTIONS, {"publishers": some}):
                rule, pointer, digest = map(str, binding)
                found[owner, key] = (*found.get((owner, key), ()), (rule, pointer, digest))[:EXCEPTIONS_MAX]
        return found


def _offer(row: Sequence[Any], keys: dict[str, str], exceptions: tuple[Binding, ...]) -> Offer:
    *fields, signature, scan_result, of_listing, listing_reason, status = row
    (listing_id, publisher_id, publisher_name, name, version, package_type, trust_level, state, platform) = fields[:9]
    (dependencies, checksum, content_checksum, sha256, size, artifacts, published_at, reason, replaced_by) = fields[9:]
    if state in OFFERED_STATES and scan_result not in _PASSED:
        state, reason = ListingState.SUSPENDED, IS_NOT_SCANNED
    if of_listing in _FOR_ALL:
        state, reason = of_listing, listing_reason
    if status is PublisherStatus.SUSPENDED:
        state, reason = ListingState.SUSPENDED, ITS_PUBLISHER_IS_SUSPENDED
    return Offer(
        listing_id=listing_id,
        publisher_id=publisher_id,
        publisher_name=publisher_name,
        name=name,
        version=version,
        package_type=package_type,
        trust_level=trust_level,
        state=state,
        platform_version=platform,
        dependencies=tuple(dependency_of(needed) for needed in dependencies),
        checksum=checksum,
        content_checksum=content_checksum,
        sha256=sha256,
        size_bytes=size,
        artifact_count=artifacts,
        published_at=published_at,
        state_reason=reason,
        replaced_by=replaced_by,
        signature=signature,
        publisher_keys=keys,
        exceptions=exceptions,
    )
