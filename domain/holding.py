"""From a plan's actions to revisions that can be held, in batches (pure; design: stack, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from domain.contents import file_and_hash, file_of, with_values
from domain.deflating import Deflated
from domain.model import Actor, ArtifactStatus, ImportId, Manifest, NewRevision, Origin, name_key
from domain.plan import Planned
from domain.plan_model import ActionKind, PlanAction
from domain.settling import remapped_references

#: a transaction of an import holds at most this, so that neighbours and watchers never wait long
BATCH_REVISIONS = 250
BATCH_BYTES = 4 << 20


@dataclass(slots=True)
class Batch:
    """Revisions for one transaction, and the merge bases that are no revision of their own."""

    revisions: list[NewRevision] = field(default_factory=list)
    bases: dict[str, bytes] = field(default_factory=dict)
    size: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written any more."""
        return not self.revisions and not self.bases

    @property
    def installed(self) -> int:
        """How many artifacts come with it; what it removes does not."""
        return sum(new.status is not ArtifactStatus.DELETED for new in self.revisions)

    @property
    def last_name(self) -> str:
        """The artifact that was dealt with last."""
        return self.revisions[-1].name if self.revisions else ""

    @property
    def is_full(self) -> bool:
        """Whether it should be written before more is added."""
        return len(self.revisions) >= BATCH_REVISIONS or self.size >= BATCH_BYTES


@dataclass(frozen=True, slots=True)
class Author:
    """Whose import it is, for the rows it writes."""

    import_id: ImportId
    actor: Actor
    at: datetime


def origin_of(manifest: Manifest, source_id: str, import_id: ImportId) -> Origin:
    """Where an artifact of this package comes from, as the tenant keeps it (R3, R4)."""
    return Origin(
        package_key=name_key(manifest.name),
        package_name=manifest.name,
        package_version=manifest.version,
        source=manifest.tenant_id,
        source_id=source_id,
        import_id=import_id,
    )


def next_batch(planned: Planned, waiting: Iterator[PlanAction], author: Author) -> Batch:
    """Build revisions for the next transaction; empty when nothing waits any more."""
    batch = Batch()
    for action in waiting:
        if action.writes:
            revision = _revision(planned, action, author)
            batch.revisions.append(revision)
            batch.size += len(revision.body)
        merge = planned.merged.get(action.source_id)
        base = planned.inventory.bases.get(action.source_id)
        if merge is not None and action.base_body_id and (base is None or base.body_id != action.base_body_id):
            batch.bases[action.base_body_id] = planned.bundle.spool.read(merge.own_side)
            batch.size += len(batch.bases[action.base_body_id])
        if batch.is_full:
            break
    return batch


def _revision(planned: Planned, action: PlanAction, author: Author) -> NewRevision:
    if action.revision_id is None:
        msg = f"{action.source_id} is not written by this plan"
        raise RuntimeError(msg)
    artifact = planned.bundle.artifacts[action.position]
    merge = planned.merged.get(action.source_id)
    if merge is None:
        file, hashed = file_and_hash(planned.bundle.template(artifact), planned.remap, author.at)
        references = remapped_references(planned, action)
    else:
        content = planned.bundle.spool.read(merge.content)
        file, hashed = file_of(content, author.at), action.content_hash
        references = merge.references
    values = planned.values.get(action.source_id)
    body = with_values(file, values) if values else file
    return NewRevision(
        revision_id=action.revision_id,
        artifact_id=action.target_id,
        artifact_type=action.artifact_type,
        number=action.existing.revision + 1 if action.existing and action.kind is not ActionKind.COPY else 1,
        name=action.name,
        version=action.written_version,
        status=action.status,
        content_hash=hashed,
        body=body,
        written_at=author.at,
        written_by=author.actor,
        references=references,
        import_id=author.import_id,
        origin=origin_of(planned.bundle.manifest, action.source_id, author.import_id),
        # here, in a thread, and not where the writer is held
        deflated=Deflated.of(body),
    )
