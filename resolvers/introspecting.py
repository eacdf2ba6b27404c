"""The schema, told to those who ask for it: off the event loop, because that takes a quarter of a second, and kept.

Nothing in it depends on the caller, so what was told once is told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    execute_sync,
    get_operation_ast,
    parse,
)
from strawberry.types import ExecutionResult

from resolvers.refusals import shown
from resolvers.sharing import Told

SCHEMA_FIELDS = frozenset({"__schema", "__type"})
#: each answer to the usual question is half a megabyte
_REMEMBERED = 4
#: one at a time: others' answers come between
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="introspection")


def asks_schema(document: DocumentNode, operation_name: str | None) -> bool:
    """Whether an operation asks for the schema. Look at :func:`is_mixed` first: then it asks for nothing else."""
    operation = get_operation_ast(document, operation_name)
    return operation is not None and not SCHEMA_FIELDS.isdisjoint(_root_fields(document, operation))


def is_mixed(document: DocumentNode) -> bool:
    """Whether one operation asks for the schema and for something else too."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    roots = [set(_root_fields(document, operation)) - {"__typename"} for operation in operations]
    return any(fields & SCHEMA_FIELDS and fields - SCHEMA_FIELDS for fields in roots)


async def introspected(
    schema: GraphQLSchema, text: str, operation_name: str | None, variables: Mapping[str, Any]
) -> ExecutionResult:
    """What an operation that asks for the schema alone is told."""
    given = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREAD, _executed, schema, text, operation_name, given)


@lru_cache(maxsize=_REMEMBERED)
def _executed(schema: GraphQLSchema, text: str, operation_name: str | None, variables: bytes) -> ExecutionResult:
    given = orjson.loads(variables)
    result = execute_sync(schema, parse(text), variable_values=given, operation_name=operation_name)
    if result.errors or result.data is None:
        return ExecutionResult(data=result.data, errors=shown(result.errors or []))
    told = Told(result.data)
    # encoded here, and not where others wait for it
    _ = told.encoded
    return ExecutionResult(data=told, errors=None)


def _root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> Iterator[str]:
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    todo: list[SelectionSetNode] = [operation.selection_set]
    seen: set[str] = set()
    while todo:
        for selection in todo.pop().selections:
            if isinstance(selection, FieldNode):
                yield selection.name.value
            elif isinstance(selection, InlineFragmentNode):
                todo.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in seen:
                seen.add(selection.name.value)
                todo.append(fragments[selection.name.value].selection_set)
