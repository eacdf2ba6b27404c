"""Queries and mutations, executed by graphql-core itself, because little may happen around a small one.

The document was read, measured and validated before. Strawberry would do that again, find it done, and put its context
managers and extensions around it, which takes longer than a small query.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, get_operation_ast
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as Executor
from strawberry.types import ExecutionResult

from resolvers.context import Asker, Operation
from resolvers.refusals import shown

#: quicker than graphql-core's own
_IS_AWAITABLE: Any = optimized_is_awaitable


async def executed(
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    asker: Asker,
    variables: Mapping[str, Any],
    operation_name: str | None,
) -> ExecutionResult:
    """What a query or a mutation is answered; only errors that callers may see are in it.

    Raises ``CannotGetOperationTypeError`` when the document has no such operation.
    """
    if get_operation_ast(document, operation_name) is None:
        raise CannotGetOperationTypeError(operation_name)
    executor = Executor.build(
        schema,
        document,
        context_value=Operation(asker),
        raw_variable_values=dict(variables),
        operation_name=operation_name,
        is_awaitable=_IS_AWAITABLE,
    )
    if isinstance(executor, list):
        return ExecutionResult(data=None, errors=shown(executor))
    try:
        found: Any = executor.execute_operation()
        if executor.is_awaitable(found):
            found = await found
    except Exception as trouble:  # noqa: BLE001 - the outermost line: whatever it is, the caller is told that it failed
        error = trouble if isinstance(trouble, GraphQLError) else GraphQLError(str(trouble), original_error=trouble)
        return ExecutionResult(data=None, errors=shown([error]))
    return ExecutionResult(data=found.data, errors=shown(found.errors) if found.errors else None)
