"""Gathering what the plan of an undo needs from the tenant, and holding what it brings back (the plan: ``undoing``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from domain import versions
from domain.errors import ErrorCode, Problem
from domain.holding import Author, Batch
from domain.import_model import ImportJob, InstalledPackage
from domain.limits import Limits
from domain.model import (
    ArtifactId,
    ImportId,
    NewRevision,
    PackageDependency,
    PlanId,
    Reference,
    RevisionId,
    name_key,
)
from domain.options import BlockerChoice, UndoWish
from domain.plan_model import Plan
from domain.portions import with_bodies
from domain.ports import Clock, RevisionMovedError, Store, TenantUnit
from domain.undo_rows import Portion
from domain.undoing import Around, Obstacle, Past, Step, key_of, obstacles_around, plan_hash, stays, steps_back


@dataclass(frozen=True, slots=True)
class UndoDraft:
    """The plan of an undo, and what is needed to carry it out."""

    made: Plan
    steps: Sequence[Step]
    undoes: tuple[Portion, ...]
    #: of the revisions that come back, by their ids
    references: Mapping[RevisionId, Sequence[Reference]]


@dataclass(slots=True)
class _Search:
    """What is to be taken back, growing where later imports are to be taken back as well."""

    portions: set[Portion]
    #: what an import wrote, where the rest of it is out of effect already
    remains: set[tuple[ImportId, ArtifactId]]


class UndoPlanner:
    """Makes the plans of undos; writes nothing."""

    def __init__(self, store: Store, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def plan(self, job: ImportJob, wish: UndoWish) -> UndoDraft:
        """What it would take to carry out this wish in the job's tenant, as it is now.

        Raises :class:`domain.ports.RevisionMovedError` when the tenant changes while it is looked at.
        """
        async with self._store.view(job.tenant_id) as unit:
            search = _Search(await _wished(unit, wish), set())
            while True:
                steps, obstacles = await _steps(unit, search)
                around = await _around(unit, steps)
                found = [*obstacles, *obstacles_around(steps, around), *await _dependents(unit, search)]
                if wish.blockers is not BlockerChoice.UNDO_THOSE_TOO or not await _widened(unit, search, found):
                    break
        steps, left = _chosen(steps, found, around, wish.blockers)
        return UndoDraft(
            self._plan_of(job, steps, left, wish.blockers), steps, tuple(sorted(search.portions)), around.references
        )

    def _plan_of(self, job: ImportJob, steps: Sequence[Step], left: Sequence[Obstacle], choice: BlockerChoice) -> Plan:
        now = self._clock.now()
        return Plan(
            plan_id=job.plan_id or PlanId(job.import_id),
            import_id=job.import_id,
            tenant_id=job.tenant_id,
            plan_hash=plan_hash(steps, choice),
            actions=tuple(step.action for step in steps),
            warnings=(),
            blockers=tuple(one.problem for one in left),
            created_at=now,
            expires_at=now + timedelta(days=self._limits.plan_days),
        )

    async def batches(self, draft: UndoDraft, job: ImportJob, author: Author) -> AsyncIterator[Batch]:
        """The revisions that the plan writes, as many at a time as fit one transaction."""
        writing = [step for step in draft.steps if step.action.writes]
        async for some, bodies in with_bodies(self._store, job.tenant_id, writing, _body_of):
            revisions = [_revision(step, draft, bodies, author) for step in some]
            yield Batch(revisions, size=sum(len(one.body) for one in revisions))


def _body_of(step: Step) -> list[str]:
    return [step.action.restores] if step.action.restores else []


def _revision(step: Step, draft: UndoDraft, bodies: Mapping[str, bytes], author: Author) -> NewRevision:
    action = step.action
    if action.revision_id is None or action.restores is None or action.existing is None:
        msg = f"{action.target_id} is not written by this undo"
        raise RuntimeError(msg)
    return NewRevision(
        revision_id=action.revision_id,
        artifact_id=action.target_id,
        artifact_type=action.artifact_type,
        number=action.existing.revision + 1,
        name=action.name,
        version=action.written_version,
        status=action.status,
        content_hash=action.content_hash,
        body=bodies[action.restores],
        written_at=author.at,
        written_by=author.actor,
        references=() if step.goes else tuple(draft.references.get(action.restores, ())),
        import_id=author.import_id,
        origin=step.origin,
        restores=step.state,
    )


async def broken_anew(unit: TenantUnit, broken: Sequence[Reference]) -> list[Reference]:
    """Without the references that led nowhere already when what comes back was there before."""
    heads = await unit.artifacts.heads({reference.target_id for reference in broken})
    return [reference for reference in broken if reference.target_id in heads]


async def _wished(unit: TenantUnit, wish: UndoWish) -> set[Portion]:
    """The packages, or the undo, that the wish names and that are in effect."""
    if wish.import_id is not None:
        return await _in_effect(unit, await portions_of(unit, [wish.import_id]))
    came = await unit.undos.arrivals_named(name_key(wish.package_name or ""))
    return await _in_effect(unit, [one.portion for one in came if wish.source in {None, one.package.source}])


async def _in_effect(unit: TenantUnit, portions: Collection[Portion]) -> set[Portion]:
    undone = await unit.undos.undone({portion.import_id for portion in portions})
    return {portion for portion in portions if undone.by(portion) is None}


async def _steps(unit: TenantUnit, search: _Search) -> tuple[list[Step], list[Obstacle]]:
    imports = {portion.import_id for portion in search.portions}
    written = [row for row in await unit.undos.written(imports) if row.portion in search.portions]
    # before the layers: what is changed in between is then seen in them
    heads = await unit.artifacts.heads({row.artifact_id for row in written})
    wanted = [one for one in await unit.undos.layers(imports) if one.artifact_id in heads]
    layers = [one for one in wanted if one.number <= heads[one.artifact_id].revision]
    tops = {layer.artifact_id: layer.number for layer in layers}
    if moved := next((key for key, head in heads.items() if tops.get(key) != head.revision), None):
        raise RevisionMovedError(moved)
    named = {layer.import_id for layer in layers if layer.import_id}
    chosen = {(row.portion.import_id, row.artifact_id) for row in written} | search.remains
    return steps_back(Past(written, layers, heads, await unit.undos.jobs(named), chosen))


async def _around(unit: TenantUnit, steps: Sequence[Step]) -> Around:
    going = [step.action.target_id for step in steps if step.goes]
    referrers = await unit.undos.referrers(going)
    # of what comes back, and of what may have to stay as it is
    back = {step.action.restores for step in steps if step.action.restores}
    back |= {step.action.existing.revision_id for step in steps if step.action.existing}
    references = await unit.undos.references_of(back)
    others = {reference.target_id for found in references.values() for reference in found}
    others |= {reference.artifact_id for reference in referrers}
    named = await unit.artifacts.named({key_of(step.action) for step in steps if step.action.writes and not step.goes})
    return Around(referrers, references, await unit.artifacts.heads(others), named)


async def _dependents(unit: TenantUnit, search: _Search) -> list[Obstacle]:
    """Installed packages that need a package, or a version of it, which would not be there any more."""
    before = await unit.imports.installed()
    after = await _installed_afterwards(unit, before, search.portions)
    stayed = {(identity_of(package), package.version) for package in before}
    missing = [(holder, needed) for holder in after for needed in holder.dependencies if not _is_met(needed, after)]
    return [
        _needs(holder, needed, comes_back=comes_back)
        for holder, needed in missing
        if (comes_back := (identity_of(holder), holder.version) not in stayed) or _is_met(needed, before)
    ]


async def _installed_afterwards(
    unit: TenantUnit, before: Sequence[InstalledPackage], portions: Collection[Portion]
) -> list[InstalledPackage]:
    reached = await unit.undos.reached(portions)
    arrivals = await unit.undos.arrivals_of({portion.import_id for portion in reached})
    touched = {identity_of(one.package) for one in arrivals if one.portion in reached}
    after = {identity_of(package): package for package in before if identity_of(package) not in touched}
    for name in sorted({name for name, _ in touched}):
        came = await unit.undos.arrivals_named(name)
        undone = (await unit.undos.undone({one.portion.import_id for one in came})).also(portions)
        for one in came:
            if identity_of(one.package) in touched and undone.by(one.portion) is None:
                after[identity_of(one.package)] = one.package
    return list(after.values())


def identity_of(package: InstalledPackage) -> tuple[str, str]:
    """What tells a package from others in a tenant: name and origin (R4)."""
    return name_key(package.name), package.source


def _is_met(needed: PackageDependency, there: Collection[InstalledPackage]) -> bool:
    """Matched by name alone (R4)."""
    return any(
        name_key(package.name) == name_key(needed.package_name)
        and versions.in_range(package.version, needed.min_version, needed.max_version)
        for package in there
    )


def _needs(holder: InstalledPackage, needed: PackageDependency, *, comes_back: bool) -> Obstacle:
    wanted = f"{needed.package_name} {versions.range_text(needed.min_version, needed.max_version)}"
    standing = "would be installed again" if comes_back else "is installed"
    text = f"{holder.name} {holder.version} {standing} and needs {wanted}."
    facts = {"packageName": holder.name, "version": holder.version, "importId": holder.import_id}
    return Obstacle(Problem(ErrorCode.UNDO_BLOCKED, text, details=facts), cause=holder.import_id)


async def _widened(unit: TenantUnit, search: _Search, obstacles: Sequence[Obstacle]) -> bool:
    """Take in the imports that stand in the way; False when there are no more of them."""
    before = len(search.portions), len(search.remains)
    causes = {one.cause for one in obstacles if one.cause}
    search.portions |= await _in_effect(unit, await portions_of(unit, causes))
    chosen = {portion.import_id for portion in search.portions}
    search.remains |= {
        (one.cause, one.artifact_id) for one in obstacles if one.cause and one.artifact_id and one.cause not in chosen
    }
    return before != (len(search.portions), len(search.remains))


async def portions_of(unit: TenantUnit, import_ids: Collection[ImportId]) -> list[Portion]:
    """What can be taken back of these imports: their packages, or they themselves, if they are undos."""
    brought = [arrival.portion for arrival in await unit.undos.arrivals_of(import_ids)]
    without = set(import_ids) - {portion.import_id for portion in brought}
    return [*brought, *(Portion(import_id) for import_id in without)]


def _chosen(
    steps: Sequence[Step], obstacles: Sequence[Obstacle], around: Around, choice: BlockerChoice
) -> tuple[list[Step], list[Obstacle]]:
    """The steps that the caller's choice makes of this, and what blocks them still."""
    if choice is BlockerChoice.REFUSE:
        return list(steps), list(obstacles)
    if choice is BlockerChoice.UNDO_THOSE_TOO:
        return list(steps), [one for one in obstacles if not one.is_lost]
    staying: set[ArtifactId] = set()
    while new := {one.artifact_id for one in obstacles if one.artifact_id} - staying:
        staying |= new
        steps = [stays(step, choice) if step.action.target_id in new else step for step in steps]
        obstacles = obstacles_around(steps, around)
    return list(steps), []
