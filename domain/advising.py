"""Comparing what is exported with the last version of the same package, to say which version tells of the changes.

Nothing is read where there is no earlier version, and only artifacts whose files differ are compared: their stored
bytes, a few at a time. Where the earlier bundle is no longer kept, a changed artifact counts as a patch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.advice import Advice, Named, Reason, advice_of, artifact_reasons, content_reasons, earlier_version
from domain.archive import ArchiveLimits, open_archive
from domain.artifact_types import BY_WIRE_NAME, FOLDERS
from domain.closure import Closure
from domain.errors import ErrorCode, Problem
from domain.export_forms import export_form
from domain.limits import Installation
from domain.model import ArtifactHead, Package, TenantId, TenantPlan, name_key
from domain.portions import with_bodies
from domain.ports import Ports
from domain.versions import Bump

_VERSIONS_MAX = 1_000


class Advisor:
    """Compares versions of a tenant's packages."""

    def __init__(self, ports: Ports, installation: Installation) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._archive = installation.limits.bundle(TenantPlan.ENTERPRISE).archive

    async def earlier(self, tenant_id: TenantId, package_name: str, version: str | None = None) -> Package | None:
        """The last version of a package before ``version``; ``None`` where there is none."""
        key = name_key(package_name)
        async with self._store.view(tenant_id) as unit:
            earlier = earlier_version(await unit.packages.versions(key, most=_VERSIONS_MAX), version)
            return await unit.packages.of_version(key, earlier) if earlier is not None else None

    async def advice(
        self,
        tenant_id: TenantId,
        package: Package | None,
        gathered: Closure,
        hashes: Mapping[str, str] | None = None,
    ) -> Advice | None:
        """What changed since this version; ``None`` where there is none.

        ``hashes`` are those of the files by artifact id, where they are known already.
        """
        if package is None:
            return None
        known = hashes or await self._hashes(tenant_id, list(gathered.heads.values()))
        rows = package.manifest["artifacts"]
        if known == {row["id"]: row["hash"] for row in rows}:  # the very same files: types and names stand in them
            return advice_of(package.version, [])
        before = _named(rows)
        after = {key: Named(head.artifact_type, head.name, known[key]) for key, head in gathered.heads.items()}
        # what another package brings from now on is still there
        reasons = [*artifact_reasons({k: one for k, one in before.items() if k not in gathered.externals}, after)]
        changed = [head for key, head in gathered.heads.items() if key in before and before[key].hash != known[key]]
        reasons += await self._changed(tenant_id, package, changed)
        return advice_of(package.version, reasons)

    async def _hashes(self, tenant_id: TenantId, heads: Sequence[ArtifactHead]) -> dict[str, str]:
        async with self._store.view(tenant_id) as unit:
            forms = await unit.artifacts.export_forms([head.revision_id for head in heads])
        found = {
            str(head.artifact_id): forms[head.revision_id].file_hash for head in heads if head.revision_id in forms
        }
        new = [head for head in heads if head.artifact_id not in found]
        async for part, bodies in with_bodies(self._store, tenant_id, new, _body):
            found |= await asyncio.to_thread(_hashed, part, bodies)
        return found

    async def _changed(self, tenant_id: TenantId, package: Package, heads: Sequence[ArtifactHead]) -> list[Reason]:
        reasons: list[Reason] = []
        if not heads:
            return reasons
        try:
            async with self._blobs.local(package.blob_key, sha256=package.bundle_sha256) as path:
                async for part, bodies in with_bodies(self._store, tenant_id, heads, _body):
                    reasons += await asyncio.to_thread(_compared, path, self._archive, part, bodies)
        except FileNotFoundError:
            reasons += (Reason(Bump.PATCH, f"{head.name} ({head.artifact_id}) was changed.") for head in heads)
        return reasons


def bump_warnings(advice: Advice | None, version: str) -> Iterator[Problem]:
    """A warning where the chosen version tells of less than what changed."""
    if advice is None or advice.is_met_by(version):
        return
    text = f"{version} tells of less than what changed since {advice.earlier}; {advice.suggested} would tell of it."
    details = {"suggestedVersion": advice.suggested, "earlierVersion": advice.earlier, "changes": list(advice.reasons)}
    yield Problem(ErrorCode.VERSION_BUMP_TOO_SMALL, text, "version", details=details)


def _named(rows: Iterable[Mapping[str, Any]]) -> dict[str, Named]:
    return {row["id"]: Named(BY_WIRE_NAME[row["type"]], row["name"], row["hash"]) for row in rows}


def _body(head: ArtifactHead) -> list[str]:
    return [head.revision_id]


def _hashed(part: Sequence[ArtifactHead], bodies: Mapping[str, bytes]) -> dict[str, str]:
    return {str(head.artifact_id): export_form(head, bodies[head.revision_id])[1].file_hash for head in part}


def _compared(
    path: Path, limits: ArchiveLimits, part: Sequence[ArtifactHead], bodies: Mapping[str, bytes]
) -> list[Reason]:
    """What changed in these artifacts, the weightiest of each. Runs in a thread."""
    found: list[Reason] = []
    with path.open("rb") as source:
        archive = open_archive(source, limits, folders=FOLDERS)
        for head in part:
            before = archive.read(archive.entries[head.artifact_type.file_of(head.artifact_id)])
            after, _ = export_form(head, bodies[head.revision_id])
            reasons = content_reasons(head.name, before, after, head.artifact_type)
            found += sorted(reasons, key=lambda reason: -reason.bump.value)[:3]
    return found
