"""What an import will do, artifact by artifact, before it does anything (pure).

In install order, for each artifact of the package (decisions section 5, R2-R7, R9-R11, R19, R22):

1. *Match.* The artifact that came from the same place, else the one of the same type and name. If the two
   differ, the match is ambiguous and waits for a decision by hand.
2. *Remap.* A matched artifact keeps the tenant's id, a new one gets an id made from plan, ordinal and source id.
   What it refers to stands before it, so every reference already has its final id.
3. *Compare.* Under the existing id with remapped references: the same hash means UNCHANGED, never an open conflict.
4. *Decide.* A decision by hand, else the strategy of the type, else the default; none of them: an open conflict.
5. *Settle.* Merges and credentials need the existing artifact's content; they are settled one artifact at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import uuid_utils

from domain import merging, strict_json, versions
from domain.artifact_types import ArtifactType
from domain.bundle import BundleArtifact, CheckedBundle
from domain.contents import content_hash, content_of, value_at, written
from domain.errors import ErrorCode, Problem
from domain.import_model import (
    ActionKind,
    ConflictStrategy,
    DecisionSource,
    ImportOptions,
    InstalledPackage,
    MatchedBy,
    MergeBase,
    Plan,
    PlanAction,
    UnresolvedBindings,
)
from domain.model import (
    HASH_PREFIX,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    ImportId,
    PlanId,
    Reference,
    ReferenceKind,
    RevisionId,
    TenantId,
    name_key,
)
from domain.spool import Span

_CONFLICT_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the tenant has that this package may meet."""

    named: Mapping[tuple[ArtifactType, str], ArtifactHead]
    from_package: Mapping[str, ArtifactHead]
    #: the tenant's own artifacts under the source ids, when the bundle is one that this tenant exported
    own: Mapping[str, ArtifactHead]
    bases: Mapping[str, MergeBase]
    installed: tuple[InstalledPackage, ...]
    platform_version: str

    @property
    def by_origin(self) -> dict[str, ArtifactHead]:
        """Artifacts that are the same thing by where they came from, by source id."""
        return {**self.from_package, **self.own}


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Whose plan it is, and what was wished and decided, for one package of an import (R8).

    ``conflict_keys`` are those already given to its artifacts (R18); new ones are numbered from ``next_conflict`` on.
    """

    plan_id: PlanId
    import_id: ImportId
    tenant_id: TenantId
    options: ImportOptions
    decisions: Mapping[str, ConflictStrategy]
    conflict_keys: Mapping[str, str] = field(default_factory=dict)
    ordinal: int = 0
    next_conflict: int = 1


@dataclass(slots=True)
class Planned:
    """A plan in the making and, once made, what is needed to carry it out."""

    bundle: CheckedBundle
    inventory: Inventory
    request: PlanRequest
    actions: list[PlanAction] = field(default_factory=list)
    remap: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    #: contents that are not the package's own: merges
    merged: dict[str, Merge] = field(default_factory=dict)
    #: credential values by source id and JSON pointer; never stored with the plan
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def unsettled(self) -> list[tuple[int, ArtifactHead | None]]:
        """Places of the actions that need :func:`settle`, with the existing artifact whose content that takes."""
        return [
            (place, action.existing)
            for place, action in enumerate(self.actions)
            if action.kind is ActionKind.MERGE or (action.writes and self.bundle.artifacts[place].credentials)
        ]


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged content in the spool, and the package's own side of it, the base of the next merge."""

    content: Span
    own_side: Span
    references: tuple[Reference, ...]


def draft(bundle: CheckedBundle, inventory: Inventory, request: PlanRequest) -> Planned:
    """Steps 1 to 4 for the whole package."""
    planned = Planned(bundle, inventory, request)
    inside = {artifact.source_id for artifact in bundle.artifacts}
    for artifact in bundle.artifacts:
        for reference in artifact.references:
            if reference.kind is ReferenceKind.LITERAL and reference.target_id not in inside:
                planned.remap[reference.target_id] = reference.target_id
    keys = _ConflictKeys(request)
    matches = _matches(bundle, inventory)
    for position, artifact in enumerate(bundle.artifacts):
        planned.actions.append(_action(planned, position, artifact, keys, matches[artifact.source_id]))
    return planned


