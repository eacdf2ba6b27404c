"""What an import will do, artifact by artifact, before it does anything (pure).

In install order, for each artifact of the package (decisions section 5, R2-R7, R9-R11, R19, R22):

1. *Match.* The artifact that came from the same place, else the one of the same type and name. If the two
   differ, the match is ambiguous and waits for a decision by hand.
2. *Remap.* A matched artifact keeps the tenant's id, a new one gets an id made from plan, ordinal and source id.
   What it refers to stands before it, so every reference already has its final id.
3. *Compare.* Under the existing id with remapped references: the same hash means UNCHANGED, never an open conflict.
4. *Decide.* A decision by hand, else the strategy of the type, else the default; none of them: an open conflict.
   A Copy leaves what is there alone; an earlier copy that is the same makes it UNCHANGED.
5. *Settle.* Merges, copies and credentials need contents; they are settled one artifact at a time (``settling``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import uuid_utils

from domain import versions
from domain.artifact_types import ArtifactType
from domain.binding_slots import BindingSlot, Kept
from domain.bundle import BundleArtifact, CheckedBundle, Known
from domain.contents import content_hash, written
from domain.copying import copies_of, renamed
from domain.errors import ErrorCode, Problem
from domain.external import Beside, external_targets, missing_problems
from domain.import_model import InstalledPackage
from domain.model import (
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    Binding,
    ImportId,
    PlanId,
    Reference,
    ReferenceKind,
    RevisionId,
    TenantId,
    name_key,
)
from domain.options import ConflictStrategy, Decision, ImportOptions
from domain.plan_model import ActionKind, DecisionSource, ExternalTarget, MatchedBy, MergeBase, PlanAction
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
    #: what the tenant says about migrations
    accepts_warnings: bool = False
    #: what the package leaves to others to bring, where it is there, by its id in the package
    externals: Mapping[str, ArtifactId] = field(default_factory=dict)
    #: values of earlier imports of this tenant pair, by key (R22)
    remembered: Mapping[str, Kept] = field(default_factory=dict)
    #: everything that came with this package and is still there, copies too
    brought: tuple[ArtifactHead, ...] = ()

    @property
    def by_origin(self) -> dict[str, ArtifactHead]:
        """Artifacts that are the same thing by where they came from, by source id; each once: its own id goes first."""
        came = {source_id: head for source_id, head in self.from_package.items() if head.artifact_id not in self.own}
        return {**came, **self.own}


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Whose plan it is, and what was wished and decided, for one package of an import (R8).

    ``conflict_keys`` are those already given to its artifacts (R18); new ones are numbered from ``next_conflict`` on.
    """

    plan_id: PlanId
    import_id: ImportId
    tenant_id: TenantId
    options: ImportOptions
    decisions: Mapping[str, Decision]
    conflict_keys: Mapping[str, str] = field(default_factory=dict)
    ordinal: int = 0
    next_conflict: int = 1
    #: what other packages of the same import bring
    beside: Beside = field(default_factory=Beside)
    #: what new artifact ids are made from, where that is not this plan but the one that is applied (R2, R10)
    seed: PlanId | None = None


class NotJustSoError(Exception):
    """The tenant does not have what a known package brought, or has it otherwise; the package has to be read."""


@dataclass(slots=True)
class Planned:
    """A plan in the making and, once made, what is needed to carry it out."""

    bundle: CheckedBundle
    inventory: Inventory
    request: PlanRequest
    actions: list[PlanAction] = field(default_factory=list)
    remap: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    #: what this package brought and does not hold any more, behind its own artifacts (R31)
    removals: list[PlanAction] = field(default_factory=list)
    #: contents that are not the package's own: merges and copies
    merged: dict[str, Merge] = field(default_factory=dict)
    #: credential values by source id and JSON pointer into what is written; never stored with the plan
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    slots: list[BindingSlot] = field(default_factory=list)
    externals: list[ExternalTarget] = field(default_factory=list)
    #: the manifest's bindings by key
    declared: Mapping[str, Binding] = field(default_factory=dict)

    def base_of(self, action: PlanAction) -> MergeBase | None:
        """What the package put there at its last import, into the very artifact that the action meets (R7)."""
        base = self.inventory.bases.get(action.source_id)
        met = action.existing.artifact_id if action.existing else None
        return base if base is not None and base.artifact_id == met else None


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged or copied content in the spool, and the package's own side of it, the base of the next merge."""

    content: Span
    own_side: Span
    references: tuple[Reference, ...]


