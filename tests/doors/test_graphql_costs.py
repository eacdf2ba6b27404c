"""What the lists of a document could hold, all together, is known before any of them is read."""

from __future__ import annotations

from typing import Any, cast

import pytest
from graphql import parse

from resolvers.api import API
from resolvers.context import Asker
from resolvers.costs import lists, possible
from resolvers.terms import Terms

NOBODY = Asker(cast("Any", None), cast("Any", None))
TENANT = '{ tenant(id: "t") { %s } }'
USED_BY = "fragment U on Artifact { usedBy(first: 10) { nodes { id } } }"
BY_VARIABLES = (
    "query($n: Int = 7, $m: Int) { importJobs(first: $n) { nodes { events(first: $m) { seq } } } }"  # m has no default
)


def cost(text, variables=None, name=None):
    return possible(lists(API._schema, parse(text))[name], variables or {})


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("{ viewer { subject } __typename }", 0),
        ("{ importJobs(first: 30) { nodes { id } } }", 30),
        ("{ importJobs { nodes { id } } }", 20),
        (TENANT % "artifacts(first: 10) { nodes { usedBy(first: 5) { edges { node { id } } } } }", 10 + 10 * 5),
        (TENANT % "artifacts(first: 3) { nodes { ...U ...U } }" + USED_BY, 3 + 3 * 20),
        (TENANT % "... on Tenant { artifacts(first: 3) { nodes { ... { usedBy(first: 2) { nodes { id } } } } } }", 9),
        ('{ nodes(ids: ["a", "b"]) { id ... on Artifact { usedBy(first: 4) { nodes { id } } } } }', 2 + 2 * 4),
        ("{ a: importJobs(first: 1) { nodes { id } } b: importJobs(first: 2) { nodes { id } } }", 3),
        ("{ importJobs(first: -5) { nodes { id } } }", 0),
        ("{ importJobs(first: 2000000000) { nodes { id } } }", 100),
    ],
)
def test_pages_are_multiplied_along_their_nesting_and_added_beside_each_other(text, nodes):
    assert cost(text) == nodes


@pytest.mark.parametrize(
    ("variables", "nodes"),
    [
        ({}, 707),
        ({"n": 2, "m": 3}, 2 + 2 * 3),
        ({"n": 9.0, "m": 1e300}, 909),
        ({"n": None, "m": 1}, 7 + 7),
        ({"n": "x", "m": [1]}, 7 + 7),
    ],
)
def test_variables_say_how_large_a_page_is(variables, nodes):
    assert cost(BY_VARIABLES, variables) == nodes


def test_ids_in_a_variable_are_counted():
    assert cost("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["x"] * 9}) == 9


async def test_an_operation_that_could_list_more_than_is_set_is_not_begun():
    api = API.on(Terms(nodes_max=100))
    page = "importJobs(first: {}) {{ nodes {{ id }} }}".format
    text = f"query Few {{ {page(100)} }} query Many {{ a: {page(51)} b: {page(51)} }}"

    # nobody asks, so what is begun fails
    few, many = [await api.answer(text, variables=None, operation_name=name, asker=NOBODY) for name in ("Few", "Many")]

    codes = [[(error.extensions or {})["code"] for error in one.errors or []] for one in (few, many)]
    assert codes == [["INTERNAL_ERROR"], ["QUERY_TOO_COMPLEX"]]
    assert "The query could list 102 things, more than 100. Ask for smaller pages." in str(many.errors)


async def test_an_event_stream_and_a_socket_are_refused_likewise():
    text = "{ importJobs(first: 51) { nodes { events(first: 100) { seq } } } }"

    results = [result async for result in await API.on(Terms(nodes_max=5000)).stream(text, context_value=NOBODY)]

    assert [error.extensions["code"] for result in results for error in result.errors] == ["QUERY_TOO_COMPLEX"]
