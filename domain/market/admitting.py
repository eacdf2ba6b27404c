"""What keeps a package out of the marketplace besides its own flaws: names, versions, needs, signatures.

Asked when a package is submitted, and again in the transaction that publishes it (installhub.md section 10.4;
security.md, "wrong publisher").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain import versions
from domain.errors import ErrorCode, Problem
from domain.market.model import Listing, ListingState, Publisher
from domain.market.signatures import signature_problems
from domain.market.standing import OFFERED
from domain.model import PackageDependency, name_key
from domain.ports import PlatformUnit


async def standing_problems(
    unit: PlatformUnit, publisher_id: str, listing: Listing | None, *, name: str, version: str
) -> list[Problem]:
    """Whether the name is somebody else's, and whether the version is there already: it never changes."""
    if listing is None:
        return []
    if listing.publisher_id != publisher_id:
        text = f"The name {name} belongs to another publisher."
        return [Problem(ErrorCode.PACKAGE_BELONGS_TO_OTHER_PUBLISHER, text, "name")]
    if await unit.publishing.version(listing.listing_id, version) is not None:
        text = f"{listing.name} {version} is published and never changes. Submit another version."
        return [Problem(ErrorCode.VERSION_ALREADY_PUBLISHED, text, "version")]
    return []


async def dependency_problems(unit: PlatformUnit, needed: Sequence[PackageDependency]) -> list[Problem]:
    """Packages that a package needs and that the marketplace does not have, or not in that range."""
    there = await unit.publishing.versions_named([name_key(one.package_name) for one in needed])
    return [*_unmet(needed, there)]


def _unmet(
    needed: Sequence[PackageDependency], there: Mapping[str, Sequence[tuple[str, ListingState]]]
) -> Iterator[Problem]:
    for index, wanted in enumerate(needed):
        where = f"packageDependencies[{index}]"
        offered = [number for number, state in there.get(name_key(wanted.package_name), ()) if state in OFFERED]
        text = f"The package needs {wanted.package_name}"
        if not offered:
            yield Problem(ErrorCode.MISSING_PACKAGE_DEPENDENCY, f"{text}, which the marketplace does not have.", where)
        elif not any(versions.in_range(number, wanted.min_version, wanted.max_version) for number in offered):
            span = versions.range_text(wanted.min_version, wanted.max_version)
            text += f" {span}; the marketplace has it in no such version."
            yield Problem(ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY, text, where)


async def signing_problems(
    unit: PlatformUnit, publisher: Publisher, signature: Mapping[str, Any] | None, tree: Mapping[str, Any]
) -> list[Problem]:
    """Whether a key in force signed for this package; without any key, an unsigned one is worth a warning."""
    keys = (await unit.publishing.keys([publisher.publisher_id])).get(publisher.publisher_id, [])
    in_force = {key.key_id: key.public_key for key in keys if key.revoked_at is None}
    if signature is None and not in_force:
        text = "The package is not signed: add a key to the publisher and sign with it."
        return [Problem(ErrorCode.SIGNATURE_MISSING, text, "signature")]
    return signature_problems(signature, manifest=tree, keys=in_force)
