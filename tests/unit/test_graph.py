"""What roots bring along, in which order it is installed, and where it runs in a circle."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.artifact_types import ArtifactType
from domain.graph import Found, discovery, find_cycle, install_order, longest_depth

RANKS = {member.entry.prefix: member.rank for member in ArtifactType}

#: the graph behind A2's printed preview
PREVIEW = {"proc-1001": ["form-2005", "rule-305", "thread-2002"], "form-2005": ["ent-44"]}
#: the graph behind the second printed install order (installhub.md section 15)
WITH_LIBRARY = {
    "proc-1001": ["thread-2002", "form-2005", "rule-305"],
    "form-2005": ["lib-12", "ent-44"],
    "rule-305": ["ent-44"],
}


def ranks_of(*ids):
    return {artifact: RANKS[artifact.split("-")[0]] for artifact in ids}


@st.composite
def graphs(draw, *, acyclic=False):
    size = draw(st.integers(1, 12))
    ids = [f"ent-{number}" for number in range(size)]
    pairs = draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=30))
    edges: dict[str, list[str]] = {}
    for source, target in pairs:
        if not acyclic or source > target:
            edges.setdefault(ids[source], []).append(ids[target])
    ranks = {artifact: draw(st.integers(0, 3)) for artifact in ids}
    return ids, edges, ranks


def test_the_printed_preview_is_reproduced():
    ids = ["proc-1001", "thread-2002", "form-2005", "rule-305", "ent-44"]

    found = discovery(["proc-1001"], PREVIEW, ranks_of(*ids))

    assert found == (
        Found("proc-1001", None, 0),
        Found("thread-2002", "proc-1001", 1),
        Found("form-2005", "proc-1001", 1),
        Found("rule-305", "proc-1001", 1),
        Found("ent-44", "form-2005", 2),
    )


def test_a_shared_dependency_is_found_once_by_the_nearest_that_introduced_it():
    ids = ["proc-1001", "thread-2002", "form-2005", "rule-305", "ent-44", "lib-12"]

    found = discovery(["form-2005", "proc-1001", "form-2005"], WITH_LIBRARY, ranks_of(*ids))

    assert found == (
        Found("form-2005", None, 0),
        Found("proc-1001", None, 0),
        Found("lib-12", "form-2005", 1),
        Found("ent-44", "form-2005", 1),
        Found("thread-2002", "proc-1001", 1),
        Found("rule-305", "proc-1001", 1),
    )


def test_siblings_of_one_rank_are_found_in_the_order_of_their_ids_as_plain_strings():
    edges = {"form-1": ["ent-9", "ent-10", "ent-100"]}

    found = discovery(["form-1"], edges, ranks_of("form-1", "ent-9", "ent-10", "ent-100"))

    assert [artifact.artifact_id for artifact in found] == ["form-1", "ent-10", "ent-100", "ent-9"]


def test_an_id_that_no_artifact_has_is_left_out_of_the_discovery():
    found = discovery(["form-1", "form-2"], {"form-1": ["ent-1", "ent-2"]}, ranks_of("form-1", "ent-2"))

    assert found == (Found("form-1", None, 0), Found("ent-2", "form-1", 1))


def test_depth_counts_from_the_nearest_root():
    chain = {f"ent-{number}": [f"ent-{number + 1}"] for number in range(10)}
    ranks = ranks_of(*(f"ent-{number}" for number in range(11)))

    depths = [longest_depth(discovery(roots, chain, ranks)) for roots in (["ent-0"], ["ent-0", "ent-6"], [])]

    assert depths == [10, 5, 0]


@pytest.mark.parametrize(
    ("edges", "printed"),
    [
        (PREVIEW, ["ent-44", "rule-305", "form-2005", "thread-2002", "proc-1001"]),
        (WITH_LIBRARY, ["ent-44", "lib-12", "rule-305", "form-2005", "thread-2002", "proc-1001"]),
    ],
    ids=["of the export page", "of the resolver page"],
)
def test_the_printed_install_orders_are_reproduced(edges, printed):
    order = install_order(sorted(printed), edges, ranks_of(*printed))

    assert order == printed


def test_what_lies_outside_the_ids_does_not_hold_up_the_order():
    order = install_order(["form-1", "rule-1"], {"form-1": ["ent-1"]}, ranks_of("form-1", "rule-1"))

    assert order == ["rule-1", "form-1"]


@given(graphs(acyclic=True), st.randoms(use_true_random=False))
def test_an_install_order_holds_each_id_once_after_what_it_needs_whatever_order_it_was_given_in(graph, chance):
    ids, edges, ranks = graph
    shuffled = chance.sample(ids, len(ids))

    order = install_order(ids, edges, ranks)

    place = {artifact: index for index, artifact in enumerate(order)}
    assert sorted(order) == sorted(ids)
    assert all(place[target] < place[source] for source, targets in edges.items() for target in targets)
    assert install_order(shuffled, {key: edges[key][::-1] for key in reversed(edges)}, ranks) == order


@given(graphs(acyclic=True))
def test_the_install_order_is_the_smallest_one_by_rank_and_id(graph):
    ids, edges, ranks = graph
    reference: nx.DiGraph[str] = nx.DiGraph()
    reference.add_nodes_from(ids)
    reference.add_edges_from((target, source) for source, targets in edges.items() for target in targets)

    order = install_order(ids, edges, ranks)

    assert order == list(nx.lexicographical_topological_sort(reference, key=lambda one: (ranks[one], one)))


@given(graphs())
def test_a_cycle_is_found_exactly_where_there_is_one_and_starts_at_its_smallest_id(graph):
    ids, edges, ranks = graph
    reference: nx.DiGraph[str] = nx.DiGraph(
        [(source, target) for source, targets in edges.items() for target in targets]
    )

    cycle = find_cycle(ids, edges)

    assert bool(cycle) is not nx.is_directed_acyclic_graph(reference)
    assert all(target in edges[source] for source, target in pairwise(cycle))
    assert cycle == [] or (cycle[0] == cycle[-1] == min(cycle) and len(set(cycle)) == len(cycle) - 1)
    assert find_cycle(ids[::-1], {key: edges[key][::-1] for key in reversed(edges)}) == cycle
    if cycle:
        with pytest.raises(RuntimeError):
            install_order(ids, edges, ranks)


def test_of_several_cycles_the_shortest_through_the_smallest_id_is_told():
    edges = {"b": ["c"], "c": ["b", "a"], "a": ["d", "b"], "d": ["e"], "e": ["a"], "z": ["z"]}

    cycle = find_cycle(list("zedcba"), edges)

    assert cycle == ["a", "b", "c", "a"]


def test_an_artifact_that_refers_to_itself_is_a_cycle():
    cycle = find_cycle(["ent-1", "form-1"], {"form-1": ["form-1", "ent-1"]})

    assert cycle == ["form-1", "form-1"]


def test_long_rings_and_chains_are_ordinary():
    ring = [f"ent-{number:04}" for number in range(900)]
    around = {source: [target] for source, target in pairwise([*ring, ring[0]])}
    chain = [f"ent-{number:04}" for number in range(1000)]
    along = {source: [target] for source, target in pairwise(chain)}

    cycle, none = find_cycle(ring, around), find_cycle(chain, along)
    found = discovery(chain[:1], along, ranks_of(*chain))

    assert cycle == [*ring, ring[0]]
    assert none == []
    assert install_order(chain, along, ranks_of(*chain)) == chain[::-1]
    assert longest_depth(found) == 999
