"""Which queries may be answered from memory: every field that a query can reach is on one side or the other."""

from __future__ import annotations

import pytest
from graphql import get_named_type, is_abstract_type, is_object_type, parse

from resolvers.api import API, with_probes
from resolvers.reading import checked
from resolvers.steadiness import has_resolver, steadiness
from schema.steadiness import FLEETING, ROWLESS, STEADY, Steadiness

SCHEMA = API._schema


def _reachable(schema):
    """Every field with a resolver of its own that a query can reach."""
    todo, seen = [schema.query_type], set()
    while todo:
        kind = todo.pop()
        if kind.name in seen:
            continue
        seen.add(kind.name)
        if is_abstract_type(kind):
            todo += schema.get_possible_types(kind)
        elif is_object_type(kind):
            for name, known in kind.fields.items():
                todo.append(get_named_type(known.type))
                if has_resolver(known):
                    yield f"{kind.name}.{name}"


def test_each_field_that_is_found_out_is_either_steady_or_fleeting():
    reachable = set(_reachable(SCHEMA))

    assert reachable - STEADY - FLEETING == set()
    assert (STEADY | FLEETING) - reachable == set()
    assert set() == STEADY & FLEETING


def test_what_only_testers_ask_is_never_steady():
    assert set(_reachable(with_probes()._schema)) - set(_reachable(SCHEMA)) - STEADY


@pytest.mark.parametrize(
    "text",
    [
        "{ viewer { subject tokenExpiresAt } }",
        '{ tenant(id: "a") { ... on Node { id } ...T } } fragment T on Tenant { artifacts { nodes { content } } }',
        "query A { __typename viewer { __typename } } query B($is: Boolean!) { viewer @include(if: $is) { subject } }",
    ],
)
def test_a_document_of_steady_fields_is_steady(text):
    assert checked(SCHEMA, text).steadiness is not Steadiness.FLEETING


@pytest.mark.parametrize(
    "text",
    [
        '{ exportedPackage(id: "a") { downloadUrl } }',
        "{ importJobs { nodes { ...J } } } fragment J on ImportJob { progress { ... { eta { p50Seconds } } } }",
        "query A { viewer { subject } } query B { importJobs { nodes { undo { isPossible } } } }",
        'query A($is: Boolean!) { node(id: "a") @skip(if: $is) { id } }',
        '{ importJob(id: "a") { tenant { ... on Tenant { limits { exportsLeftThisHour } } } } }',
        "mutation A($input: ChangeArtifactsInput!) { changeArtifacts(input: $input) { refusal { message } } }",
        "query A { viewer { subject } } mutation B { __typename }",
        'subscription { importProgress(importId: "a") { seq } }',
        "{ __schema { types { name } } }",
        '{ __type(name: "Viewer") { name } }',
    ],
)
def test_one_field_that_may_change_by_itself_makes_the_document_another_each_time(text):
    assert checked(SCHEMA, text).errors == ()
    assert steadiness(SCHEMA, parse(text)) is Steadiness.FLEETING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ viewer { subject scopes ...V } } fragment V on Viewer { __typename tokenExpiresAt }", Steadiness.FOR_GOOD),
        ("{ viewer { subject tenants { nodes { tenantId } } } }", Steadiness.UNTIL_WRITTEN),
        ('query A { viewer { subject } } query B { importJob(id: "a") { state } }', Steadiness.UNTIL_WRITTEN),
    ],
)
def test_what_the_token_says_by_itself_stays_whatever_is_written(text, expected):
    assert ROWLESS < STEADY
    assert checked(SCHEMA, text).steadiness is expected
