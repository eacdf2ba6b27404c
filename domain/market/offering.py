"""An offer as JSON, in rows and in the hub's index, and back (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from domain import strict_json, versions
from domain.manifest_fields import PACKAGE_DEPENDENCIES_MAX
from domain.market.model import ListingId, ListingState, Offer, PublisherId, TrustLevel
from domain.model import PackageDependency, PackageType

#: characters of a text, and what a column of whole numbers holds with room to add them up
_TEXT_MAX, _COUNT_MAX = 10_000, 2**53
#: how many findings a hub may let pass in one package
EXCEPTIONS_MAX = 100


def offer_row(offer: Offer) -> dict[str, Any]:
    """The offer in plain JSON values; :func:`offer_of` is the way back."""
    return {
        "listingId": offer.listing_id,
        "publisherId": offer.publisher_id,
        "publisherName": offer.publisher_name,
        "name": offer.name,
        "version": offer.version,
        "packageType": offer.package_type.wire,
        "trustLevel": offer.trust_level.wire,
        "state": offer.state.wire,
        "stateReason": offer.state_reason,
        "replacedBy": offer.replaced_by,
        "platformVersion": offer.platform_version,
        "dependencies": [dependency_row(needed) for needed in offer.dependencies],
        "checksum": offer.checksum,
        "contentChecksum": offer.content_checksum,
        "sha256": offer.sha256,
        "sizeBytes": offer.size_bytes,
        "artifactCount": offer.artifact_count,
        "publishedAt": offer.published_at.isoformat(),
        "signature": dict(offer.signature) if offer.signature is not None else None,
        "publisherKeys": dict(offer.publisher_keys),
        "exceptions": [list(binding) for binding in offer.exceptions],
    }


def offer_of(row: Mapping[str, Any]) -> Offer:
    """The offer that was written so, by whomever.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything that could not be resolved, stored and told.
    """
    strict_json.compact(dict(row))
    return Offer(
        listing_id=ListingId(text(row["listingId"])),
        publisher_id=PublisherId(text(row["publisherId"])),
        publisher_name=text(row["publisherName"]),
        name=text(row["name"]),
        version=_version(row["version"]),
        package_type=PackageType(row["packageType"]),
        trust_level=TrustLevel(row["trustLevel"]),
        state=ListingState(row["state"]),
        state_reason=text(row["stateReason"]),
        replaced_by=text(row["replacedBy"]),
        platform_version=text(row["platformVersion"]),
        dependencies=_dependencies(row["dependencies"]),
        checksum=text(row["checksum"]),
        content_checksum=text(row["contentChecksum"]),
        sha256=text(row["sha256"]),
        size_bytes=_count(row["sizeBytes"]),
        artifact_count=_count(row["artifactCount"]),
        published_at=instant(row["publishedAt"]),
        signature=None if row["signature"] is None else dict(row["signature"]),
        publisher_keys={text(key): text(pem) for key, pem in dict(row["publisherKeys"]).items()},
        exceptions=_exceptions(row.get("exceptions", [])),
    )


def text(value: Any) -> str:
    """A text that a hub states, as long as one may be. Raises ``TypeError``."""
    if not isinstance(value, str) or len(value) > _TEXT_MAX:
        raise TypeError("this is no text of a hub")
    return value


def _version(value: Any) -> str:
    if not versions.is_semver(text(value)):
        raise ValueError("this is no version")
    return str(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _COUNT_MAX:
        raise TypeError("this is no count")
    return value


def instant(value: Any) -> datetime:
    """A time that a hub states, in UTC. Raises ``TypeError`` and ``ValueError``."""
    moment = datetime.fromisoformat(text(value))
    if moment.tzinfo is None:
        raise ValueError("this moment is one in every time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this moment is in no year that can be told") from error


def _exceptions(rows: Any) -> tuple[tuple[str, str, str], ...]:
    if not isinstance(rows, list) or len(rows) > EXCEPTIONS_MAX:
        raise ValueError("no package has so many exceptions")
    return tuple((text(rule), text(pointer), text(digest)) for rule, pointer, digest in rows)


def _dependencies(rows: Any) -> tuple[PackageDependency, ...]:
    if len(rows) > PACKAGE_DEPENDENCIES_MAX:
        raise ValueError("no manifest needs so many packages")
    found = tuple(dependency_of(row) for row in rows)
    for needed in found:
        text(needed.package_name)
        _version(needed.min_version)
        if needed.max_version is not None:
            _version(needed.max_version)
    return found


def dependency_row(needed: PackageDependency) -> dict[str, Any]:
    """A package dependency as manifests have it (X17)."""
    row = {"packageName": needed.package_name, "minVersion": needed.min_version}
    return row | ({"maxVersion": needed.max_version} if needed.max_version is not None else {})


def dependency_of(row: Mapping[str, Any]) -> PackageDependency:
    """The way back."""
    return PackageDependency(row["packageName"], row["minVersion"], row.get("maxVersion"))