def draft(
    bundle: CheckedBundle,
    inventory: Inventory,
    request: PlanRequest,
    among: Callable[[Sequence[BundleArtifact]], Iterable[BundleArtifact]] = iter,
) -> Planned:
    """Steps 1 to 4 for the whole package; ``among`` gives the artifacts one after the other, in their order.

    Raises :class:`NotJustSoError` for a known one that is not UNCHANGED.
    """
    declared = {binding.key: binding for binding in bundle.manifest.bindings}
    planned = Planned(bundle, inventory, request, declared=declared)
    inside = {artifact.source_id for artifact in bundle.artifacts}
    for artifact in bundle.artifacts:
        for reference in artifact.references:
            if reference.kind is ReferenceKind.LITERAL and reference.target_id not in inside:
                planned.remap[reference.target_id] = reference.target_id
    _meet_externals(planned)
    keys = _ConflictKeys(request)
    matches = _matches(bundle, inventory)
    known = bundle.known
    if known and not all(_is_just_so(planned, known, one, match.existing) for one, match in matches.items()):
        raise NotJustSoError
    for position, artifact in enumerate(among(bundle.artifacts)):
        planned.actions.append(_action(planned, position, artifact, keys, matches[artifact.source_id]))
    return planned


def _meet_externals(planned: Planned) -> None:
    """Point at the tenant's own artifacts for what other packages bring."""
    manifest, request = planned.bundle.manifest, planned.request
    if not manifest.external_references:
        return
    planned.externals = external_targets(manifest, planned.inventory.externals, request.beside, ordinal=request.ordinal)
    planned.remap |= {one.artifact_id: one.target_id for one in planned.externals}
    if manifest.tenant_id != request.tenant_id:  # its own ids are good there
        planned.problems += missing_problems(manifest, planned.externals)


def _action(
    planned: Planned, position: int, artifact: BundleArtifact, keys: _ConflictKeys, match: _Match
) -> PlanAction:
    request, existing = planned.request, match.existing
    target_id = existing.artifact_id if existing else _new_id(request, artifact)
    planned.remap[artifact.source_id] = target_id
    made = None if existing else _new_revision_id()
    action = PlanAction(
        ordinal=request.ordinal,
        position=position,
        source_id=artifact.source_id,
        artifact_type=artifact.artifact_type,
        name=artifact.name,
        to_version=artifact.version,
        kind=None if existing else ActionKind.CREATE,
        target_id=target_id,
        decided_by=DecisionSource.NO_CONFLICT,
        existing=existing,
        matched_by=match.by,
        written_version=artifact.version,
        status=artifact.status,
        # the hash of what is new is known when it is held: nothing here is compared with it
        revision_id=made,
        base_body_id=made or "",
    )
    if existing is None:
        return action
    return _met(planned, artifact, action, existing, keys.of(artifact.source_id), is_ambiguous=match.is_ambiguous)


def _met(
    planned: Planned,
    artifact: BundleArtifact,
    action: PlanAction,
    existing: ArtifactHead,
    key: str,
    *,
    is_ambiguous: bool,
) -> PlanAction:
    """The action for an artifact that is there already; ``key`` names the conflict, should it be one."""
    wished, source = _decision(key, artifact, planned.request)
    is_by_hand = source in (DecisionSource.BY_ARTIFACT, DecisionSource.BY_PATH)
    strategy = wished if is_by_hand or not is_ambiguous else None
    hashed = _hash(planned, artifact, existing)
    action = action._replace(
        conflict_key=key, strategy=strategy, decided_by=source, content_hash=hashed, base_hash=hashed
    )
    if hashed == existing.content_hash:
        return action._replace(kind=ActionKind.UNCHANGED, status=existing.status, base_body_id=existing.revision_id)
    if wished is ConflictStrategy.COPY and (copy := _same_copy(planned, artifact)):
        return _kept(action._replace(strategy=wished), copy)
    if is_ambiguous and strategy is None:
        text = f"{artifact.name} matches one artifact by its origin and another by its name. Decide it by hand."
        planned.problems.append(Problem(ErrorCode.AMBIGUOUS_MATCH, text, artifact_id=artifact.source_id))
    return _decided(planned, action, existing)


def _hash(planned: Planned, artifact: BundleArtifact, existing: ArtifactHead) -> str:
    """Of the package's artifact under the existing id."""
    if planned.bundle.known is None:
        return content_hash(written(planned.bundle.template(artifact), planned.remap))
    return existing.content_hash