def _action(
    planned: Planned, position: int, artifact: BundleArtifact, keys: _ConflictKeys, match: _Match
) -> PlanAction:
    request, existing, is_ambiguous = planned.request, match.existing, match.is_ambiguous
    target_id = existing.artifact_id if existing else _new_id(request, artifact)
    planned.remap[artifact.source_id] = target_id
    # the hash of what is new is known when it is held: nothing here is compared with it
    hashed = content_hash(written(planned.bundle.template(artifact), planned.remap)) if existing else ""
    revision_id = None if existing else _new_revision_id()
    action = PlanAction(
        ordinal=request.ordinal,
        position=position,
        source_id=artifact.source_id,
        artifact_type=artifact.artifact_type,
        name=artifact.name,
        to_version=artifact.version,
        kind=ActionKind.CREATE,
        target_id=target_id,
        decided_by=DecisionSource.NO_CONFLICT,
        existing=existing,
        matched_by=match.by,
        revision_id=revision_id,
        written_version=artifact.version,
        status=artifact.status,
        content_hash=hashed,
        base_body_id=revision_id or "",
        base_hash=hashed,
    )
    if existing is None:
        return action
    key = keys.of(artifact.source_id)
    strategy, source = _decision(key, artifact, request, is_ambiguous=is_ambiguous)
    action = replace(action, conflict_key=key, strategy=strategy, decided_by=source)
    if action.content_hash == existing.content_hash:
        return replace(
            action, kind=ActionKind.UNCHANGED, base_body_id=existing.revision_id, base_hash=existing.content_hash
        )
    if is_ambiguous:
        text = f"{artifact.name} matches one artifact by its origin and another by its name. Decide it by hand."
        planned.problems.append(Problem(ErrorCode.AMBIGUOUS_MATCH, text, artifact_id=artifact.source_id))
    return _decided(planned, action, existing)


@dataclass(frozen=True, slots=True)
class _Match:
    existing: ArtifactHead | None = None
    by: MatchedBy | None = None
    is_ambiguous: bool = False


def _matches(bundle: CheckedBundle, inventory: Inventory) -> dict[str, _Match]:
    """Step 1. One artifact of the tenant is matched once: what another one came from is not met by name."""
    by_origin = inventory.by_origin
    if not by_origin and not inventory.named:
        return dict.fromkeys((artifact.source_id for artifact in bundle.artifacts), _Match())
    originals = {a.source_id: original for a in bundle.artifacts if (original := _original(a, by_origin))}
    claimed = {original.artifact_id for original in originals.values()}
    found: dict[str, _Match] = {}
    for artifact in bundle.artifacts:
        original = originals.get(artifact.source_id)
        namesake = inventory.named.get((artifact.artifact_type, name_key(artifact.name)))
        if namesake is not None and namesake.artifact_id in claimed:
            namesake = None
        if original is not None:
            found[artifact.source_id] = _Match(original, MatchedBy.ORIGIN, namesake is not None)
        else:
            found[artifact.source_id] = _Match(namesake, MatchedBy.NAME) if namesake else _Match()
    return found


def _original(artifact: BundleArtifact, by_origin: Mapping[str, ArtifactHead]) -> ArtifactHead | None:
    """The artifact of the same origin. A foreign id may change its type between two versions; ours never do."""
    head = by_origin.get(artifact.source_id)
    return head if head is not None and head.artifact_type is artifact.artifact_type else None


def _new_id(request: PlanRequest, artifact: BundleArtifact) -> ArtifactId:
    unique = uuid_utils.uuid5(uuid_utils.NAMESPACE_OID, f"{request.plan_id}/{request.ordinal}/{artifact.source_id}")
    return ArtifactId(f"{artifact.artifact_type.entry.prefix}-{unique}")


def _decision(
    key: str, artifact: BundleArtifact, request: PlanRequest, *, is_ambiguous: bool
) -> tuple[ConflictStrategy | None, DecisionSource]:
    if key in request.decisions:
        return request.decisions[key], DecisionSource.BY_ARTIFACT
    if is_ambiguous:
        return None, DecisionSource.NO_CONFLICT
    if artifact.artifact_type in request.options.strategy_by_type:
        return request.options.strategy_by_type[artifact.artifact_type], DecisionSource.BY_TYPE
    return request.options.default_strategy, DecisionSource.DEFAULT


def _decided(planned: Planned, action: PlanAction, existing: ArtifactHead) -> PlanAction:
    """The action that the strategy means for an artifact that is there and differs."""
    strategy = action.strategy
    if strategy is ConflictStrategy.MERGE and not action.artifact_type.is_mergeable:
        strategy = planned.request.options.merge_fallback
        text = f"{action.name}: Merge is not offered for {action.artifact_type.wire}; {strategy.wire} is used."
        planned.problems.append(Problem(ErrorCode.MERGE_FALLBACK, text, artifact_id=action.source_id))
        action = replace(action, strategy=strategy)
    if strategy is None:
        return replace(action, kind=None)
    if strategy is ConflictStrategy.SKIP:
        return replace(action, kind=ActionKind.SKIP, content_hash="", written_version=existing.version)
    planned.problems += _replacing_problems(planned, action, existing)
    if strategy is ConflictStrategy.MERGE:
        higher = versions.higher(existing.version, action.to_version)
        return _writing(replace(action, kind=ActionKind.MERGE, written_version=higher))
    return _writing(replace(action, kind=ActionKind.UPDATE))


