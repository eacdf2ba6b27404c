"""Imports: the record, how far it is, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import strawberry

from domain import import_model
from domain.batch_rows import QueueReason
from domain.errors import BY_WIRE, ErrorCode, problem_of
from domain.import_model import EventKind, ImportKind, ImportMode, ImportState, Stage
from domain.market.installs import install_id
from domain.rows import Slice
from domain.timing import eta
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.context import Info
from schema.endpoints import EndpointsMapped
from schema.fields import described
from schema.histories import AuditedConflict
from schema.nodes import Node, upward
from schema.packages import Package
from schema.plans import Conflict, Plan
from schema.scalars import Json
from schema.scans import ScanReport
from schema.undos import Undo
from schema.values import Actor, Problem

#: an audit compares what every merge of the import met and made, which costs as much as very many rows
_AUDIT_COST = 490


@strawberry.type(
    description="How long an import still runs, from past runs like it; for one in line, once its turn has come."
)
class Eta:
    p50_seconds: int = strawberry.field(description="Half of those like it were done by then.")
    p90_seconds: int = strawberry.field(description="Nine of ten were.")


@strawberry.type(description="How far an import is. Written down with the work itself, never by a timer.")
class Progress:
    stage: Stage | None = strawberry.field(description="The stage it is in; null before the first.")
    done: int = strawberry.field(description="How many artifacts this stage is done with.")
    total: int | None = strawberry.field(description="Of how many, once known.")
    percent: float = strawberry.field(description="Of the whole run, weighted by measured cost. Never falls.")
    artifact_name: str | None = strawberry.field(description="The last artifact dealt with.")
    job: strawberry.Private[import_model.ImportJob | None]

    @described("How long it still runs; null in the journal, while it waits or is over, and where nobody can know.")
    async def eta(self, info: Info) -> Eta | None:
        found = eta(self.job, self.percent, await info.context.pace(self.job.tenant_id)) if self.job else None
        return Eta(p50_seconds=found.p50_seconds, p90_seconds=found.p90_seconds) if found else None

    @classmethod
    def of(cls, progress: import_model.Progress, job: import_model.ImportJob | None = None) -> Progress:
        return cls(
            job=job,
            stage=progress.stage,
            done=progress.done,
            total=progress.total,
            percent=progress.percent,
            artifact_name=progress.artifact_name or None,
        )


@strawberry.type(
    description="A numbered line of an import's journal. A slow reader gets several lines of progress as one:"
    " `firstSeq` to `seq`. Nothing was lost when `firstSeq` is your last `seq` + 1."
)
class ProgressEvent:
    first_seq: int = strawberry.field(description="The first number this event stands for.")
    seq: int = strawberry.field(description="The last number this event stands for: send it as `after`.")
    at: datetime = strawberry.field(description="When it was written.")
    kind: EventKind = strawberry.field(description="What it tells.")
    state: ImportState = strawberry.field(description="The import's state since then.")
    progress: Progress = strawberry.field(description="How far the import was.")
    message: str = strawberry.field(description="A sentence to show.")
    problem: Problem | None = strawberry.field(description="What was found.")
    is_final: bool = strawberry.field(description="True for the last event there will ever be.")
    import_id: strawberry.ID = strawberry.field(description="The import's id.")

    @described("The import as it is now.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.import_id)

    @classmethod
    def of(cls, event: import_model.ProgressEvent) -> ProgressEvent:
        return cls(
            first_seq=event.first_seq,
            seq=event.seq,
            at=event.at,
            kind=event.kind,
            state=event.state,
            progress=Progress.of(event.progress),
            message=event.message,
            problem=Problem.of(event.problem) if event.problem else None,
            is_final=event.is_final,
            import_id=strawberry.ID(event.import_id),
        )


@strawberry.type(description="A queued import's place in its tenant's line.")
class QueuePlace:
    position: int = strawberry.field(description="1 for the next one.")
    reason: QueueReason = strawberry.field(description="Why it waits.")
    holder_lease_until: datetime | None = strawberry.field(
        description="Until when that import is taken to be alive: its worker moves this on; a dead one's place is free."
    )
    holder_id: strawberry.Private[str | None]

    @described("The import that runs there now.", upward("ImportJob", "imports") | None)
    async def holder(self, info: Info) -> Node | None:
        return await info.context.import_job(self.holder_id) if self.holder_id else None


@strawberry.type(description="An artifact's id in the package, and in the tenant.")
class IdPair:
    source_id: str = strawberry.field(description="In the package.")
    target_id: str = strawberry.field(description="In the tenant.")


@strawberry.type(description="What a successful import did.")
class Outcome:
    created: int = strawberry.field(description="New artifacts.")
    updated: int = strawberry.field(description="Replaced ones.")
    merged: int = strawberry.field(description="Merged ones.")
    copied: int = strawberry.field(description="Copies beside what was there.")
    skipped: int = strawberry.field(description="Left as they were, by decision.")
    removed: int = strawberry.field(description="Removed ones.")
    unchanged: int = strawberry.field(description="The same on both sides: nothing was written.")
    conflicts_resolved: int = strawberry.field(description="Conflicts that were decided.")
    id_remap: list[IdPair] = strawberry.field(description="The id each artifact has in the tenant, in install order.")
    warnings: list[Problem] = strawberry.field(description="What is worth knowing.")

    @classmethod
    def of(cls, outcome: Mapping[str, Any]) -> Outcome:
        counts, remap = outcome["counts"], outcome["idRemapTable"]
        return cls(
            created=counts["create"],
            updated=counts["update"],
            merged=counts["merge"],
            copied=counts["copy"],
            skipped=counts["skip"],
            removed=counts["remove"],
            unchanged=counts["unchanged"],
            conflicts_resolved=outcome["conflictsResolved"],
            id_remap=[IdPair(source_id=source, target_id=target) for source, target in remap.items()],
            warnings=[Problem.of(problem_of(row)) for row in outcome["warnings"]],
        )


@strawberry.type(description="How an import ended badly. The tenant is as it was before.")
class Failure:
    stage: Stage | None = strawberry.field(description="Where it was found.")
    code: ErrorCode = strawberry.field(description="What kind of failure. Act on this.")
    message: str = strawberry.field(description="A sentence to show.")
    problems: list[Problem] = strawberry.field(description="Everything that was found.")
    rolled_back: bool = strawberry.field(description="Nothing of the import remains.")

    @classmethod
    def of(cls, failure: import_model.Failure) -> Failure:
        return cls(
            stage=failure.stage,
            code=BY_WIRE[failure.code],
            message=failure.message,
            problems=[Problem.of(problem) for problem in failure.problems],
            rolled_back=failure.rolled_back,
        )


@strawberry.type(description="An unchangeable line: who did what with an import, and when.")
class AuditEntry:
    at: datetime = strawberry.field(description="When.")
    actor: Actor = strawberry.field(description="Who.")
    action: str = strawberry.field(description="What was done: `import.resumed`.")
    details: Json = strawberry.field(description="What else is known of it, in REST's spelling.")

    @classmethod
    def of(cls, entry: import_model.AuditEntry) -> AuditEntry:
        return cls(at=entry.at, actor=Actor.of(entry.actor), action=entry.action, details=Json(dict(entry.details)))


@strawberry.type(description="Bringing a package into a tenant: one job, one plan, one journal, kept for good.")
class ImportJob(Node):
    kind: ImportKind = strawberry.field(description="Where it comes from.")
    mode: ImportMode = strawberry.field(description="Whether it brings artifacts in, or only plans.")
    is_dry_run: bool = strawberry.field(description="True when it only plans.")
    state: ImportState = strawberry.field(description="Where it stands.")
    package_name: str | None = strawberry.field(description="The package, once its manifest was read.")
    package_version: str | None = strawberry.field(description="Its version, once its manifest was read.")
    submitted_by: Actor = strawberry.field(description="Who asked for it.")
    imported_by: str = strawberry.field(
        description="Who is named by it: the actor, or, for a service account, the person it named as `importedBy`."
    )
    submitted_at: datetime = strawberry.field(description="When it was asked for.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    expires_at: datetime | None = strawberry.field(description="When it is given up, while it waits for somebody.")
    failure: Failure | None = strawberry.field(description="How it ended badly.")
    job: strawberry.Private[import_model.ImportJob]

    @described("The tenant it brings artifacts into.", upward("Tenant", "tenants"))
    async def tenant(self, info: Info) -> Node:
        return await info.context.tenant(self.job.tenant_id)

    @described("What it did; null unless it succeeded in bringing in.")
    def outcome(self) -> Outcome | None:
        is_done = self.job.state is ImportState.SUCCEEDED and self.job.mode is ImportMode.APPLY
        return Outcome.of(self.job.outcome) if is_done and self.job.outcome else None

    @described("How far it is.")
    async def progress(self, info: Info) -> Progress:
        return Progress.of(await info.context.progress(self.job), self.job)

    @described("The export it reads; null for an uploaded file, or if it is foreign.", Package | None)
    async def source_package(self, info: Info) -> Node | None:
        source = self.job.packages[0].source_package if self.job.packages else None
        return await info.context.package(source) if source else None

    @described(
        "The install that it carries out; null for one that came from elsewhere.", upward("Install", "installs") | None
    )
    async def install(self, info: Info) -> Node | None:
        return await info.context.install(install_id(self.job)) if self.job.install else None

    @described("Its place in line, while it is QUEUED.")
    async def queue(self, info: Info) -> QueuePlace | None:
        if self.job.state is not ImportState.QUEUED:
            return None
        spot = await info.context.queue_spot(self.job)
        if spot is None:
            return None
        return QueuePlace(
            position=spot.position,
            reason=spot.reason,
            holder_lease_until=spot.holder_lease_until,
            holder_id=spot.holder,
        )

    @described("What it will do, or did; null until it is planned.", Plan | None)
    async def plan(self, info: Info) -> Node | None:
        return await info.context.plan(self.job.plan_id) if self.job.plan_id else None

    @described("What the security scan found; null until it is done.")
    async def scan_report(self, info: Info) -> ScanReport | None:
        report = await info.context.scan_report(self.job)
        return ScanReport.of(report) if report else None

    @described("What it waits for, while it is WAITING_FOR_DECISIONS.")
    async def conflicts(self, info: Info) -> list[Conflict]:
        if self.job.state is not ImportState.WAITING_FOR_DECISIONS:
            return []
        actions = await info.context.open_actions(self.job)
        info.context.spend(len(actions))
        return [Conflict.of(action, self.id) for action in actions]

    @described("Its conflicts in install order, decided or not, and who decided them.")
    async def conflict_audit(self, info: Info, first: First = 20, after: After = None) -> Connection[AuditedConflict]:
        asked, cursors, size = info.context, Cursors("conflictAudit", self.id), page_size(first)
        seen = cursors.number(after)
        asked.spend(_AUDIT_COST)
        found = await asked.services.conflicts.audit(asked.caller, self.id, asked.reach)
        rest = [one for one in found if seen is None or one.action.place > seen]
        page = Slice(tuple(rest[:size]), has_next=len(rest) > size)
        return connection(
            page,
            cursors,
            after,
            node=lambda one: AuditedConflict.of(one, self.id),
            key=lambda one: (one.action.place,),
        )

    @described("The import that this one tries again; null for a first attempt.", upward("ImportJob", "imports") | None)
    async def retry_of(self, info: Info) -> Node | None:
        return await info.context.import_job(self.job.retry_of) if self.job.retry_of else None

    @described(
        "What was there before it replaced or merged anything, as a package; null without `backupBeforeReplace`.",
        Package | None,
    )
    async def backup_package(self, info: Info) -> Node | None:
        backup = (self.job.outcome or {}).get("backupPackageId")
        return await info.context.package(backup) if backup else None

    @described("What its endpoint mapping does to the package; null without one, and until it is planned.")
    def endpoints_mapped(self) -> EndpointsMapped | None:
        return EndpointsMapped.of(self.job.outcome or {})

    @described("Whether it can be taken back, and what it took back itself.")
    async def undo(self, info: Info) -> Undo:
        return Undo.of(self.job, await info.context.undoing.standing(self.job))

    @described("Who did what with it, oldest first.")
    async def audit(self, info: Info) -> list[AuditEntry]:
        entries = await info.context.audit(self.job)
        info.context.spend(len(entries))
        return [AuditEntry.of(entry) for entry in entries]

    @described("Its journal after a number, unmerged.")
    async def events(
        self,
        info: Info,
        after: Annotated[int, strawberry.argument(description="The last number already seen.")] = 0,
        first: Annotated[int, strawberry.argument(description="How many, at most 100.")] = 100,
    ) -> list[ProgressEvent]:
        found = await info.context.events(self.job, after=after, first=page_size(first))
        info.context.spend(len(found))
        return [ProgressEvent.of(event) for event in found]

    @classmethod
    def of(cls, job: import_model.ImportJob) -> ImportJob:
        return cls(
            id=strawberry.ID(job.import_id),
            kind=job.kind,
            mode=job.mode,
            is_dry_run=job.mode is ImportMode.PLAN,
            state=job.shown_state,
            package_name=job.package_name,
            package_version=job.package_version,
            submitted_by=Actor.of(job.submitted_by),
            imported_by=job.imported_by,
            submitted_at=job.submitted_at,
            ended_at=job.ended_at,
            expires_at=job.expires_at if job.state.is_waiting else None,
            failure=Failure.of(job.failure) if job.failure else None,
            job=job,
        )