def _is_just_so(planned: Planned, known: Known, source_id: str, existing: ArtifactHead | None) -> bool:
    """Whether an artifact is as the known import of the package left it: that import may have skipped it, or copied."""
    base = planned.inventory.bases.get(source_id)
    if existing is None or base is None or base.import_id != known.import_id:
        return False
    return (base.artifact_id, base.content_hash) == (existing.artifact_id, existing.content_hash)


class _Match(NamedTuple):
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
    named = f"{request.seed or request.plan_id}/{request.ordinal}/{artifact.source_id}"
    unique = uuid_utils.uuid5(uuid_utils.NAMESPACE_OID, named)
    return ArtifactId(f"{artifact.artifact_type.entry.prefix}-{unique}")


def _decision(
    key: str, artifact: BundleArtifact, request: PlanRequest
) -> tuple[ConflictStrategy | None, DecisionSource]:
    """What was wished of a conflict: of its paths, of the artifact, of its type, of all, in this order."""
    options, given = request.options, decisions_about(key, artifact, request)
    strategy = next((one.strategy for one in given if one.strategy), None)
    if strategy is None and any(one.sides for one in given):
        return ConflictStrategy.MERGE, DecisionSource.BY_PATH
    if strategy is not None:
        return strategy, DecisionSource.BY_ARTIFACT
    if artifact.artifact_type in options.strategy_by_type:
        return options.strategy_by_type[artifact.artifact_type], DecisionSource.BY_TYPE
    return options.default_strategy, DecisionSource.DEFAULT


def decisions_about(key: str, artifact: BundleArtifact, request: PlanRequest) -> list[Decision]:
    """What was decided by hand about one artifact: while the import waited, then what was sent with it."""
    given = (request.decisions.get(key), request.options.decisions.get(artifact.source_id))
    return [decision for decision in given if decision is not None]


def _same_copy(planned: Planned, artifact: BundleArtifact) -> ArtifactHead | None:
    """The copy that an earlier import made of this artifact, if it would be made again just so (R3)."""
    of_it = [head for head in planned.inventory.brought if head.origin and head.origin.source_id == artifact.source_id]
    for head in copies_of(artifact.name, artifact.artifact_type, of_it):
        remap = planned.remap | {artifact.source_id: head.artifact_id}
        content = renamed(written(planned.bundle.template(artifact), remap), head.name)
        if content_hash(content) == head.content_hash:
            planned.remap = remap
            return head
    return None


def _kept(action: PlanAction, copy: ArtifactHead) -> PlanAction:
    return action._replace(
        kind=ActionKind.UNCHANGED,
        target_id=copy.artifact_id,
        name=copy.name,
        existing=copy,
        matched_by=MatchedBy.ORIGIN,
        content_hash=copy.content_hash,
        # what the package put there is not what stands there: its name is another one
        base_body_id="",
    )


def _decided(planned: Planned, action: PlanAction, existing: ArtifactHead) -> PlanAction:
    """The action that the strategy means for an artifact that is there and differs."""
    strategy = action.strategy
    if strategy is ConflictStrategy.MERGE and not action.artifact_type.is_mergeable:
        strategy = planned.request.options.merge_fallback
        text = f"{action.name}: Merge is not offered for {action.artifact_type.wire}; {strategy.wire} is used."
        planned.problems.append(Problem(ErrorCode.MERGE_FALLBACK, text, artifact_id=action.source_id))
        action = action._replace(strategy=strategy)
    if strategy is None:
        return action._replace(kind=None)
    if strategy is ConflictStrategy.SKIP:
        return action._replace(kind=ActionKind.SKIP, content_hash="", written_version=existing.version)
    if strategy is ConflictStrategy.COPY:
        return _copying(planned, action)
    planned.problems += _replacing_problems(planned, action, existing)
    if strategy is ConflictStrategy.MERGE:
        higher = versions.higher(existing.version, action.to_version)
        return _writing(action._replace(kind=ActionKind.MERGE, written_version=higher))
    return _writing(action._replace(kind=ActionKind.UPDATE))


def _copying(planned: Planned, action: PlanAction) -> PlanAction:
    """Under an id of its own from here on; its name and content are settled once the free names are known."""
    target_id = _new_id(planned.request, planned.bundle.artifacts[action.position])
    planned.remap[action.source_id] = target_id
    return _writing(action._replace(kind=ActionKind.COPY, target_id=target_id, content_hash=""))


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
    return action._replace(revision_id=revision, base_body_id=revision, base_hash=action.content_hash)


def _new_revision_id() -> RevisionId:
    return RevisionId(str(uuid_utils.uuid7()))


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
