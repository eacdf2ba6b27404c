"""What a caller asks of GraphQL, over HTTP and over sockets: read strictly, its form checked before all else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from strawberry.types.graphql import OperationType

from domain import strict_json
from domain.access import Caller, tenant_of
from domain.errors import ErrorCode, refuse
from resolvers.documents import Asked, asked
from rest_compat.dialect import whole_body
from server.media import JSON

BODY_MAX = 1 << 20
#: what a request says, and in which form; what is null or absent says nothing
PARAMETERS: Mapping[str, type] = {
    "query": str,
    "documentId": str,
    "operationName": str,
    "variables": dict,
    "extensions": dict,
}
_TENANT = "X-Tenant-Id"
_BY_GET, _BY_POST = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION}), frozenset(OperationType)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, its form already checked."""

    query: Asked
    variables: dict[str, Any] | None
    operation_name: str | None
    allowed: frozenset[OperationType]


def tenant_header(headers: Headers, caller: Caller) -> str | None:
    """The tenant that narrows all a caller asks (decisions R1).

    Raises ``BadUserInput`` when it stands there twice, ``TenantMismatch`` when it is none of the caller's.
    """
    named = headers.getlist(_TENANT)
    if len(named) > 1:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"{_TENANT} stands there {len(named)} times.", _TENANT)
    if not named or not named[0]:
        return None
    return tenant_of(caller, header=named[0], where=_TENANT)


async def body_of(request: Request) -> bytes:
    """The bytes in which an HTTP request asks; nothing for one that asks in its address.

    Raises ``UnsupportedMediaType`` and ``PayloadTooLarge``.
    """
    if request.method == "GET":
        return b""
    _demand_json(request)
    return await _body(request)


def question_of(request: Request, body: bytes) -> Question:
    """What an HTTP request asks. Raises a refusal for what cannot be read as a question."""
    if request.method == "GET":
        return question_in(_in_query_string(request), _BY_GET, "the query string")
    return question_in(_read(body, "body"), _BY_POST, "the body")


def question_in(given: Any, allowed: frozenset[OperationType], where: str) -> Question:
    """What an object of parameters asks. Raises ``BadUserInput`` for one that asks nothing."""
    if not isinstance(given, dict):
        raise refuse(ErrorCode.BAD_USER_INPUT, "The body is one JSON object; batches are not taken.", "body")
    for name, kind in PARAMETERS.items():
        if not isinstance(given.get(name), kind | None):
            raise refuse(ErrorCode.BAD_USER_INPUT, f"{name} is {'an object' if kind is dict else 'a string'}.", name)
    query = asked(given)
    if not query:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"There is no query in {where}.", "query")
    if any("\0" in (given.get(name) or "") for name in ("query", "operationName")):
        raise refuse(ErrorCode.BAD_USER_INPUT, "The query holds the character NUL.", "query")
    return Question(query, given.get("variables"), given.get("operationName"), allowed)


def _in_query_string(request: Request) -> dict[str, Any]:
    """The parameters of a GET; what is empty is absent, as the protocol has it."""
    stated = [(name, value) for name, value in request.query_params.multi_items() if value]
    given: dict[str, Any] = dict(stated)
    for name in PARAMETERS:
        if sum(key == name for key, _ in stated) > 1:
            raise refuse(ErrorCode.BAD_USER_INPUT, f"{name} stands there several times.", name)
    for name in {"variables", "extensions"} & set(given):
        given[name] = _read(given[name].encode(), name)
    return given


def _demand_json(request: Request) -> None:
    content_type, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    charsets = [text.partition("=")[2].strip('"') for text in parameters if text.startswith("charset=")]
    is_plain = request.headers.get("content-encoding", "identity").lower() == "identity"
    if content_type != JSON or set(charsets) - {"utf-8", "utf8"} or not is_plain:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"The body is {JSON} in UTF-8, not compressed.")


async def _body(request: Request) -> bytes:
    """The body, refused as soon as it is known to be too large."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) <= BODY_MAX:
        body = await whole_body(request, most=BODY_MAX)
        if body is not None:
            return body
    raise refuse(
        ErrorCode.PAYLOAD_TOO_LARGE, f"The body is larger than {BODY_MAX} bytes. Send files over REST.", limit=BODY_MAX
    )


def _read(raw: bytes, where: str) -> Any:
    try:
        return strict_json.read(raw)
    except strict_json.NotStrict as flaw:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"This is not strict JSON: {flaw}.", where) from flaw
