"""How a listing stands, after what happened to its versions (installhub.md sections 10.1, 10.3, 10.4).

Everything that changes a listing's or a version's state goes through :func:`settled`, so that the latest version, the
trust level and the state always follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cmp_to_key
from typing import Any

from domain import versions
from domain.access import Caller, Reach
from domain.errors import ErrorCode, Problem, Refusal, refuse
from domain.import_model import AuditEntry
from domain.market.curation_rows import Standing
from domain.market.model import Listing, ListingState, TrustLevel
from domain.market.publishing_rows import LISTINGS
from domain.model import Actor, TenantId
from domain.ports import PlatformUnit
from domain.tenancy import entry_of

#: what can be found and, if deprecated not anew, installed
OFFERED = frozenset({ListingState.LISTED, ListingState.DEPRECATED})
REASON_MAX = 500
EXPLANATION_MAX = 5_000
#: whoever acts where no person does: rules, and scans that are made again
KEEPER = Actor("installhub", None, is_service=True)

DEPRECATED_NEWS, ADVISORY_NEWS = "market.deprecated", "market.advisory"


def unknown_listing() -> Refusal:
    """What is said of a listing that is not there, or another publisher's."""
    return refuse(ErrorCode.NOT_FOUND, "There is no such package.", "packageId", what="package")


def is_within(tenant_id: TenantId, reach: Reach) -> bool:
    """Whether a tenant is one of those that ids are looked up in."""
    return reach is None or tenant_id in reach


async def own_listing(unit: PlatformUnit, listing_id: str, reach: Reach) -> Listing:
    """A listing of these tenants, locked. Another's is as unknown as none: ``NotFound``."""
    listing = await unit.curation.locked_listing(listing_id)
    if listing is None or not is_within(listing.tenant_id, reach):
        raise unknown_listing()
    return listing


async def any_listing(unit: PlatformUnit, listing_id: str) -> Listing:
    """A listing, locked, whosoever it is. Raises ``NotFound``."""
    return await own_listing(unit, listing_id, None)


async def version_of(unit: PlatformUnit, listing: Listing, version: str) -> Standing:
    """How a version of a listing stands. Raises ``NotFound``."""
    standings = await unit.curation.standings(listing.listing_id)
    found = next((one for one in standings if one.version == version), None)
    if found is None:
        raise refuse(ErrorCode.NOT_FOUND, "The package has no such version.", "version", what="version")
    return found


async def settled(unit: PlatformUnit, listing: Listing, at: datetime, **changes: Any) -> Listing:
    """Write a listing and what follows from how its versions stand; searches and the hub's index learn of it."""
    changed = followed(replace(listing, **changes), await unit.curation.standings(listing.listing_id))
    changed = replace(changed, updated_at=at)
    await unit.publishing.change_listing(changed)
    await unit.catalogue.index(changed)
    unit.ring(LISTINGS)
    return changed


def followed(listing: Listing, standings: Sequence[Standing]) -> Listing:
    """The listing with the latest version, the trust level and the state that its versions give it (pure)."""
    latest = latest_of(standings)
    trust = listing.trust_level
    if latest is not None and trust is not TrustLevel.OFFICIAL:
        trust = TrustLevel.CERTIFIED if latest.certification else TrustLevel.COMMUNITY
    state = listing.state
    if state in OFFERED:
        states = {standing.state for standing in standings}
        is_deprecated = ListingState.DEPRECATED in states and ListingState.LISTED not in states
        state = ListingState.DEPRECATED if is_deprecated else ListingState.LISTED
    return replace(listing, latest_version=latest.version if latest else "", trust_level=trust, state=state)


def latest_of(standings: Sequence[Standing]) -> Standing | None:
    """The newest listed version that is neither deprecated nor a pre-release (section 10.1)."""
    offered = [one for one in standings if one.state is ListingState.LISTED and not versions.is_prerelease(one.version)]
    by_version = cmp_to_key(versions.compare)
    return max(offered, key=lambda one: by_version(one.version), default=None)


async def suspend_version(unit: PlatformUnit, listing: Listing, version: str, reason: str) -> bool:
    """Suspend a version that is offered; False for one that was withdrawn already, and stays as it is."""
    standings = await unit.curation.standings(listing.listing_id)
    if not any(one.version == version and one.state in OFFERED for one in standings):
        return False
    await unit.curation.stand(listing.listing_id, version, ListingState.SUSPENDED, reason=reason)
    return True


async def audited(
    unit: PlatformUnit, caller: Caller, tenant_id: TenantId, action: str, details: Mapping[str, Any], *, at: datetime
) -> None:
    """Write down what a person did, where the publisher's tenant can read it."""
    await unit.of(tenant_id).imports.audit(entry_of(caller, tenant_id, action, details, at=at))


async def kept_account(
    unit: PlatformUnit, tenant_id: TenantId, action: str, details: Mapping[str, Any], *, at: datetime
) -> None:
    """Write down what a rule did by itself."""
    await unit.of(tenant_id).imports.audit(AuditEntry(at, KEEPER, action, None, details))


def text_problems(where: str, text: str, *, longest: int = REASON_MAX, is_required: bool = True) -> list[Problem]:
    """What is wrong with a text that a person wrote: nothing, or too much."""
    if is_required and not text.strip():
        return [Problem(ErrorCode.MISSING_REQUIRED_FIELD, f"{where} is required.", where)]
    if len(text) > longest:
        return [Problem(ErrorCode.BAD_USER_INPUT, f"{where} has at most {longest} characters.", where)]
    return []
