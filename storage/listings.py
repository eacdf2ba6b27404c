"""Listings and their versions: rows and values of both, and what publishing does with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, exists, select, update

from domain.market.model import Certification, Listing, ListingState, ListingVersion, PublisherId, TrustLevel
from domain.market.offering import dependency_of, dependency_row
from domain.model import Actor, name_key
from storage.listing_heads import STATE, with_publisher
from storage.market_tables import listing, listing_version
from storage.session import Session
from storage.sql import chunks, moment_text, on_both

#: in the order of :class:`domain.market.model.Listing`
_LISTING_FIELDS = (
    *("listing_id", "tenant_id", "publisher_id", "name", "package_type", "category", "tags", "description"),
    *("long_description", "license", "homepage", "screenshots", "trust_level", "state", "state_reason"),
    *("latest_version", "install_count", "rating_sum", "review_count", "needs_review", "created_at", "updated_at"),
)
#: in the order of :class:`domain.market.model.ListingVersion`
_VERSION_FIELDS = (
    *("listing_id", "tenant_id", "version", "state", "state_reason", "replaced_by", "changelog", "published_at"),
    *("is_breaking", "manifest", "checksum", "content_checksum", "blob_key", "sha256", "size_bytes"),
    *("artifact_count", "platform_version", "dependencies", "scan_result", "scan_report", "scanned_at"),
    *("rules_version", "powers", "submission_id", "signature", "certification"),
)
LISTING = [listing.c[name] for name in _LISTING_FIELDS]
VERSION = [listing_version.c[name] for name in _VERSION_FIELDS]
#: what a publication may change of a listing
_CHANGED = (
    *("package_type", "category", "tags", "description", "long_description", "license", "homepage", "screenshots"),
    *("trust_level", "state", "state_reason", "latest_version", "needs_review", "updated_at"),
)
_TAGS, _SCREENSHOTS = (_LISTING_FIELDS.index(name) for name in ("tags", "screenshots"))
_DEPENDENCIES, _CERTIFICATION = (_VERSION_FIELDS.index(name) for name in ("dependencies", "certification"))

#: a version's state, or its listing's where that holds for all of them
_STANDS = case((STATE.in_((ListingState.SUSPENDED, ListingState.UNLISTED)), STATE), else_=listing_version.c.state)
_NAMED = select(*LISTING).where(listing.c.name_key == bindparam("key"))
_LISTED = select(*LISTING).where(listing.c.listing_id == bindparam("id"))
_OF_VERSION = select(*VERSION).where(
    listing_version.c.listing_id == bindparam("id"), listing_version.c.version == bindparam("number")
)
_ADD_LISTING = on_both(lambda made: made(listing).on_conflict_do_nothing())
_ADD_VERSION = on_both(lambda made: made(listing_version).on_conflict_do_nothing())
_CHANGE = (
    update(listing)
    .where(listing.c.listing_id == bindparam("id"))
    .values({name: bindparam(f"new_{name}", type_=listing.c[name].type) for name in _CHANGED})
)
_FLAG = update(listing).where(listing.c.publisher_id == bindparam("publisher")).values(needs_review=True)
_IS_CERTIFIED = exists().where(
    listing_version.c.listing_id == listing.c.listing_id,
    listing_version.c.version == listing.c.latest_version,
    listing_version.c.certification.is_not(None),
)
_OFFICIAL = (
    update(listing)
    .where(listing.c.publisher_id == bindparam("publisher"))
    .values(trust_level=bindparam("level", type_=listing.c.trust_level.type))
)
_UNOFFICIAL = (
    update(listing)
    .where(listing.c.publisher_id == bindparam("publisher"))
    .values(
        trust_level=case(
            (_IS_CERTIFIED, bindparam("certified", type_=listing.c.trust_level.type)),
            else_=bindparam("level", type_=listing.c.trust_level.type),
        )
    )
)


def listing_of(row: Sequence[Any]) -> Listing:
    values = list(row)
    values[_TAGS], values[_SCREENSHOTS] = tuple(values[_TAGS]), tuple(values[_SCREENSHOTS])
    return Listing(*values)


def listing_row(value: Listing) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _LISTING_FIELDS} | {"name_key": name_key(value.name)}


def version_of(row: Sequence[Any]) -> ListingVersion:
    values = list(row)
    values[_DEPENDENCIES] = tuple(dependency_of(needed) for needed in values[_DEPENDENCIES])
    values[_CERTIFICATION] = certification_of(values[_CERTIFICATION])
    return ListingVersion(*values)


def version_row(value: ListingVersion) -> dict[str, Any]:
    row = {name: getattr(value, name) for name in _VERSION_FIELDS}
    row["dependencies"] = [dependency_row(needed) for needed in value.dependencies]
    row["certification"] = certification_row(value.certification)
    return row


def certification_of(row: Mapping[str, Any] | None) -> Certification | None:
    if row is None:
        return None
    return Certification(
        certified_at=datetime.fromisoformat(row["certifiedAt"]),
        certified_by=Actor(*row["certifiedBy"]),
        line_coverage=row["lineCoverage"],
        branch_coverage=row["branchCoverage"],
        next_review=datetime.fromisoformat(row["nextReview"]),
    )


def certification_row(value: Certification | None) -> dict[str, Any] | None:
    if value is None:
        return None
    by = value.certified_by
    return {
        "certifiedAt": moment_text(value.certified_at),
        "certifiedBy": [by.subject, by.email, by.is_service],
        "lineCoverage": value.line_coverage,
        "branchCoverage": value.branch_coverage,
        "nextReview": moment_text(value.next_review),
    }


class SqlOfferings:
    """:class:`domain.market.publishing_rows.OfferingRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def listing_named(self, name_key: str) -> Listing | None:
        row = await self._session.row(_NAMED, {"key": name_key})
        return listing_of(row) if row else None

    async def listing(self, listing_id: str) -> Listing | None:
        row = await self._session.row(_LISTED, {"id": listing_id})
        return listing_of(row) if row else None

    async def versions_named(self, name_keys: Collection[str]) -> dict[str, list[tuple[str, ListingState]]]:
        found: dict[str, list[tuple[str, ListingState]]] = {}
        for some in chunks(sorted(set(name_keys))):
            named = (
                with_publisher(select(listing.c.name_key, listing_version.c.version, _STANDS))
                .join(listing_version, listing_version.c.listing_id == listing.c.listing_id)
                .where(listing.c.name_key.in_(some))
            )
            for key, version, state in await self._session.rows(named):
                found.setdefault(key, []).append((version, state))
        return found

    async def version(self, listing_id: str, version: str) -> ListingVersion | None:
        row = await self._session.row(_OF_VERSION, {"id": listing_id, "number": version})
        return version_of(row) if row else None

    async def add_listing(self, value: Listing) -> bool:
        return (await self._session.run(_ADD_LISTING, listing_row(value))).rowcount == 1

    async def change_listing(self, value: Listing) -> None:
        values = {f"new_{name}": getattr(value, name) for name in _CHANGED}
        self._session.later(_CHANGE, values | {"id": value.listing_id})

    async def add_version(self, version: ListingVersion) -> bool:
        return (await self._session.run(_ADD_VERSION, version_row(version))).rowcount == 1

    async def flag_listings(self, publisher_id: PublisherId) -> None:
        self._session.later(_FLAG, {"publisher": publisher_id})

    async def make_official(self, publisher_id: PublisherId, *, is_official: bool) -> None:
        if is_official:
            self._session.later(_OFFICIAL, {"publisher": publisher_id, "level": TrustLevel.OFFICIAL})
        else:
            values = {"publisher": publisher_id, "level": TrustLevel.COMMUNITY, "certified": TrustLevel.CERTIFIED}
            self._session.later(_UNOFFICIAL, values)
