"""Signing in to the Akana-compatible door, staying, and signing out (akana.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.model import TenantId
from domain.services import Services
from domain.sessions import Login, OpenSession
from rest_compat import akana_cookies as cookies
from rest_compat.akana_faults import accomplished, answerable, answered
from rest_compat.akana_session import demand_own_page, refused, session_of
from rest_compat.akana_shapes import LoginRequest, LoginResponse, LogoutResponse, TenantProperties, answers_of
from rest_compat.asking import Body, read_body
from rest_compat.operations import JSON, Admits, Operation, Parameter
from rest_compat.querying import Query

_TEXT_LENGTH_MAX = 1024
_TENANT_HEADER, _TENANT_QUERY = "X-Tenant-Id", "fedmemberId"
#: where an attempt comes from when the connection does not say
_SOMEWHERE = "-"


class LoginBody(Body):
    """Who wants to sign in."""

    email: str | None = None
    password: str | None = None

    def problems(self) -> list[Problem]:
        """What is missing; an address or password that cannot be anybody's is merely wrong."""
        stated = {"email": self.email, "password": self.password}
        return [
            Problem(ErrorCode.BAD_USER_INPUT, f"Give {name}: 1 to {_TEXT_LENGTH_MAX} characters.", name)
            for name, text in stated.items()
            if not text or len(text) > _TEXT_LENGTH_MAX
        ]


async def login(request: Request) -> Response:
    """A session, where e-mail address and password are right."""
    demand_own_page(request)
    answerable(request)
    body = (await read_body(request, LoginBody)).checked
    refuse_if(body.problems())
    address = request.client.host if request.client else _SOMEWHERE
    attempt = Login(body.email or "", body.password or "", address, _named_tenant(request))
    session = await _services(request).sessions.begin(attempt)
    return await cookies.give(request, _told(request, session), session)


async def login_status(request: Request) -> Response:
    return _told(request, await _session(request, writes=False))


async def renew_token(request: Request) -> Response:
    """The same session with a later end; where it is not over yet, nobody has to sign in again."""
    session = await _session(request, writes=True)
    answerable(request)
    renewed = await _services(request).sessions.renew(session)
    return await cookies.give(request, _told(request, renewed), renewed)


async def logout(request: Request) -> Response:
    session = await _session(request, writes=True, needs_csrf=False)
    answerable(request)
    await _services(request).sessions.end(session)
    return cookies.take_away(accomplished(request), session.tenant_id)


async def end_session(request: Request) -> Response:
    """The same by ``GET``, as documented; it changes something, so no other site's page may ask for it."""
    query = Query(request)
    with_instructions = query.switch("returnInstructions")
    session = await _session(request, writes=True, needs_csrf=False)
    query.checked()
    answerable(request)
    await _services(request).sessions.end(session)
    instructions: dict[str, Any] = {"IDPLogoutInfo": [], "RPLogoutInfo": []}
    ended = answered(request, "LogoutResponse", instructions) if with_instructions else accomplished(request)
    return cookies.take_away(ended, session.tenant_id)


async def properties(request: Request) -> Response:
    """The tenant whose session the request shows."""
    tenant_id = (await _session(request, writes=False)).tenant_id
    return answered(
        request,
        "TenantProperties",
        {
            "TenantID": tenant_id,
            "FedmemberID": tenant_id,
            "TenantName": tenant_id,
            "TenantBusinessID": f"tenantbusiness.{tenant_id}",
            "ConsoleAddress": _services(request).installation.public_url,
        },
    )


def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


async def _session(request: Request, *, writes: bool, needs_csrf: bool = True) -> OpenSession:
    """The session of the tenant that is named, else the only one that the request shows."""
    named = _named_tenant(request)
    shown = cookies.tenants_of(request)
    if named is None and len(shown) > 1:
        text = f"The request shows sessions in several tenants: name one in {_TENANT_QUERY} or {_TENANT_HEADER}."
        raise refused(text)
    tenant_id = named or next(iter(shown), None)
    if tenant_id is None:
        raise refused()
    return await session_of(request, tenant_id, writes=writes, needs_csrf=needs_csrf)