def _replacing_problems(planned: Planned, action: PlanAction, existing: ArtifactHead) -> list[Problem]:
    """Locked blocks, Draft warns, and a lower version needs its option (R5; installhub.md section 8.6)."""
    found = []
    where = action.source_id
    if existing.status is ArtifactStatus.LOCKED:
        text = f"{existing.name} is locked in this tenant and cannot be replaced or merged."
        found.append(Problem(ErrorCode.ARTIFACT_LOCKED, text, artifact_id=where))
    if existing.status is ArtifactStatus.DRAFT:
        text = f"{existing.name} is a draft in this tenant; its unpublished changes are replaced."
        found.append(Problem(ErrorCode.DRAFT_REPLACED, text, artifact_id=where))
    is_replace = action.strategy is ConflictStrategy.REPLACE
    if is_replace and versions.is_downgrade(existing.version, action.to_version):
        allowed = planned.request.options.allow_version_downgrade
        code = ErrorCode.VERSION_DOWNGRADE if allowed else ErrorCode.VERSION_DOWNGRADE_NOT_ALLOWED
        cure = "" if allowed else " Send allowVersionDowngrade: true to go on."
        text = f"{existing.name} would go from {existing.version} down to {action.to_version}.{cure}"
        details = {"existingVersion": existing.version, "packageVersion": action.to_version}
        found.append(Problem(code, text, artifact_id=where, details=details))
    return found


def _writing(action: PlanAction) -> PlanAction:
    revision = _new_revision_id()
    return replace(action, revision_id=revision, base_body_id=revision, base_hash=action.content_hash)


def _new_revision_id() -> RevisionId:
    return RevisionId(str(uuid_utils.uuid7()))


def settle(planned: Planned, place: int, existing_body: bytes | None) -> None:
    """Step 5 for one action: merge with the existing content, and find the values of its credentials."""
    action, artifact = planned.actions[place], planned.bundle.artifacts[place]
    existing = strict_json.trusted(existing_body) if existing_body is not None else {}
    if action.kind is ActionKind.MERGE:
        planned.actions[place] = _merged(planned, action, artifact, existing)
    if artifact.credentials:
        planned.actions[place] = _bound(planned, planned.actions[place], artifact, existing)


def _merged(planned: Planned, action: PlanAction, artifact: BundleArtifact, existing: dict[str, Any]) -> PlanAction:
    spool = planned.bundle.spool
    own_side = written(planned.bundle.template(artifact), planned.remap)
    merge = merging.merge(existing, strict_json.trusted(own_side), artifact_type=action.artifact_type)
    content = content_of(
        merge.value,
        artifact_type=action.artifact_type,
        artifact_id=action.target_id,
        version=action.written_version,
        known_ids=planned.remap.values(),
    )
    same: dict[str, str] = {reference.target_id: reference.target_id for reference in content.references}
    final = written(content.template, {**same, action.target_id: action.target_id})
    hashed = content_hash(final)
    base = planned.inventory.bases.get(artifact.source_id)
    base_body = base.body_id if base and base.content_hash == action.base_hash else str(uuid_utils.uuid7())
    action = replace(action, content_hash=hashed, name=content.name, status=content.status, base_body_id=base_body)
    if action.existing and hashed == action.existing.content_hash:
        kept = base_body if base and base.body_id == base_body else ""
        return replace(action, kind=ActionKind.UNCHANGED, revision_id=None, base_body_id=kept)
    planned.merged[artifact.source_id] = Merge(spool.append(final), spool.append(own_side), content.references)
    return action


def _bound(planned: Planned, action: PlanAction, artifact: BundleArtifact, existing: dict[str, Any]) -> PlanAction:
    """Supplied, else active in the target, else unresolved (R22)."""
    options = planned.request.options
    values: dict[str, Any] = {}
    for pointer in artifact.credentials:
        value = options.bindings.get(f"{artifact.source_id}{pointer}", value_at(existing, pointer))
        if value is not None:
            values[pointer] = value
    planned.values[artifact.source_id] = values
    missing = [pointer for pointer in artifact.credentials if pointer not in values]
    is_refused = options.unresolved_bindings is UnresolvedBindings.REFUSE
    for pointer in missing:
        key = f"{artifact.source_id}{pointer}"
        text = f"{artifact.name} needs a credential at {pointer} that nobody supplied."
        cure = f" Send bindings: {{ {key!r}: … }}, or unresolvedBindings: ImportSwitchedOff."
        code = ErrorCode.BINDING_UNRESOLVED if is_refused else ErrorCode.BINDING_MISSING
        planned.problems.append(
            Problem(code, text + (cure if is_refused else ""), key, artifact.source_id, {"bindingKey": key})
        )
    return replace(action, status=ArtifactStatus.LOCKED) if missing else action


