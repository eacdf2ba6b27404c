"""Listings as lists and pages show them, many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import eq
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, exists, or_, select, true, type_coerce
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.access import Reach
from domain.market.catalogue_rows import ListingHead, ListingTexts, VersionHead
from domain.market.model import ListingId, ListingState, PublisherStatus
from domain.market.publishers import ITS_PUBLISHER_IS_SUSPENDED
from domain.scanning import rules_version
from storage.market_tables import listing, listing_install, listing_version, publisher
from storage.prepared import AnyRow
from storage.session import Session
from storage.sql import chunks, when_compiled, word
from storage.tables import installed_package

#: a publisher that was stopped takes all its listings with it, as in :mod:`storage.offers`
_IS_STOPPED = publisher.c.status == word(PublisherStatus.SUSPENDED)
STATE = type_coerce(case((_IS_STOPPED, word(ListingState.SUSPENDED)), else_=listing.c.state), listing.c.state.type)
_REASON = case((_IS_STOPPED, word(ITS_PUBLISHER_IS_SUSPENDED)), else_=listing.c.state_reason)
#: in the order of :class:`domain.market.catalogue_rows.ListingHead`
HEAD = [
    *(listing.c[name] for name in ("listing_id", "tenant_id", "publisher_id")),
    *(publisher.c[name] for name in ("display_name", "slug", "website")),
    *(listing.c[name] for name in ("name", "package_type", "category", "tags", "description", "trust_level")),
    STATE.label("state"),
    _REASON.label("state_reason"),
    *(
        listing.c[name]
        for name in ("latest_version", "install_count", "rating_sum", "review_count", "created_at", "updated_at")
    ),
]
_TAGS = [column.name for column in HEAD].index("tags")
#: in the order of :class:`domain.market.catalogue_rows.ListingTexts`
_TEXTS = [listing.c[name] for name in ("listing_id", "long_description", "license", "homepage", "screenshots")]
#: in the order of :class:`domain.market.catalogue_rows.VersionHead`
_VERSION = [
    listing_version.c[name]
    for name in (
        *("listing_id", "version", "state", "state_reason", "replaced_by", "changelog", "published_at"),
        *("is_breaking", "content_checksum", "size_bytes", "artifact_count", "platform_version", "scan_result"),
        *("scanned_at", "rules_version"),
    )
]
OFFERED_STATES = (ListingState.LISTED, ListingState.DEPRECATED)
_latest = listing_version.alias("latest")
_IDS = bindparam("ids", expanding=True, type_=listing.c.listing_id.type)
_TENANTS = bindparam("tenants", expanding=True, type_=listing.c.tenant_id.type)
#: as many as a page of a list has members: what is published has a hundred artifacts at most
_MANIFESTS_AT_ONCE = 100
_VERSION_KEY = (listing_version.c.listing_id, listing_version.c.version)


def is_offered(version: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[bool]:
    """:func:`domain.market.catalogue.is_offered`."""
    return and_(
        version.state.in_([word(state) for state in OFFERED_STATES]),
        version.scan_result.in_([word(result) for result in ("PASS", "WARN")]),
        version.rules_version == when_compiled(rules_version),
    )


def with_publisher(found: Select[Any]) -> Select[Any]:
    return found.join_from(listing, publisher, publisher.c.publisher_id == listing.c.publisher_id)


def head_of(row: Sequence[Any]) -> ListingHead:
    values = list(row)
    values[_TAGS] = tuple(values[_TAGS])
    return ListingHead(*values)


_HEADS = with_publisher(select(*HEAD)).where(listing.c.listing_id.in_(_IDS))
_TEXTS_OF = select(*_TEXTS).where(listing.c.listing_id.in_(_IDS))
_VERSIONS = select(*_VERSION).where(listing_version.c.listing_id.in_(_IDS))
_SHOWN = (
    select(*_VERSION)
    .join(listing, listing.c.listing_id == listing_version.c.listing_id)
    .where(
        listing_version.c.listing_id.in_(_IDS),
        or_(
            listing_version.c.version == listing.c.latest_version,
            ~exists().where(
                _latest.c.listing_id == listing.c.listing_id,
                _latest.c.version == listing.c.latest_version,
                is_offered(_latest.c),
            ),
        ),
    )
)
_INSTALLED_VERSIONS = (
    select(listing.c.listing_id, installed_package.c.tenant_id, installed_package.c.version)
    .join(
        installed_package,
        (installed_package.c.name_key == listing.c.name_key) & (installed_package.c.source == listing.c.publisher_id),
    )
    .where(listing.c.listing_id.in_(_IDS), installed_package.c.tenant_id.in_(_TENANTS))
)


class ListingHeads:
    """:class:`domain.market.catalogue_rows.ListingRows`."""

    _session: Session

    async def heads(self, listing_ids: Collection[str]) -> dict[ListingId, ListingHead]:
        return {row[0]: head_of(row) for row in await among(self._session, _HEADS, listing_ids)}

    async def texts(self, listing_ids: Collection[str]) -> dict[ListingId, ListingTexts]:
        rows = await among(self._session, _TEXTS_OF, listing_ids)
        return {row[0]: ListingTexts(row[1], row[2], row[3], tuple(row[4])) for row in rows}

    async def versions(
        self, listing_ids: Collection[str], *, shown_only: bool = False
    ) -> dict[ListingId, list[VersionHead]]:
        found: dict[ListingId, list[VersionHead]] = {}
        for row in await among(self._session, _SHOWN if shown_only else _VERSIONS, listing_ids):
            found.setdefault(row[0], []).append(VersionHead(*row))
        return found

    async def manifests(self, versions: Collection[tuple[str, str]]) -> dict[tuple[str, str], Mapping[str, Any]]:
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for some in chunks(sorted(set(versions)), _MANIFESTS_AT_ONCE):
            these = or_(*(and_(*map(eq, _VERSION_KEY, version)) for version in some))
            asked = select(*_VERSION_KEY, listing_version.c.manifest).where(these)
            found |= {(row[0], row[1]): row[2] for row in await self._session.rows(asked)}
        return found

    async def installed_by(self, listing_ids: Collection[str], reach: Reach) -> set[ListingId]:
        here = true() if reach is None else listing_install.c.tenant_id.in_(reach)
        asked = select(listing_install.c.listing_id).distinct().where(listing_install.c.listing_id.in_(_IDS), here)
        return {ListingId(row[0]) for row in await among(self._session, asked, listing_ids)}

    async def installed_versions(self, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for tenants in chunks(sorted({tenant_id for _, tenant_id in places})):
            rows = await among(self._session, _INSTALLED_VERSIONS, {place[0] for place in places}, tenants=tenants)
            found |= {(row[0], row[1]): row[2] for row in rows}
        return found


async def among(session: Session, statement: Select[Any], ids: Collection[str], **values: Any) -> list[AnyRow]:
    """The rows of a statement that takes a list ``ids``, however long the list is."""
    rows: list[AnyRow] = []
    for some in chunks(sorted(set(ids))):
        rows += await session.rows(statement, {"ids": some, **values})
    return rows
