"""GraphQL over HTTP: one request, one answer, or a stream of results (design: graphql, sections 3 to 6).

The first that refuses answers, in this order: method, token, ``Accept``, ``Content-Type``, size, form. With
``application/json`` an answered document has the status 200, whatever is wrong in it; with
``application/graphql-response+json`` a document that could not be executed has the status of its first error. Later
drafts of the protocol want other statuses (422, 294), and its own suite of audits these; servers agree on these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from domain.errors import ErrorCode, Refusal, refuse
from resolvers.api import Api
from resolvers.context import Asker
from resolvers.refusals import formatted
from schema.steadiness import Steadiness
from server.answers import Answers, Asking, Looked
from server.graphql_asking import Question, body_of, question_of, tenant_header
from server.graphql_page import Page
from server.graphql_streams import WIRES, ResultStream, shape_of, was_never_executed, written
from server.media import EVENTS, GRAPHQL, HTML, JSON, PARTS, chosen, names
from server.open_streams import OpenStreams

#: what says in a query string that something is asked
_ASKING = frozenset({"query", "documentId", "extensions"})
_KEPT_PRIVATE = {"Cache-Control": "no-store", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}


async def answer(request: Request, api: Api, streams: OpenStreams, *, page: Page, answers: Answers) -> Response:
    """Answer one HTTP request; refusals become answers too."""
    is_bare = request.method == "GET" and _ASKING.isdisjoint(request.query_params)
    accept = ", ".join(request.headers.getlist("accept"))
    media = chosen(accept, (GRAPHQL, JSON, EVENTS, PARTS, *([HTML] if is_bare else [])))
    try:
        if request.method not in {"GET", "POST"}:
            raise refuse(ErrorCode.METHOD_NOT_ALLOWED, "GraphQL is asked by POST, or by GET.", allow="GET, POST")
        if media == HTML:
            return HTMLResponse(page.html, headers={**_KEPT_PRIVATE, "Content-Security-Policy": page.policy})
        asker = await _asker(request)
        if media is None:
            raise refuse(ErrorCode.NOT_ACCEPTABLE, f"Answers are {GRAPHQL}, {JSON}, {EVENTS} or {PARTS}.")
        body = await body_of(request)
        asking = Asking(asker.caller, asker.tenant_header, request.method, request.scope["query_string"], body)
        looked = await answers.find(asking) if media not in WIRES else Looked()
        if looked.answer is not None:
            return _sent(looked.answer, media)
        question = question_of(request, body)
        if media not in WIRES and names(accept, PARTS) and await api.watches(question.query, question.operation_name):
            # such a caller takes plain JSON for what is no subscription, so the order and the weights say nothing here
            media = PARTS
        if media in WIRES:
            return await _streamed(api, question, asker, media, request, streams)
        result = await _executed(api, question, asker)
        if result.errors:
            return _answered(result, media)
        encoded = orjson.dumps(shape_of(result))
        _remember(answers, asking, encoded, looked, how=await api.steadiness(question.query))
        return _sent(encoded, media)
    except Refusal as refusal:
        return _refused(request, refusal, GRAPHQL if media == GRAPHQL else JSON)


def _remember(answers: Answers, asking: Asking, encoded: bytes, looked: Looked, *, how: Steadiness) -> None:
    if how is Steadiness.FOR_GOOD:
        answers.keep_for_good(asking, encoded)
    elif how is Steadiness.UNTIL_WRITTEN:
        answers.keep(asking, encoded, looked.moment)


async def _asker(request: Request) -> Asker:
    caller = await request.state.authenticate(request.headers.get("authorization"))
    return Asker(request.state.services, caller, tenant_header(request.headers, caller))


async def _executed(api: Api, question: Question, asker: Asker) -> ExecutionResult:
    try:
        return await api.answer(
            question.query,
            variables=question.variables,
            operation_name=question.operation_name,
            asker=asker,
            allowed=question.allowed,
        )
    except MissingQueryError as error:
        raise refuse(ErrorCode.BAD_USER_INPUT, "The query is empty.", "query") from error
    except CannotGetOperationTypeError as error:
        raise refuse(ErrorCode.BAD_USER_INPUT, "The document has no such operation.", "operationName") from error
    except InvalidOperationTypeError as error:
        if error.operation_type is OperationType.SUBSCRIPTION:
            text = f"A subscription is asked with Accept: {EVENTS}, as {PARTS}, or over graphql-transport-ws."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "query") from error
        raise refuse(ErrorCode.METHOD_NOT_ALLOWED, "Mutations are sent by POST.", allow="POST") from error


def _answered(result: ExecutionResult, media: str) -> Response:
    return _json(shape_of(result), media, status=_status(result) if media == GRAPHQL else 200)


def _status(result: ExecutionResult) -> int:
    if not was_never_executed(result) or not result.errors:
        return 200
    return ErrorCode[str((result.errors[0].extensions or {})["code"])].status


def _refused(request: Request, refusal: Refusal, media: str) -> Response:
    headers = {}
    if "allow" in refusal.details:
        headers["Allow"] = str(refusal.details["allow"])
    if "retryAfter" in refusal.details:
        headers["Retry-After"] = str(refusal.details["retryAfter"])
    if refusal.code is ErrorCode.UNAUTHENTICATED:
        is_given = "authorization" in request.headers
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if is_given else "Bearer"
    return _json({"errors": formatted([refusal])}, media, status=refusal.status, headers=headers)


def _json(shape: Mapping[str, Any], media: str, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return _sent(orjson.dumps(shape), media, status=status, headers=headers)


def _sent(body: bytes, media: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    content_type = f"{media}; charset=utf-8"
    return Response(body, status, {**_KEPT_PRIVATE, **(headers or {}), "Content-Type": content_type})


async def _streamed(
    api: Api, question: Question, asker: Asker, media: str, request: Request, streams: OpenStreams
) -> ResultStream:
    wire = WIRES[media]
    results = await api.stream(
        question.query,
        variable_values=question.variables,
        context_value=asker,
        operation_name=question.operation_name,
        allowed_operation_types=question.allowed,
    )
    place = streams.enter(asker.caller, asker.tenant_header)
    return ResultStream(written(results, asker, wire, request.state.runtime.ending), wire, place)