def plan_of(drafts: Sequence[Planned], blockers: list[Problem], *, now: datetime, plan_days: int) -> Plan:
    """The finished plan of an import's packages, by ordinal.

    ``blockers`` are problems found outside planning: scan, dependencies, platform.
    """
    request = drafts[0].request
    found = [problem for planned in drafts for problem in (*planned.problems, *_name_problems(planned))]
    problems = [*blockers, *found, *_clashes(drafts)]
    return Plan(
        plan_id=request.plan_id,
        import_id=request.import_id,
        tenant_id=request.tenant_id,
        plan_hash=_plan_hash(drafts),
        actions=tuple(action for planned in drafts for action in planned.actions),
        warnings=tuple(problem for problem in problems if problem.code.is_warning),
        blockers=tuple(problem for problem in problems if not problem.code.is_warning),
        created_at=now,
        expires_at=now + timedelta(days=plan_days),
    )


def _name_problems(planned: Planned) -> Iterator[Problem]:
    """Names that would be written and that another artifact of the tenant keeps (R5: a name stands once)."""
    if not planned.inventory.named:
        return  # nobody has any of the names
    if any(action.kind is None for action in planned.actions):
        return  # what will keep its name is not decided yet
    keys = {action.existing.artifact_id: _final_key(action) for action in planned.actions if action.existing}
    for action in planned.actions:
        holder = planned.inventory.named.get(_final_key(action)) if action.writes else None
        if holder is None or holder.artifact_id == action.target_id:
            continue
        if keys.get(holder.artifact_id, _key_of(holder)) == _key_of(holder):
            text = f"{action.name} cannot be written: {holder.artifact_id}, another artifact, keeps that name."
            cure = " Rename one of them, or choose Skip." if action.existing else " Choose Replace for that one."
            yield Problem(ErrorCode.DUPLICATE_ARTIFACT, text + cure, artifact_id=action.source_id)


def _clashes(drafts: Sequence[Planned]) -> Iterator[Problem]:
    """What two packages of one import would write: nobody could say which of them is meant."""
    if len(drafts) == 1:
        return
    writers: dict[object, PlanAction] = {}
    for action in (action for planned in drafts for action in planned.actions if action.writes):
        for claimed in (action.target_id, _final_key(action)):
            first = writers.setdefault(claimed, action)
            if first.ordinal != action.ordinal:
                text = f"{action.name} is written by two packages of this install. Install them one after the other."
                yield Problem(ErrorCode.DUPLICATE_ARTIFACT, text, artifact_id=action.source_id)
                break


def _key_of(head: ArtifactHead) -> tuple[ArtifactType, str]:
    return head.artifact_type, name_key(head.name)


def _final_key(action: PlanAction) -> tuple[ArtifactType, str]:
    """Type and name key of the action's artifact, once the plan is carried out."""
    is_kept = action.existing is not None and not action.writes
    return _key_of(action.existing) if is_kept and action.existing else (action.artifact_type, name_key(action.name))


def _plan_hash(drafts: Sequence[Planned]) -> str:
    """Over the ordered actions, decisions, options and preconditions, without times (R10)."""
    options = drafts[0].request.options
    rows = [
        [
            action.ordinal,
            action.source_id,
            artifact.hash,
            action.kind.value if action.kind else "",
            action.target_id,
            action.strategy.value if action.strategy else "",
            [action.existing.revision, action.existing.content_hash] if action.existing else [],
        ]
        for planned in drafts
        for action, artifact in zip(planned.actions, planned.bundle.artifacts, strict=True)
    ]
    wishes = [
        options.allow_version_downgrade,
        options.allow_major_version_upgrade,
        options.allow_security_warnings,
        options.unresolved_bindings.value,
        sorted(options.bindings),
    ]
    return HASH_PREFIX + hashlib.sha256(strict_json.compact([rows, wishes])).hexdigest()


def following_conflict(keys: Iterable[str]) -> int:
    """The number after the highest of these conflict keys; 1 without any."""
    return 1 + max((int(key.rpartition("-")[2]) for key in keys), default=0)


class _ConflictKeys:
    """``conf-001`` and so on; a source artifact keeps the key it was given first (R18)."""

    def __init__(self, request: PlanRequest) -> None:
        self._given = dict(request.conflict_keys)
        self._next = request.next_conflict

    def of(self, source_id: str) -> str:
        if source_id not in self._given:
            self._given[source_id] = f"conf-{self._next:0{_CONFLICT_DIGITS}}"
            self._next += 1
        return self._given[source_id]
