"""What a unit remembers of plans as promises: who applies one, who agreed to it, what it touches (R10, R11)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.model import ArtifactHead, ImportId, PlanId
from domain.plan_model import Approval, PlanAction


@dataclass(frozen=True, slots=True)
class Touched:
    """What of a tenant a plan touches, each list cut at a length that was asked for."""

    #: changes by which an artifact starts or stops being active
    switched: tuple[PlanAction, ...]
    #: artifacts outside the plan that refer to what it changes
    users: tuple[ArtifactHead, ...]
    #: name key and source of other packages whose artifacts are changed
    packages: tuple[tuple[str, str], ...]


class PlanRows(Protocol):
    """Plans of one tenant, beyond their actions."""

    async def claim(self, plan_id: PlanId, import_id: ImportId, *, instead_of: ImportId | None = None) -> ImportId:
        """Let this import apply the plan, unless another one does; gives the one that does now.

        ``instead_of``: an earlier import that applied it, came to nothing and is tried again. Two at once come one
        after the other: the second one sees the first.

        Raises:
            LookupError: the tenant has no such plan.
        """

    async def approve(self, plan_id: PlanId, approval: Approval) -> bool:
        """Remember it, once for each identity; False when it was there."""

    async def approvals(self, plan_ids: Collection[str]) -> Mapping[PlanId, Sequence[Approval]]:
        """By plan, oldest first."""

    async def moved(self, import_ids: Collection[str]) -> set[ImportId]:
        """Those whose plan has a precondition about artifacts that no longer holds (R11)."""

    async def undecided(self, import_ids: Collection[str]) -> set[ImportId]:
        """Those whose plan has an open conflict."""

    async def touched(self, import_id: ImportId, *, limit: int) -> Touched:
        """What the plan of this import touches beyond its own artifacts."""
