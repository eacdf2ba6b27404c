"""The nouns of a plan, frozen: what an import does with each artifact, and what that relies on (decisions R9-R11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from domain.artifact_types import ArtifactType
from domain.binding_slots import BindingSlot
from domain.errors import Problem
from domain.model import (
    Actor,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    ImportId,
    PlanId,
    RevisionId,
    TenantId,
    WireEnum,
)
from domain.options import ConflictStrategy, Side


class ActionKind(WireEnum):
    """What an import does with one artifact (decisions section 5.1)."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    MERGE = "MERGE"
    COPY = "COPY"
    SKIP = "SKIP"
    REMOVE = "REMOVE"
    UNCHANGED = "UNCHANGED"


class DecisionSource(WireEnum):
    """Who decided an action."""

    DEFAULT = "Default"
    BY_TYPE = "PerType"
    BY_ARTIFACT = "PerArtifact"
    BY_PATH = "PerPath"
    NO_CONFLICT = "NoConflict"


class MatchedBy(WireEnum):
    """Why a package artifact and one of the tenant are the same thing (R3)."""

    ORIGIN = "ORIGIN"
    NAME = "NAME"


class MergeBase(NamedTuple):
    """The package's own side at its last import (R7). ``body_id`` names the stored bytes."""

    source_id: str
    content_hash: str
    body_id: str
    #: the artifact that it was put into: no other one has it as its past
    artifact_id: ArtifactId
    import_id: ImportId


@dataclass(frozen=True, slots=True)
class ExternalTarget:
    """What a package leaves to another one to bring, and the artifact of the tenant that it means."""

    ordinal: int
    artifact_id: ArtifactId
    target_id: ArtifactId


#: more than a package has artifacts (R24)
POSITIONS = 1_000_000


#: of an action that merges nothing; nobody writes into it
NO_PATHS: Mapping[str, Side | None] = {}


class PlanAction(NamedTuple):
    """What an import does with one artifact, and what that relies on (R9-R11).

    ``kind`` is ``None`` while its conflict waits for a decision. The precondition is the existing artifact's
    revision and hash, or, where there is none, that the name stays free.
    """

    ordinal: int
    position: int
    source_id: str
    artifact_type: ArtifactType
    name: str
    to_version: str
    kind: ActionKind | None
    target_id: ArtifactId
    decided_by: DecisionSource
    existing: ArtifactHead | None = None
    matched_by: MatchedBy | None = None
    conflict_key: str | None = None
    strategy: ConflictStrategy | None = None
    #: what will be active afterwards; None where nothing is written
    revision_id: RevisionId | None = None
    written_version: str = ""
    status: ArtifactStatus = ArtifactStatus.PUBLISHED
    content_hash: str = ""
    base_body_id: str = ""
    base_hash: str = ""
    #: the stored body that a three-way merge took as its base
    merge_base_id: str | None = None
    #: where both sides changed, by JSON pointer in order; ``None`` is not decided yet
    paths: Mapping[str, Side | None] = NO_PATHS
    #: the earlier revision whose content comes back, for an undo
    restores: RevisionId | None = None

    @property
    def place(self) -> int:
        """Where it stands in its plan: ``ordinal`` times :data:`POSITIONS`, plus ``position``."""
        return self.ordinal * POSITIONS + self.position

    @property
    def decider(self) -> DecisionSource | None:
        """Who decided: nobody yet about an open conflict; and what is the same without a strategy is none (R19)."""
        if self.kind is None:
            return None
        return self.decided_by if self.strategy else DecisionSource.NO_CONFLICT

    @property
    def writes(self) -> bool:
        """True when a revision is held for it."""
        return self.revision_id is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an import will do, before it does it. ``plan_hash`` leaves times out (R10)."""

    plan_id: PlanId
    import_id: ImportId
    tenant_id: TenantId
    plan_hash: str
    actions: tuple[PlanAction, ...]
    warnings: tuple[Problem, ...]
    blockers: tuple[Problem, ...]
    created_at: datetime
    expires_at: datetime
    #: the import that carried it out
    applied_by: ImportId | None = None
    #: the places that need a value of the tenant, in install order
    bindings: tuple[BindingSlot, ...] = ()
    externals: tuple[ExternalTarget, ...] = ()
    #: versions and origins of the installed packages that it relies on, by name key (:mod:`domain.plan_hash`)
    relied: Mapping[str, Sequence[str]] = field(default_factory=dict, hash=False)

    @property
    def open_conflicts(self) -> tuple[PlanAction, ...]:
        """Conflicts nobody has decided."""
        return tuple(action for action in self.actions if action.kind is None)

    def count(self, kind: ActionKind) -> int:
        """How many artifacts get this action."""
        return [action.kind for action in self.actions].count(kind)


@dataclass(frozen=True, slots=True)
class Drift:
    """An artifact that moved since the plan looked at it (R11).

    ``before`` and ``after`` are its revisions: the one that the plan met, if it met any, and the active one, if any is.
    """

    artifact_id: ArtifactId
    name: str
    revision: int
    changed_by: Actor | None
    changed_at: datetime | None
    artifact_type: ArtifactType | None = None
    before: RevisionId | None = None
    after: RevisionId | None = None
    #: what is different in its content, by JSON pointer
    pointers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody else than its maker agreed to a plan, by its hash. ``identity`` tells people apart."""

    identity: str
    actor: Actor
    plan_hash: str
    at: datetime


class PlanState(WireEnum):
    """How a plan stands, the first that holds: what would have to happen before it can be applied."""

    APPLIED = "APPLIED"
    EXPIRED = "EXPIRED"
    BLOCKED = "BLOCKED"
    NEEDS_DECISIONS = "NEEDS_DECISIONS"
    STALE = "STALE"
    NEEDS_APPROVAL = "NEEDS_APPROVAL"
    READY = "READY"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a plan stands, and who agreed to it."""

    state: PlanState
    approvals: tuple[Approval, ...] = ()
    #: how many more people have to agree
    missing: int = 0
