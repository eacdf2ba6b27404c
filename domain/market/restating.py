"""A bundle as the hub offers it: the publisher stands where the tenant and the exporter stood.

(installhub.md section 10.4; decisions R4.) Artifact files, their hashes and ``checksum`` stay as they are, byte for
byte; the README's two volatile lines follow the manifest, and both hashes over manifest and README are made anew.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from domain import strict_json
from domain.archive import Archive, open_archive
from domain.artifact_types import FOLDERS
from domain.bundle import BundleLimits
from domain.bundle_writing import BundleWriter
from domain.entry_names import MANIFEST, README
from domain.errors import ErrorCode, refuse
from domain.manifest import content_checksum
from domain.manifest_writing import manifest_bytes, restated_readme
from domain.market.model import Publisher
from domain.market.powers import NO_POWERS, Powers, powers_of, together
from domain.model import HASH_PREFIX, Manifest

_WRITTEN_AT_ONCE = 1 << 20


@dataclass(slots=True)
class Restating:
    """One bundle on its way from a submission to the hub. ``tree`` and ``readme`` are those it will have."""

    tree: dict[str, Any]
    readme: str
    manifest: Manifest
    powers: Powers
    sha256: str = ""
    size_bytes: int = 0


def submitted_texts(archive: Archive) -> tuple[dict[str, Any], str]:
    """The manifest as JSON, unknown members too, and the README of a bundle that was read strictly before."""
    tree = strict_json.trusted(archive.read(archive.entries[MANIFEST]))
    return cast("dict[str, Any]", tree), archive.read(archive.entries[README]).decode()


def restated(tree: Mapping[str, Any], readme: str, manifest: Manifest, publisher: Publisher) -> Restating:
    """The texts of the bundle as the hub offers it (pure).

    Raises a refusal ``InvalidPackageFormat`` for a manifest that has no RFC 8785 form.
    """
    after = replace(manifest, tenant_id=publisher.publisher_id, exported_by=publisher.contact_email)
    text = restated_readme(readme, manifest, after)
    changed = {
        "tenantId": after.tenant_id,
        "exportedBy": after.exported_by,
        "readmeHash": HASH_PREFIX + hashlib.sha256(text.encode()).hexdigest(),
    }
    try:
        # written and read again: a member that is null is one that is not there (X31)
        stated = strict_json.trusted(strict_json.canonical({**tree, **changed}))
        stated["contentChecksum"] = content_checksum(stated)
    except strict_json.NotStrict as flaw:
        text = f"The manifest has no RFC 8785 form: {flaw.reason}."
        raise refuse(ErrorCode.INVALID_PACKAGE_FORMAT, text, MANIFEST) from flaw
    return Restating(stated, text, manifest, NO_POWERS)


def restated_portions(path: Path, limits: BundleLimits, made: Restating) -> Iterator[bytes]:
    """The bundle's bytes, some at a time; when they are over, ``made`` knows their hash, size and powers.

    Each artifact is in memory alone. Runs in a thread.
    """
    buffer = io.BytesIO()
    writer = BundleWriter(buffer)
    entries = {entry.artifact_id: entry for entry in made.manifest.artifacts}
    found: list[Powers] = []
    with path.open("rb") as source:
        archive = open_archive(source, limits.archive, folders=FOLDERS)
        for artifact_id in made.manifest.install_order:
            entry = entries[artifact_id]
            raw = archive.read(archive.entries[entry.file])
            writer.add(entry.file, raw)
            found.append(powers_of(entry.artifact_type, entry.artifact_id, entry.name, strict_json.trusted(raw)))
            if buffer.tell() >= _WRITTEN_AT_ONCE:
                yield _drained(buffer)
    writer.add(README, made.readme.encode())
    writer.add(MANIFEST, manifest_bytes(made.tree), is_stored=True)
    writer.close()
    made.sha256, made.size_bytes, made.powers = writer.sha256, writer.size, together(found)
    yield _drained(buffer)


def _drained(buffer: io.BytesIO) -> bytes:
    data = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return data
