"""The schema that callers see is the one in the repository, described, and free of names that hurt."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
)
from graphql.utilities import find_breaking_changes

from resolvers.api import API
from schema.meanings import MEANINGS
from tests.house.tree import ROOT

COMMITTED = ROOT / "schema" / "schema.graphql"

#: reserved by ECMAScript (strict mode and modules included) and by TypeScript
OF_SCRIPTS = {
    "arguments", "async", "await", "break", "case", "catch", "class", "const", "continue", "debugger",
    "default", "delete", "do", "else", "enum", "eval", "export", "extends", "false", "finally", "for",
    "function", "if", "implements", "import", "in", "instanceof", "interface", "let", "new", "null", "package",
    "private", "protected", "public", "return", "static", "super", "switch", "this", "throw", "true", "try",
    "typeof", "undefined", "var", "void", "while", "with", "yield",
}  # fmt: skip
RESERVED = OF_SCRIPTS | set(keyword.kwlist)

WITH_FIELDS = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)


def test_the_committed_schema_is_the_one_that_is_served():
    assert COMMITTED.read_text(encoding="utf-8") == API.as_str() + "\n", "run: python -m server print-schema"


def test_nothing_that_callers_use_was_taken_away():
    committed, served = (build_schema(text) for text in (COMMITTED.read_text(encoding="utf-8"), API.as_str()))

    assert [change.description for change in find_breaking_changes(committed, served)] == []


def test_everything_says_what_it_is():
    silent = [path for path, element in described(API._schema) if not getattr(element, "description", "")]

    assert silent == []


def test_no_meaning_is_told_of_what_there_is_not():
    enums = {name: kind for name, kind in own_types(API._schema).items() if isinstance(kind, GraphQLEnumType)}

    told = {(name, key) for name, meanings in MEANINGS.items() for key in meanings}

    assert told - {(name, key) for name, kind in enums.items() for key in kind.values} == set()


def test_no_field_is_named_by_a_reserved_word():
    named = [path for path in names(API._schema) if path.rpartition(".")[2] in RESERVED]

    assert named == []


def test_names_have_the_customary_form():
    fields = [path for path in names(API._schema) if not re.fullmatch(r"[a-z][A-Za-z0-9]*", path.rpartition(".")[2])]
    types = [name for name in own_types(API._schema) if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)]
    values = [
        f"{name}.{value}"
        for name, kind in own_types(API._schema).items()
        if isinstance(kind, GraphQLEnumType)
        for value in kind.values
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", value)
    ]

    assert (fields, types, values) == ([], [], [])


def test_only_a_node_has_a_field_id():
    with_id = {
        name
        for name, kind in own_types(API._schema).items()
        if isinstance(kind, GraphQLObjectType) and "id" in kind.fields
    }
    node = API._schema.type_map["Node"]

    assert isinstance(node, GraphQLInterfaceType)
    assert with_id == {kind.name for kind in API._schema.get_possible_types(node)}


def test_each_mutation_takes_one_input_and_gives_its_object_or_a_refusal():
    root: Any = API._schema.mutation_type
    mutations = root.fields
    payloads = {name: field.type.of_type for name, field in mutations.items()}
    shapes = {
        name: (
            list(field.args),
            str(field.args["input"].type),
            str(field.type),
            str(payloads[name].fields["refusal"].type),
        )
        for name, field in mutations.items()
    }

    expected = {name: f"{name[0].upper()}{name[1:]}" for name in mutations}
    assert shapes == {
        name: (["input"], f"{base}Input!", f"{base}Payload!", "Refusal") for name, base in expected.items()
    }
    assert [str(f.type) for kind in payloads.values() for f in kind.fields.values() if str(f.type).endswith("!")] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [("type Query { a: Int b: Int }", "type Query { a: Int }"), ("type Query { a: Int! }", "type Query { a: Int }")],
)
def test_a_breaking_change_would_be_found(before, after):
    assert find_breaking_changes(build_schema(before), build_schema(after))


def own_types(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    builtin = {"String", "Int", "Float", "Boolean", "ID", "Query", "Mutation", "Subscription"}
    roots = {name: schema.type_map[name] for name in ("Query", "Mutation", "Subscription")}
    return roots | {
        name: kind for name, kind in schema.type_map.items() if name not in builtin and not name.startswith("__")
    }


def described(schema: GraphQLSchema) -> Iterator[tuple[str, object]]:
    """Every type, field and argument, every input field, and every value of an enum but the error codes.

    What those mean is told in ``docs/errors.md``.
    """
    for name, kind in own_types(schema).items():
        yield name, kind
        if name != "ErrorCode":
            yield from ((f"{name}.{key}", value) for key, value in getattr(kind, "values", {}).items())
        for field_name, field in getattr(kind, "fields", {}).items():
            yield f"{name}.{field_name}", field
            for argument_name, argument in getattr(field, "args", {}).items():
                yield f"{name}.{field_name}.{argument_name}", argument


def names(schema: GraphQLSchema) -> list[str]:
    """Every field and argument."""
    return [path for path, element in described(schema) if "." in path and not isinstance(element, GraphQLEnumValue)]
