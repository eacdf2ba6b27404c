"""The actions of a plan that need contents: merges, copies and credentials, one artifact at a time (pure; R7, R22).

A merge has three sides where the package put something into the very artifact before, else two. Where both sides
changed one place differently, somebody decides whose value stands there: until then the action waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import uuid_utils

from domain import merging, strict_json
from domain.binding_slots import Sides, bound, slots_of, unresolved_problems
from domain.bundle import BundleArtifact
from domain.contents import content_hash, content_of, written
from domain.copying import renamed
from domain.differing import shown_content
from domain.errors import ErrorCode, Problem
from domain.merging import PathConflict, Reconciled
from domain.model import ArtifactId, ArtifactStatus, Reference, ReferenceKind
from domain.options import Side, UnresolvedBindings
from domain.path_conflicts import shown_conflicts
from domain.plan import Merge, Planned, decisions_about
from domain.plan_model import ActionKind, DecisionSource, PlanAction

#: clashes of one artifact that a plan warns of one by one
_WARNED_MAX = 20
#: characters of a value that a warning tells
_VALUE_MAX = 200


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An action of a plan, by its place, and the stored contents that settling it takes: the tenant's, and the base."""

    place: int
    existing_id: str = ""
    base_id: str = ""

    @property
    def body_ids(self) -> list[str]:
        """Those that it takes."""
        return [key for key in (self.existing_id, self.base_id) if key]


def unsettled(planned: Planned) -> list[Unsettled]:
    """What :func:`settle` is to be called for."""
    found = []
    for place, action in enumerate(planned.actions):
        base = planned.base_of(action) if action.artifact_type.is_mergeable else None
        is_asked = action.kind is None and base is not None
        if is_asked or action.kind in (ActionKind.MERGE, ActionKind.COPY) or _takes_values(planned, action):
            is_merge = is_asked or action.kind is ActionKind.MERGE
            base_id = base.body_id if base and is_merge else ""
            found.append(Unsettled(place, action.existing.revision_id if action.existing else "", base_id))
    return found


def settle(planned: Planned, one: Unsettled, bodies: Mapping[str, bytes]) -> None:
    """Settle one action with these stored contents; a base that is stored no more is none.

    Raises ``ContentDamaged`` where what the tenant has is not there.
    """
    place = one.place
    action, artifact = planned.actions[place], planned.bundle.artifacts[place]
    existing_body, base_body = bodies[one.existing_id] if one.existing_id else None, bodies.get(one.base_id)
    if action.kind is None and base_body is not None and existing_body is not None:
        planned.actions[place] = _asking(planned, action, artifact, existing_body, base_body)
    elif action.kind is ActionKind.MERGE:
        planned.actions[place] = _merged(planned, action, artifact, existing_body or b"{}", base_body)
    elif action.kind is ActionKind.COPY:
        planned.actions[place] = _copied(planned, action, artifact)
    if _takes_values(planned, planned.actions[place]):
        existing = strict_json.trusted(existing_body) if existing_body is not None else {}
        planned.actions[place] = _bound(planned, planned.actions[place], artifact, existing)


def _takes_values(planned: Planned, action: PlanAction) -> bool:
    return action.writes and bool(planned.bundle.artifacts[action.position].credentials)


def _asking(planned: Planned, action: PlanAction, artifact: BundleArtifact, existing: bytes, base: bytes) -> PlanAction:
    """What a merge would ask for, told beside the question whether to merge."""
    own_side = written(planned.bundle.template(artifact), planned.remap)
    found = _reconciled(planned, action, artifact, (base, existing, own_side))
    return action._replace(paths=found.sides, merge_base_id=_base_id(planned, action))


def _merged(
    planned: Planned, action: PlanAction, artifact: BundleArtifact, existing: bytes, base_body: bytes | None
) -> PlanAction:
    own_side = written(planned.bundle.template(artifact), planned.remap)
    if base_body is None:
        two = merging.merge(
            strict_json.trusted(existing), strict_json.trusted(own_side), artifact_type=action.artifact_type
        )
        return _written_merge(planned, action, artifact, two.value, own_side)
    sides = (base_body, existing, own_side)
    found = _reconciled(planned, action, artifact, sides)
    action = action._replace(paths=found.sides, merge_base_id=_base_id(planned, action))
    if any(found.sides.values()):
        action = action._replace(decided_by=DecisionSource.BY_PATH)
    if found.is_decided:
        return _written_merge(planned, action, artifact, found.value, own_side)
    planned.problems += _clash_warnings(action, shown_conflicts(*sides, action), len(found.conflicts))
    return action._replace(kind=None, strategy=None, revision_id=None, base_body_id="")


def _reconciled(
    planned: Planned, action: PlanAction, artifact: BundleArtifact, bodies: tuple[bytes, bytes, bytes]
) -> Reconciled:
    base, existing, package = bodies
    # what a package leaves at home it has not removed: there the base says nothing either (R22)
    began = shown_content(base, action.artifact_type) if artifact.credentials else strict_json.trusted(base)
    return merging.three_way(
        began,
        strict_json.trusted(existing),
        strict_json.trusted(package),
        artifact_type=action.artifact_type,
        sides=_sides(planned, action, artifact),
    )


