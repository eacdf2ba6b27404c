"""What the REST door answers, described: the models behind the OpenAPI document and the oracle of its tests.

Nothing is written through them: :mod:`rest_compat.bodies` makes the answers. A member without a mark is one of the
documented shapes (A1, A2; installhub.md sections 6 to 9); *ours* marks what we add to them (decisions R29, section
9.4). Here a member that is neither is an error; callers are promised no closed set, so the document stays open.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel, StringConstraints

from rest_compat.binding_shapes import PlanBindingRow
from rest_compat.going_shapes import QueuePlace, TimeLeft
from rest_compat.list_shapes import (
    AuditRow,
    ConflictAuditRow,
    ContentSide,
    CountedPage,
    DifferenceBody,
    HistoryRow,
    InstalledPackageRow,
    ListedImport,
    NeighbourRow,
    PathConflictRow,
    TouchRow,
)
from rest_compat.plan_shapes import ApprovalRow, ImpactBody, PlanActionRow, PlanStateWord
from rest_compat.shapes import (
    ActionCounts,
    ActionRow,
    ArtifactRow,
    BroughtPackage,
    CheckRow,
    ConflictsDecided,
    ConflictsOpen,
    Count,
    DroppedRow,
    EndpointsMapped,
    ErrorRow,
    EventWord,
    ExportedPackage,
    ExternalRow,
    FindingCounts,
    FineTime,
    FoundConflict,
    InstalledRow,
    OpenShape,
    Powers,
    ResolvedRow,
    Retried,
    ScanVerdict,
    Shape,
    SkippedRow,
    StageWord,
    StatusWord,
    Strategy,
    Time,
    Url,
    WarningRow,
    always,
    maybe,
    ours,
    ours_maybe,
)
from rest_compat.undo_shapes import UndoRow


class ErrorAnswer(OpenShape):
    """Every refusal. Further members belong to the code: `required`, `limit`, `actual`, `plan`, `importId`, `cycle`."""

    error: str = always("The code that answers for everything in `errors`. Act on this.")
    message: str = always("A sentence to show.")
    errors: list[ErrorRow] = always("Every problem at once, at most a hundred.")


class _Installing(Retried):
    packages: list[BroughtPackage] = ours_maybe("Of an install: every package of it, what is needed first.")
    index_version: Count = ours_maybe("Of an install: the version of the hub's index that it was resolved against.")
    powers: Powers = ours_maybe("Of an install: what its packages can do.")
    new_powers: Powers = ours_maybe("Of an install: what of that the versions in the tenant could not do before.")
    endpoints_mapped: EndpointsMapped = ours_maybe("What the endpoint mapping did, where one was sent.")
    undoes: list[str] = ours_maybe("Of an undo: the imports that it takes back.")


# A2
class ExportAnswer(ExportedPackage):
    """A package was made."""

    warnings: list[WarningRow] = ours("What is worth knowing about the request and the artifacts.")


# decisions section 9.4
class PackageRecord(ExportedPackage):
    """An exported package: the export's answer and what else is known."""

    package_type: str = ours("What its roots are.")
    description: str = ours_maybe("What it is for.")
    author: str = ours_maybe("Who made it.")
    tags: list[str] = ours("Words to find it by.")
    tenant_id: str = ours("The tenant it was exported from.")
    exported_by: str = ours("Who exported it.")
    bundle_size: Count = ours("Bytes of the ZIP.")
    expires_at: Time = ours("Until when the ZIP is kept; each download moves it.")
    download_url: Url = ours("Where its ZIP is, for a link in a page.")


# decisions R40
class DeletedPackage(Shape):
    """A package that is no longer to be had."""

    package_id: str = always("Its id.")
    package_name: str = always("Its name.")
    version: str = always("Its version, which stays taken.")
    tenant_id: str = always("The tenant it was exported from.")
    deleted_at: Time = always("Since when nobody gets it.")


