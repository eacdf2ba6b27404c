"""Whether what was downloaded is what the hub offered and the publisher signed (pure; decisions section 4, R6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from domain import strict_json
from domain.archive import ArchiveLimits, open_archive
from domain.artifact_types import FOLDERS
from domain.entry_names import MANIFEST
from domain.errors import ErrorCode, Problem
from domain.market.model import Offer
from domain.market.signatures import signature_problems
from domain.model import Manifest, name_key


def manifest_tree(source: BinaryIO, limits: ArchiveLimits) -> Mapping[str, Any]:
    """``manifest.json`` of a bundle that the strict reader has passed, as it stands there."""
    source.seek(0)
    archive = open_archive(source, limits, folders=FOLDERS)
    tree: Any = strict_json.read(archive.read(archive.entries[MANIFEST]), max_values=strict_json.MANIFEST_VALUES)
    stated: Mapping[str, Any] = tree
    return stated


def arrival_problems(offer: Offer, manifest: Manifest, tree: Mapping[str, Any]) -> Iterator[Problem]:
    """What of a sound bundle is not as the index states it, and what is wrong with its signature.

    ``tree`` is the manifest as it stands in the bundle. Where the publisher has keys, one of them must have signed;
    where it has none, that is worth a warning.
    """
    stated = (
        ("name", name_key(offer.name), name_key(manifest.name)),
        ("version", offer.version, manifest.version),
        ("checksum", offer.checksum, manifest.checksum),
        ("contentChecksum", offer.content_checksum, manifest.content_checksum),
        ("tenantId", offer.publisher_id, manifest.tenant_id),
        ("platformVersion", offer.platform_version, manifest.platform_version),
        ("artifacts", offer.artifact_count, len(manifest.artifacts)),
        ("packageDependencies", offer.dependencies, manifest.package_dependencies),
    )
    for member, expected, actual in stated:
        if expected != actual:
            text = f"The {member} of {offer.full_name} is not the one that the hub's index states."
            yield Problem(ErrorCode.HUB_CONTENT_REFUSED, text, member)
    if offer.publisher_keys:
        yield from signature_problems(offer.signature, manifest=tree, keys=offer.publisher_keys)
    else:
        text = f"{offer.publisher_name} signs nothing: that {offer.full_name} is its own is the hub's word alone."
        yield Problem(ErrorCode.SIGNATURE_MISSING, text, "signature")
