"""The schema, put together; what leaves it has only errors that callers may see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from domain.ports import UnavailableError
from resolvers.bindings import BindingMutation, BindingQuery
from resolvers.context import Asker, FreshOperation
from resolvers.curation import CurationMutation, CurationQuery
from resolvers.housekeeping import HousekeepingMutation
from resolvers.installs import InstallMutation, InstallQuery, InstallSubscription
from resolvers.limits import CheckedDocuments
from resolvers.listings import ListingMutation, ListingQuery
from resolvers.mutations import Mutation
from resolvers.notices import NoticeMutation, NoticeQuery, NoticeSubscription
from resolvers.plans import PlanMutation
from resolvers.publishing import PublishingMutation, PublishingQuery
from resolvers.queries import Query
from resolvers.refusals import shown
from resolvers.reported import ReportedMutation
from resolvers.streaming import subscription
from resolvers.subscriptions import Subscription
from resolvers.undos import UndoMutation
from schema.artifacts import Artifact
from schema.refusals import LimitRefusal, PlainRefusal, StaleRefusal, TakenRefusal
from schema.scalars import SCALARS

R = TypeVar("R", bound=ExecutionResult)

_SINGLE = frozenset({OperationType.QUERY, OperationType.MUTATION})


class Api(strawberry.Schema):
    """Strawberry's schema, with coded and masked errors at its edge."""

    #: an operation whose caller has gone away ends by itself
    seconds_max: float = 60.0

    async def answer(
        self,
        query: str,
        *,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        asker: Asker,
        allowed: Collection[OperationType] = _SINGLE,
    ) -> ExecutionResult:
        """Answer a query or a mutation; a subscription has no single answer."""
        try:
            async with asyncio.timeout(self.seconds_max):
                result = await self.execute(
                    query,
                    variable_values=dict(variables or {}),
                    context_value=asker,
                    operation_name=operation_name,
                    allowed_operation_types=_SINGLE.intersection(allowed),
                )
        except TimeoutError as late:
            slow = UnavailableError(f"an operation took more than {self.seconds_max:g} s: {late!r}")
            result = ExecutionResult(data=None, errors=[GraphQLError(str(slow), original_error=slow)])
        return _with_shown_errors(result)

    async def stream(self, query: str | None, **asked: Any) -> AsyncGenerator[Any, None]:  # type: ignore[override]
        """Answer an operation of any kind as it goes on."""
        return subscription(self._schema, query, **asked) or _shown_stream(await super().stream(query, **asked))

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: what is worth a line in the log gets it where errors are masked, once."""


async def _shown_stream(results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    async with aclosing(results):
        async for result in results:
            yield _with_shown_errors(result)


def _with_shown_errors(result: R) -> R:
    if result.errors:
        result.errors = shown(result.errors)
    return result


# the three roots, each put together of what stands beside its subject
@strawberry.type(name="Query", description="What can be asked.")
class AllQueries(Query, ListingQuery, InstallQuery, NoticeQuery, PublishingQuery, CurationQuery, BindingQuery):
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
):
    pass


@strawberry.type(
    name="Subscription", description="What can be watched, over `graphql-transport-ws` or as `text/event-stream`."
)
class AllSubscriptions(Subscription, InstallSubscription, NoticeSubscription):
    pass


API = Api(
    query=AllQueries,
    mutation=AllMutations,
    subscription=AllSubscriptions,
    types=(Artifact, PlainRefusal, LimitRefusal, TakenRefusal, StaleRefusal),
    extensions=(FreshOperation, CheckedDocuments),
    config=StrawberryConfig(disable_field_suggestions=True, scalar_map=SCALARS),
)
