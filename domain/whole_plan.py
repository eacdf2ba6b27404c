"""The finished plan of an import: what its packages come to together, and what stands in the way of that (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from domain.artifact_types import ArtifactType
from domain.binding_slots import unused_problems
from domain.errors import ErrorCode, Problem
from domain.model import ArtifactHead, name_key
from domain.options import ConflictStrategy
from domain.plan import Planned
from domain.plan_hash import plan_hash, relied_packages
from domain.plan_model import ActionKind, Plan, PlanAction


def plan_of(drafts: Sequence[Planned], blockers: list[Problem], *, now: datetime, plan_days: int) -> Plan:
    """The finished plan of an import's packages, by ordinal.

    ``blockers`` are problems found outside planning: scan, dependencies, platform.
    """
    request = drafts[0].request
    found = [problem for planned in drafts for problem in (*planned.problems, *_name_problems(planned))]
    slots = tuple(slot for planned in drafts for slot in planned.slots)
    is_open = any(action.kind is None for planned in drafts for action in planned.actions)
    unused = () if is_open else unused_problems(request.options.bindings, slots)
    problems = [*blockers, *found, *_clashes(drafts), *unused]
    installed = (package for planned in drafts for package in planned.inventory.installed)
    relied = relied_packages((planned.bundle.manifest for planned in drafts), installed)
    externals = tuple(one for planned in drafts for one in planned.externals)
    return Plan(
        plan_id=request.plan_id,
        import_id=request.import_id,
        tenant_id=request.tenant_id,
        plan_hash=plan_hash(request.options, _steps(drafts), relied, externals),
        actions=tuple(action for planned in drafts for action in (*planned.actions, *planned.removals)),
        warnings=tuple(problem for problem in problems if problem.code.is_warning),
        blockers=tuple(problem for problem in problems if not problem.code.is_warning),
        created_at=now,
        expires_at=now + timedelta(days=plan_days),
        relied=relied,
        bindings=slots,
        externals=externals,
    )


def _name_problems(planned: Planned) -> Iterator[Problem]:
    """Names that would be written and that another artifact of the tenant keeps (R5: a name stands once)."""
    if not planned.inventory.named:
        return  # nobody has any of the names
    if any(action.kind is None for action in planned.actions):
        return  # what will keep its name is not decided yet
    keys: dict[str, object] = {
        action.existing.artifact_id: _final_key(action)
        for action in planned.actions
        if action.existing and action.kind is not ActionKind.COPY
    }
    keys |= dict.fromkeys(action.target_id for action in planned.removals)
    for action in planned.actions:
        holder = planned.inventory.named.get(_final_key(action)) if action.writes else None
        if holder is None or holder.artifact_id == action.target_id:
            continue
        if keys.get(holder.artifact_id, _key_of(holder)) == _key_of(holder):
            text = f"{action.name} cannot be written: {holder.artifact_id}, another artifact, keeps that name."
            cure = " Rename one of them, or choose Skip." if action.existing else " Choose Replace for that one."
            cures = {"cures": dict(_cures(planned, action, holder))}
            yield Problem(ErrorCode.DUPLICATE_ARTIFACT, text + cure, artifact_id=action.source_id, details=cures)


def _cures(planned: Planned, action: PlanAction, holder: ArtifactHead) -> Iterator[tuple[str, list[str]]]:
    """By source id the strategies after which the name is free, or not asked for (:mod:`domain.fixes`)."""
    if action.existing:
        yield action.source_id, [ConflictStrategy.SKIP.value, ConflictStrategy.COPY.value]
    for other in planned.actions:
        if other.existing and other.existing.artifact_id == holder.artifact_id and not other.writes:
            yield other.source_id, [ConflictStrategy.REPLACE.value]


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


def _steps(drafts: Sequence[Planned]) -> Iterator[tuple[PlanAction, str]]:
    """Every action beside the hash of the package's artifact."""
    for planned in drafts:
        for action, artifact in zip(planned.actions, planned.bundle.artifacts, strict=True):
            yield action, artifact.hash
        yield from ((action, "") for action in planned.removals)
