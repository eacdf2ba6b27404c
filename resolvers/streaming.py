"""Subscriptions, put together from graphql-core's own parts, because little may happen for each event of each watcher.

Strawberry leads every event through several generators and context managers, which takes longer than sending it
(design: performance, W4). Documents are checked here as they are for all other operations.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from typing import Any

import graphql
from graphql import GraphQLError, GraphQLSchema, create_source_event_stream, get_operation_ast
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as Executor
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from resolvers.context import Asker, Operation
from resolvers.limits import TooComplexError, checked, measure_variables
from resolvers.refusals import shown
from resolvers.sharing import Answering

Results = AsyncGenerator[ExecutionResult | PreExecutionError, None]


def subscription(
    schema: GraphQLSchema,
    query: str | None,
    *,
    context_value: Asker,
    variable_values: Mapping[str, Any] | None = None,
    operation_name: str | None = None,
    allowed_operation_types: Collection[OperationType] = frozenset(OperationType),
    **_: Any,
) -> Results | None:
    """What a subscription tells, as it goes on; only errors that callers may see are in it.

    ``None`` for an operation of another kind, and for one that cannot be executed: both are Strawberry's to answer.
    The names are those with which Strawberry's doors ask.
    """
    if OperationType.SUBSCRIPTION not in allowed_operation_types:
        return None
    try:
        found = checked(schema, query or "")
        measure_variables(schema, found.document, operation_name, variable_values or {})
    except (GraphQLError, TooComplexError):
        return None
    operation = get_operation_ast(found.document, operation_name)
    if found.errors or operation is None or operation.operation is not graphql.OperationType.SUBSCRIPTION:
        return None
    executor = Executor.build(
        schema,
        found.document,
        context_value=Operation(context_value),
        raw_variable_values=dict(variable_values or {}),
        operation_name=operation_name,
    )
    return None if isinstance(executor, list) else _results(executor)


async def _results(executor: graphql.Executor[Any]) -> Results:
    try:
        source = create_source_event_stream(executor)
        events: Any = await source if executor.is_awaitable(source) else source
        if isinstance(events, graphql.ExecutionResult):
            yield PreExecutionError(data=None, errors=shown(events.errors or []))
            return
        answer = Answering(executor)
        async with aclosing(events):
            async for event in events:
                result = answer.known(event) or await answer.executed(event)
                yield result
    except Exception as trouble:  # noqa: BLE001 - the outermost line: whatever it is, the watcher is told that it ended
        error = trouble if isinstance(trouble, GraphQLError) else GraphQLError(str(trouble), original_error=trouble)
        yield ExecutionResult(data=None, errors=shown([error]))
