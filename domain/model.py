"""The nouns, frozen (design: house, section 4; decisions sections 3-5 and 8).

Times are aware datetimes in UTC. Sizes are bytes. Hashes are ``sha256:`` and 64 lower-case hex digits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NewType

from domain.artifact_types import ArtifactType
from domain.errors import Problem

TenantId = NewType("TenantId", str)
ArtifactId = NewType("ArtifactId", str)
PackageId = NewType("PackageId", str)
ImportId = NewType("ImportId", str)
PlanId = NewType("PlanId", str)
RevisionId = NewType("RevisionId", str)
BlobKey = NewType("BlobKey", str)

HASH_PREFIX = "sha256:"


def name_key(name: str) -> str:
    """How names are compared everywhere (R4): NFC, then case-folded. Stored, never computed by the database."""
    return unicodedata.normalize("NFC", name).casefold()


def rfc3339(moment: datetime) -> str:
    """A time with whole seconds and ``Z``, as documented routes print it (decisions section 9.4)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class WireEnum(Enum):
    """An enum whose values are the words of the REST contract; GraphQL uses the members' names."""

    @property
    def wire(self) -> str:
        """The documented spelling."""
        return str(self.value)


class TenantPlan(WireEnum):
    """What a tenant may bring in (A1, file size limits)."""

    STANDARD = "Standard"
    ENTERPRISE = "Enterprise"


class TenantStatus(WireEnum):
    """A suspended tenant can be read, not changed."""

    ACTIVE = "Active"
    SUSPENDED = "Suspended"


class ArtifactStatus(WireEnum):
    """Belongs to the revision; every change of it is a new revision (R5)."""

    DRAFT = "Draft"
    PUBLISHED = "Published"
    ACTIVE = "Active"
    LOCKED = "Locked"
    ARCHIVED = "Archived"
    DELETED = "Deleted"


EXPORTABLE = frozenset({ArtifactStatus.PUBLISHED, ArtifactStatus.ACTIVE})


class PackageType(WireEnum):
    """The contract's packageType (A2)."""

    WORKFLOW_PACKAGE = "workflow-package"
    FORM_PACKAGE = "form-package"
    APP_PACKAGE = "app-package"
    AGENT_PACKAGE = "agent-package"
    CONFIG_PACKAGE = "config-package"


class ReferenceKind(WireEnum):
    """How sure we are that a string names an artifact (R23, issue step 1)."""

    LITERAL = "literal"
    DYNAMIC = "dynamic"
    POSSIBLE = "possible"


class ConflictStrategy(WireEnum):
    """A wish given beforehand about artifacts that are already there (X27; Mirror: R31)."""

    REPLACE = "Replace"
    MERGE = "Merge"
    SKIP = "Skip"


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
    NO_CONFLICT = "NoConflict"


class MatchedBy(WireEnum):
    """Why a package artifact and one of the tenant are the same thing (R3)."""

    ORIGIN = "ORIGIN"
    NAME = "NAME"


class UnresolvedBindings(WireEnum):
    """What happens to an artifact whose credentials nobody supplied (R5, R22)."""

    REFUSE = "Refuse"
    IMPORT_SWITCHED_OFF = "ImportSwitchedOff"


class ImportMode(WireEnum):
    """PLAN stops after planning and takes no place in the tenant's line (R10)."""

    APPLY = "APPLY"
    PLAN = "PLAN"


class ImportKind(WireEnum):
    """Where an import job comes from."""

    IMPORT = "IMPORT"


class ImportState(Enum):
    """Stored states of a job, and CANCELLING, which is only shown (R12)."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    WAITING_FOR_DECISIONS = "WAITING_FOR_DECISIONS"
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


_REST_STATES = {
    ImportState.WAITING_FOR_DECISIONS: "PendingConflictResolution",
    ImportState.SUCCEEDED: "Success",
    ImportState.FAILED: "Failed",
    ImportState.CANCELLED: "Cancelled",
    ImportState.EXPIRED: "Expired",
}
_FINAL = frozenset({ImportState.SUCCEEDED, ImportState.FAILED, ImportState.CANCELLED, ImportState.EXPIRED})


class Stage(WireEnum):
    """The named steps of an import, in order (decisions section 5). Values are REST's words."""

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
class Actor:
    """Who did something, as records keep it (R38)."""

    subject: str
    email: str | None = None
    is_service: bool = False

    @property
    def label(self) -> str:
        """The address people know the actor by."""
        return self.email or self.subject


@dataclass(frozen=True, slots=True)
class Tenant:
    """The owner of artifacts. ``platform_version`` is its own, else the installation's."""

    tenant_id: TenantId
    plan: TenantPlan
    status: TenantStatus
    platform_version: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an imported artifact came from (R3, R4). ``source`` is the package's origin: its tenant or publisher."""

    package_key: str
    package_name: str
    package_version: str
    source: str
    source_id: str
    import_id: ImportId


@dataclass(frozen=True, slots=True)
class ArtifactHead:
    """An artifact without its content: the active pointer and what the active revision says of itself."""

    tenant_id: TenantId
    artifact_id: ArtifactId
    artifact_type: ArtifactType
    name: str
    version: str
    status: ArtifactStatus
    revision: int
    revision_id: RevisionId
    content_hash: str
    changed_at: datetime
    changed_by: Actor
    origin: Origin | None = None
    #: the revision that the last import put there; another one means: changed since
    imported_revision: int | None = None

    @property
    def is_there(self) -> bool:
        """False once the artifact is deleted."""
        return self.status is not ArtifactStatus.DELETED


