"""The dependency graph: what roots bring along, in which order it is installed, and where it runs in a circle.

Pure and iterative: nothing here recurses, so rings and chains of a thousand artifacts are ordinary (security.md
section 3.2). A graph is a mapping from an artifact's id to the ids it refers to. The rules:

* Discovery is breadth first; what one artifact refers to is visited by descending rank, then id (decisions R23,
  section 9.4). A dependency that several share is found once, by the nearest artifact that introduced it (X14).
* The install order puts what is needed first; what is free to go next goes by rank, then id (R23, installhub.md
  section 6.5). The same graph has the same order, whatever order its parts were given in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import networkx as nx

EdgesOf = Mapping[str, Sequence[str]]
_NOTHING: frozenset[str] = frozenset()


class Found(NamedTuple):
    """An artifact that discovery came to. ``depth`` counts references from the nearest root, which has 0.

    ``resolved_from`` is the artifact that introduced it; ``None`` for a root.
    """

    artifact_id: str
    resolved_from: str | None
    depth: int


def discovery(roots: Sequence[str], edges_of: EdgesOf, rank_of: Mapping[str, int]) -> tuple[Found, ...]:
    """The roots as asked, then all they need, in the order of discovery (X14, R23; decisions section 9.4).

    An id that ``rank_of`` does not know is no artifact at hand, and is left out.
    """
    found = [Found(root, None, 0) for root in dict.fromkeys(roots) if root in rank_of]
    seen = {root.artifact_id for root in found}
    for here in found:  # grows while it is read: a queue that remembers
        targets = edges_of.get(here.artifact_id)
        if not targets:
            continue
        needed = {target for target in targets if target in rank_of} - seen
        seen |= needed
        in_order = sorted(needed, key=lambda target: (-rank_of[target], target))
        found += [Found(target, here.artifact_id, here.depth + 1) for target in in_order]
    return tuple(found)


def longest_depth(found: Iterable[Found]) -> int:
    """The greatest distance from the nearest root: what the limit of levels is about (installhub.md section 6.2)."""
    return max((artifact.depth for artifact in found), default=0)


def install_order(ids: Collection[str], edges_of: EdgesOf, rank_of: Mapping[str, int]) -> list[str]:
    """The ids, each after everything among them that it refers to; ties by rank, then id (R23, section 6.5).

    Raises:
        RuntimeError: there is a circle; callers look for one with :func:`find_cycle` first.
    """
    needs = _needs(ids, edges_of)
    order = _ordered(needs, rank_of)
    if len(order) < len(needs):
        msg = "a graph with a circle has no install order"
        raise RuntimeError(msg)
    return order


def order_or_cycle(ids: Collection[str], edges_of: EdgesOf, rank_of: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """:func:`install_order`, or where there is none the circle of :func:`find_cycle`; the other is empty."""
    needs = _needs(ids, edges_of)
    order = _ordered(needs, rank_of)
    return (order, []) if len(order) == len(needs) else ([], find_cycle(ids, edges_of))


def _ordered(needs: Mapping[str, AbstractSet[str]], rank_of: Mapping[str, int]) -> list[str]:
    """In install order, as far as nothing waits for itself."""
    needed_by = defaultdict(list)
    for artifact, targets in needs.items():
        for target in targets:
            needed_by[target].append(artifact)
    waits_for = {artifact: len(targets) for artifact, targets in needs.items()}
    free = [(rank_of[artifact], artifact) for artifact, count in waits_for.items() if not count]
    heapify(free)
    order = []
    while free:
        _, artifact = heappop(free)
        order.append(artifact)
        for dependent in needed_by[artifact]:
            waits_for[dependent] -= 1
            if not waits_for[dependent]:
                heappush(free, (rank_of[dependent], dependent))
    return order


def find_cycle(ids: Collection[str], edges_of: EdgesOf) -> list[str]:
    """A circle of references, its first id repeated at the end; ``[]`` where there is none (X9).

    Always the same one, however the graph was given: a shortest circle through the smallest id that is in any.
    """
    if _is_in_order(ids, edges_of) or _is_acyclic(needs := _needs(ids, edges_of)):
        return []
    graph: nx.DiGraph[str] = nx.DiGraph(needs)
    knots = (knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1)
    start = min((*(min(knot) for knot in knots), *nx.nodes_with_selfloops(graph)), default=None)
    return [] if start is None else _shortest_circle(start, graph)


def _is_in_order(ids: Collection[str], edges_of: EdgesOf) -> bool:
    """How bundles come: each behind all that it refers to, so there is no circle. ``False`` says nothing."""
    ahead = set(ids)
    for artifact in ids:
        if artifact in edges_of and not ahead.isdisjoint(edges_of[artifact]):
            return False
        ahead.discard(artifact)
    return True


def _is_acyclic(needs: Mapping[str, AbstractSet[str]]) -> bool:
    """The usual case, found out in one pass: everything can be taken away once nothing needs it."""
    needed = Counter(target for targets in needs.values() for target in targets)
    free = [artifact for artifact in needs if artifact not in needed]
    for artifact in free:  # grows while it is read
        for target in needs[artifact]:
            needed[target] -= 1
            if not needed[target]:
                free.append(target)
    return len(free) == len(needs)


def _shortest_circle(start: str, graph: nx.DiGraph[str]) -> list[str]:
    came_from: dict[str, str | None] = {start: None}
    queue = [start]
    for here in queue:  # grows while it is read
        for target in sorted(graph.successors(here)):
            if target == start:
                return [start, *_way_back(here, came_from), start]
            if target not in came_from:
                came_from[target] = here
                queue.append(target)
    msg = f"{start} is in no circle"
    raise RuntimeError(msg)


def _way_back(last: str, came_from: Mapping[str, str | None]) -> list[str]:
    """The way from behind the start to ``last``."""
    way = []
    here: str | None = last
    while here is not None:
        way.append(here)
        here = came_from[here]
    return way[-2::-1]


def _needs(ids: Collection[str], edges_of: EdgesOf) -> dict[str, AbstractSet[str]]:
    """What each of the ids refers to among them."""
    known = frozenset(ids)
    return {
        artifact: known.intersection(edges_of[artifact]) if artifact in edges_of else _NOTHING for artifact in known
    }