# A2
class PreviewAnswer(Shape):
    """What an export would hold. Nothing was made."""

    root_artifacts: list[ArtifactRow] = always("What was asked for, in that order.")
    resolved_dependencies: list[ResolvedRow] = always("What comes along, in the order in which it was found.")
    total_artifacts: Count = always("Both together.")
    install_order: list[str] = always("All ids, each after what it needs; empty when there is a circle.")
    has_circular_dependency: bool = always(
        "Whether artifacts refer to each other in a circle; then no export can be made."
    )
    warnings: list[WarningRow] = always("What is worth knowing.")
    cycle: list[str] = ours_maybe("The circle, its first id again at the end.")
    external_references: list[ExternalRow] = ours_maybe("What other packages would be left to bring.")
    suggested_version: str = ours_maybe("The lowest version that tells of what changed since the package's last one.")


# A1
class ImportAnswer(_Installing):
    """The import has ended well."""

    import_id: str = always("The import's id, `imp-…`.")
    package_id: str = always("The package's id.")
    package_name: str = always("Its name.")
    version: str = always("Its version.")
    status: Literal["Success"] = always("How the import stands.")
    artifacts_installed: Count = always(
        "Artifacts that are now in the tenant as decided; those skipped are not counted."
    )
    conflicts_resolved: Count = always("Conflicts that got a decision.")
    installed_at: Time = always("When everything became active, at once.")
    installed_by: str = always("Who imported it.")
    install_order: list[str] = always("The package's artifact ids, each after what it needs.")
    conflict_report: ConflictsDecided = always("The conflicts and what was done about them.")
    security_scan_result: ScanVerdict = maybe("What the security scan said; an undo is not scanned.")
    warnings: list[WarningRow] = always("What is worth knowing.")
    artifacts_skipped: Count = always("Artifacts that were left as they were.")
    installed: list[InstalledRow] = always("What was written.")
    skipped: list[SkippedRow] = always("What was left as it was.")
    removed: list[DroppedRow] = ours("What was taken away because the package does not hold it any more.")
    id_remap_table: dict[str, str] = always("The package's ids, and the tenant's ids that stand for them now.")
    artifacts_written: Count = ours("Artifacts that got a new revision.")
    artifacts_unchanged: Count = ours("Artifacts that were there already, the same.")
    counts: ActionCounts = ours("How many artifacts got which action.")
    plan_id: str = ours("The plan that was carried out.")
    plan_hash: str = ours("SHA-256 of that plan without its times.")
    backup_package_id: str = ours_maybe("The package that holds what was replaced; see `backupBeforeReplace`.")
    backup_package_url: Url = ours_maybe("Where to look at that package.")
    undo: UndoRow = ours_maybe("How its undo stands, where the import is looked at.")


# decisions section 9.4, *dry run*
class PlanMembers(_Installing):
    """What a plan says."""

    import_id: str = ours("The import, or dry run, that made it.")
    status: StatusWord = ours("How that import stands.")
    plan_id: str = ours("The plan's id.")
    plan_hash: str = ours("SHA-256 of the plan without its times.")
    expires_at: Time = ours("Until when the plan may be carried out.")
    package_id: str = ours("The package's id.")
    package_name: str = ours("Its name.")
    version: str = ours("Its version.")
    would_install: list[str] = always("Names of the artifacts that the tenant would have as the import decides.")
    conflicts_found: list[FoundConflict] = always("The conflicts, decided or not.")
    would_remove: list[DroppedRow] = ours("What would be taken away because the package does not hold it any more.")
    counts: ActionCounts = ours("How many artifacts get which action.")
    security_scan_result: ScanVerdict = maybe("What the security scan said; an undo is not scanned.")
    estimated_install_order: list[str] = always("The package's artifact ids, each after what it needs.")
    warnings: list[WarningRow] = always("What is worth knowing.")
    blockers: list[ErrorRow] = ours("What would stop the import itself.")
    actions: list[ActionRow] = ours("Every action, in install order.")
    bindings: list[PlanBindingRow] = ours("The places that need a value of the tenant, in install order.")
    scan_report_url: Url = ours_maybe("Where the scan's report is, if there was a scan.")


class DryRunAnswer(PlanMembers):
    """What an import would do. Nothing was written."""

    is_dry_run: Literal[True] = always("Always true.")
    status: Literal["Success"] = ours("How the dry run stands.")


