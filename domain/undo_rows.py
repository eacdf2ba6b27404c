"""What is remembered of imports so that they can be taken back, and the protocol that a store implements.

What an import put there is a pile of *layers*, artifact by artifact: each import and each edit lies on what was there
before. An undo is no layer of its own: it takes layers off the pile, or, as the undo of an undo, puts them back
(decisions sections 5.7 and 9.6; ADR 0017).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.artifact_types import ArtifactType
from domain.import_model import ImportJob, InstalledPackage
from domain.model import Actor, ArtifactHead, ArtifactId, ArtifactStatus, ImportId, Reference, RevisionId


@dataclass(frozen=True, slots=True, order=True)
class Portion:
    """One package of an import (R8), or a whole undo, which has none: the least that can be taken back."""

    import_id: ImportId
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A package that an import brought, as it was installed then."""

    portion: Portion
    package: InstalledPackage


@dataclass(frozen=True, slots=True)
class Written:
    """What an activated import wrote: which artifact, from what, as which revision.

    ``before`` is the artifact as it was, deleted ones too; ``None`` for one that the import made.
    """

    portion: Portion
    artifact_id: ArtifactId
    number: int
    before: ArtifactHead | None


@dataclass(frozen=True, slots=True)
class Layer:
    """A revision that was active once, or is. ``restores``: the earlier one that it is the same as."""

    artifact_id: ArtifactId
    number: int
    revision_id: RevisionId
    artifact_type: ArtifactType
    name: str
    version: str
    status: ArtifactStatus
    content_hash: str
    written_at: datetime
    written_by: Actor
    import_id: ImportId | None
    restores: RevisionId | None


class UndoRows(Protocol):
    """What imports put into one tenant, and what of it was taken back."""

    async def jobs(self, import_ids: Collection[ImportId]) -> dict[ImportId, ImportJob]:
        """Imports of this tenant, without their outcomes."""

    async def arrivals_of(self, import_ids: Collection[ImportId]) -> list[Arrival]:
        """The packages that these imports brought, in the order in which they came."""

    async def arrivals_named(self, name_key: str) -> list[Arrival]:
        """Every arrival of packages with this name, in the order in which they came."""

    async def written(self, import_ids: Collection[ImportId]) -> list[Written]:
        """What these imports wrote when they were activated."""

    async def layers(self, import_ids: Collection[ImportId]) -> list[Layer]:
        """Revisions of all that these imports wrote, by artifact and number: from the one before theirs to the last."""

    async def undone(self, import_ids: Collection[ImportId]) -> Undone:
        """What was taken back of these imports, of their undos, of the undos of these, and so on."""

    async def taken_back(self, undo_ids: Collection[ImportId]) -> dict[ImportId, tuple[Portion, ...]]:
        """What these undos took back."""

    async def reached(self, portions: Collection[Portion]) -> set[Portion]:
        """These, and what was taken back by those of them that are undos themselves, and so on."""

    async def referrers(self, artifact_ids: Collection[str]) -> list[Reference]:
        """Literal references to these artifacts, of what is there now."""

    async def references_of(self, revision_ids: Collection[str]) -> dict[RevisionId, tuple[Reference, ...]]:
        """The references of revisions, active or not."""

    async def left_dangling(self, import_id: ImportId) -> list[Reference]:
        """Literal references, of what is there and stays, to what this import holds to be removed."""

    async def take_back(self, undo_id: ImportId, portions: Sequence[Portion]) -> None:
        """Remember what an undo took back; packages and merge bases are then what the imports left in effect say.

        Part of the undo's activation, after :meth:`domain.ports.ImportRows.activate`.
        """


@dataclass(frozen=True, slots=True)
class Undone:
    """Who took what back, undos of undos included: an undo that was taken back itself counts for nothing."""

    undos: Mapping[Portion, tuple[ImportId, ...]]

    def by(self, portion: Portion) -> ImportId | None:
        """The undo by which this portion is out of effect now; ``None`` while it is in effect."""
        standing = (undo for undo in self.undos.get(portion, ()) if self.by(Portion(undo)) is None)
        return next(standing, None)

    def also(self, portions: Collection[Portion]) -> Undone:
        """The same, if these were taken back now."""
        now = dict.fromkeys(portions, (ImportId(""),))
        return Undone({**self.undos, **{key: (*self.undos.get(key, ()), *by) for key, by in now.items()}})
