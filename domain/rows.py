"""What a unit remembers, subject by subject: the protocols that a store implements (see ``ports``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from domain.access import Reach
from domain.artifact_types import ArtifactType
from domain.body_rows import BodyRows
from domain.errors import Problem
from domain.import_model import (
    AuditEntry,
    EventKind,
    ImportFilter,
    ImportJob,
    ImportState,
    InstalledPackage,
    Progress,
    ProgressEvent,
)
from domain.market.model import ListingId
from domain.model import (
    ArtifactFilter,
    ArtifactHead,
    ArtifactId,
    BlobKey,
    ImportId,
    NewRevision,
    Package,
    PackageId,
    PlanId,
    Reference,
    TenantId,
    Upload,
)
from domain.options import ConflictStrategy, Decision
from domain.plan_model import ActionKind, Drift, MergeBase, Plan, PlanAction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """One page of a list in a fixed order; ``has_next`` says that more follow."""

    items: tuple[T, ...]
    has_next: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A numbered page of a list that is counted, as REST's lists are; the first is 1."""

    items: tuple[T, ...]
    total_count: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a request with a key asked for, and the ids of what it made (R25)."""

    request_hash: str
    effect: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which lines of the export history a list shows, newest first (installhub.md section 6.8)."""

    exported_by: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExportLine:
    """One line of the export history, in the contract's words (installhub.md section 6.8); later ones have more."""

    number: int
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Touch:
    """What an import did with an artifact (installhub.md section 8.10); one that was new met no conflict."""

    import_id: ImportId
    imported_at: datetime
    package_name: str
    package_version: str
    conflict_key: str | None
    strategy: ConflictStrategy | None
    previous_version: str | None
    new_version: str
    #: :attr:`domain.import_model.PlanAction.place`
    place: int = 0


