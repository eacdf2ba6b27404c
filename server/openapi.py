"""The REST door's own description, open to everybody: ``/openapi.json`` for programs, ``/docs`` for people."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server import openapi_page

PRINTED = Path(__file__).parents[1] / "rest_compat" / "openapi.json"
DOCUMENT_PATH, PAGE_PATH = "/openapi.json", "/docs"
_UNCHANGED = 304
_TAG = re.compile(r'(?:W/)?("[^"]*")')
#: anybody may keep it, and asks each time whether it is still this one
_ALWAYS = {"cache-control": "no-cache", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


class Served(NamedTuple):
    """Bytes that stay the same as long as the process lives."""

    body: bytes
    media: str
    headers: dict[str, str]


async def document(request: Request) -> Response:
    return _answered(request, _document())


async def page(request: Request) -> Response:
    return _answered(request, _page())


ROUTES = (Route(DOCUMENT_PATH, document), Route(PAGE_PATH, page))


@cache
def _document() -> Served:
    body = PRINTED.read_bytes()
    return Served(body, "application/json", _ALWAYS | {"etag": _entity_tag(body)})


@cache
def _page() -> Served:
    """The page runs nothing and fetches nothing: its one style is named by its hash."""
    body = openapi_page.rendered(json.loads(_document().body), DOCUMENT_PATH).encode()
    style = b64encode(hashlib.sha256(openapi_page.STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = _ALWAYS | {"etag": _entity_tag(body), "content-security-policy": policy}
    return Served(body, "text/html; charset=utf-8", headers)


def _answered(request: Request, served: Served) -> Response:
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or served.headers["etag"] in _TAG.findall(known):
        return Response(status_code=_UNCHANGED, headers=served.headers)
    return Response(served.body, headers=served.headers | {"content-type": served.media})


def _entity_tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()}"'
