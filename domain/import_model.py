"""The nouns of an import, frozen: job, options, plan, progress, outcome (decisions sections 5 and 8).

Times are aware datetimes in UTC. What they are about stands in ``model``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from domain.errors import Problem
from domain.market.model import InstallWish, Offer
from domain.model import (
    Actor,
    BlobKey,
    ImportId,
    PackageDependency,
    PackageId,
    PlanId,
    TenantId,
    WireEnum,
)
from domain.options import Decision, ImportOptions, UndoWish


class ImportMode(WireEnum):
    """PLAN stops after planning and takes no place in the tenant's line (R10)."""

    APPLY = "APPLY"
    PLAN = "PLAN"


class ImportKind(WireEnum):
    """Where an import job comes from: bytes that were sent or exported here, a marketplace listing, or the tenant."""

    IMPORT = "IMPORT"
    INSTALL = "INSTALL"
    #: brings back what was active before an import (decisions section 5.7)
    ROLLBACK = "ROLLBACK"
    #: brings back what was active before a package came
    UNINSTALL = "UNINSTALL"


class ImportState(Enum):
    """Stored states of a job, and CANCELLING, which is only shown (R12)."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    WAITING_FOR_DECISIONS = "WAITING_FOR_DECISIONS"
    WAITING_FOR_ACTIVATION = "WAITING_FOR_ACTIVATION"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"

    @property
    def wire(self) -> str:
        """REST's word for it (R12)."""
        return _REST_STATES.get(self, "InProgress")

    @property
    def is_final(self) -> bool:
        """True when nothing can change any more."""
        return self in _FINAL

    @property
    def is_waiting(self) -> bool:
        """True while it waits for somebody: then it takes no place and has a last moment."""
        return self in _WAITING


_REST_STATES = {
    ImportState.WAITING_FOR_DECISIONS: "PendingConflictResolution",
    ImportState.WAITING_FOR_ACTIVATION: "PendingActivation",
    ImportState.SUCCEEDED: "Success",
    ImportState.FAILED: "Failed",
    ImportState.CANCELLED: "Cancelled",
    ImportState.EXPIRED: "Expired",
}


_FINAL = frozenset({ImportState.SUCCEEDED, ImportState.FAILED, ImportState.CANCELLED, ImportState.EXPIRED})
_WAITING = frozenset({ImportState.WAITING_FOR_DECISIONS, ImportState.WAITING_FOR_ACTIVATION})


class Stage(WireEnum):
    """The named steps of an import, in order (decisions section 5). Values are REST's words."""

    DOWNLOAD = "Download"
    UPLOAD = "Upload"
    VALIDATION = "Validation"
    SECURITY_SCAN = "SecurityScan"
    DEPENDENCY_CHECK = "DependencyCheck"
    PLANNING = "Planning"
    INSTALLATION = "Installing"
    VERIFICATION = "PostInstallVerification"
    ACTIVATION = "Activation"


