"""Leaving to other packages what they bring: ``dependencyMode: Refer`` of an export.

An artifact that came from another package, which is still installed, is not put into the bundle; the manifest names it
under ``externalReferences`` and needs that package, from the version that is installed here up to the next major one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from domain import versions
from domain.import_model import InstalledPackage
from domain.model import ArtifactHead, ExternalReference, PackageDependency, WireEnum, name_key
from domain.ports import TenantUnit


class DependencyMode(WireEnum):
    """What an export does with artifacts that other installed packages brought."""

    INCLUDE = "Include"
    REFER = "Refer"


class External(NamedTuple):
    """An artifact that is left to another package, and that package as it is installed here."""

    head: ArtifactHead
    package: InstalledPackage


class Referring:
    """Tells, for an export of the package ``package_name``, what is left to others."""

    def __init__(self, package_name: str) -> None:
        self._own_key = name_key(package_name)
        self._asked: set[str] = set()
        self._installed: dict[tuple[str, str], InstalledPackage] = {}

    async def left(self, unit: TenantUnit, heads: Collection[ArtifactHead]) -> dict[str, External]:
        """Those that came from another package that is installed, by id."""
        foreign = [(head, head.origin) for head in heads if head.origin and head.origin.package_key != self._own_key]
        new = {origin.package_key for _, origin in foreign} - self._asked
        if new:
            self._asked |= new
            for package in await unit.imports.installed(new):
                self._installed[name_key(package.name), package.source] = package
        found = ((head, self._installed.get((origin.package_key, origin.source))) for head, origin in foreign)
        return {head.artifact_id: External(head, package) for head, package in found if package is not None}


def references_to(externals: Iterable[External]) -> tuple[ExternalReference, ...]:
    """The rows of a manifest's ``externalReferences``, by artifact id."""
    rows = [
        ExternalReference(
            artifact_id=head.artifact_id,
            artifact_type=head.artifact_type,
            name=head.name,
            package_name=package.name,
            package_source=package.source,
            source_id=head.origin.source_id,
        )
        for head, package in externals
        if head.origin
    ]
    return tuple(sorted(rows, key=lambda one: one.artifact_id))


def with_needed(
    declared: Sequence[PackageDependency], externals: Mapping[str, External]
) -> tuple[PackageDependency, ...]:
    """The declared dependencies, and one on each package that is referred to and not among them.

    A name that several origins brought is needed once, in a range that takes the lowest of them.
    """
    known = {name_key(one.package_name) for one in declared}
    installed: dict[str, list[InstalledPackage]] = {}
    for _, package in externals.values():
        if (key := name_key(package.name)) not in known:
            installed.setdefault(key, []).append(package)
    return (*declared, *(_needed(packages) for _, packages in sorted(installed.items())))


def _needed(packages: Sequence[InstalledPackage]) -> PackageDependency:
    lowest, highest = packages[0], packages[0]
    for one in packages[1:]:
        lowest = one if versions.compare(one.version, lowest.version) < 0 else lowest
        highest = one if versions.compare(one.version, highest.version) > 0 else highest
    return PackageDependency(lowest.name, lowest.version, versions.next_major(highest.version))
