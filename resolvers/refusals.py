"""How refusals reach GraphQL callers: in a mutation's payload, or as a coded top-level error (decisions R16).

An exception that is no refusal is a bug of ours: it is logged once under a correlation id, and that is all the caller
is told.
"""

from __future__ import annotations

import functools
import logging
import re
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from graphql import GraphQLError, GraphQLFormattedError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import has_object_definition
from strawberry.utils.str_converters import to_camel_case

from domain import errors, unavailable
from domain.errors import ErrorCode, Refusal
from domain.ports import UnavailableError
from schema.refusals import refusal_of
from schema.values import Problem

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger("installhub.graphql")

_ASKED_WRONGLY = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
#: places that the domain calls as REST does
_CALLED = {"sourcePackageId": "packageId", "resolutions": "decisions"}
_STEPS = re.compile(r"[^.\[\]]+")
#: graphql-core offers what exists under a similar name; callers have the schema for that. What is never closed goes to
#: the end, so that each place is looked at once
_SUGGESTION = re.compile(r" ?Did you mean [^?]*(?:\?|\Z)")
#: characters: graphql-core repeats what is wrong, however long it is
_MESSAGE_MAX = 1000


def refusable(payload: Callable[..., T]) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """A mutation whose payload says why nothing was done.

    Only ``UNAUTHENTICATED`` stays a top-level error: the caller is not one who could be told.
    """

    def decorated(mutation: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(mutation)
        async def answered(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await mutation(*args, **kwargs)
            except Refusal as refusal:
                if refusal.code is ErrorCode.UNAUTHENTICATED:
                    raise
                return payload(refusal=refusal_of(refusal, _problems(refusal, kwargs["input"])))

        return answered

    return decorated


def shown(failures: Sequence[GraphQLError]) -> list[GraphQLError]:
    """Top-level errors as callers see them: each with a code of the catalogue, none with a word from inside."""
    return [_coded(failure) for failure in failures]


def formatted(failures: Sequence[Refusal]) -> list[GraphQLFormattedError]:
    """The same for a request that never became an operation."""
    return [_of_refusal(refusal, None).formatted for refusal in failures]


def late(seconds: float, cause: BaseException) -> GraphQLError:
    """An operation that was given up after so many seconds, as its caller is told."""
    correlation_id = str(uuid.uuid4())
    _log.warning("given up after %g s, correlation id %s", seconds, correlation_id, exc_info=cause)
    text = f"This took more than {seconds:g} s and was given up. Quote {correlation_id} when you report it."
    code = ErrorCode.SERVICE_UNAVAILABLE.name
    return GraphQLError(text, extensions={"code": code, "correlationId": correlation_id})


def _coded(failure: GraphQLError) -> GraphQLError:
    cause = _cause(failure)
    if isinstance(cause, Refusal):
        return _of_refusal(cause, failure)
    if isinstance(cause, UnavailableError | MemoryError):
        _log.warning("nothing can be done now: %r, because of %r", cause, cause.__cause__)
        return _of_refusal(unavailable.refusal_of(cause), failure)
    if isinstance(cause, (GraphQLError, *_ASKED_WRONGLY)) and not _is_of_output(cause, failure):
        code = (failure.extensions or {}).get("code", ErrorCode.BAD_USER_INPUT.name)
        message = _SUGGESTION.sub("", failure.message)
        if len(message) > _MESSAGE_MAX:
            message = f"{message[:_MESSAGE_MAX]}…"
        return _like(failure, message, {"code": code})
    return _masked(cause, failure)


def _cause(failure: GraphQLError) -> BaseException:
    """What was raised in the first place."""
    cause: BaseException = failure
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _is_of_output(cause: BaseException, failure: GraphQLError) -> bool:
    """Whether a value of ours has no form on the wire: graphql-core says so of no place in the document."""
    return bool(failure.path) and isinstance(cause, GraphQLError) and not cause.nodes


def _masked(cause: BaseException, failure: GraphQLError) -> GraphQLError:
    correlation_id = str(uuid.uuid4())
    _log.error("unexpected, correlation id %s, at %s", correlation_id, failure.path, exc_info=cause)
    text = f"Something went wrong on our side. Quote {correlation_id} when you report it."
    return _like(failure, text, {"code": ErrorCode.INTERNAL_ERROR.name, "correlationId": correlation_id})


def _of_refusal(refusal: Refusal, failure: GraphQLError | None) -> GraphQLError:
    problems = [_problem_row(problem) for problem in refusal.problems]
    return _like(failure, refusal.message, {"code": refusal.code.name, "problems": problems})


def _like(failure: GraphQLError | None, message: str, extensions: dict[str, Any]) -> GraphQLError:
    if failure is None:
        return GraphQLError(message, extensions=extensions)
    return GraphQLError(
        message,
        nodes=failure.nodes,
        source=failure.source,
        positions=failure.positions,
        path=failure.path,
        extensions=extensions,
    )


def _problem_row(problem: errors.Problem) -> dict[str, Any]:
    row: dict[str, Any] = {"code": problem.code.name, "message": problem.message}
    if problem.where:
        row["place"] = problem.where
    if problem.artifact_id:
        row["artifactId"] = problem.artifact_id
    if problem.details:
        row["details"] = dict(problem.details)
    return row


def _problems(refusal: Refusal, given: Any) -> list[Problem]:
    return [Problem.of(problem, input_path=_input_path(problem.where, given)) for problem in refusal.problems]


def _input_path(where: str, given: Any) -> list[str] | None:
    """A place such as ``save[0].name`` as the steps to it, when it begins with a field of this input or in it."""
    first, *rest = _STEPS.findall(where) or [""]
    steps = [_CALLED.get(first, first), *rest]
    sought, todo = _python_name(steps[0]), deque([(["input"], given)])
    while todo:
        path, here = todo.popleft()
        fields = {field.name: to_camel_case(field.name) for field in here.__strawberry_definition__.fields}
        if sought in fields:
            return [*path, *steps]
        inner = ((name, getattr(here, field)) for field, name in fields.items())
        todo += [([*path, name], one) for name, one in inner if has_object_definition(one)]
    return None


def _python_name(step: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", step).lower()