@dataclass(frozen=True, slots=True)
class Reference:
    """The place in one artifact that names another. ``pointer`` is a JSON pointer into the artifact."""

    artifact_id: ArtifactId
    target_id: ArtifactId
    pointer: str
    kind: ReferenceKind


@dataclass(frozen=True, slots=True)
class Revision:
    """One saved state of an artifact, as it is listed; its bytes are read apart."""

    revision_id: RevisionId
    artifact_id: ArtifactId
    number: int
    name: str
    version: str
    status: ArtifactStatus
    content_hash: str
    written_at: datetime
    written_by: Actor
    import_id: ImportId | None = None


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A revision about to be written. ``body`` is the artifact's bundle file, bytes exact (R6)."""

    revision_id: RevisionId
    artifact_id: ArtifactId
    artifact_type: ArtifactType
    number: int
    name: str
    version: str
    status: ArtifactStatus
    content_hash: str
    body: bytes
    written_at: datetime
    written_by: Actor
    references: tuple[Reference, ...] = ()
    import_id: ImportId | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A place whose value never travels and that the target supplies (R22)."""

    artifact_id: ArtifactId
    path: str
    kind: str
    hint: str

    @property
    def key(self) -> str:
        """How callers name the place: source artifact id and JSON pointer."""
        return f"{self.artifact_id}{self.path}"


@dataclass(frozen=True, slots=True)
class ArtifactEntry:
    """One row of ``manifest.artifacts``."""

    artifact_type: ArtifactType
    artifact_id: ArtifactId
    name: str
    version: str
    file: str
    hash: str


@dataclass(frozen=True, slots=True)
class PackageDependency:
    """Another package that must be there: ``min_version`` inclusive, ``max_version`` exclusive (X17)."""

    package_name: str
    min_version: str
    max_version: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The bundle's own statement of what it holds, already checked (installhub.md section 7.2)."""

    package_id: PackageId
    name: str
    package_type: PackageType
    version: str
    exported_at: str
    exported_by: str
    tenant_id: str
    platform_version: str
    checksum: str
    artifacts: tuple[ArtifactEntry, ...]
    install_order: tuple[ArtifactId, ...]
    package_dependencies: tuple[PackageDependency, ...] = ()
    bindings: tuple[Binding, ...] = ()
    description: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    readme_hash: str = ""
    content_checksum: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """An exported package: the record, its manifest and where its bytes lie."""

    package_id: PackageId
    tenant_id: TenantId
    name: str
    version: str
    package_type: PackageType
    description: str
    author: str
    tags: tuple[str, ...]
    checksum: str
    content_checksum: str
    artifact_count: int
    install_order: tuple[str, ...]
    manifest: Mapping[str, Any]
    blob_key: BlobKey
    bundle_sha256: str
    size_bytes: int
    exported_at: datetime
    exported_by: Actor
    expires_at: datetime


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


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the caller wants of an import (installhub.md section 8.2; A1)."""

    default_strategy: ConflictStrategy | None = None
    strategy_by_type: Mapping[ArtifactType, ConflictStrategy] = field(default_factory=dict)
    merge_fallback: ConflictStrategy = ConflictStrategy.SKIP
    allow_version_downgrade: bool = False
    allow_major_version_upgrade: bool = False
    allow_security_warnings: bool = False
    dry_run: bool = False
    imported_by: str | None = None
    bindings: Mapping[str, str] = field(default_factory=dict)
    unresolved_bindings: UnresolvedBindings = UnresolvedBindings.REFUSE


@dataclass(frozen=True, slots=True)
class ImportPackage:
    """One package of an import (R8). ``sha256`` is that of the ZIP; ``source_package`` an export of this server."""

    ordinal: int
    blob_key: BlobKey
    sha256: str
    size_bytes: int
    source_package: PackageId | None = None


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
    decisions: Mapping[str, ConflictStrategy] = field(default_factory=dict)
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    plan_id: PlanId | None = None
    #: the bundle's own words, known after validation
    package_name: str | None = None
    package_version: str | None = None
    package_id: PackageId | None = None
    outcome: Mapping[str, Any] | None = None
    failure: Failure | None = None

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
class ArtifactFilter:
    """Which artifacts of a tenant a list shows; deleted ones only when asked for by status."""

    search: str = ""
    artifact_types: tuple[ArtifactType, ...] = ()
    statuses: tuple[ArtifactStatus, ...] = ()
    origin_package: str = ""
    origin_artifact_id: str = ""
    is_changed_since_import: bool | None = None


@dataclass(frozen=True, slots=True)
class ImportFilter:
    """Which import jobs a list shows, newest first."""

    states: tuple[ImportState, ...] = ()
    package_name: str = ""
    include_dry_runs: bool = False


@dataclass(frozen=True, slots=True)
class MergeBase:
    """The package's own side at its last import (R7). ``body_id`` names the stored bytes."""

    source_id: str
    content_hash: str
    body_id: str


@dataclass(frozen=True, slots=True)
class PlanAction:
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

    @property
    def open_conflicts(self) -> tuple[PlanAction, ...]:
        """Conflicts nobody has decided."""
        return tuple(action for action in self.actions if action.kind is None)

    def count(self, kind: ActionKind) -> int:
        """How many artifacts get this action."""
        return sum(action.kind is kind for action in self.actions)


@dataclass(frozen=True, slots=True)
class Drift:
    """An artifact that moved since the plan looked at it (R11)."""

    artifact_id: ArtifactId
    name: str
    revision: int
    changed_by: Actor | None
    changed_at: datetime | None
