"""Signing in to the Akana-compatible door, and what a session is good for, there alone (akana.md section 4)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from domain.model import TenantId
from domain.sessions import Sessions, Use
from rest_compat import akana_cookies
from tests.doors.akana_client import ANNA, PASSWORD, a_client, a_user, code_of
from tests.doors.akana_sessions import AUTH, CSRF, ECHO, SETTINGS, is_signed_in, signed_again
from tests.world import a_world

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
AUTH_TEXT = re.compile(
    rf"TokenID=(?P<token>{_UUID}),claimed_id=urn:atmosphere:user:acme:(?P<user>{_UUID}),issueTime=(?P<begin>\d{{13}}),"
    rf"expirationTime=(?P<end>\d{{13}}),UserName=anna@acme\.example,UserFDN=(?P=user)%2Eacme,AttributesIncluded=false,"
    r"sig=[\w-]{86}"
)
CSRF_TEXT = re.compile(
    rf"TokenID=(?P<token>{_UUID}),expirationTime=(?P<end>\d{{13}}),UserFDN=(?P<user>{_UUID})%2Eacme,sig=[\w-]{{86}}"
)


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        for tenant in ("acme", "globex"):
            await world.tenant(tenant)
        await a_user(world, "acme")
        yield world


@pytest.fixture
async def client(world):
    """Anna, signed in to acme."""
    async with a_client(world) as client:
        await client.sign_in()
        yield client


@pytest.fixture
async def stranger(world):
    """Somebody without a cookie."""
    async with a_client(world) as client:
        yield client


def attributes(answer, name) -> set[str]:
    """What a cookie is set with, besides its value."""
    line = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{name}="))
    return {part.strip().lower() for part in line.split(";")[1:]}


# signing in


async def test_a_login_tells_who_it_is_and_keeps_the_token_in_the_cookie(stranger):
    answer = await stranger.sign_in()

    body = answer.json()
    token = AUTH_TEXT.fullmatch(unquote(stranger.cookies[AUTH]))
    assert token is not None
    assert answer.status_code == 200
    assert body == {
        "status": "Success",
        "userName": ANNA,
        "userFDN": f"{token['user']}.acme",
        "loginDomainID": "siteusers.acme",
        "avatarURL": "",
        "pendingNotifications": 0,
        "pendingTasks": [],
        "authTokenValidUntil": int(token["end"]),
    }
    assert token["token"] not in answer.text


async def test_the_cookies_are_composed_as_documented(client):
    auth, csrf = client.cookies[AUTH], client.cookies[CSRF]

    token, echo = AUTH_TEXT.fullmatch(unquote(auth)), CSRF_TEXT.fullmatch(unquote(csrf))
    assert token is not None
    assert echo is not None
    # percent-encoded as a whole, the dot of the name once more
    assert re.fullmatch(r"[\w.~%-]+", auth)
    assert auth.startswith("TokenID%3D")
    assert "%2CUserFDN%3D" in auth
    assert "%252Eacme" in auth
    assert len(auth) > 400
    assert int(token["end"]) - int(token["begin"]) == 30 * 60 * 1000
    assert (echo["token"], echo["end"], echo["user"]) == (token["token"], token["end"], token["user"])


async def test_scripts_may_read_the_csrf_cookie_and_never_the_other(stranger):
    answer = await stranger.sign_in()

    auth, csrf = attributes(answer, AUTH), attributes(answer, CSRF)
    assert auth >= {"httponly", "samesite=lax", "path=/", "max-age=1800"}
    assert csrf >= {"samesite=lax", "path=/", "max-age=1800"}
    assert "httponly" not in csrf
    assert "secure" not in auth | csrf
    assert not any(part.startswith("domain") for part in auth | csrf)


async def test_where_the_server_is_reached_with_tls_cookies_are_for_tls_alone(tmp_path):
    async with a_world(tmp_path, role="web", public_url="https://hub.acme.example") as world:
        await world.tenant("acme")
        await a_user(world, "acme")
        async with a_client(world) as client:
            answer = await client.sign_in()

    assert "secure" in attributes(answer, AUTH) & attributes(answer, CSRF)


async def test_who_cannot_be_signed_in_gets_a_fault_and_no_cookie(world, stranger):
    right: dict[str, Any] = {"email": ANNA, "password": PASSWORD}
    bodies = [{"email": ANNA}, {"email": "", "password": ""}, right | {"password": 1}, right | {"email": "\0"}, []]

    wrong = [
        await stranger.ask("POST", "/api/login", json=body, headers=headers)
        for body, headers in (
            (right | {"password": "wrong"}, {}),
            (right | {"email": "nobody@acme.example"}, {}),
            (right, {"X-Tenant-Id": "globex"}),
            (right, {"X-Tenant-Id": "of nobody"}),
        )
    ]
    unreadable = [await stranger.ask("POST", "/api/login", json=body) for body in bodies]

    assert {code_of(answer) for answer in wrong} == {(401, "invalid_token")}
    assert {code_of(answer) for answer in unreadable} == {(400, "BadUserInput")}
    assert {answer.json()["faultcode"] for answer in (*wrong, *unreadable)} == {"client"}
    assert stranger.cookies == {}


async def test_everything_that_is_missing_is_told_at_once(stranger):
    answer = await stranger.ask("POST", "/api/login", json={})

    assert [row["field"] for row in answer.json()["errors"]] == ["email", "password"]


async def test_a_login_is_json_and_its_answer_one_of_the_documented_types(stranger):
    form = await stranger.ask("POST", "/api/login", data={"email": ANNA, "password": PASSWORD})
    unreadable = await stranger.ask("POST", "/api/login", content=b"{", headers={"content-type": "application/json"})
    large = await stranger.ask("POST", "/api/login", json={"email": "x" * (1 << 20)})
    right, picture_only = {"email": ANNA, "password": PASSWORD}, {"accept": "image/png"}
    picture = await stranger.ask("POST", "/api/login", json=right, headers=picture_only)

    assert [answer.status_code for answer in (form, unreadable, large, picture)] == [415, 400, 413, 404]
    assert stranger.cookies == {}


async def test_an_address_that_two_tenants_know_needs_one_named(world, stranger):
    await a_user(world, "globex")

    unnamed = await stranger.sign_in()
    acme = await stranger.sign_in(fedmemberId="acme")
    globex = await stranger.ask(
        "POST", "/api/login", json={"email": ANNA, "password": PASSWORD}, headers={"X-Tenant-Id": "globex"}
    )
    both = await stranger.ask(
        "POST", "/api/login?fedmemberId=acme", json={"email": "a", "password": "b"}, headers={"X-Tenant-Id": "globex"}
    )

    assert (unnamed.status_code, acme.status_code, globex.status_code, both.status_code) == (401, 200, 200, 400)
    assert {"AtmoAuthToken_acme", "AtmoAuthToken_globex"} <= stranger.cookies.keys()


async def test_too_many_logins_have_to_wait(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_LOGINS_PER_USER_MINUTE", "2")
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("acme")
        await a_user(world, "acme")
        async with a_client(world) as client:
            tried = [await client.sign_in(password="wrong") for _ in range(2)]
            late = await client.sign_in()

    assert [answer.status_code for answer in tried] == [401, 401]
    assert code_of(late) == (429, "RateLimitExceeded")
    assert 0 < int(late.headers["retry-after"]) <= 60


# a session as it goes on


async def test_the_status_is_the_logins_answer_again(stranger):
    signed_in = await stranger.sign_in()

    status = await stranger.ask("GET", "/api/login/status")
    in_xml = await stranger.ask("GET", "/api/login/status", headers={"accept": "application/vnd.soa.v81+xml"})

    assert (status.status_code, status.json()) == (200, signed_in.json())
    assert in_xml.headers["content-type"] == "application/vnd.soa.v81+xml; charset=utf-8"
    assert ET.fromstring(in_xml.text).findtext("userName") == ANNA


async def test_without_a_cookie_nobody_is_signed_in(stranger):
    answers = [
        await stranger.ask(method, path)
        for method, path in (
            ("GET", "/api/login/status"),
            ("POST", "/api/login/renewToken"),
            ("POST", "/api/login/logout"),
            ("GET", "/api/login/endsession"),
            ("GET", "/api/properties"),
            ("GET", "/api/properties?fedmemberId=acme"),
            ("GET", "/api/properties?fedmemberId=no-such-tenant"),
            ("GET", SETTINGS),
            ("PUT", SETTINGS),
        )
    ]

    assert {code_of(answer) for answer in answers} == {(401, "invalid_token")}
    assert answers[5].json() == answers[6].json()


async def test_a_renewed_session_ends_later(client):
    before = client.cookies[AUTH]

    answer = await client.ask(
        "POST", "/api/login/renewToken", headers={"content-type": "application/x-www-form-urlencoded"}
    )

    first, second = (AUTH_TEXT.fullmatch(unquote(value)) for value in (before, client.cookies[AUTH]))
    assert first is not None
    assert second is not None
    assert answer.status_code == 200
    assert int(second["end"]) > int(first["end"])
    assert second["token"] == first["token"]
    assert await is_signed_in(client)


async def test_an_expired_session_is_none_and_cannot_be_renewed(world, client):
    await _expire(world, client)

    status = await client.ask("GET", "/api/login/status")
    renewed = await client.ask("POST", "/api/login/renewToken")

    assert code_of(status) == code_of(renewed) == (401, "invalid_token")


async def test_a_cookie_past_its_own_end_is_none_though_its_session_was_renewed(world, client):
    client.cookies[AUTH] = await signed_again(world, Use.SESSION, client.cookies[AUTH])

    assert not await is_signed_in(client)


async def test_a_logout_ends_the_session_and_lets_the_client_forget_it(client):
    kept = dict(client.cookies)

    answer = await client.ask("POST", "/api/login/logout?fedmemberId=acme", headers={ECHO: ""})

    forgotten = {name: attributes(answer, name) for name in (AUTH, CSRF)}
    assert (answer.status_code, answer.content) == (200, b"")
    assert client.cookies == {AUTH: "none", CSRF: "none"}
    assert all({"max-age=0", "path=/"} <= said for said in forgotten.values())
    client.cookies = kept
    assert not await is_signed_in(client)


async def test_a_session_is_ended_by_a_link_too(client):
    plain = await client.ask("GET", "/api/login/endsession")
    await client.sign_in()
    told = await client.ask("GET", "/api/login/endsession?returnInstructions=true&event=x")
    await client.sign_in()
    unclear = await client.ask("GET", "/api/login/endsession?returnInstructions=perhaps")

    assert (plain.status_code, plain.content) == (200, b"")
    assert (told.status_code, told.json()) == (200, {"IDPLogoutInfo": [], "RPLogoutInfo": []})
    assert unclear.status_code == 400
    assert await is_signed_in(client)


async def test_a_disabled_user_is_signed_out_at_once(world, client):
    async with world.runtime.ports.store.platform_unit() as unit:
        user = await unit.users.find("acme", ANNA)
        await unit.users.change(replace(user, is_enabled=False))

    assert not await is_signed_in(client)


async def test_properties_tell_the_tenant_of_the_session(client):
    answer = await client.ask("GET", "/api/properties")

    assert answer.json() == {
        "TenantID": "acme",
        "FedmemberID": "acme",
        "TenantName": "acme",
        "TenantBusinessID": "tenantbusiness.acme",
        "ConsoleAddress": "",
    }


async def test_of_several_sessions_one_has_to_be_named(world, client):
    await a_user(world, "globex", "ben@globex.example")
    await client.sign_in("ben@globex.example")

    unnamed = await client.ask("GET", "/api/properties")
    by_query = await client.ask("GET", "/api/properties?fedmemberId=globex")
    by_header = await client.ask("GET", "/api/properties", headers={"X-Tenant-Id": "acme"})
    of_nobody = await client.ask("GET", "/api/properties?fedmemberId=initech")

    assert (unnamed.status_code, of_nobody.status_code) == (401, 401)
    assert [answer.json()["TenantID"] for answer in (by_query, by_header)] == ["globex", "acme"]


async def test_the_log_says_which_tenant_was_meant_and_nothing_of_the_cookies(world, client, caplog):
    caplog.set_level("INFO", "server.access")
    caplog.clear()

    await client.ask("GET", "/api/properties?fedmemberId=acme")
    await client.ask("GET", "/api/properties?fedmemberId=globex")

    lines = [record.fields for record in caplog.records if record.name == "server.access"]
    assert [(line["path"], line.get("tenant")) for line in lines] == [
        ("/api/properties", "acme"),
        ("/api/properties", None),
    ]
    assert "TokenID" not in caplog.text


# what is no session


async def test_a_session_is_good_for_its_own_tenant_alone(world, client):
    await a_user(world, "globex", "ben@globex.example")
    renamed = {name.replace("acme", "globex"): value for name, value in client.cookies.items()}

    foreign = await client.ask("GET", "/api/businesses/tenantbusiness.globex/securitysettings")
    client.cookies = renamed
    answer = await client.ask("GET", "/api/properties?fedmemberId=globex")

    assert (foreign.status_code, answer.status_code) == (401, 401)


async def test_of_two_cookies_with_one_name_none_counts(client, stranger):
    good = f"{AUTH}={client.cookies[AUTH]}"

    twice = [
        await stranger.ask("GET", "/api/login/status", headers={"Cookie": pair})
        for pair in (f"{good}; {good}", f"{good}; {AUTH}=x", f"{AUTH}=; {good}", good)
    ]
    in_two_headers = await stranger.http.get("/api/login/status", headers=[("Cookie", good), ("Cookie", good)])

    assert [answer.status_code for answer in twice] == [401, 401, 401, 200]
    assert in_two_headers.status_code == 401


async def test_a_cookie_that_was_changed_is_none(client):
    value = client.cookies[AUTH]
    text = unquote(value)
    changes = {
        r"TokenID=": "TokenID=0",
        r"user:acme": "user:globex",
        r"issueTime=1": "issueTime=2",
        r"expirationTime=1": "expirationTime=2",
        r"UserName=anna": "UserName=boss",
        r"%2Eacme": "%2Eglobex",
        r"Included=false": "Included=true",
        r",sig=.*": "",
        r"sig=.*": "sig=",
        r"sig=(.)": r"sig=\1\1",
        r"$": ",",
    }

    taken = []
    for before, after in changes.items():
        changed = re.sub(before, after, text, count=1)
        client.cookies[AUTH] = quote(changed, safe="")
        if changed == text or await is_signed_in(client):
            taken.append(before)

    client.cookies[AUTH] = value
    assert taken == []
    assert await is_signed_in(client)


async def test_a_cookie_of_any_other_kind_is_none(stranger):
    values = [
        *("none", "", "=", "%", "%zz", "%00", "%ff%fe", "\xff\xfe", "TokenID", "TokenID%3D", ",sig=", "a,sig=b"),
        *("TokenID=x,expirationTime=1,UserFDN=x%2Ex,sig=" + "A" * 86, "TokenID=x,sig=" + "\xe9" * 86, '"quoted"'),
        *("%25" * 1000, "," * 5000, "x,sig=" * 2000, "TokenID=" + "9" * 5000, "\x80\x9f", "a b c"),
    ]

    answers = [
        await stranger.ask("GET", "/api/login/status", headers={"Cookie": f"{AUTH}={value}".encode("latin-1")})
        for value in values
    ]

    assert {code_of(answer) for answer in answers} == {(401, "invalid_token")}


@given(st.text(st.characters(max_codepoint=255)))
async def test_whatever_stands_in_a_cookie_it_is_none_unless_we_signed_it(value):
    sessions = Sessions.__new__(Sessions)
    sessions._key = b"the key of this test"
    header = f"{AUTH}={value}; Cookie".encode("latin-1")
    scope = {"type": "http", "path": "/", "query_string": b"", "headers": [(b"cookie", header)]}

    assert await akana_cookies.auth_token(sessions, Request(scope), TenantId("acme")) is None


async def _expire(world, client) -> None:
    """Let the session's half hour be over."""
    token = AUTH_TEXT.fullmatch(unquote(client.cookies[AUTH]))
    assert token is not None
    session = await world.services.sessions.find(token["token"], TenantId("acme"))
    async with world.runtime.ports.store.platform_unit() as unit:
        over = datetime.now(UTC) - timedelta(milliseconds=1)
        await unit.users.extend_session(session.standing.session.token_hash, over)