def _sides(planned: Planned, action: PlanAction, artifact: BundleArtifact) -> dict[str, Side]:
    """What was decided of its paths, in the content that the tenant has now."""
    now = action.existing.content_hash if action.existing else ""
    sides: dict[str, Side] = {}
    for decision in reversed(decisions_about(action.conflict_key or "", artifact, planned.request)):
        if decision.seen in ("", now):
            sides |= decision.sides
    return sides


def _base_id(planned: Planned, action: PlanAction) -> str | None:
    base = planned.base_of(action)
    return base.body_id if base else None


def _written_merge(
    planned: Planned, action: PlanAction, artifact: BundleArtifact, value: dict[str, Any], own_side: bytes
) -> PlanAction:
    spool = planned.bundle.spool
    content = content_of(
        value,
        artifact_type=action.artifact_type,
        artifact_id=action.target_id,
        version=action.written_version,
        known_ids=planned.remap.values(),
    )
    same: dict[str, str] = {reference.target_id: reference.target_id for reference in content.references}
    final = written(content.template, {**same, action.target_id: action.target_id})
    hashed = content_hash(final)
    base = planned.base_of(action)
    base_body = base.body_id if base and base.content_hash == action.base_hash else str(uuid_utils.uuid7())
    action = action._replace(content_hash=hashed, name=content.name, status=content.status, base_body_id=base_body)
    if action.existing and hashed == action.existing.content_hash:
        action = action._replace(kind=ActionKind.UNCHANGED, revision_id=None)
    if action.writes or base is None or base.body_id != base_body:
        planned.merged[artifact.source_id] = Merge(spool.append(final), spool.append(own_side), content.references)
    return action


def _copied(planned: Planned, action: PlanAction, artifact: BundleArtifact) -> PlanAction:
    spool = planned.bundle.spool
    own_side = written(planned.bundle.template(artifact), planned.remap)
    content = renamed(own_side, action.name)
    references = remapped_references(planned, action)
    planned.merged[artifact.source_id] = Merge(spool.append(content), spool.append(own_side), references)
    # the past of what is there stays that of what is there: only where there is none, it is the copy's
    base_id = "" if planned.base_of(action) else str(uuid_utils.uuid7())
    return action._replace(content_hash=content_hash(content), base_body_id=base_id, base_hash=content_hash(own_side))


def remapped_references(planned: Planned, action: PlanAction) -> tuple[Reference, ...]:
    """The package artifact's references, as they stand in the target (R23: only literal ones are rewritten)."""
    artifact = planned.bundle.artifacts[action.position]
    return tuple(
        Reference(
            action.target_id,
            ArtifactId(planned.remap[reference.target_id])
            if reference.kind is ReferenceKind.LITERAL
            else reference.target_id,
            reference.pointer,
            reference.kind,
        )
        for reference in artifact.references
    )


def _clash_warnings(action: PlanAction, conflicts: list[PathConflict], count: int) -> Iterator[Problem]:
    """What both sides changed, place by place (installhub.md section 8.6)."""
    for conflict in conflicts[:_WARNED_MAX]:
        if conflict.side is None:
            text = f"{action.name}: the tenant and the package both changed {conflict.path}. Decide whose value stands."
            details = {
                "field": conflict.path,
                "pointer": conflict.pointer,
                "existing": _told(conflict.existing),
                "package": _told(conflict.package),
                "action": "Decide the path, or the whole artifact.",
            }
            yield Problem(ErrorCode.MERGE_CONFLICT, text, conflict.path, action.source_id, details)
    if count > _WARNED_MAX:
        text = f"{action.name}: {count} places were changed by both sides; {_WARNED_MAX} are told."
        yield Problem(ErrorCode.MERGE_CONFLICT, text, artifact_id=action.source_id)


def _told(value: Any) -> Any:
    """A value as a warning tells it: one that is long is read at the conflict."""
    text = strict_json.compact(value)
    return value if len(text) <= _VALUE_MAX else strict_json.shown(text.decode(), limit=_VALUE_MAX)


def _bound(planned: Planned, action: PlanAction, artifact: BundleArtifact, existing: dict[str, Any]) -> PlanAction:
    """Find what stands at the artifact's binding slots, and switch it off where nothing does (R22)."""
    options, merge = planned.request.options, planned.merged.get(artifact.source_id)
    own = strict_json.trusted(planned.bundle.template(artifact).plain)
    final = strict_json.trusted(planned.bundle.spool.read(merge.content)) if merge else own
    slots, values = bound(
        slots_of(artifact, planned.declared, ordinal=planned.request.ordinal),
        Sides(action.artifact_type, own, existing, final),
        supplied=options.bindings,
        remembered=planned.inventory.remembered,
    )
    planned.slots += slots
    planned.values[artifact.source_id] = values
    is_refused = options.unresolved_bindings is UnresolvedBindings.REFUSE
    planned.problems += unresolved_problems(slots, is_refused=is_refused)
    return action._replace(status=ArtifactStatus.LOCKED) if any(slot.source is None for slot in slots) else action
