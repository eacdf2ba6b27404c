"""Writing ``manifest.json`` and ``README.md`` of a bundle (installhub.md sections 7.2 and 7.5; decisions R14).

Everything in both is decided by the revisions exported, but for what R14 calls volatile: of the manifest
``packageId``, ``exportedAt``, ``exportedBy`` and the two hashes over them, of the README the two lines that say when
and by whom.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from domain import strict_json
from domain.manifest import content_checksum
from domain.manifest_fields import MANIFEST_VERSION
from domain.model import ArtifactEntry, Binding, ExternalReference, Manifest, PackageDependency
from domain.versions import range_text

README_BYTES_MAX = 64 * 1024

_DEPENDENCY_LINES_BYTES_MAX = 16 * 1024
#: a description's greatest length (section 7.2), so only artifact names are ever cut
_SHOWN = 500
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&#])")


def manifest_of(manifest: Manifest, *, roots: Collection[str]) -> dict[str, Any]:
    """The JSON object to write for a manifest, its ``contentChecksum`` included.

    Rows stand in the order of the value; ``dependencies`` are those that are not roots. Absent texts are left out,
    empty lists are written (X18). Whatever ``manifest.content_checksum`` says is computed anew.
    """
    rows = [_row(entry) for entry in manifest.artifacts]
    asked_for = frozenset(roots)
    tree: dict[str, Any] = {
        "manifestVersion": MANIFEST_VERSION,
        "packageId": manifest.package_id,
        "name": manifest.name,
        "packageType": manifest.package_type.wire,
        "version": manifest.version,
        "tags": list(manifest.tags),
        "exportedAt": manifest.exported_at,
        "exportedBy": manifest.exported_by,
        "tenantId": manifest.tenant_id,
        "platformVersion": manifest.platform_version,
        "checksum": manifest.checksum,
        "artifacts": [row | {"file": entry.file} for row, entry in zip(rows, manifest.artifacts, strict=True)],
        "dependencies": [row for row in rows if row["id"] not in asked_for],
        "packageDependencies": [package_dependency_row(wanted) for wanted in manifest.package_dependencies],
        "installOrder": list(manifest.install_order),
        "bindings": [_binding(binding) for binding in manifest.bindings],
    }
    optional = {
        "description": manifest.description,
        "author": manifest.author,
        "readmeHash": manifest.readme_hash,
    }
    tree |= {key: text for key, text in optional.items() if text}
    if manifest.external_references:
        tree["externalReferences"] = [external_row(reference) for reference in manifest.external_references]
    return tree | {"contentChecksum": content_checksum(tree)}


def manifest_bytes(tree: Mapping[str, Any]) -> bytes:
    """The file ``manifest.json``: keys sorted, two spaces (section 7.2)."""
    return strict_json.canonical(dict(tree))


def readme_of(manifest: Manifest) -> str:
    """The README that a bundle carries where its author wrote none, at most 64 KiB as UTF-8 (section 7.5).

    It says nothing of ``readme_hash`` and ``content_checksum``, which are made after it.
    """
    before = [
        f"# {_plain(manifest.name)}",
        "",
        *([_plain(manifest.description), ""] if manifest.description else []),
        f"- Version: {manifest.version}",
        f"- Package type: {manifest.package_type.wire}",
        *_volatile_lines(manifest),
        "",
        "## What is installed",
        "",
        f"Artifacts: {len(manifest.artifacts)}",
        "",
        "| Type | Name | Version |",
        "| --- | --- | --- |",
    ]
    after = [
        "",
        "## Prerequisites",
        "",
        *_cut(_prerequisites(manifest), _DEPENDENCY_LINES_BYTES_MAX),
        "",
        "## Installation",
        "",
        "Send the bundle to `POST /api/installhub/packages/import`.",
        _configuration(manifest),
        "",
        "## Checksum",
        "",
        f"`{manifest.checksum}`",
    ]
    left = README_BYTES_MAX - _size(before) - _size(after)
    table = _cut([_table_line(entry) for entry in manifest.artifacts], left)
    return "\n".join([*before, *table, *after, ""])


def restated_readme(readme: str, before: Manifest, after: Manifest) -> str:
    """A README whose two volatile lines say what another manifest says, at most 64 KiB as UTF-8 (R14).

    One that has no such lines stays as it is.
    """
    said = dict(zip(_volatile_lines(before), _volatile_lines(after), strict=True))
    text = "\n".join(said.get(line, line) for line in readme.split("\n"))
    return text.encode()[:README_BYTES_MAX].decode(errors="ignore")


def _volatile_lines(manifest: Manifest) -> tuple[str, str]:
    """Who exported it, and when."""
    return f"- Exported by: {_plain(manifest.exported_by)}", f"- Exported at: {manifest.exported_at}"


def _row(entry: ArtifactEntry) -> dict[str, Any]:
    return {
        "type": entry.artifact_type.wire,
        "id": entry.artifact_id,
        "name": entry.name,
        "version": entry.version,
        "hash": entry.hash,
    }


def package_dependency_row(wanted: PackageDependency) -> dict[str, Any]:
    """One row of ``packageDependencies``."""
    row = {"packageName": wanted.package_name, "minVersion": wanted.min_version}
    return row | {"maxVersion": wanted.max_version} if wanted.max_version else row


def _binding(binding: Binding) -> dict[str, Any]:
    return {
        "artifactId": binding.artifact_id,
        "path": binding.path,
        "kind": binding.kind,
        "hint": binding.hint,
    }


def external_row(reference: ExternalReference) -> dict[str, Any]:
    """One row of ``externalReferences``."""
    return {
        "artifactId": reference.artifact_id,
        "type": reference.artifact_type.wire,
        "name": reference.name,
        "packageName": reference.package_name,
        "packageSource": reference.package_source,
        "sourceId": reference.source_id,
    }


def _prerequisites(manifest: Manifest) -> list[str]:
    wanted = [
        f"- {_plain(one.package_name)} {_plain(range_text(one.min_version, one.max_version))}"
        for one in manifest.package_dependencies
    ]
    return wanted or ["None declared."]


def _configuration(manifest: Manifest) -> str:
    count = len(manifest.bindings)
    return f"Values to supply, listed under `bindings` in `manifest.json`: {count}." if count else "No value to supply."


def _table_line(entry: ArtifactEntry) -> str:
    return f"| {entry.artifact_type.wire} | {_plain(entry.name)} | {entry.version} |"


def _plain(text: str) -> str:
    """Foreign text as one line that Markdown shows as it is."""
    line = " ".join(text.split())
    return _MARKUP.sub(r"\\\1", strict_json.shown(line, limit=_SHOWN))


def _cut(lines: list[str], bytes_max: int) -> list[str]:
    """As many lines as fit, and how many do not."""
    if _size(lines) <= bytes_max:
        return lines
    kept, used = [], _size(["", f"… and {len(lines)} more"])
    for line in lines:
        used += _size([line])
        if used > bytes_max:
            break
        kept.append(line)
    return [*kept, "", f"… and {len(lines) - len(kept)} more"]


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
