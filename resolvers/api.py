"""The schema, put together; what leaves it has only errors that callers may see."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, TypeVar

import strawberry
from graphql import DocumentNode, GraphQLError, get_operation_ast
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from resolvers.bindings import BindingMutation, BindingQuery
from resolvers.context import Asker, FreshOperation
from resolvers.curation import CurationMutation, CurationQuery
from resolvers.documents import Asked
from resolvers.executing import executed
from resolvers.housekeeping import HousekeepingMutation
from resolvers.installs import InstallMutation, InstallQuery, InstallSubscription
from resolvers.introspecting import asks_schema, introspected
from resolvers.listings import ListingMutation, ListingQuery
from resolvers.mutations import Mutation
from resolvers.notices import NoticeMutation, NoticeQuery, NoticeSubscription
from resolvers.plain import read_plainly
from resolvers.plans import PlanMutation
from resolvers.probes import ProbeQuery, ProbeSubscription
from resolvers.publishing import PublishingMutation, PublishingQuery
from resolvers.queries import Query
from resolvers.reading import CheckedDocuments, flaws, known
from resolvers.refusals import late, shown
from resolvers.reported import ReportedMutation
from resolvers.rescans import RescanQuery
from resolvers.scan_exceptions import ScanExceptionMutation, ScanExceptionQuery
from resolvers.streaming import is_subscription, subscription
from resolvers.subscriptions import Subscription
from resolvers.terms import Terms
from resolvers.undos import UndoMutation
from schema.artifacts import Artifact
from schema.meanings import explain
from schema.refusals import LimitRefusal, PlainRefusal, StaleRefusal, TakenRefusal
from schema.scalars import SCALARS
from schema.steadiness import Steadiness

R = TypeVar("R", bound=ExecutionResult)

_SINGLE = frozenset({OperationType.QUERY, OperationType.MUTATION})
_ANY = frozenset(OperationType)


class Api(strawberry.Schema):
    """Strawberry's schema, with coded and masked errors at its edge; answered on :attr:`terms`."""

    terms = Terms()

    def on(self, terms: Terms) -> Self:
        """The same schema, on other terms."""
        other = copy.copy(self)
        other.terms = terms
        return other

    async def answer(
        self,
        query: Asked,
        *,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        asker: Asker,
        allowed: Collection[OperationType] = _SINGLE,
    ) -> ExecutionResult:
        """Answer a query or a mutation; a subscription has no single answer.

        An operation whose caller has gone away ends by itself, when its time is over.

        Raises ``CannotGetOperationTypeError`` when the document has no such operation, ``InvalidOperationTypeError``
        when it is of another kind.
        """
        kinds = _SINGLE.intersection(allowed)
        try:
            async with asyncio.timeout(self.terms.seconds_max):
                read = await self._read(query, operation_name, variables or {}, kinds)
                if read.errors or read.document is None:
                    return ExecutionResult(data=None, errors=shown(read.errors))
                if read.is_introspective and asks_schema(read.document, operation_name):
                    return await introspected(self._schema, read.text, operation_name, variables or {})
                return await executed(
                    self._schema, read.document, asker=asker, variables=variables or {}, operation_name=operation_name
                )
        except TimeoutError as trouble:
            return ExecutionResult(data=None, errors=[late(self.terms.seconds_max, trouble)])

    async def stream(self, query: Asked | None, **asked: Any) -> AsyncGenerator[Any, None]:  # type: ignore[override]
        """Answer an operation of any kind as it goes on. The names are those with which Strawberry's doors ask."""
        return self._told(query or "", **asked)

    async def steadiness(self, query: Asked) -> Steadiness:
        """How long what a document was answered without errors is the answer."""
        return (await known(self._schema, self.terms.documents.text(query))).steadiness

    async def watches(self, query: Asked, operation_name: str | None) -> bool:
        """Whether a document's operation is a subscription; what cannot be parsed is none."""
        read = await self._read(query, operation_name, {}, _ANY)
        return read.document is not None and is_subscription(read.document, operation_name)

    async def _read(
        self, query: Asked, operation_name: str | None, variables: Mapping[str, Any], kinds: Collection[OperationType]
    ) -> _Read:
        """What was asked, and all that speaks against it. Raises ``InvalidOperationTypeError``."""
        try:
            text = self.terms.documents.text(query)
        except GraphQLError as unknown:
            return _Read("", None, [unknown])
        found = await known(self._schema, text)
        operation = get_operation_ast(found.document, operation_name) if found.document else None
        if operation is not None and OperationType(operation.operation.value) not in kinds:
            raise InvalidOperationTypeError(OperationType(operation.operation.value))
        errors = flaws(self._schema, found, self.terms, operation_name, variables)
        return _Read(text, found.document, errors, is_introspective=found.is_introspective)

    async def _told(
        self,
        query: Asked,
        *,
        context_value: Asker,
        variable_values: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Collection[OperationType] = _ANY,
        **_: Any,
    ) -> AsyncGenerator[Any, None]:
        variables, seconds = dict(variable_values or {}), self.terms.seconds_max
        try:
            read = await self._read(query, operation_name, variables, allowed_operation_types)
        except InvalidOperationTypeError as wrong:
            read = _Read("", None, [GraphQLError(wrong.as_http_error_reason("GET"))])
        if read.errors or read.document is None:
            yield PreExecutionError(data=None, errors=shown(read.errors))
            return
        if read.is_introspective and asks_schema(read.document, operation_name):
            yield await introspected(self._schema, read.text, operation_name, variables)
            return
        watched = subscription(
            self._schema,
            read.document,
            asker=context_value,
            variables=variables,
            operation_name=operation_name,
            seconds_max=seconds,
        )
        results = watched or _in_time(
            await super().stream(
                read.text,
                variable_values=variables,
                context_value=context_value,
                operation_name=operation_name,
                allowed_operation_types=allowed_operation_types,
            ),
            seconds,
        )
        async with aclosing(results):
            async for result in results:
                yield result

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: what is worth a line in the log gets it where errors are masked, once."""


@dataclass(frozen=True, slots=True)
class _Read:
    """The text that was asked for, its document if it has one, and why it cannot be executed."""

    text: str
    document: DocumentNode | None
    errors: Sequence[GraphQLError]
    is_introspective: bool = False


async def _in_time(results: AsyncGenerator[Any, None], seconds: float) -> AsyncGenerator[Any, None]:
    """Strawberry's results, each given up when it takes too long, with errors that callers may see."""
    async with aclosing(results):
        while True:
            try:
                async with asyncio.timeout(seconds):
                    result = await anext(results)
            except StopAsyncIteration:
                return
            except TimeoutError as trouble:
                yield ExecutionResult(data=None, errors=[late(seconds, trouble)])
                return
            yield _with_shown_errors(result)


