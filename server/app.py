"""The HTTP application: routes, middleware and error answers, as lists (design: house, habit 7)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uuid_utils
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.errors import ErrorCode, Refusal, refuse
from domain.ports import UnavailableError
from domain.unavailable import refusal_of
from rest_compat import DIALECTS, dialect_of
from server import hub_files, openapi
from server.answers import Answers
from server.graphql import graphql_endpoint
from server.graphql_page import page_files
from server.memory import TidiedAfterwards
from server.metrics import metrics_page
from server.origins import KnownPages
from server.requests import Numbered, OneAuthorization, note_caller, noted, shown_path
from server.runtime import Runtime
from server.threads import AnsweredFirst

_log = logging.getLogger(__name__)
_CODES: Mapping[int, ErrorCode] = {
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    406: ErrorCode.NOT_ACCEPTABLE,
    413: ErrorCode.PAYLOAD_TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
}


def create_app(runtime: Runtime) -> Starlette:
    """The application over a running world; it opens and closes nothing itself."""
    graphql = graphql_endpoint(runtime.settings, Answers(runtime.moments, runtime.settings.answers_mb << 20))
    return _app(
        runtime,
        [
            *_WATCHED,
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            *page_files(runtime.settings),
            *openapi.ROUTES,
            *hub_files.ROUTES,
            *(route for dialect in DIALECTS for route in dialect.routes),
        ],
    )


def create_watched_app(runtime: Runtime) -> Starlette:
    """What a process without doors shows to whoever watches over it: that it lives, can work, and what it counts."""
    return _app(runtime, _WATCHED)


def _app(runtime: Runtime, routes: Sequence[BaseRoute]) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        authenticate = noted(runtime.authenticate)
        state = {"services": runtime.services, "authenticate": authenticate, "note_caller": note_caller}
        yield state | {"runtime": runtime}

    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(TidiedAfterwards),
            Middleware(AnsweredFirst, courtesy=runtime.ports.courtesy),
            Middleware(Numbered, metrics=runtime.metrics),
            Middleware(KnownPages, settings=runtime.settings),
            Middleware(OneAuthorization),
            Middleware(Masked),
        ],
        exception_handlers={
            Refusal: _refused,
            UnavailableError: _unavailable,
            MemoryError: _unavailable,
            HTTPException: _misdirected,
        },
        lifespan=lifespan,
    )
    # a redirect would make clients send a body twice, and WebSocket clients follow none
    app.router.redirect_slashes = False
    return app


class Masked:
    """Our own bugs: one entry in the log, and an answer that says no more than the entry's number."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_started = False

        async def send_noted(message: Any) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            _log.info("The caller of %s went away", shown_path(scope))
        except Exception as bug:  # noqa: BLE001 - the doors' outermost line
            if is_started and isinstance(bug.__cause__, UnavailableError):
                _log.warning("The answer of %s was cut short: %s", shown_path(scope), bug.__cause__)
                return
            number = str(uuid_utils.uuid7())
            _log.error("%s met a bug [%s]", shown_path(scope), number, exc_info=bug)
            if scope["type"] == "http" and not is_started:
                text = f"Something went wrong on our side. Quote {number} when you report it."
                refusal = refuse(ErrorCode.INTERNAL_ERROR, text, correlationId=number)
                await _answer(Request(scope, receive), refusal)(scope, receive, send)


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _ready(request: Request) -> Response:
    runtime: Runtime = request.state.runtime
    if missing := await runtime.missing():
        _log.warning("Not ready: no answer from %s", " and ".join(missing))
        return JSONResponse({"status": "unavailable", "missing": missing}, 503, {"Retry-After": "5"})
    degraded = await runtime.degraded()
    return JSONResponse({"status": "ready"} | ({"degraded": degraded} if degraded else {}))


_WATCHED = (Route("/healthz", _alive), Route("/readyz", _ready), Route("/metrics", metrics_page))


async def _refused(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise TypeError(type(refusal).__name__) from refusal
    return _answer(request, refusal)


async def _unavailable(request: Request, trouble: Exception) -> Response:
    if not isinstance(trouble, UnavailableError | MemoryError):
        raise TypeError(type(trouble).__name__) from trouble
    _log.warning("%s had to wait: %r, because of %r", shown_path(request.scope), trouble, trouble.__cause__)
    return _answer(request, refusal_of(trouble))


async def _misdirected(request: Request, error: Exception) -> Response:
    """Starlette's own answers, in the words of the door that was meant."""
    if not isinstance(error, HTTPException):
        raise TypeError(type(error).__name__) from error
    code = _CODES.get(error.status_code, ErrorCode.BAD_USER_INPUT)
    text = "There is nothing at this path." if code is ErrorCode.NOT_FOUND else f"{error.detail}."
    response = _answer(request, refuse(code, text))
    response.headers.update(error.headers or {})
    return response


def _answer(request: Request, refusal: Refusal) -> Response:
    return dialect_of(request.scope["path"]).render_refusal(request, refusal)
