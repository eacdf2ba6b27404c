"""Holds every answer of the REST door to the table that its OpenAPI document is made from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from pydantic import BaseModel
from starlette.routing import Match, Route

from domain.errors import ErrorCode
from rest_compat import OPERATIONS
from rest_compat.akana_shapes import Fault
from rest_compat.answers import ErrorAnswer, FailedImport, PendingConflicts
from rest_compat.install_shapes import AcknowledgmentDemand
from rest_compat.openapi import HEADERS_OF_REFUSALS, codes_of
from rest_compat.operations import EVENT_STREAM, JSON, NDJSON, Form, Forms, Operation, routes_of

_REFUSED, _TOO_SLOW = 400, 408
_SOMETIMES = {"preference-applied"}
#: what answers a body only to those who ask for it
_PERHAPS_SILENT = {"/api/login/endsession"}


@dataclass(slots=True)
class Oracle:
    """Looks at every answer that passes; ``seen`` are the statuses that endpoints gave."""

    seen: set[tuple[str, int]] = field(default_factory=set)

    async def look(self, answer: httpx.Response) -> None:
        """An event hook of the client. Fails where an answer is not one that the document tells of."""
        operation = operation_of(answer.request.method, answer.request.url.path)
        if operation is None:
            return
        await answer.aread()
        self.seen.add((operation.endpoint.__name__, answer.status_code))
        hold(operation, answer)


def operation_of(method: str, path: str) -> Operation | None:
    """Which operation answers there; the first that fits, as the server looks."""
    scope = {"type": "http", "method": method, "path": path, "headers": []}
    route = next((route for route in _routes() if route.matches(scope)[0] is Match.FULL), None)
    asked = "GET" if method == "HEAD" else method
    return next((one for one in OPERATIONS if route and (one.method, one.path) == (asked, route.path)), None)


def hold(operation: Operation, answer: httpx.Response) -> None:
    """Fail unless the operation is documented to answer so."""
    media = answer.headers.get("content-type", "").partition(";")[0]
    said = operation.answers.get(answer.status_code)
    form = said.forms.get(media) if said else None
    promised = said.headers if said else HEADERS_OF_REFUSALS.get(answer.status_code, ())
    assert {name.lower() for name in promised} - _SOMETIMES <= answer.headers.keys(), (operation.path, promised)
    if operation.answers_all:
        assert said is not None, f"{operation.path} answers {answer.status_code}"
        _hold_dialect(said.forms, media, answer)
    elif said and not said.forms:
        assert answer.content == b""
    elif answer.status_code < _REFUSED:
        assert form is not None, f"{operation.path} answers {answer.status_code} with {media}"
        _hold_body(form, media, answer)
    elif form is not PendingConflicts or "resumeUrl" not in answer.json():
        _hold_refusal(operation, answer)
    else:
        PendingConflicts.model_validate(answer.json())


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream, in either of its forms."""
    lines = (line.removeprefix("data: ") for line in answer.text.splitlines())
    return [json.loads(line) for line in lines if line.startswith("{")]


def _hold_body(form: Form, media: str, answer: httpx.Response) -> None:
    if not issubclass(form, BaseModel):
        return
    for body in events_of(answer) if media in {NDJSON, EVENT_STREAM} else [answer.json()]:
        form.model_validate(body)


def _hold_dialect(forms: Forms, media: str, answer: httpx.Response) -> None:
    """An answer of a dialect that has bodies and statuses of its own."""
    if not forms:
        assert answer.content == b""
        return
    assert media in forms, (answer.request.url.path, media)
    is_said = answer.content or answer.request.url.path not in _PERHAPS_SILENT
    if media.endswith("json") and is_said:
        _hold_body(Fault if answer.status_code >= _REFUSED else forms[media], media, answer)


def _hold_refusal(operation: Operation, answer: httpx.Response) -> None:
    body = answer.json()
    _refusal_form(operation, answer.status_code, body).model_validate(body)
    known = {code.wire for code in codes_of(operation).get(answer.status_code, ())}
    assert body["error"] in known or answer.status_code == _TOO_SLOW, (operation.path, answer.status_code, body)


def _refusal_form(operation: Operation, status: int, body: dict[str, Any]) -> type[BaseModel]:
    if body["error"] == ErrorCode.ACKNOWLEDGMENT_REQUIRED.wire:
        assert operation.answers[status].forms[JSON] is AcknowledgmentDemand
        return AcknowledgmentDemand
    return FailedImport if "rolledBack" in body else ErrorAnswer


@cache
def _routes() -> tuple[Route, ...]:
    return routes_of(OPERATIONS)