def _named_tenant(request: Request) -> TenantId | None:
    """The tenant that the request names, in the query or in the header."""
    stated = [*request.query_params.getlist(_TENANT_QUERY), *request.headers.getlist(_TENANT_HEADER)]
    named = set(filter(None, stated))
    if len(named) > 1:
        raise refuse(ErrorCode.BAD_USER_INPUT, "The request names several tenants.", _TENANT_QUERY)
    return TenantId(named.pop()) if named else None


def _told(request: Request, session: OpenSession) -> Response:
    """Who is signed in (LoginResponse)."""
    members: Mapping[str, Any] = {
        "status": "Success",
        "userName": session.user.email,
        "userFDN": session.user.fdn,
        "loginDomainID": f"siteusers.{session.tenant_id}",
        "avatarURL": "",
        "pendingNotifications": 0,
        "pendingTasks": [],
        "authTokenValidUntil": cookies.milliseconds(session.expires_at),
    }
    return answered(request, "LoginResponse", members)


_COOKIES, _SOURCE = ("Set-Cookie",), "akana.md section 4"
_TENANT = (
    Parameter(_TENANT_QUERY, "The tenant that is meant, where the request does not say by itself."),
    Parameter(_TENANT_HEADER, "The same as a header.", place="header"),
)


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/login",
        endpoint=login,
        summary="Sign in",
        description="The answer sets the cookie `AtmoAuthToken_{tenant}` and, where the business demands the token of"
        " any request, `Csrf-Token_{tenant}`. An address that several tenants know needs the tenant named.",
        right=None,
        parameters=_TENANT,
        takes={JSON: LoginRequest},
        answers=answers_of(LoginResponse, 400, 401, 404, 413, 415, 429, headers=_COOKIES, text="Signed in."),
        answers_all=True,
        source=_SOURCE,
    ),
    Operation(
        method="GET",
        path="/api/login/status",
        endpoint=login_status,
        summary="Who is signed in",
        right=Admits.SESSION,
        parameters=_TENANT,
        answers=answers_of(LoginResponse, 400, 401, 404, text="Signed in."),
        answers_all=True,
        source=_SOURCE,
    ),
    Operation(
        method="POST",
        path="/api/login/renewToken",
        endpoint=renew_token,
        summary="Stay signed in",
        description="The session must not have ended yet. It ends twelve hours after the login at the latest.",
        right=Admits.SESSION,
        parameters=_TENANT,
        answers=answers_of(LoginResponse, 400, 401, 404, headers=_COOKIES, text="Signed in for longer."),
        answers_all=True,
        source=_SOURCE,
    ),
    Operation(
        method="POST",
        path="/api/login/logout",
        endpoint=logout,
        summary="Sign out",
        right=Admits.SESSION,
        parameters=_TENANT,
        answers=answers_of(None, 400, 401, 404, headers=_COOKIES, text="Signed out."),
        answers_all=True,
        source=_SOURCE,
    ),
    Operation(
        method="GET",
        path="/api/login/endsession",
        endpoint=end_session,
        summary="Sign out, as a link can",
        right=Admits.SESSION,
        parameters=(
            *_TENANT,
            Parameter("returnInstructions", "True: answer a body.", schema={"type": "boolean", "default": False}),
            Parameter("event", "Taken and not used."),
        ),
        answers=answers_of(
            LogoutResponse, 400, 401, 404, headers=_COOKIES, text="Signed out; the body comes where it is asked for."
        ),
        answers_all=True,
        source=_SOURCE,
    ),
    Operation(
        method="GET",
        path="/api/properties",
        endpoint=properties,
        summary="The tenant of the session",
        right=Admits.SESSION,
        parameters=_TENANT,
        answers=answers_of(TenantProperties, 400, 401, 404, text="The tenant."),
        answers_all=True,
        source="akana.md section 2",
    ),
)