def _with_shown_errors(result: R) -> R:
    if result.errors:
        result.errors = shown(result.errors)
    return result


# the three roots, each put together of what stands beside its subject
@strawberry.type(name="Query", description="What can be asked.")
class AllQueries(
    Query,
    ListingQuery,
    InstallQuery,
    NoticeQuery,
    PublishingQuery,
    CurationQuery,
    BindingQuery,
    ScanExceptionQuery,
    RescanQuery,
):
    pass


@strawberry.type(name="Mutation", description="What can be done.")
class AllMutations(
    Mutation,
    HousekeepingMutation,
    PlanMutation,
    ListingMutation,
    InstallMutation,
    NoticeMutation,
    PublishingMutation,
    CurationMutation,
    ReportedMutation,
    BindingMutation,
    UndoMutation,
    ScanExceptionMutation,
):
    pass


@strawberry.type(
    name="Subscription",
    description="What can be watched, over `graphql-transport-ws`, as `text/event-stream` or `multipart/mixed`.",
)
class AllSubscriptions(Subscription, InstallSubscription, NoticeSubscription):
    pass


def _api(query: type[AllQueries], subscription: type[AllSubscriptions]) -> Api:
    made = Api(
        query=query,
        mutation=AllMutations,
        subscription=subscription,
        types=(Artifact, PlainRefusal, LimitRefusal, TakenRefusal, StaleRefusal),
        extensions=(FreshOperation, CheckedDocuments),
        config=StrawberryConfig(disable_field_suggestions=True, scalar_map=SCALARS),
    )
    explain(made._schema)  # noqa: SLF001 - Strawberry keeps graphql-core's own there
    read_plainly(made._schema)  # noqa: SLF001 - the same
    return made


API = _api(AllQueries, AllSubscriptions)


@cache
def with_probes() -> Api:
    """The same schema, and in it what testers ask."""

    @strawberry.type(name="Query", description="What can be asked, by testers too.")
    class ProbedQueries(AllQueries, ProbeQuery):
        pass

    @strawberry.type(name="Subscription", description="What can be watched, by testers too.")
    class ProbedSubscriptions(AllSubscriptions, ProbeSubscription):
        pass

    return _api(ProbedQueries, ProbedSubscriptions)
