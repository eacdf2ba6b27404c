"""A text becomes a document: measured, parsed, measured again, validated; then it is remembered.

A long text that was not seen before is read in a thread, one at a time: whatever it is, others are answered meanwhile.
A text that cannot be executed is not remembered, since whoever sends such texts sends many.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from domain.errors import ErrorCode
from resolvers.costs import Lists, lists, possible
from resolvers.introspecting import is_mixed
from resolvers.limits import TOKENS_MAX, TooComplexError, measure, measure_text, measure_variables
from resolvers.steadiness import steadiness
from resolvers.terms import Terms
from schema.steadiness import Steadiness

ERRORS_MAX = 20
_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
_REMEMBERED = 256
#: characters of a text that is read at once: it takes less time than a thread would
_SHORT = 500
_INTROSPECTION = frozenset({"__schema", "__type"})
_READER = ThreadPoolExecutor(1, thread_name_prefix="documents")


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a text: everything wrong with it, or its document and what that lists and asks."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()
    lists: Lists = field(default_factory=dict)
    is_introspective: bool = False
    steadiness: Steadiness = Steadiness.FLEETING


_seen: OrderedDict[tuple[GraphQLSchema, str], Checked] = OrderedDict()


async def known(schema: GraphQLSchema, text: str) -> Checked:
    """What is known of a text, found out now if need be."""
    found = _seen.get((schema, text))
    if found is None:
        found = (
            checked(schema, text)
            if len(text) <= _SHORT
            else await asyncio.get_running_loop().run_in_executor(_READER, checked, schema, text)
        )
        if found.errors:
            return found
        _seen[schema, text] = found
        if len(_seen) > _REMEMBERED:
            _seen.popitem(last=False)
    else:
        _seen.move_to_end((schema, text))
    return found


def checked(schema: GraphQLSchema, text: str) -> Checked:
    """Measure, parse, measure, validate."""
    try:
        measure_text(text)
        document = parse(text, max_tokens=TOKENS_MAX)
        measure(document)
    except TooComplexError as excess:
        return Checked(None, (_refused(excess),))
    except GraphQLError as flaw:
        return Checked(None, (flaw,))
    errors = validate(schema, document, _RULES, max_errors=ERRORS_MAX, hide_suggestions=True)
    if errors:
        return Checked(document, tuple(errors))
    return Checked(
        document,
        lists=lists(schema, document),
        is_introspective=_is_introspective(document),
        steadiness=steadiness(schema, document),
    )


def flaws(
    schema: GraphQLSchema, found: Checked, terms: Terms, operation_name: str | None, variables: Mapping[str, Any]
) -> list[GraphQLError]:
    """Why a document cannot be executed here, with these variables; nothing if it can."""
    if found.errors or found.document is None:
        return list(found.errors)
    if found.is_introspective and not terms.introspection:
        return [GraphQLError("Introspection is switched off here; `__typename` is answered.")]
    if found.is_introspective and is_mixed(found.document):
        return [_refused(TooComplexError("The schema is large: ask for it by itself."))]
    if operation_name is None and len(found.lists) > 1:
        return [GraphQLError("Several operations were sent: name one of them.")]
    try:
        measure_variables(schema, found.document, operation_name, variables)
        _refuse_cost(found.lists, operation_name, variables, terms.nodes_max)
    except TooComplexError as excess:
        return [_refused(excess)]
    return []


class CheckedDocuments(SchemaExtension):
    """Gives Strawberry the document that :func:`known` has read, and nothing to validate."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        schema = context.schema._schema  # noqa: SLF001 - there is no other way to it
        found = _seen.get((schema, context.query or ""))
        if found is not None:
            context.graphql_document = found.document
            context.pre_execution_errors = []
        yield


def _refuse_cost(known_lists: Lists, operation_name: str | None, variables: Mapping[str, Any], nodes_max: int) -> None:
    named = operation_name if operation_name is not None else next(iter(known_lists), None)
    nodes = possible(known_lists.get(named, ()), variables)
    if nodes > nodes_max:
        raise TooComplexError(f"The query could list {nodes} things, more than {nodes_max}. Ask for smaller pages.")


def _is_introspective(document: DocumentNode) -> bool:
    todo: list[Node] = [document]
    while todo:
        node = todo.pop()
        if isinstance(node, FieldNode) and node.name.value in _INTROSPECTION:
            return True
        if isinstance(node, DocumentNode):
            todo += node.definitions
        elif (inner := getattr(node, "selection_set", None)) is not None:
            todo += inner.selections
    return False


def _refused(excess: TooComplexError) -> GraphQLError:
    return GraphQLError(str(excess), extensions={"code": ErrorCode.QUERY_TOO_COMPLEX.name})
