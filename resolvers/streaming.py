"""Subscriptions, put together from graphql-core's own parts, because little may happen for each event of each watcher.

Strawberry leads every event through several generators and context managers, which takes longer than sending it
(design: performance, W4).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import graphql
from graphql import DocumentNode, GraphQLError, GraphQLSchema, create_source_event_stream, get_operation_ast
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as Executor
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from resolvers.context import Asker, Operation
from resolvers.live import LIVE
from resolvers.refusals import late, shown
from resolvers.sharing import Answering

Results = AsyncGenerator[ExecutionResult | PreExecutionError, None]


def subscription(
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    asker: Asker,
    variables: Mapping[str, Any],
    operation_name: str | None,
    seconds_max: float,
) -> Results | None:
    """What a subscription tells, as it goes on; only errors that callers may see are in it.

    ``None`` for an operation of another kind, and for one whose variables do not fit: both are Strawberry's to answer.
    """
    if not is_subscription(document, operation_name):
        return None
    executor = Executor.build(
        schema,
        document,
        context_value=Operation(asker),
        raw_variable_values=dict(variables),
        operation_name=operation_name,
    )
    return None if isinstance(executor, list) else _results(executor, seconds_max)


def is_subscription(document: DocumentNode, operation_name: str | None) -> bool:
    operation = get_operation_ast(document, operation_name)
    return operation is not None and operation.operation is graphql.OperationType.SUBSCRIPTION


async def _results(executor: graphql.Executor[Any], seconds_max: float) -> Results:
    try:
        async with asyncio.timeout(seconds_max):
            source = create_source_event_stream(executor)
            events: Any = await source if executor.is_awaitable(source) else source
        if isinstance(events, graphql.ExecutionResult):
            yield PreExecutionError(data=None, errors=shown(events.errors or []))
            return
        answer = Answering(executor)
        with LIVE.subscription():
            async with aclosing(events):
                async for event in events:
                    result = answer.known(event)
                    if result is None:
                        async with asyncio.timeout(seconds_max):
                            result = await answer.executed(event)
                    yield result
    except TimeoutError as trouble:
        yield ExecutionResult(data=None, errors=[late(seconds_max, trouble)])
    except Exception as trouble:  # noqa: BLE001 - the outermost line: whatever it is, the watcher is told that it ended
        error = trouble if isinstance(trouble, GraphQLError) else GraphQLError(str(trouble), original_error=trouble)
        yield ExecutionResult(data=None, errors=shown([error]))
