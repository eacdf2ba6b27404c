"""What a request must bring besides the session, and where a session counts: at this door, for its own pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from domain.sessions import Use
from domain.user_rows import Power
from tests.doors.akana_client import BROWSER_ACCEPT, PASSWORD, a_client, a_user, code_of
from tests.doors.akana_sessions import (
    AUTH,
    BOSS,
    CSRF,
    ECHO,
    OFF,
    ON,
    READS,
    SETTINGS,
    WRITES,
    is_signed_in,
    signed_again,
)
from tests.world import a_world


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path, role="web", allowed_origins=("https://pages.example",)) as world:
        await world.tenant("acme")
        await a_user(world, "acme", BOSS, Power.SITE_ADMIN)
        yield world


@pytest.fixture
async def stranger(world):
    """Somebody without a cookie."""
    async with a_client(world) as client:
        yield client


@pytest.fixture
async def boss(world):
    """A Site Admin of acme, signed in."""
    async with a_client(world) as client:
        await client.sign_in(BOSS)
        yield client


@pytest.fixture
async def client(world):
    """Anna, who may import and export, signed in."""
    await a_user(world, "acme")
    async with a_client(world) as client:
        await client.sign_in()
        yield client


# the CSRF token


async def test_a_request_that_writes_brings_the_csrf_token_as_it_stands_in_the_cookie(boss):
    verbatim = boss.cookies[CSRF]

    tried = {
        name: (await boss.ask("PUT", SETTINGS, json={}, headers={ECHO: value})).status_code
        for name, value in {
            "verbatim": verbatim,
            "missing": "",
            "decoded": unquote(verbatim),
            "cut": verbatim[:-1],
            "the session's own": boss.cookies[AUTH],
        }.items()
    }

    assert tried == {"verbatim": 200, "missing": 401, "decoded": 401, "cut": 401, "the session's own": 401}


async def test_a_csrf_token_never_stands_for_the_session(boss, stranger):
    answer = await stranger.ask("GET", "/api/login/status", headers={"Cookie": f"{AUTH}={boss.cookies[CSRF]}"})

    assert answer.status_code == 401


async def test_a_csrf_token_belongs_to_one_session(world, boss, client):
    mine = boss.cookies[CSRF]
    async with a_client(world) as elsewhere:
        await elsewhere.sign_in(BOSS)
        same_user = elsewhere.cookies[CSRF]

    other_user = await boss.ask("PUT", SETTINGS, json={}, headers={ECHO: client.cookies[CSRF]})
    other_session = await boss.ask("PUT", SETTINGS, json={}, headers={ECHO: same_user})
    own = await boss.ask("PUT", SETTINGS, json={}, headers={ECHO: mine})

    assert [answer.status_code for answer in (other_user, other_session, own)] == [401, 401, 200]


async def test_a_csrf_token_ends(world, boss):
    late = await signed_again(world, Use.CSRF, boss.cookies[CSRF])

    answer = await boss.ask("PUT", SETTINGS, json={}, headers={ECHO: late})

    assert code_of(answer) == (401, "invalid_token")


async def test_of_two_csrf_tokens_none_counts(boss):
    cookies = "; ".join(f"{name}={value}" for name, value in boss.cookies.items())
    headers = [("Cookie", cookies), (ECHO, boss.cookies[CSRF]), (ECHO, boss.cookies[CSRF])]

    answer = await boss.http.put(SETTINGS, json={}, headers=headers)

    assert answer.status_code == 401


async def test_a_request_that_reads_needs_the_token_only_where_the_business_says_so(boss):
    before = await boss.ask("GET", SETTINGS, headers={ECHO: ""})
    await boss.ask("PUT", SETTINGS, json={READS: ON})
    without = await boss.ask("GET", SETTINGS, headers={ECHO: ""})
    with_header = await boss.ask("GET", SETTINGS)

    assert [answer.status_code for answer in (before, without, with_header)] == [200, 401, 200]


async def test_a_link_may_carry_the_token_in_its_query_and_a_writing_request_may_not(boss):
    await boss.ask("PUT", SETTINGS, json={READS: ON})
    carried = {ECHO: boss.cookies[CSRF]}
    cookies = "; ".join(f"{name}={value}" for name, value in boss.cookies.items())

    read = await boss.http.get(SETTINGS, params=carried, headers={"Cookie": cookies})
    written = await boss.http.put(SETTINGS, params=carried, json={}, headers={"Cookie": cookies})

    assert "%253D" in str(read.request.url)
    assert (read.status_code, written.status_code) == (200, 401)


async def test_the_csrf_cookie_is_there_only_where_something_demands_it(boss):
    off = await boss.ask("PUT", SETTINGS, json={WRITES: OFF})
    boss.cookies.clear()
    without = await boss.sign_in(BOSS)
    unprotected = await boss.ask("PUT", SETTINGS, json={READS: ON})
    protected = await boss.ask("PUT", SETTINGS, json={})

    set_names = [line.partition("=")[0] for line in without.headers.get_list("set-cookie")]
    assert off.json() == {READS: OFF, WRITES: OFF, "AuthTokenCookieSameSite": "Lax"}
    assert set_names == [AUTH]
    # whoever switches it on has the token at once
    assert (unprotected.status_code, protected.status_code) == (200, 200)
    assert CSRF in boss.cookies


# what the business demands


async def test_security_settings_are_the_documented_ones_and_others_are_let_pass(boss):
    first = await boss.ask("GET", SETTINGS)
    changed = await boss.ask("PUT", SETTINGS, json={READS: ON, "CaptchaSupport": ON, "ChallengeCount": 3})
    second = await boss.ask("GET", SETTINGS)

    assert first.json() == {READS: OFF, WRITES: ON, "AuthTokenCookieSameSite": "Lax"}
    assert changed.json() == second.json() == {READS: ON, WRITES: ON, "AuthTokenCookieSameSite": "Lax"}


async def test_a_setting_that_cannot_be_changes_nothing(boss):
    values: list[Any] = ["true", True, None, 1, [], {}, "com.soa.feature.ENABLED"]

    answers = [await boss.ask("PUT", SETTINGS, json={READS: ON, WRITES: value}) for value in values]

    after = await boss.ask("GET", SETTINGS)
    assert {(*code_of(one), one.json()["errors"][0]["field"]) for one in answers} == {(400, "BadUserInput", WRITES)}
    assert after.json()[READS] == OFF


async def test_security_settings_are_the_site_admins(client):
    read = await client.ask("GET", SETTINGS)
    written = await client.ask("PUT", SETTINGS, json={WRITES: OFF})

    assert code_of(read) == code_of(written) == (403, "InsufficientPermission")


async def test_a_business_that_cannot_be_is_not_found(boss):
    names = ("tenantbusiness", "tenantbusiness.", "business.acme", "acme", "%00")

    answers = [await boss.ask("GET", f"/api/businesses/{name}/securitysettings") for name in names]

    assert {code_of(answer) for answer in answers} == {(404, "NotFound")}


# pages of other sites, and other doors


async def test_no_other_sites_page_can_write_with_whatever_token(world, boss):
    own, foreign = world.url, "https://evil.example"
    let_in = [{}, {"Origin": own}, {"Origin": own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
    kept_out = [
        *({"Origin": origin} for origin in (foreign, "https://pages.example", "null", "", f"{own}.evil.example")),
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "")),
        {"Origin": own, "Sec-Fetch-Site": "cross-site"},
    ]

    good = [await boss.ask("PUT", SETTINGS, json={}, headers=said) for said in let_in]
    bad = [await boss.ask("PUT", SETTINGS, json={}, headers=said) for said in kept_out]
    others = [
        await boss.ask(method, path, headers={"Origin": foreign}, **body)
        for method, path, body in (
            ("POST", "/api/login/renewToken", {}),
            ("POST", "/api/login", {"json": {"email": BOSS, "password": PASSWORD}}),
            ("POST", "/api/login/logout", {}),
            ("GET", "/api/login/endsession", {}),
        )
    ]

    assert [answer.status_code for answer in good] == [200] * len(let_in)
    assert [answer.status_code for answer in (*bad, *others)] == [401] * (len(kept_out) + len(others))
    assert await is_signed_in(boss)


async def test_the_servers_public_address_is_its_own(tmp_path):
    async with a_world(tmp_path, role="web", public_url="https://hub.acme.example") as world:
        await world.tenant("acme")
        await a_user(world, "acme")
        async with a_client(world) as client:
            client.own["Origin"] = "https://hub.acme.example"
            answer = await client.sign_in()

    assert answer.status_code == 200


async def test_no_other_origin_is_ever_let_read_here(world, stranger):
    page = {"Origin": "https://pages.example"}
    asks = page | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    here = [
        await stranger.ask("GET", "/api/login/status", headers=page),
        await stranger.ask("OPTIONS", "/api/login", headers=asks),
        await stranger.ask("OPTIONS", "/api/tenants/acme/packages", headers=asks),
    ]
    elsewhere = await stranger.ask("GET", "/api/installhub/imports", headers=page)

    assert {name for answer in here for name in answer.headers if name.startswith("access-control")} == set()
    assert elsewhere.headers["access-control-allow-origin"] == "https://pages.example"


async def test_a_session_opens_no_other_door(boss):
    csrf = {ECHO: boss.cookies[CSRF]}

    answers = [
        await boss.ask("GET", "/api/installhub/imports?tenantId=acme", headers=csrf),
        await boss.ask("POST", "/api/installhub/packages/export", json={}, headers=csrf),
        await boss.ask("GET", "/api/processes?tenantId=acme", headers=csrf),
        await boss.ask("GET", "/api/marketplace/submissions/sub-1/status", headers=csrf),
        await boss.ask("POST", "/graphql", json={"query": "{ viewer { subject } }"}, headers=csrf),
    ]

    assert {answer.status_code for answer in answers[:4]} == {401}
    assert answers[4].json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_token_opens_no_session_here(world, stranger):
    token = world.headers("acme")

    answers = [
        await stranger.ask(method, path, headers=token)
        for method, path in (("GET", "/api/login/status"), ("GET", "/api/properties"), ("PUT", SETTINGS))
    ]

    assert {code_of(answer) for answer in answers} == {(401, "invalid_token")}


async def test_what_is_not_there_is_a_fault_where_this_door_is_and_an_error_where_others_are(stranger):
    faults = [
        await stranger.ask("GET", path)
        for path in ("/api/login/nothing", "/api/tenants", "/api/tenants/acme", "/api/businesses/x/y", "/api/login/")
    ]
    errors = [await stranger.ask("GET", path) for path in ("/api/loginx", "/api/nothing", "/api/installhub/nothing")]

    assert {(answer.status_code, answer.json()["faultcode"]) for answer in faults} == {(404, "client")}
    assert {(answer.status_code, answer.json()["error"]) for answer in errors} == {(404, "NotFound")}


async def test_another_verb_is_a_fault_that_names_those_there_are(stranger):
    answer = await stranger.ask("DELETE", "/api/login", headers={"accept": BROWSER_ACCEPT})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.text == "MethodNotAllowed: Method Not Allowed.\n"
