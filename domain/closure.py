"""All artifacts that some roots need, gathered level by level from the rows of references.

Contents are never read: references are rows, so the cost is a few queries a level whatever the tenant's size
(installhub.md sections 6.2, 6.4; decisions R21, R23; performance W8).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from domain import graph
from domain.access import Caller
from domain.advice import Advice
from domain.errors import ErrorCode, Problem, refuse
from domain.limits import Limits
from domain.manifest_fields import EXTERNAL_REFERENCES_MAX
from domain.model import EXPORTABLE, ArtifactHead, ArtifactId, Reference, ReferenceKind, TenantId
from domain.ports import Store
from domain.referring import External, Referring

#: compared one by one: an enum's own hash is slow
_EXPORTABLE = tuple(EXPORTABLE)


@dataclass(slots=True)
class Closure:
    """What the roots bring along, and everything wrong with it."""

    roots: tuple[str, ...]
    heads: dict[str, ArtifactHead] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    found: tuple[graph.Found, ...] = ()
    cycle: list[str] = field(default_factory=list)
    install_order: list[str] = field(default_factory=list)
    #: what other packages are to bring, by id
    externals: dict[str, External] = field(default_factory=dict)
    #: which version would tell of what changed, where that was asked for
    advice: Advice | None = None

    @property
    def edges_of(self) -> dict[str, list[str]]:
        """Literal references between artifacts at hand."""
        edges: dict[str, list[str]] = {}
        for reference in self.references:
            if reference.kind is ReferenceKind.LITERAL and reference.target_id in self.heads:
                edges.setdefault(reference.artifact_id, []).append(reference.target_id)
        return edges


async def closure(
    store: Store,
    caller: Caller,
    tenant_id: TenantId,
    roots: Sequence[str],
    limits: Limits,
    *,
    referring: Referring | None = None,
) -> Closure:
    """Gather; what is wrong stands in ``problems`` (and a cycle in ``cycle``), nothing is raised.

    ``referring`` says which artifacts are left to other packages to bring; the roots never are.
    """
    gathered = Closure(tuple(dict.fromkeys(roots)))
    frontier: Collection[str] = gathered.roots
    async with store.view(tenant_id) as unit:
        while frontier and len(gathered.heads) <= limits.export_artifacts:
            found = await unit.artifacts.heads(frontier)
            there: dict[str, ArtifactHead] = {key: head for key, head in found.items() if head.is_there}
            if referring is not None:
                others = [head for key, head in there.items() if key not in gathered.roots]
                left = await referring.left(unit, others)
                gathered.externals |= left
                there = {key: head for key, head in there.items() if key not in left}
            gathered.heads |= there
            references = await unit.artifacts.references(there, with_possible=True) if there else []
            gathered.references += references
            frontier = {
                reference.target_id
                for reference in references
                if reference.kind is ReferenceKind.LITERAL
                and reference.target_id not in gathered.heads
                and reference.target_id not in gathered.externals
            }
        possible = {r.target_id for r in gathered.references if r.kind is ReferenceKind.POSSIBLE} - set(gathered.heads)
        named = await unit.artifacts.heads(possible) if possible else {}
    # what was not looked at any more, because there is too much already, is not absent
    gathered.problems += await _absent_problems(store, caller, tenant_id, gathered, unknown=frontier)
    gathered.problems += _status_problems(gathered.heads.values())
    gathered.warnings += _dynamic_warnings(gathered, {key for key, head in named.items() if head.is_there})
    gathered.warnings += _changed_warnings(gathered.externals.values())
    _order(gathered, limits)
    return gathered


def exactly(
    heads: Sequence[ArtifactHead], references: list[Reference], *, roots: Sequence[str] | None = None
) -> Closure:
    """These artifacts and no others, in install order: what else they refer to stays where it is.

    Without ``roots`` all of them are. Raises ``CircularDependency``: no import would take them.
    """
    found = {str(head.artifact_id): head for head in heads}
    gathered = Closure(tuple(found if roots is None else roots), found, references)
    ranks, edges = {key: head.artifact_type.rank for key, head in found.items()}, gathered.edges_of
    gathered.install_order, cycle = graph.order_or_cycle(list(ranks), edges, ranks)
    if cycle:
        text = "These artifacts refer to each other in a circle, and nobody could import them: "
        raise refuse(ErrorCode.CIRCULAR_DEPENDENCY, text + " -> ".join(cycle) + ".", cycle=cycle)
    return gathered


def _order(gathered: Closure, limits: Limits) -> None:
    """Discovery, depth, size, cycle and install order."""
    ranks = {key: head.artifact_type.rank for key, head in gathered.heads.items()}
    edges = gathered.edges_of
    gathered.found = graph.discovery(gathered.roots, edges, ranks)
    depth = graph.longest_depth(gathered.found)
    if depth > limits.export_depth:
        text = f"The dependencies are {depth} levels deep; {limits.export_depth} are allowed."
        details = {"limit": limits.export_depth, "actual": depth}
        gathered.problems.append(Problem(ErrorCode.DEPENDENCY_DEPTH_EXCEEDED, text, "artifactIds", details=details))
    if len(gathered.externals) > EXTERNAL_REFERENCES_MAX:
        text = f"More than {EXTERNAL_REFERENCES_MAX} artifacts would be left to other packages."
        details = {"limit": EXTERNAL_REFERENCES_MAX}
        gathered.problems.append(Problem(ErrorCode.BUNDLE_SIZE_EXCEEDED, text, "artifactIds", details=details))
    if len(gathered.heads) > limits.export_artifacts:
        text = f"The roots bring along more than {limits.export_artifacts} artifacts."
        details = {"limit": limits.export_artifacts}
        gathered.problems.append(Problem(ErrorCode.BUNDLE_SIZE_EXCEEDED, text, "artifactIds", details=details))
    gathered.install_order, gathered.cycle = graph.order_or_cycle(list(ranks), edges, ranks)


async def _absent_problems(
    store: Store, caller: Caller, tenant_id: TenantId, gathered: Closure, *, unknown: Collection[str]
) -> list[Problem]:
    """Ids that are not there; those of another tenant of the caller's are told apart (R21)."""
    users = {
        reference.target_id: reference
        for reference in reversed(gathered.references)
        if reference.kind is ReferenceKind.LITERAL
        and reference.target_id not in gathered.heads
        and reference.target_id not in gathered.externals
        and reference.target_id not in unknown
    }
    absent_roots = {root: index for index, root in enumerate(gathered.roots) if root not in gathered.heads}
    absent = {*users, *absent_roots}
    if not absent:
        return []
    reach = None if caller.is_platform else caller.tenants - {tenant_id}
    async with store.platform_view() as platform:
        elsewhere = await platform.lookup.tenants_holding(absent, reach)
    return [
        *(_absent_root(root, index, is_elsewhere=root in elsewhere) for root, index in absent_roots.items()),
        *(_dangling(ref, is_elsewhere=ref.target_id in elsewhere) for ref in users.values()),
    ]


