"""What publishers do with what they offer: change, deprecate, take back; and what became of it.

(installhub.md section 10.4, "Manage"; section 4.3.) A publisher acts on listings of its own tenants; others are as
unknown as none. Installed packages stay usable whatever happens here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.manifest_fields import is_tags
from domain.market.curation_rows import ListingFigures, ShelfFigures
from domain.market.model import Listing, ListingState, Publisher
from domain.market.publishers import unknown_publisher
from domain.market.standing import (
    DEPRECATED_NEWS,
    EXPLANATION_MAX,
    OFFERED,
    audited,
    is_within,
    own_listing,
    settled,
    text_problems,
    unknown_listing,
    version_of,
)
from domain.market.submitting import are_screenshots
from domain.ports import PlatformUnit, Ports

_DESCRIPTION_MAX = 500
PERIOD_DAYS_MAX = 365
#: what the dashboard counts as lately, and how many listings it shows
LATELY = timedelta(days=30)
_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class ListingChange:
    """What of a listing is to change without a new version; ``None`` leaves it."""

    description: str | None = None
    tags: tuple[str, ...] | None = None
    screenshots: tuple[str, ...] | None = None


class Managing:
    """The publisher's side of a listing. Everything needs ``marketplace:publish``."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def change(self, caller: Caller, listing_id: str, reach: Reach, change: ListingChange) -> Listing:
        """Change how a listing is described; it needs no review (section 10.4).

        Raises ``InsufficientPermission``, ``NotFound`` and ``BadUserInput``.
        """
        require(caller, Right.PUBLISH)
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            listing = await own_listing(unit, listing_id, reach)
            refuse_if(_change_problems(change))
            stated = {"description": change.description, "tags": change.tags, "screenshots": change.screenshots}
            given = {name: value for name, value in stated.items() if value not in (None, getattr(listing, name))}
            if not given:
                # what stays as it is is no news: neither to searches by time nor to the hub's index
                return listing
            changed = await settled(unit, listing, now, **given)
            details = {"listingId": listing.listing_id, "changed": sorted(given)}
            await audited(unit, caller, listing.tenant_id, "listing.changed", details, at=now)
        return changed

    async def deprecate(
        self, caller: Caller, listing_id: str, version: str, reach: Reach, *, reason: str, replaced_by: str = ""
    ) -> Listing:
        """Let nobody install a version anew; whoever has it is told, urgently. Again changes the reason.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and
        ``StateConflict``.
        """
        require(caller, Right.PUBLISH)
        async with self._store.platform_unit() as unit:
            listing = await own_listing(unit, listing_id, reach)
            refuse_if(text_problems("reason", reason))
            standing = await version_of(unit, listing, version)
            if standing.state not in OFFERED:
                text = f"{version} is {standing.state.wire}; only a listed version can be deprecated."
                raise refuse(ErrorCode.STATE_CONFLICT, text, "version", state=standing.state.wire)
            if replaced_by:
                await _demand_replacement(unit, listing, version, replaced_by)
            return await self._withdrawn(
                unit, caller, listing, version, ListingState.DEPRECATED, reason=reason, replaced_by=replaced_by
            )

    async def take_back(self, caller: Caller, listing_id: str, version: str, reach: Reach, *, reason: str) -> Listing:
        """Yank a version: nobody installs it any more, not even by its number. Whoever has it is told.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and
        ``StateConflict`` for a version that is yanked already.
        """
        require(caller, Right.PUBLISH)
        async with self._store.platform_unit() as unit:
            listing = await own_listing(unit, listing_id, reach)
            refuse_if(text_problems("reason", reason))
            standing = await version_of(unit, listing, version)
            if standing.state is ListingState.YANKED:
                raise refuse(ErrorCode.STATE_CONFLICT, f"{version} is yanked already.", "version")
            return await self._withdrawn(unit, caller, listing, version, ListingState.YANKED, reason=reason)

    async def unlist(self, caller: Caller, listing_id: str, reach: Reach, *, reason: str) -> Listing:
        """Take a listing off the market: not found, not installed anew. Only a new review brings it back.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and
        ``StateConflict`` for a listing that is not listed.
        """
        require(caller, Right.PUBLISH)
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            listing = await own_listing(unit, listing_id, reach)
            refuse_if(text_problems("reason", reason))
            if listing.state not in OFFERED:
                text = f"The package is {listing.state.wire}; only a listed one can be unlisted."
                raise refuse(ErrorCode.STATE_CONFLICT, text, "packageId", state=listing.state.wire)
            changed = await settled(unit, listing, now, state=ListingState.UNLISTED, state_reason=reason)
            details = {"listingId": listing.listing_id, "reason": reason}
            await audited(unit, caller, listing.tenant_id, "listing.unlisted", details, at=now)
        return changed

    async def ask_relisting(self, caller: Caller, listing_id: str, reach: Reach, *, explanation: str) -> Listing:
        """Ask for the review that brings an unlisted or suspended listing back; it stays as it is until then.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and
        ``StateConflict`` for a listing that is listed.
        """
        require(caller, Right.PUBLISH)
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            listing = await own_listing(unit, listing_id, reach)
            refuse_if(text_problems("explanation", explanation, longest=EXPLANATION_MAX))
            if listing.state in OFFERED:
                raise refuse(ErrorCode.STATE_CONFLICT, "The package is listed.", "packageId")
            changed = await settled(unit, listing, now, needs_review=True)
            details = {"listingId": listing.listing_id, "explanation": explanation}
            await audited(unit, caller, listing.tenant_id, "listing.relistingAsked", details, at=now)
        return changed

    async def analytics(
        self, caller: Caller, listing_id: str, reach: Reach, *, days: int
    ) -> tuple[Listing, ListingFigures]:
        """Real counts of a listing over the last days, 1 to 365.

        Raises ``InsufficientPermission``, ``NotFound`` and ``BadUserInput``.
        """
        require(caller, Right.PUBLISH)
        if not 1 <= days <= PERIOD_DAYS_MAX:
            text = f"A period has 1 to {PERIOD_DAYS_MAX} days, written like 30d."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "period")
        async with self._store.platform_view() as unit:
            listing = await unit.publishing.listing(listing_id)
            if listing is None or not is_within(listing.tenant_id, reach):
                raise unknown_listing()
            since = self._clock.now() - timedelta(days=days)
            return listing, await unit.curation.listing_figures(listing_id, since)

    async def dashboard(self, caller: Caller, publisher_id: str, reach: Reach) -> tuple[Publisher, ShelfFigures]:
        """What became of all that a publisher offers. Raises ``InsufficientPermission`` and ``NotFound``."""
        require(caller, Right.PUBLISH)
        async with self._store.platform_view() as unit:
            publisher = await unit.publishing.publisher(publisher_id)
            if publisher is None or not is_within(publisher.tenant_id, reach):
                raise unknown_publisher()
            since = self._clock.now() - LATELY
            return publisher, await unit.curation.shelf_figures(publisher_id, since, most=_SHOWN_MAX)

    async def _withdrawn(
        self,
        unit: PlatformUnit,
        caller: Caller,
        listing: Listing,
        version: str,
        state: ListingState,
        *,
        reason: str,
        replaced_by: str = "",
    ) -> Listing:
        now = self._clock.now()
        await unit.curation.stand(listing.listing_id, version, state, reason=reason, replaced_by=replaced_by)
        details = {"listingId": listing.listing_id, "version": version, "reason": reason, "replacedBy": replaced_by}
        await audited(unit, caller, listing.tenant_id, f"version.{state.name.lower()}", details, at=now)
        told = details | {"name": listing.name, "state": state.wire}
        await unit.catalogue.tell(DEPRECATED_NEWS, listing.listing_id, told, installers=True)
        return await settled(unit, listing, now)


async def _demand_replacement(unit: PlatformUnit, listing: Listing, version: str, replaced_by: str) -> None:
    standings = await unit.curation.standings(listing.listing_id)
    listed = {one.version for one in standings if one.state is ListingState.LISTED}
    if replaced_by == version or replaced_by not in listed:
        text = "The version that replaces it must be another listed version of this package."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, "replacedByVersion")


def _change_problems(change: ListingChange) -> Iterator[Problem]:
    if change.description is not None:
        yield from text_problems("description", change.description, longest=_DESCRIPTION_MAX)
    if change.tags is not None and not is_tags(change.tags):
        text = "tags must be at most 10 tags of 1 to 30 lower-case letters, digits and hyphens."
        yield Problem(ErrorCode.BAD_USER_INPUT, text, "tags")
    if change.screenshots is not None and not are_screenshots(change.screenshots):
        yield Problem(ErrorCode.BAD_USER_INPUT, "screenshots must be at most 10 https addresses.", "screenshots")