@dataclass(frozen=True, slots=True)
class PastRun:
    """How long an import took from its submission to its end, and the bytes of its bundles."""

    seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ExportForm:
    """What a revision looks like when it leaves its tenant; remembered at the first export (R6, R22)."""

    file_hash: str
    #: pointer and kind of what was removed; an empty tuple: the stored bytes leave as they are
    bindings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A line for the journal; its number and time are given when it is written."""

    kind: EventKind
    progress: Progress
    message: str
    state: ImportState = ImportState.RUNNING
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One fenced write of a running job: events, and fields of the job that change with them.

    ``changes`` may hold: state, stage, expires_at, ended_at, plan_id, package_name, package_version, package_id,
    outcome (a mapping), failure (a Failure), decisions. ``is_last``: written also if somebody asked to stop.
    """

    import_id: ImportId
    fence: int
    events: tuple[NewEvent, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    is_last: bool = False


class ArtifactRows(BodyRows, Protocol):
    """Artifacts, revisions and references of one tenant."""

    async def heads(self, artifact_ids: Collection[str]) -> dict[ArtifactId, ArtifactHead]:
        """The artifacts with these ids, deleted ones included."""

    async def page(
        self, wanted: ArtifactFilter, *, first: int, after: tuple[str, str] | None = None
    ) -> Slice[ArtifactHead]:
        """By name key, then id. ``after`` is the last (name key, artifact id) seen."""

    async def references(self, artifact_ids: Collection[str], *, with_possible: bool = False) -> list[Reference]:
        """References of the active revisions of these artifacts, by artifact id, then pointer."""

    async def named(self, names: Collection[tuple[ArtifactType, str]]) -> list[ArtifactHead]:
        """Non-deleted artifacts with one of these (type, name key)."""

    async def from_package(self, package_key: str, source: str) -> list[ArtifactHead]:
        """Non-deleted artifacts whose origin is this package (R4)."""

    async def export_forms(self, revision_ids: Collection[str]) -> dict[str, ExportForm]:
        """What is remembered from earlier exports."""

    async def remember_export_forms(self, forms: Mapping[str, ExportForm]) -> None:
        """Remember for next time."""

    async def write(self, revisions: Sequence[NewRevision]) -> None:
        """Write revisions and make them active at once (R5).

        ``number`` is one more than the active revision's, or 1 for a new artifact. The unit's next answer, or its end,
        raises :class:`RevisionMovedError` or :class:`NameTakenError`; then nothing is written.
        """


class PackageRows(Protocol):
    """Exported packages of one tenant."""

    async def add(self, package: Package, *, identity: str = "") -> None:
        """``identity`` is whose the notices are. Raises :class:`VersionTakenError`."""

    async def drop(self, package_id: PackageId) -> None:
        """Give its version up; nothing names its bytes any more. Unknown ids are no error."""

    async def of_version(self, name_key: str, version: str) -> Package | None:
        """The export that took this name and version."""

    async def versions(self, name_key: str, *, most: int) -> list[str]:
        """The versions of this package that were exported last, newest first."""

    async def page(self, *, search: str, first: int, after: str | None = None) -> Slice[Package]:
        """Newest first; ``after`` is the last package id seen (ids sort by time)."""

    async def record_export(self, record: Mapping[str, Any]) -> None:
        """A line of the export history, failures included (installhub.md section 6.8)."""

    async def history(self, wanted: HistoryFilter, *, page: int, page_size: int) -> Page[Mapping[str, Any]]:
        """Lines of the export history, newest first."""

    async def exports(self, wanted: HistoryFilter, *, first: int, after: int | None = None) -> Slice[ExportLine]:
        """The same list; ``after`` is the last number seen."""

    async def touch(self, package_id: PackageId, expires_at: datetime) -> None:
        """A download keeps the bytes longer, unless they were given up."""

    async def delete(self, package_id: PackageId, at: datetime) -> None:
        """Give its bytes up; its row and its version stay. The first time counts."""


class UploadRows(Protocol):
    """Uploads of one tenant."""

    async def add(self, upload: Upload) -> None:
        """Remember it."""

    async def find(self, upload_id: str) -> Upload | None:
        """The upload, expired or not, until it is swept."""


class RepeatRows(Protocol):
    """Requests of one tenant's callers that may come again (R25). ``subject`` is :attr:`Caller.identity`."""

    async def find(self, subject: str, key: str, now: datetime) -> Remembered | None:
        """What the first request with this key made, while it is kept."""

    async def remember(self, subject: str, key: str, made: Remembered, *, expires_at: datetime) -> None:
        """Raises :class:`domain.ports.KeyTakenError` when another request with this key came first."""


class ImportRows(Protocol):
    """Import jobs of one tenant, their journal, plans and held revisions."""

    async def submit(self, job: ImportJob, event: NewEvent) -> None:
        """Insert the job with its packages and event 1."""

    async def keep_download(self, import_id: ImportId, ordinal: int, blob_key: BlobKey) -> None:
        """Where the bytes of a package of an install lie, now that they are here."""

    async def queued_count(self) -> int:
        """Imports of this tenant that wait in line."""

    async def job(self, import_id: ImportId) -> ImportJob | None:
        """The record."""

    async def advance(self, step: Step) -> None:
        """The fence: the first statement of every transaction of a running job.

        Renews the lease, numbers and writes the events, changes the job. What cannot be raises with the unit's next
        answer or its end: :class:`LeaseLostError`, another worker owns the job; :class:`CancelRequestedError`.
        """

    async def request_cancel(self, import_id: ImportId) -> ImportState | None:
        """Ask a running job to stop; end a queued or waiting one as CANCELLED with its final event.

        ``None`` when there was nothing to do: it has ended, or was asked before.
        """

    async def resume(self, import_id: ImportId, decisions: Mapping[str, Decision]) -> bool:
        """Back to QUEUED with these decisions added and a RESUMED event; False when it does not wait."""

    async def switch_on(self, import_id: ImportId) -> bool:
        """Back to QUEUED with a RESUMED event; False when it does not wait for its activation, or waited too long."""

    async def expire(self, import_id: ImportId) -> bool:
        """End a waiting import as EXPIRED with its final event; False when it does not wait."""

    async def remind(self, import_id: ImportId) -> bool:
        """Somebody is told now that it waits; False when it does not, or they were told of this wait."""

    async def events(self, import_id: ImportId, *, after: int, limit: int = 1000) -> list[ProgressEvent]:
        """The journal after a number, in order."""

    async def save_scan(self, import_id: ImportId, ordinal: int, report: Mapping[str, Any]) -> None:
        """The report of one package; the first one stays."""

    async def scan_reports(self, import_id: ImportId) -> list[dict[str, Any]]:
        """Reports by ordinal."""

    async def save_plan(self, plan: Plan, *, part: slice | None = None) -> None:
        """The plan and its actions in place of an earlier plan, which the first part takes away; the last brings it."""

    async def plan(self, plan_id: PlanId) -> Plan | None:
        """The plan without its actions."""

    async def actions(
        self,
        import_id: ImportId,
        *,
        first: int,
        after: int | None = None,
        kinds: Collection[ActionKind | None] | None = None,
    ) -> Slice[PlanAction]:
        """The plan's actions in install order; ``after`` is the last :attr:`PlanAction.place` seen.

        Only those of ``kinds``, if given; ``None`` among them stands for open conflicts.
        """

    async def action_page(
        self, import_id: ImportId, *, page: int, page_size: int, kinds: Collection[ActionKind | None] | None = None
    ) -> Page[PlanAction]:
        """The same list by page number, counted."""

    async def conflict(self, import_id: ImportId, conflict_key: str) -> PlanAction | None:
        """The planned action with this conflict id."""

    async def touched(
        self, name_key: str, artifact_types: Collection[ArtifactType], *, page: int, page_size: int
    ) -> Page[Touch]:
        """What successful imports did with artifacts of this name, deleted ones too; newest first."""

    async def touches(
        self,
        name_key: str,
        artifact_types: Collection[ArtifactType],
        *,
        first: int,
        after: tuple[str, int] | None = None,
    ) -> Slice[Touch]:
        """The same list; ``after`` is the last import id and place seen."""

    async def installed(self, name_keys: Collection[str] = ()) -> list[InstalledPackage]:
        """Installed packages with these name keys, or all."""

    async def installed_from(self, sha256: str) -> ImportId | None:
        """The import of a ZIP with this hash that an installed package comes from."""

    async def merge_bases(self, package_key: str, source: str) -> dict[str, MergeBase]:
        """Bases of the package's artifacts by source id (R7)."""

    async def hold(self, revisions: Sequence[NewRevision], bases: Mapping[str, bytes] | None = None) -> None:
        """Write revisions that nobody sees yet, and the bodies of merge bases that are no revision."""

    async def broken_references(self, import_id: ImportId) -> list[Reference]:
        """Literal references of held revisions to what is neither active here nor held by this import."""

    async def unreadable(self, import_id: ImportId) -> list[ArtifactId]:
        """Actions that write, but whose held revision or its bytes cannot be found."""

    async def drift(self, import_id: ImportId) -> list[Drift]:
        """Preconditions of the saved plan that no longer hold (R11)."""

    async def demand_preconditions(self, import_id: ImportId) -> None:
        """Hold the unit to them: its next answer, or its end, raises :class:`PlanMovedError` if one has fallen."""

    async def activate(self, import_id: ImportId, installed: Sequence[InstalledPackage], *, written: int) -> None:
        """Make the ``written`` held revisions active: pointers, undo rows, merge bases, installed packages.

        ``installed`` are the import's packages by ordinal (R8). They are seen when this transaction ends the import.
        The unit's next answer, or its end, raises :class:`NameTakenError`, or :class:`RevisionMovedError` when
        somebody saved or took away one meanwhile.
        """

    async def count_install(self, listing_id: ListingId, version: str, at: datetime) -> None:
        """This tenant has installed the listing: counted once by our own hub, ignored for another's listing."""

    async def discard(self, import_id: ImportId, *, limit: int = 200) -> int:
        """Drop held revisions of an import that is over (or begins again). Returns how many were dropped."""

    async def audit(self, entry: AuditEntry) -> None:
        """Append."""

    async def audit_of(self, import_id: ImportId) -> list[AuditEntry]:
        """Entries of one import, oldest first."""

    async def post(self, kind: str, payload: Mapping[str, Any]) -> None:
        """A row for the outbox, relayed after the commit."""


class LookupRows(Protocol):
    """Lookups by an id that is unique in the installation, inside a caller's reach (``None``: everywhere)."""

    async def package(self, package_id: str, reach: Reach) -> Package | None:
        """An exported package."""

    async def import_job(self, import_id: str, reach: Reach) -> ImportJob | None:
        """An import job."""

    async def plan_tenant(self, plan_id: str, reach: Reach) -> TenantId | None:
        """Whose plan it is."""

    async def import_jobs(
        self, reach: Reach, wanted: ImportFilter, *, first: int, after: str | None = None
    ) -> Slice[ImportJob]:
        """Newest first; ``after`` is the last import id seen (ids sort by time)."""

    async def import_page(self, reach: Reach, wanted: ImportFilter, *, page: int, page_size: int) -> Page[ImportJob]:
        """The same list by page number, counted; no job has its outcome, which is as large as the import."""

    async def installed(
        self, reach: Reach, *, package_name: str, first: int, after: tuple[str, str, str] | None
    ) -> Slice[InstalledPackage]:
        """Installed packages by tenant, name key and source; ``after`` is the last of these seen."""

    async def installed_page(
        self, reach: Reach, *, package_name: str, page: int, page_size: int
    ) -> Page[InstalledPackage]:
        """The same list by page number, counted."""

    async def past_runs(self, count: int) -> list[PastRun]:
        """The last imports of the installation that changed a tenant without waiting for a decision."""

    async def tenants_holding(self, artifact_ids: Collection[str], reach: Reach) -> dict[ArtifactId, TenantId]:
        """Non-deleted artifacts with these ids in the reach, and one tenant each (R21)."""


class JobRows(Protocol):
    """The worker's side of the job rows. Time is the database's."""

    async def claim(self, owner: str, *, lease_seconds: float) -> ImportJob | None:
        """Take the next queued job, fair between tenants, one running APPLY job a tenant; RUNNING, fence + 1."""

    async def renew(self, import_id: ImportId, fence: int, *, lease_seconds: float) -> bool:
        """Keep the lease; returns whether a cancel was asked for. Raises :class:`LeaseLostError`."""

    async def requeue_lost(self, *, all_running: bool = False) -> list[ImportId]:
        """Jobs whose lease ran out go back to QUEUED. ``all_running``: every one, when nobody else can be alive."""

    async def soon_overdue(self, now: datetime, until: datetime) -> list[tuple[TenantId, ImportId]]:
        """Waiting imports whose time is over between the two, and of which nobody was told."""

    async def overdue_waiting(self, now: datetime) -> list[tuple[TenantId, ImportId]]:
        """Waiting imports past their time."""

    async def with_leftovers(self) -> list[tuple[TenantId, ImportId]]:
        """Ended imports that still hold revisions."""