def _absent_root(root: str, index: int, *, is_elsewhere: bool) -> Problem:
    where = f"artifactIds[{index}]"
    if is_elsewhere:
        text = f"Artifact {root} belongs to a different tenant."
        return Problem(ErrorCode.TENANT_MISMATCH, text, where, root)
    return Problem(ErrorCode.ARTIFACT_NOT_FOUND, f"Artifact {root} does not exist in the tenant.", where, root)


def _dangling(reference: Reference, *, is_elsewhere: bool) -> Problem:
    place = f"{reference.artifact_id}{reference.pointer}"
    if is_elsewhere:
        text = f"{place} refers to {reference.target_id}, which belongs to a different tenant."
        return Problem(ErrorCode.CROSS_TENANT_REFERENCE, text, place, reference.artifact_id)
    text = f"{place} refers to {reference.target_id}, which does not exist in the tenant."
    return Problem(ErrorCode.INCOMPLETE_ARTIFACT, text, place, reference.artifact_id)


def _status_problems(heads: Iterable[ArtifactHead]) -> Iterable[Problem]:
    for head in heads:
        if head.status not in _EXPORTABLE:
            text = f"{head.name} ({head.artifact_id}) is {head.status.wire}; only published artifacts are exported."
            details = {
                "artifactId": head.artifact_id,
                "currentStatus": head.status.wire,
                "requiredStatus": "Published",
            }
            yield Problem(ErrorCode.ARTIFACT_NOT_EXPORTABLE, text, head.artifact_id, head.artifact_id, details)


def _changed_warnings(externals: Iterable[External]) -> Iterable[Problem]:
    """What was edited here after its package brought it: the other tenant gets it as the package has it."""
    for head, package in externals:
        if head.imported_revision != head.revision:
            text = f"{head.name} was changed here; {package.name}, which brings it, does not have that change."
            yield Problem(ErrorCode.LOCAL_CHANGE_NOT_EXPORTED, text, head.artifact_id, head.artifact_id)


def _dynamic_warnings(gathered: Closure, named: Collection[ArtifactId]) -> Iterable[Problem]:
    """Computed references, and strings elsewhere that hold the id of an artifact which is not in the closure."""
    for reference in gathered.references:
        if reference.kind is ReferenceKind.LITERAL:
            continue
        place = f"{reference.artifact_id}{reference.pointer}"
        if reference.kind is ReferenceKind.DYNAMIC:
            text = f"The reference at {place} is computed and is not followed."
        elif reference.target_id in named:
            text = f"{place} holds the id of artifact {reference.target_id}, but is no known reference; not followed."
        else:
            continue
        yield Problem(ErrorCode.DYNAMIC_REFERENCE, text, place, reference.artifact_id)
