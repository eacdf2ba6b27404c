"""The package's own side of planned artifacts, read again from an import's bundle (decisions R7).

What a plan decided are rows, and so is what was written; what a package would have brought is kept in its bundle alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from domain import strict_json
from domain.archive import Archive, ArchiveLimits, open_archive
from domain.artifact_types import FOLDERS
from domain.contents import content_of, written
from domain.errors import ErrorCode, refuse
from domain.import_model import ImportJob
from domain.limits import Installation
from domain.mapping import EndpointMapping, map_endpoints
from domain.model import ArtifactId, ReferenceKind, TenantPlan
from domain.plan_model import PlanAction
from domain.ports import Ports

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Bundle:
    """A package of an import, and how its artifacts are rewritten for the tenant."""

    path: Path
    limits: ArchiveLimits
    remap: Mapping[str, str]
    mapping: EndpointMapping


class PackageSides:
    """Reads what packages bring, under the ids that the plan gives and with mapped addresses."""

    def __init__(self, ports: Ports, installation: Installation) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._limits = installation.limits

    async def read(
        self, job: ImportJob, actions: Sequence[PlanAction], use: Callable[[PlanAction, bytes], T]
    ) -> list[T]:
        """What ``use`` makes of each action's side, in a thread and one at a time.

        Raises ``BundleExpired`` when a package is no longer kept.
        """
        made: list[T] = []
        for ordinal, some in groupby(actions, attrgetter("ordinal")):
            remap = await self._remap(job, ordinal)
            limits = self._limits.bundle(TenantPlan.ENTERPRISE).archive
            mapping = EndpointMapping(job.options.endpoint_mapping)
            try:
                package = job.packages[ordinal]
                async with self._blobs.local(package.blob_key, sha256=package.sha256) as path:
                    bundle = _Bundle(path, limits, remap, mapping)
                    made += await asyncio.to_thread(_used, bundle, list(some), use)
            except FileNotFoundError as error:
                raise refuse(ErrorCode.BUNDLE_EXPIRED, "What this plan was about is no longer kept.") from error
        return made

    async def _remap(self, job: ImportJob, ordinal: int) -> dict[str, str]:
        """A package's ids and what it left to others to bring, by how it names them."""
        most = self._limits.artifacts_enterprise * len(job.packages)
        async with self._store.view(job.tenant_id) as unit:
            actions = (await unit.imports.actions(job.import_id, first=most)).items
            made = await unit.imports.plan(job.plan_id) if job.plan_id else None
        remap: dict[str, str] = {one.source_id: one.target_id for one in actions if one.ordinal == ordinal}
        externals = made.externals if made else ()
        return remap | {one.artifact_id: one.target_id for one in externals if one.ordinal == ordinal}


def _used(bundle: _Bundle, actions: Sequence[PlanAction], use: Callable[[PlanAction, bytes], T]) -> list[T]:
    return [use(action, body) for action, body in _sides(bundle, actions)]


def _sides(bundle: _Bundle, actions: Sequence[PlanAction]) -> Iterator[tuple[PlanAction, bytes]]:
    with bundle.path.open("rb") as source:
        archive = open_archive(source, bundle.limits, folders=FOLDERS)
        for action in actions:
            yield action, _side(archive, bundle, action)


def _side(archive: Archive, bundle: _Bundle, action: PlanAction) -> bytes:
    """One artifact of a bundle that the import's validation has read and believed."""
    raw = archive.read(archive.entries[action.artifact_type.file_of(action.source_id)])
    tree: Any = strict_json.read_to_rewrite(raw)
    map_endpoints(tree, action.artifact_type, bundle.mapping)
    content = content_of(
        tree,
        artifact_type=action.artifact_type,
        artifact_id=ArtifactId(action.source_id),
        version=action.to_version,
        known_ids=bundle.remap.keys(),
    )
    outside: dict[str, str] = {r.target_id: r.target_id for r in content.references if r.kind is ReferenceKind.LITERAL}
    return written(content.template, {**outside, **bundle.remap})