class PlanAnswer(PlanMembers):
    """A plan, shown again: that of a dry run, or that of an import; and how it stands now."""

    is_dry_run: bool = always("False for the plan of an import.")
    state: PlanStateWord = ours("How it stands: whether it can be applied, and what is missing.")
    created_by: str = ours("Who made it.")
    applied_by: str = ours_maybe("The import that carries it out.")
    approvals: list[ApprovalRow] = ours("Who agreed to it.")
    approvals_missing: Count = ours("How many others have to agree to it first.")
    impact: ImpactBody = ours("What it means for others.")


# decisions section 9.4, *409*
class PendingConflicts(Retried):
    """The import waits for decisions. Nothing was written yet."""

    error: Literal["ConflictRequiresResolution"] = always("Always this code.")
    message: str = always("A sentence to show.")
    import_id: str = always("The import that waits.")
    resume_url: Url = always("Where to send the decisions.")
    expires_at: Time | None = always("When it is given up.")
    conflict_report: ConflictsOpen = always("What to decide.")
    warnings: list[WarningRow] = ours_maybe("What is worth knowing before deciding.")
    errors: list[ErrorRow] = ours("The same as a list, as in every refusal.")


class WaitingImport(PendingConflicts):
    """An import that waits for decisions, looked at."""

    status: Literal["PendingConflictResolution"] = always("How the import stands.")


class HeldImport(Retried):
    """An import that is held and verified, and waits to be switched on. Nobody sees anything of it yet."""

    import_id: str = always("The import's id.")
    status: Literal["PendingActivation"] = always("How the import stands.")
    status_url: Url = always("Where to look how it stands.")
    activate_url: Url = always("Where to switch it on.")
    expires_at: Time | None = always("When it is given up.")


class RunningImport(Retried):
    """An import in line or on its way."""

    import_id: str = always("The import's id.")
    status: Literal["InProgress"] = always("How the import stands.")
    stage: StageWord = always("Where it is.")
    progress: str = always("`3 of 5 artifacts installed`.")
    last_event: Count = ours("The number of its last event.")
    events_url: Url = ours_maybe("Where its events are.")
    queue: QueuePlace = ours_maybe("Its place in line, while it is there.")
    eta: TimeLeft = ours_maybe("The time that is left, where past runs tell it.")


class FailedImport(Retried, OpenShape):
    """The import ended, and the tenant is as it was. Further members belong to the code, as in every refusal."""

    import_id: str = always("The import's id.")
    status: Literal["Failed", "Cancelled", "Expired"] = always("How the import stands.")
    stage: StageWord = always("Where it ended.")
    error: str = always("The code that answers for everything in `errors`. Act on this.")
    message: str = always("A sentence to show.")
    errors: list[ErrorRow] = ours("Every problem at once, at most a hundred.")
    rolled_back: Literal[True] = always("Nothing of it is left in the tenant.")
    scan_report_url: Url = maybe("Where the scan's report is, when the scan ended it.")


class ImportOutcome(RootModel[ImportAnswer | DryRunAnswer]):
    """What a finished import answers: what it did, or, for a dry run, what it would do."""


class ImportRecord(RootModel[RunningImport | WaitingImport | HeldImport | ImportAnswer | DryRunAnswer | FailedImport]):
    """An import as it now stands; `status` says which of these it is, and a dry run has `isDryRun`."""


# decisions R18
class AcceptedAnswer(Retried):
    """The import goes on without its caller."""

    import_id: str = always("The import's id.")
    status_url: Url = always("Where to look how it stands.")
    status: Literal["InProgress", "PendingActivation"] = always("How the import stands.")
    activate_url: Url = ours_maybe("Where to switch it on, once it is held for that.")
    expires_at: Time = ours_maybe("When it is given up, while it waits to be switched on.")
    warnings: list[WarningRow] = ours_maybe("What is worth knowing about the request.")