class EventKind(WireEnum):
    """What a line of the journal tells. Only PROGRESS is ever merged (R20)."""

    QUEUED = "QUEUED"
    STAGE_STARTED = "STAGE_STARTED"
    PROGRESS = "PROGRESS"
    PROBLEM_FOUND = "PROBLEM_FOUND"
    WAITING = "WAITING"
    RESUMED = "RESUMED"
    STAGE_ENDED = "STAGE_ENDED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """Which version of a package a tenant has (R4: identity is name and origin)."""

    tenant_id: TenantId
    name: str
    source: str
    version: str
    checksum: str
    package_id: PackageId
    import_id: ImportId
    installed_at: datetime
    #: what a package of the marketplace can do there (:mod:`domain.market.powers`)
    powers: Mapping[str, Any] | None = field(default=None, hash=False)
    #: the packages that it needs there
    dependencies: tuple[PackageDependency, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportPackage:
    """One package of an import (R8). ``sha256`` is that of the ZIP; ``source_package`` an export of this server.

    A package of an install has the hub's ``offer``, and no ``blob_key`` until it was downloaded.
    """

    ordinal: int
    blob_key: BlobKey
    sha256: str
    size_bytes: int
    source_package: PackageId | None = None
    offer: Offer | None = None


@dataclass(frozen=True, slots=True)
class Importable:
    """A package that an import may name.

    ``gone`` is why its bytes cannot be read any more (R13), if so: a problem for a new import, and none for a request
    that was carried out before (R25).
    """

    package: ImportPackage
    gone: tuple[Problem, ...] = ()


#: every revision is held in these stages
_INSTALLED = (Stage.VERIFICATION, Stage.ACTIVATION)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. ``percent`` is of the whole run, weighted by measured cost, and never falls (R20)."""

    stage: Stage | None
    done: int
    total: int | None
    percent: float
    artifact_name: str = ""

    @property
    def sentence(self) -> str:
        """REST's progress string, derived from the event (decisions section 5.10, R30)."""
        total = self.total or 0
        installed = self.done if self.stage is Stage.INSTALLATION else total if self.stage in _INSTALLED else 0
        return f"{installed} of {total} artifacts installed"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One numbered line of an import's journal; on the wire it may stand for ``first_seq..seq`` (R20)."""

    import_id: ImportId
    first_seq: int
    seq: int
    at: datetime
    kind: EventKind
    state: ImportState
    progress: Progress
    message: str
    problem: Problem | None = None

    @property
    def is_final(self) -> bool:
        """True for the last event there will ever be."""
        return self.kind is EventKind.ENDED


@dataclass(frozen=True, slots=True)
class Failure:
    """How an import ended badly. The tenant is as it was: ``rolled_back`` is always true here."""

    stage: Stage | None
    code: str
    message: str
    status: int
    problems: tuple[Problem, ...]
    details: Mapping[str, Any]
    rolled_back: bool = True


@dataclass(frozen=True, slots=True)
class ImportJob:
    """The record of one import, from submission for good (X39)."""

    import_id: ImportId
    tenant_id: TenantId
    kind: ImportKind
    mode: ImportMode
    state: ImportState
    options: ImportOptions
    packages: tuple[ImportPackage, ...]
    submitted_by: Actor
    submitted_at: datetime
    fence: int = 0
    attempt: int = 0
    last_seq: int = 0
    stage: Stage | None = None
    cancel_requested: bool = False
    #: by conflict id
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    plan_id: PlanId | None = None
    #: the bundle's own words, known after validation
    package_name: str | None = None
    package_version: str | None = None
    package_id: PackageId | None = None
    outcome: Mapping[str, Any] | None = None
    failure: Failure | None = None
    #: the import that this one tries again (R12)
    retry_of: ImportId | None = None
    idempotency_key: str | None = None
    install: InstallWish | None = None
    #: the plan that it carries out exactly (R10)
    applies_plan: PlanId | None = None
    undo: UndoWish | None = None
    #: whose it is: :attr:`domain.access.Caller.identity`
    identity: str = ""

    @property
    def imported_by(self) -> str:
        """The actor; for a service account the person it names (R38)."""
        named = self.options.imported_by
        return named if named and self.submitted_by.is_service else self.submitted_by.label

    @property
    def shown_state(self) -> ImportState:
        """The state as callers see it: a running job asked to stop shows CANCELLING (R12)."""
        if self.state is ImportState.RUNNING and self.cancel_requested:
            return ImportState.CANCELLING
        return self.state


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An unchangeable line: who did what, when, with which details."""

    at: datetime
    actor: Actor
    action: str
    import_id: ImportId | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImportFilter:
    """Which import jobs a list shows, newest first."""

    states: tuple[ImportState, ...] = ()
    kinds: tuple[ImportKind, ...] = ()
    package_name: str = ""
    package_id: str = ""
    #: the actor's e-mail address, else the subject
    submitted_by: str = ""
    #: who is named by it: the actor, or the person that a service account named (R38)
    imported_by: str = ""
    #: submitted at or after this time, and before that one
    since: datetime | None = None
    until: datetime | None = None
    idempotency_key: str = ""
    #: waiting imports that are given up before this time (R40)
    expires_before: datetime | None = None
    include_dry_runs: bool = False
