"""Who asks at the Akana-compatible door: the session cookie of the tenant in the path, and its CSRF token.

Nothing else signs anybody in here, and these cookies do so nowhere else (akana.md sections 4 and 12; security section
3.5). Everything that is wrong with them is one 401, whose text never says whether a tenant, a user or a session is
there.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from domain.access import Caller
from domain.errors import ErrorCode, Refusal, refuse
from domain.model import TenantId
from domain.services import Services
from domain.sessions import OpenSession
from rest_compat import akana_cookies as cookies

_OWN_PAGES = ("same-origin", "none")


async def signed_in(request: Request, tenant_id: str, *, writes: bool) -> Caller:
    """The caller whose session in this tenant the request shows.

    ``writes``: the request changes something, so it must not come from another site's page, and brings the CSRF token
    where the business demands one of writing requests; else where it demands one of reading requests. The caller's
    scopes are those of the user's power. Raises ``invalid_token``, which is 401 here, for everything that is wrong.
    """
    return (await session_of(request, tenant_id, writes=writes)).caller


async def session_of(request: Request, tenant_id: str, *, writes: bool, needs_csrf: bool = True) -> OpenSession:
    """The session itself. ``needs_csrf`` is false for what is exempt from the CSRF token, never from the origin."""
    services: Services = request.state.services
    if writes:
        demand_own_page(request)
    token = await cookies.auth_token(services.sessions, request, TenantId(tenant_id))
    found = await services.sessions.find(token.token_id, TenantId(tenant_id)) if token else None
    if token is None or found is None or found.user.user_id != token.user_id or token.has_ended(services.clock.now()):
        raise refused()
    demands = found.protection.writes if writes else found.protection.reads
    if needs_csrf and demands:
        csrf = await cookies.csrf_token(services.sessions, request, found.tenant_id, in_query=not writes)
        fits = csrf is not None and (csrf.token_id, csrf.user_id) == (token.token_id, token.user_id)
        if csrf is None or not fits or csrf.has_ended(services.clock.now()):
            text = f"Send the value of the cookie {cookies.csrf_name(found.tenant_id)} as the header X- and that name."
            raise refused(text)
    # the log's line of this request may say which tenant was meant, as it does of tokens
    request.state.note_caller(found.caller)
    return found


def tenant_of_business(business_id: str) -> TenantId:
    """The tenant whose business this is: ``tenantbusiness.{tenant}``. Raises ``NotFound`` for what is no such id."""
    word, _, tenant_id = business_id.partition(".")
    if word != "tenantbusiness" or not tenant_id:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such business.", "BusinessID", what="business")
    return TenantId(tenant_id)


def refused(text: str = "Sign in: POST /api/login, and send the cookie AtmoAuthToken_ of the tenant.") -> Refusal:
    """The 401 of this door."""
    return refuse(ErrorCode.UNAUTHENTICATED, text, reason="NoSession")


def demand_own_page(request: Request) -> None:
    """Refuse what another site's page has sent, as far as the browser says so; other clients say nothing."""
    site = request.headers.getlist("sec-fetch-site")
    origin = request.headers.getlist("origin")
    is_own = all(said in _OWN_PAGES for said in site) and all(_is_own(request, said) for said in origin)
    if not is_own:
        raise refused("This request comes from a page of another site.")


def _is_own(request: Request, origin: str) -> bool:
    """Whether an origin is this server, as the browser reached it: by its host, since TLS may end at a proxy."""
    services: Services = request.state.services
    public = urlsplit(services.installation.public_url)
    return origin.lower() in {
        f"{scheme}://{host}".lower()
        for host in (request.headers.get("host", ""), public.netloc)
        for scheme in ("http", "https")
        if host
    }
