"""The hub's index and packages as plain files, for whoever installs from here; no token is asked for.

``python -m server hub export`` writes the same tree for an object store or a CDN to serve.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from domain.errors import ErrorCode, Refusal, refuse
from domain.market.hub_rows import HubContent
from domain.market.index import ROOT, TIMESTAMP
from rest_compat.downloading import begun, entity_tag, is_known, span_of
from server.runtime import Runtime

_METADATA = re.compile(r"(?:([1-9][0-9]{0,8})\.)?(root|targets|snapshot|timestamp)\.json", re.ASCII)
_CONTENT = re.compile(r"packages/([^/]{1,100})/([0-9a-f]{64})\.([^/]{1,300})\.zip", re.ASCII)
#: asked for without a number: what changes
_NEWEST = frozenset({ROOT, TIMESTAMP})
_FOR_EVER = "public, max-age=31536000, immutable"
_ANEW = "public, no-cache"


async def metadata(request: Request) -> Response:
    """``<version>.<role>.json``, and without a version the newest root and timestamp."""
    runtime = _hub_of(request)
    found = _METADATA.fullmatch(request.path_params["name"])
    if found is None or (not found[1] and found[2] not in _NEWEST):
        raise _nothing()
    async with runtime.ports.store.platform_view() as unit:
        body = await unit.hub_rows.metadata(found[2], int(found[1]) if found[1] else None)
    if body is None:
        raise _nothing()
    headers = {"cache-control": _FOR_EVER if found[1] else _ANEW, "x-content-type-options": "nosniff"}
    return Response(body, media_type="application/json", headers=headers)


async def content(request: Request) -> Response:
    """A version's bytes, under their hash, whole or from somewhere on."""
    runtime = _hub_of(request)
    found = _CONTENT.fullmatch(request.path_params["path"])
    if found is None:
        raise _nothing()
    async with runtime.ports.store.platform_view() as unit:
        kept = await unit.hub_rows.content(found[1], found[3])
    if kept is None or not hmac.compare_digest(kept.bundle_sha256, found[2]):
        raise _nothing()
    if is_known(kept, request.headers):
        return Response(status_code=304, headers=_validators(kept))
    span = span_of(kept, request.headers)
    headers = {**_validators(kept), "content-length": str(span.length), "content-type": "application/zip"}
    if span.is_part:
        headers["content-range"] = f"bytes {span.start}-{span.start + span.length - 1}/{kept.size_bytes}"
    status = 206 if span.is_part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    if not await runtime.ports.blobs.is_whole(kept.blob_key, kept.bundle_sha256):
        raise _nothing()
    chunks = runtime.ports.blobs.read(kept.blob_key, start=span.start, length=span.length)
    return StreamingResponse(await begun(chunks), status_code=status, headers=headers)


ROUTES = (
    Route("/hub/metadata/{name}", metadata),
    Route("/hub/targets/{path:path}", content),
)


def _validators(kept: HubContent) -> Mapping[str, str]:
    return {
        "etag": entity_tag(kept),
        "accept-ranges": "bytes",
        "cache-control": _FOR_EVER,
        "x-content-type-options": "nosniff",
    }


def _hub_of(request: Request) -> Runtime:
    """Raises ``NotFound`` where packages come from another's hub, or are not for everybody."""
    runtime: Runtime = request.state.runtime
    if runtime.hub is None or not runtime.settings.market_public:
        raise _nothing()
    return runtime


def _nothing() -> Refusal:
    return refuse(ErrorCode.NOT_FOUND, "The hub has no such file.", what="file")
