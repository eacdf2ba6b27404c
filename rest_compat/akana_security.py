"""What a business demands of requests besides the session: the CSRF token (akana.md sections 4 and 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right, require
from domain.errors import ErrorCode, Problem, refuse_if
from domain.services import Services
from domain.sessions import OpenSession
from domain.user_rows import Protection
from rest_compat import akana_cookies as cookies
from rest_compat.akana_faults import answerable, answered
from rest_compat.akana_session import session_of, tenant_of_business
from rest_compat.akana_shapes import SecuritySettings, answers_of
from rest_compat.dialect import json_object
from rest_compat.operations import JSON, Admits, Operation

_READS, _WRITES = "ReadRequestCSRFSupport", "WriteRequestCSRFSupport"
_SWITCHES: Mapping[Any, bool] = {"com.soa.feature.enabled": True, "com.soa.feature.disabled": False}
_WORDS = {is_on: word for word, is_on in _SWITCHES.items()}
_PATH = "/api/businesses/{BusinessID}/securitysettings"


async def security_settings(request: Request) -> Response:
    return _told(request, (await _administered(request, writes=False)).protection)


async def save_security_settings(request: Request) -> Response:
    """Change them from the next request on. Whoever did so has the cookie at once that is demanded then."""
    session = await _administered(request, writes=True)
    answerable(request)
    wanted = _protection(await json_object(request), session.protection)
    services: Services = request.state.services
    await services.sessions.protect(session.caller, session.tenant_id, wanted)
    changed = await services.sessions.find(session.token_id, session.tenant_id)
    answer = _told(request, wanted)
    return await cookies.give(request, answer, changed) if changed else answer


async def _administered(request: Request, *, writes: bool) -> OpenSession:
    tenant_id = tenant_of_business(str(request.path_params["BusinessID"]))
    session = await session_of(request, tenant_id, writes=writes)
    require(session.caller, Right.ADMINISTER)
    return session


def _protection(tree: Mapping[str, Any], now: Protection) -> Protection:
    """What is to be demanded; what the settings do not name stays, and what else they name is not ours."""
    stated = {name: tree[name] for name in (_READS, _WRITES) if name in tree}
    refuse_if(
        Problem(ErrorCode.BAD_USER_INPUT, f"{name} is one of {', '.join(_SWITCHES)}.", name)
        for name, word in stated.items()
        if not isinstance(word, str) or word not in _SWITCHES
    )
    reads, writes = (
        _SWITCHES[stated[name]] if name in stated else before
        for name, before in ((_READS, now.reads), (_WRITES, now.writes))
    )
    return Protection(reads=reads, writes=writes)


def _told(request: Request, protection: Protection) -> Response:
    switches = {_READS: _WORDS[protection.reads], _WRITES: _WORDS[protection.writes]}
    return answered(request, "BusinessSecuritySettings", {**switches, "AuthTokenCookieSameSite": "Lax"})


OPERATIONS = (
    Operation(
        method="GET",
        path=_PATH,
        endpoint=security_settings,
        summary="What a business demands of requests",
        right=Admits.SESSION,
        answers=answers_of(SecuritySettings, 401, 403, 404, text="What is demanded."),
        answers_all=True,
        source="akana.md section 9",
    ),
    Operation(
        method="PUT",
        path=_PATH,
        endpoint=save_security_settings,
        summary="Change what a business demands of requests",
        right=Admits.SESSION,
        answers=answers_of(
            SecuritySettings, 400, 401, 403, 404, 413, 415, headers=("Set-Cookie",), text="What is demanded now."
        ),
        answers_all=True,
        takes={JSON: SecuritySettings},
        source="akana.md section 9",
    ),
)
