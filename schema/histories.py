"""What became of things: exports that were tried, conflicts that were met, imports that touched an artifact."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import conflicts, rows
from domain.conflicts import ConflictOutcome
from domain.options import StrategyWish
from domain.plan_model import DecisionSource
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.packages import Package
from schema.plans import Conflict
from schema.scalars import Long
from schema.values import Actor


@strawberry.input(description="Which exports a history shows.")
class ExportFilter:
    exported_by: str | None = strawberry.field(
        default=None, description="Only this person's: the e-mail address, else the subject."
    )
    since: datetime | None = strawberry.field(default=None, description="Tried at or after this time.")
    until: datetime | None = strawberry.field(default=None, description="Tried before this time.")

    def wanted(self) -> rows.HistoryFilter:
        return rows.HistoryFilter(exported_by=self.exported_by or "", since=self.since, until=self.until)


@strawberry.type(description="An export that was tried. Never changed.")
class ExportRecord:
    key: strawberry.ID = strawberry.field(description="Its own id, `exp-…`.")
    package_name: str = strawberry.field(description="The name that was asked for.")
    version: str = strawberry.field(description="The version that was asked for.")
    root_artifact_ids: list[str] = strawberry.field(description="What was asked for.")
    exported_by: str = strawberry.field(description="Who asked.")
    exported_at: datetime = strawberry.field(description="When.")
    is_success: bool = strawberry.field(description="Whether it made a package.")
    error_message: str | None = strawberry.field(description="Why it made none: REST's code and a sentence.")
    artifact_count: int = strawberry.field(description="How many artifacts the package holds; 0 without one.")
    checksum: str | None = strawberry.field(description="SHA-256 of the package's artifact files.")
    size_bytes: Long = strawberry.field(description="The size of the ZIP; 0 without one.")
    package_id: strawberry.Private[str | None]

    @described("The package that it made.", Package | None)
    async def exported_package(self, info: Info) -> Node | None:
        return await info.context.package(self.package_id) if self.package_id else None

    @classmethod
    def of(cls, line: rows.ExportLine) -> ExportRecord:
        record = line.record
        return cls(
            key=strawberry.ID(record["exportId"]),
            package_name=record["packageName"],
            version=record["version"],
            root_artifact_ids=list(record["rootArtifactIds"]),
            exported_by=record["exportedBy"],
            exported_at=datetime.fromisoformat(record["exportedAt"]),
            is_success=record["errorMessage"] is None,
            error_message=record["errorMessage"],
            artifact_count=record["artifactCount"],
            checksum=record["checksum"],
            size_bytes=Long(record["bundleSize"]),
            package_id=record["packageId"],
        )


@strawberry.type(description="What a merge did to the tenant's artifact, by paths such as `rules[0].condition`.")
class MergeDetails:
    updated: list[str] = strawberry.field(description="Places that got the package's value.")
    added: list[str] = strawberry.field(description="Places that were new.")
    removed: list[str] = strawberry.field(description="Places that were taken away.")
    is_truncated: bool = strawberry.field(description="Whether there is more than is shown.")

    @classmethod
    def of(cls, merge: conflicts.MergeDetails) -> MergeDetails:
        return cls(
            updated=list(merge.updated),
            added=list(merge.added),
            removed=list(merge.removed),
            is_truncated=merge.is_truncated,
        )


@strawberry.type(description="A conflict of an import, and who decided it.")
class AuditedConflict:
    conflict: Conflict = strawberry.field(description="The conflict, with what was decided.")
    decided_by: DecisionSource | None = strawberry.field(description="How it was decided; null while it waits.")
    resolved_by: Actor | None = strawberry.field(description="Who decided it by hand; null when nobody did.")
    resolved_at: datetime | None = strawberry.field(description="When; null while it waits.")
    outcome: ConflictOutcome | None = strawberry.field(
        description="What became of it; null until the import has ended, and for a dry run."
    )
    merge_details: MergeDetails | None = strawberry.field(description="What the merge did; null when there was none.")

    @classmethod
    def of(cls, audited: conflicts.AuditedConflict, import_id: str) -> AuditedConflict:
        action = audited.action
        return cls(
            conflict=Conflict.of(action, import_id),
            decided_by=action.decided_by if action.strategy else None,
            resolved_by=Actor.of(audited.resolved_by) if audited.resolved_by else None,
            resolved_at=audited.resolved_at,
            outcome=audited.outcome,
            merge_details=MergeDetails.of(audited.merge) if audited.merge else None,
        )


@strawberry.type(description="What an import did with an artifact.")
class ArtifactTouch:
    imported_at: datetime = strawberry.field(description="When the import ended.")
    package_name: str = strawberry.field(description="The package.")
    package_version: str = strawberry.field(description="Its version.")
    conflict_key: strawberry.ID | None = strawberry.field(description="The conflict; null when there was none.")
    strategy: StrategyWish | None = strawberry.field(description="What was decided; null when nothing was to be.")
    previous_version: str | None = strawberry.field(description="The artifact's version before; null for a new one.")
    new_version: str = strawberry.field(description="The artifact's version since then.")
    import_id: strawberry.Private[str]

    @described("The import.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.import_id)

    @classmethod
    def of(cls, touch: rows.Touch) -> ArtifactTouch:
        return cls(
            imported_at=touch.imported_at,
            package_name=touch.package_name,
            package_version=touch.package_version,
            conflict_key=strawberry.ID(touch.conflict_key) if touch.conflict_key else None,
            strategy=StrategyWish(touch.strategy.value) if touch.strategy else None,
            previous_version=touch.previous_version,
            new_version=touch.new_version,
            import_id=touch.import_id,
        )


def touch_key(touch: rows.Touch) -> tuple[str, int]:
    """What lists of touches are ordered by, after the time of the import's end."""
    return touch.import_id, touch.place
