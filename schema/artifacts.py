"""Artifacts, their history, and where they came from."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import model
from domain.artifact_types import ArtifactType
from domain.model import ArtifactHead, ArtifactStatus, name_key
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, artifact_node_id, upward
from schema.scalars import Json
from schema.values import Actor, ArtifactName


@strawberry.input(description="Which artifacts a list shows; deleted ones only when asked for by status.")
class ArtifactFilter:
    search: str | None = strawberry.field(default=None, description="A part of the name, in any case.")
    artifact_types: list[ArtifactType] | None = strawberry.field(default=None, description="Only these kinds.")
    statuses: list[ArtifactStatus] | None = strawberry.field(default=None, description="Only these statuses.")
    origin_package: str | None = strawberry.field(default=None, description="Only what this package put here.")
    origin_artifact_id: str | None = strawberry.field(default=None, description="Only copies of this source artifact.")
    is_changed_since_import: bool | None = strawberry.field(
        default=None, description="Only imported ones that were changed here, or that were not."
    )

    def wanted(self) -> model.ArtifactFilter:
        return model.ArtifactFilter(
            search=self.search or "",
            artifact_types=tuple(dict.fromkeys(self.artifact_types or ())),
            statuses=tuple(dict.fromkeys(self.statuses or ())),
            origin_package=self.origin_package or "",
            origin_artifact_id=self.origin_artifact_id or "",
            is_changed_since_import=self.is_changed_since_import,
        )


@strawberry.type(description="Which package put an artifact here.")
class Origin:
    package_name: str = strawberry.field(description="The package.")
    package_version: str = strawberry.field(description="Its version.")
    source_artifact_id: str = strawberry.field(description="The artifact's id in the package.")
    import_id: strawberry.Private[str]

    @described("The import that did it.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.import_id)

    @classmethod
    def of(cls, origin: model.Origin) -> Origin:
        return cls(
            package_name=origin.package_name,
            package_version=origin.package_version,
            source_artifact_id=origin.source_id,
            import_id=origin.import_id,
        )


@strawberry.type(description="One saved state of an artifact.")
class Revision:
    number: int = strawberry.field(description="1 for the first state of its artifact.")
    name: str = strawberry.field(description="The artifact's name in this state.")
    version: str = strawberry.field(description="The artifact's version in this state.")
    status: ArtifactStatus = strawberry.field(description="The artifact's status in this state.")
    changed_at: datetime = strawberry.field(description="When it was written.")
    changed_by: Actor = strawberry.field(description="Who wrote it.")
    tenant_id: strawberry.Private[str]
    revision: strawberry.Private[model.Revision]

    @described("The artifact in this state.")
    async def content(self, info: Info) -> Json:
        return Json(await info.context.content(self.tenant_id, self.revision.revision_id))

    @described("The import that wrote it; null for a save.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.revision.import_id) if self.revision.import_id else None

    @classmethod
    def of(cls, tenant_id: str, revision: model.Revision) -> Revision:
        return cls(
            number=revision.number,
            name=revision.name,
            version=revision.version,
            status=revision.status,
            changed_at=revision.written_at,
            changed_by=Actor.of(revision.written_by),
            tenant_id=tenant_id,
            revision=revision,
        )


@strawberry.type(description="One low-code thing of a tenant: a process, form, rule set, schema, app or agent.")
class Artifact(Node):
    artifact_id: str = strawberry.field(description="Unique in its tenant only: `form-2005`.")
    artifact_type: ArtifactType = strawberry.field(description="Its kind.")
    name: str = strawberry.field(description="Its name.")
    version: str = strawberry.field(description="Its semantic version.")
    status: ArtifactStatus = strawberry.field(description="Its status.")
    revision: int = strawberry.field(description="The number of its active revision: send it as `ifRevision`.")
    changed_at: datetime = strawberry.field(description="When the active revision was written.")
    changed_by: Actor = strawberry.field(description="Who wrote the active revision.")
    origin: Origin | None = strawberry.field(description="Which package put it here; null for what was made here.")
    is_changed_since_import: bool = strawberry.field(description="True when it was changed here after its import.")
    head: strawberry.Private[ArtifactHead]

    @described("Whose it is.", upward("Tenant", "tenants"))
    async def tenant(self, info: Info) -> Node:
        return await info.context.tenant(self.head.tenant_id)

    @described("The artifact itself.")
    async def content(self, info: Info) -> Json:
        return Json(await info.context.content(self.head.tenant_id, self.head.revision_id))

    @described("What it refers to, in install order.")
    async def references(self, info: Info) -> list[ArtifactName]:
        asked = info.context
        heads = await asked.references(self.head)
        asked.spend(len(heads))
        return [ArtifactName.of(head) for head in heads]

    @described("The artifacts that refer to it, by name.")
    async def used_by(self, info: Info, first: First = 20, after: After = None) -> Connection[Artifact]:
        asked, cursors = info.context, Cursors("usedBy", self.id)
        page = await asked.used_by(self.head, first=page_size(first), after=cursors.pair(after))
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Artifact.of, key=artifact_key)

    @described("Its history, newest first.")
    async def revisions(self, info: Info, first: First = 20, after: After = None) -> Connection[Revision]:
        asked, cursors, tenant_id = info.context, Cursors("revisions", self.id), self.head.tenant_id
        page = await asked.revisions(self.head, first=page_size(first), before=cursors.number(after))
        asked.spend(len(page.items))
        return connection(
            page, cursors, after, node=lambda item: Revision.of(tenant_id, item), key=lambda item: (item.number,)
        )

    @classmethod
    def of(cls, head: ArtifactHead) -> Artifact:
        return cls(
            id=artifact_node_id(head.tenant_id, head.artifact_id),
            artifact_id=head.artifact_id,
            artifact_type=head.artifact_type,
            name=head.name,
            version=head.version,
            status=head.status,
            revision=head.revision,
            changed_at=head.changed_at,
            changed_by=Actor.of(head.changed_by),
            origin=Origin.of(head.origin) if head.origin else None,
            is_changed_since_import=head.imported_revision not in {None, head.revision},
            head=head,
        )


def artifact_key(head: ArtifactHead) -> tuple[str, str]:
    """What lists of artifacts are ordered by."""
    return name_key(head.name), head.artifact_id
