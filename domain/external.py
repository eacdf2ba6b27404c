"""What a package leaves to another package to bring, found in the tenant that it comes to (pure).

In this order: what another package of the same import brings, what came from that package before (its source id; the
same origin first), what has the same type and name. Nothing of these: ``MissingPackageDependency``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Problem
from domain.model import ArtifactHead, ArtifactId, ExternalReference, Manifest, PackageDependency, name_key
from domain.plan_model import ExternalTarget, PlanAction

_SHOWN = 20


@dataclass(slots=True)
class Beside:
    """Where what other packages of the same import bring will be: by package key and source id, by type and name."""

    by_origin: dict[tuple[str, str], ArtifactId] = field(default_factory=dict)
    by_name: dict[tuple[ArtifactType, str], ArtifactId] = field(default_factory=dict)

    def add(self, manifest: Manifest, actions: Iterable[PlanAction]) -> None:
        """What one package's actions bring."""
        key = name_key(manifest.name)
        for action in actions:
            self.by_origin[key, action.source_id] = action.target_id
            self.by_name[action.artifact_type, name_key(action.name)] = action.target_id


def found_there(
    references: Iterable[ExternalReference],
    from_packages: Iterable[ArtifactHead],
    named: Mapping[tuple[ArtifactType, str], ArtifactHead],
) -> dict[str, ArtifactId]:
    """Targets that the tenant has, by the id in the package; ``from_packages`` came from the packages referred to."""
    by_origin: dict[tuple[str, str], list[ArtifactHead]] = {}
    for head in from_packages:
        if head.origin is not None:
            by_origin.setdefault((head.origin.package_key, head.origin.source_id), []).append(head)
    found: dict[str, ArtifactId] = {}
    for one in references:
        heads = [
            head
            for head in by_origin.get((name_key(one.package_name), one.source_id), [])
            if head.artifact_type is one.artifact_type
        ]
        same = [head for head in heads if head.origin and head.origin.source == one.package_source]
        namesake = named.get((one.artifact_type, name_key(one.name)))
        if chosen := next(iter([*same, *heads]), namesake):
            found[one.artifact_id] = chosen.artifact_id
    return found


def external_targets(
    manifest: Manifest, there: Mapping[str, ArtifactId], beside: Beside, *, ordinal: int
) -> list[ExternalTarget]:
    """The targets of a package's external references; ``there`` is what :func:`found_there` found."""
    targets = []
    for one in manifest.external_references:
        brought = beside.by_origin.get((name_key(one.package_name), one.source_id))
        target = brought or there.get(one.artifact_id) or beside.by_name.get((one.artifact_type, name_key(one.name)))
        if target is not None:
            targets.append(ExternalTarget(ordinal, one.artifact_id, target))
    return targets


def missing_problems(manifest: Manifest, targets: Iterable[ExternalTarget]) -> Iterator[Problem]:
    """One problem for each package that was to bring what is not there."""
    found = {one.artifact_id for one in targets}
    missing: dict[str, list[tuple[int, ExternalReference]]] = {}
    for index, one in enumerate(manifest.external_references):
        if one.artifact_id not in found:
            missing.setdefault(name_key(one.package_name), []).append((index, one))
    needed = {name_key(one.package_name): one for one in manifest.package_dependencies}
    for key, rows in missing.items():
        index, first = rows[0]
        text = f"The package refers to {first.name}, which {first.package_name} brings and which is not there."
        details = _details(needed[key], rows)
        yield Problem(ErrorCode.MISSING_PACKAGE_DEPENDENCY, text, f"externalReferences[{index}]", details=details)


def _details(needed: PackageDependency, rows: list[tuple[int, ExternalReference]]) -> dict[str, object]:
    """The documented fields of the code, and the artifacts."""
    package = {
        "packageName": needed.package_name,
        "requiredMinVersion": needed.min_version,
        "installedVersion": None,
    }
    artifacts = [{"type": one.artifact_type.wire, "name": one.name, "sourceId": one.source_id} for _, one in rows]
    return {"missingDependencies": [package], "missingArtifacts": artifacts[:_SHOWN], "missingCount": len(rows)}