# installhub.md section 9.1
class ScanReportAnswer(Shape):
    """What the security scan found in a package. Never changed."""

    package_id: str = always("The package's id.")
    version: str = always("The package's version.")
    overall_result: ScanVerdict = always("The verdict; the worst finding decides.")
    scanned_at: Time = always("When.")
    duration_ms: Count = always("How long it took.")
    check_results: list[CheckRow] = always("Family by family.")
    summary: FindingCounts = always("How many findings, by severity.")
    import_id: str = ours("The import that was scanned.")
    rules_version: str = ours("Which rules were looked for.")
    error: str = ours_maybe("Why the scan came to no end.")


class UploadAnswer(Shape):
    """A ZIP that waits for its import."""

    upload_id: str = always("Send it as `uploadId` with an import.")
    size_bytes: Count = always("Bytes of the ZIP as they came.")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = always("SHA-256 of these bytes.")
    expires_at: Time = always("When it is dropped if no import has used it.")


class PlanActionsAnswer(CountedPage):
    """A plan's actions, in install order."""

    items: list[PlanActionRow] = always("This page's actions.")


class ImportsPage(CountedPage):
    """Imports, newest first."""

    items: list[ListedImport] = always("This page's imports.")


class AuditAnswer(Shape):
    """What was done with an import, and by whom."""

    import_id: str = always("The import.")
    entries: list[AuditRow] = always("Oldest first.")


# decisions R20
class EventLine(Shape):
    """One event of an import: a line of `application/x-ndjson`, or the data of a server-sent event."""

    import_id: str = always("The import.")
    first_seq: Annotated[int, Field(ge=1)] = always("The first number this event stands for.")
    seq: Annotated[int, Field(ge=1)] = always("The last number this event stands for: send it as `after`.")
    at: FineTime = always("When it was written.")
    kind: EventWord = always("What it tells.")
    status: StatusWord = always("How the import stands since then.")
    stage: StageWord = always("Where it is.")
    done: Count = always("How much of the stage is done.")
    total: Count | None = always("How much there is in the stage; null while nobody knows.")
    percent: Annotated[float, Field(ge=0, le=100)] = always("How far the whole import is. Never falls.")
    progress: str = always("`3 of 5 artifacts installed`.")
    artifact_name: str = maybe("The artifact that it is about.")
    message: str = always("A sentence to show.")
    problem: ErrorRow = maybe("What was found.")
    is_final: bool = always("True for the last event there will ever be.")


# installhub.md section 6.8
class HistoryPage(CountedPage):
    """Every export of a tenant that was tried, newest first."""

    items: list[HistoryRow] = always("This page's exports.")


class InstalledPage(CountedPage):
    """Which tenant has which version of which package."""

    items: list[InstalledPackageRow] = always("This page's packages.")


# installhub.md section 4.4
class NeighboursPage(Shape):
    """A tenant's published artifacts of one type."""

    items: list[NeighbourRow] = always("This page's artifacts.")


# installhub.md section 8.10
class ConflictAudit(Shape):
    """The conflicts of an import and who decided them."""

    import_id: str = always("The import.")
    conflicts_detected: Count = always("How many there were.")
    conflicts_resolved: Count = always("How many have been decided.")
    conflicts: list[ConflictAuditRow] = always("In install order.")


# installhub.md section 8.7
class ConflictDiff(Shape):
    """Both sides of a conflict, and how they differ."""

    conflict_id: str = always("The conflict.")
    artifact_type: str = always("The artifact's type.")
    artifact_name: str = always("Its name.")
    existing: ContentSide = always("What the tenant has.")
    package: ContentSide = always("What the package brings, under the tenant's ids.")
    diff: DifferenceBody = always("How they differ.")
    suggested_strategies: list[Strategy] = always("What can be chosen.")
    paths: list[PathConflictRow] = ours_maybe("Places that both sides changed, where a merge asks whose value stands.")


# installhub.md section 8.10
class ArtifactAudit(Shape):
    """Imports that touched an artifact, newest first."""

    results: list[TouchRow] = always("This page's imports.")
    total_count: Count = ours("How many there are on all pages.")
    page: Annotated[int, Field(ge=1)] = ours("Which page this is; the first is 1.")
    page_size: Annotated[int, Field(ge=1)] = ours("How many a page holds at most.")
