"""The two cookies of a session, in the documented composition (akana.md section 4).

``AtmoAuthToken_{tenant}`` and ``Csrf-Token_{tenant}``: a list ``name=value,…,sig=…``, percent-encoded as a whole. Both
name the session's token; each is signed for its own use, so the one that scripts can read never stands for the other.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from domain.model import TenantId
from domain.services import Services
from domain.sessions import OpenSession, Sessions, Use

AUTH, CSRF = "AtmoAuthToken_", "Csrf-Token_"
_OVER, _LONG_AGO = "none", datetime.fromtimestamp(0, UTC)
_SIGNED = re.compile(r"(?P<members>[^\0]+),sig=(?P<signature>[\w-]+)", re.ASCII)
_MEMBERS = re.compile(r"TokenID=(?P<token>[\w-]+),.*\bexpirationTime=(?P<end>\d+),.*\bUserFDN=(?P<user>[\w-]+)%2E.*")


@dataclass(frozen=True, slots=True)
class Token:
    """What a cookie says, once its signature is ours."""

    token_id: str
    user_id: str
    #: milliseconds since 1970
    ends_at: int

    def has_ended(self, now: datetime) -> bool:
        return milliseconds(now) >= self.ends_at


def auth_name(tenant_id: TenantId) -> str:
    return AUTH + tenant_id


def csrf_name(tenant_id: TenantId) -> str:
    return CSRF + tenant_id


async def auth_token(sessions: Sessions, request: Request, tenant_id: TenantId) -> Token | None:
    """The tenant's session cookie. Two of that name are none: somebody put one beside the other."""
    values = [value for name, value in sent(request) if name == auth_name(tenant_id)]
    return await _token(sessions, Use.SESSION, values)


async def csrf_token(
    sessions: Sessions, request: Request, tenant_id: TenantId, *, in_query: bool = False
) -> Token | None:
    """The CSRF token: the cookie's value as it stands, in the header ``X-`` and the cookie's name.

    ``in_query``: a download may carry it as a query parameter of the same name instead.
    """
    name = f"X-{csrf_name(tenant_id)}"
    values = request.headers.getlist(name)
    if in_query and not values:
        values = request.query_params.getlist(name)
    return await _token(sessions, Use.CSRF, values)


def tenants_of(request: Request) -> list[TenantId]:
    """The tenants that a request brings session cookies of."""
    named = (name.removeprefix(AUTH) for name, _ in sent(request) if name.startswith(AUTH))
    return [TenantId(tenant_id) for tenant_id in dict.fromkeys(named)]


async def give(request: Request, response: Response, session: OpenSession) -> Response:
    """Set the session's cookie, and the CSRF cookie where the business demands the token of anything."""
    services: Services = request.state.services
    fdn = quote(session.user.fdn, safe="-").replace(".", "%2E")
    ends = f"expirationTime={milliseconds(session.expires_at)}"
    parts = [
        f"TokenID={session.token_id}",
        f"claimed_id=urn:atmosphere:user:{session.tenant_id}:{session.user.user_id}",
        f"issueTime={milliseconds(session.issued_at)}",
        ends,
        f"UserName={quote(session.user.email, safe='@')}",
        f"UserFDN={fdn}",
        "AttributesIncluded=false",
    ]
    value = await _signed(services.sessions, Use.SESSION, parts)
    _set(request, response, auth_name(session.tenant_id), value, session, is_read_by_scripts=False)
    if session.protection.is_on:
        parts = [f"TokenID={session.token_id}", ends, f"UserFDN={fdn}"]
        value = await _signed(services.sessions, Use.CSRF, parts)
        _set(request, response, csrf_name(session.tenant_id), value, session, is_read_by_scripts=True)
    return response


def take_away(response: Response, tenant_id: TenantId) -> Response:
    """Let the client forget both."""
    for name in (auth_name(tenant_id), csrf_name(tenant_id)):
        response.set_cookie(name, _OVER, max_age=0, expires=_LONG_AGO, path="/", samesite="lax")
    return response


def sent(request: Request) -> Iterator[tuple[str, str]]:
    """Every cookie of the request, also those of one name."""
    for header in request.headers.getlist("cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            yield name, value


def _set(
    request: Request, response: Response, name: str, value: str, session: OpenSession, *, is_read_by_scripts: bool
) -> None:
    services: Services = request.state.services
    left = session.expires_at - services.clock.now()
    response.set_cookie(
        name,
        value,
        max_age=max(0, round(left.total_seconds())),
        expires=session.expires_at,
        path="/",
        secure=services.installation.public_url.startswith("https://"),
        httponly=not is_read_by_scripts,
        samesite="lax",
    )


async def _signed(sessions: Sessions, use: Use, parts: Sequence[str]) -> str:
    members = ",".join(parts)
    return quote(f"{members},sig={await sessions.signature(use, members)}", safe="")


async def _token(sessions: Sessions, use: Use, values: Sequence[str]) -> Token | None:
    found = _SIGNED.fullmatch(unquote(values[0])) if len(values) == 1 else None
    if found is None:
        return None
    expected = await sessions.signature(use, found["members"])
    said = _MEMBERS.fullmatch(f"{found['members']},")
    if not hmac.compare_digest(expected, found["signature"]) or said is None:
        return None
    return Token(said["token"], said["user"], int(said["end"]))


def milliseconds(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)
