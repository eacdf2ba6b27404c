"""Every bad token of the threat table is a 401 with its reason (design: security, section 3.5; decisions section 6)."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from domain.access import Caller
from domain.errors import ErrorCode, Refusal
from domain.model import TenantId
from server.auth import REMEMBERED, Reason, TokenAuthenticator, Trust
from server.jwks import CERTAIN_SECONDS, FRESH_SECONDS, PAUSE_SECONDS, USABLE_SECONDS, FileKeys, UrlKeys, key_source
from tests.clocks import NOON, ManualClock
from tests.world import a_world

OURS = Trust("https://issuer.example", "installhub")
NOW = int(NOON.timestamp())
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
STRANGER = RSAKey.generate_key(2048, {"kid": "stranger"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
P384 = ECKey.generate_key("P-384", {"kid": "p384"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
CLAIMS: dict[str, Any] = {
    "iss": OURS.issuer,
    "aud": OURS.audience,
    "sub": "anna",
    "exp": NOW + 600,
    "iat": NOW,
    "email": "anna@acme.example",
    "scope": "installhub:import installhub:read",
    "permissions": ["installhub:export"],
    "roles": ["installhub:admin"],
    "tenants": ["acme", "globex"],
    "tenant_id": "acme",
}

Sign = Callable[..., str]


def a_token(claims: dict[str, Any] | None = None, *, key: Any = RSA, alg: str = "RS256", **header: Any) -> str:
    """A bearer value with these claims over the usual ones; a claim of ``...`` is left out."""
    kept = {name: value for name, value in (CLAIMS | (claims or {})).items() if value is not ...}
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    head = {"alg": alg, "kid": key.kid, "typ": "JWT"} | header
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library does not like the name EdDSA any more; issuers do
        token = jws.serialize_compact(head, json.dumps(kept), key, algorithms=[alg], registry=registry)
    return f"Bearer {token}"


def a_handmade_token(header: dict[str, Any] | bytes, payload: bytes | None = None, signature: bytes = b"x") -> str:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    parts = (head, json.dumps(CLAIMS).encode() if payload is None else payload, signature)
    return "Bearer " + ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_with_the_public_key() -> str:
    value = a_handmade_token({"alg": "HS256", "kid": "rsa"}).rpartition(".")[0]
    digest = hmac.digest(RSA.as_pem(private=False), value.removeprefix("Bearer ").encode(), "sha256")
    return f"{value}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(KeySet([RSA, EC, P384, ED]).as_dict(private=False)))
    return path


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def authenticate(keys_file: Path, clock: ManualClock) -> TokenAuthenticator:
    return TokenAuthenticator(FileKeys(keys_file), OURS, clock)


async def reason_of(authenticate: TokenAuthenticator, authorization: str | None) -> str:
    with pytest.raises(Refusal) as caught:
        await authenticate(authorization)
    assert caught.value.code is ErrorCode.UNAUTHENTICATED
    assert caught.value.status == 401
    return str(caught.value.details["reason"])


async def test_a_good_token_tells_who_asks(authenticate):
    caller = await authenticate(a_token())

    assert caller == Caller(
        subject="anna",
        issuer=OURS.issuer,
        tenants=frozenset({TenantId("acme"), TenantId("globex")}),
        scopes=frozenset({"installhub:import", "installhub:read", "installhub:export", "installhub:admin"}),
        expires_at=NOON + timedelta(seconds=600),
        default_tenant=TenantId("acme"),
        email="anna@acme.example",
        is_service=False,
    )


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")])
async def test_our_algorithms_are_accepted(authenticate, key, alg):
    caller = await authenticate(a_token(key=key, alg=alg))

    assert caller.subject == "anna"


async def test_the_few_claims_that_must_be_there_are_enough(authenticate):
    only = dict.fromkeys(("iat", "email", "scope", "permissions", "roles", "tenants", "tenant_id"), ...)

    caller = await authenticate(a_token(only))

    assert (caller.tenants, caller.scopes, caller.default_tenant, caller.email) == (set(), set(), None, None)


async def test_a_scope_is_one_word_and_compared_whole(authenticate):
    caller = await authenticate(a_token({"scope": ["installhub:import:x y"], "permissions": ..., "roles": ...}))

    assert caller.scopes == {"installhub:import:x y"}


async def test_a_service_account_is_known_as_one(authenticate):
    caller = await authenticate(a_token({"managed_identity_id": "mi-7"}))

    assert caller.is_service


@pytest.mark.parametrize("name", ["bearer", "BEARER", "Bearer  "])
async def test_the_word_bearer_is_read_as_http_reads_it(authenticate, name):
    caller = await authenticate(a_token().replace("Bearer", name))

    assert caller.subject == "anna"


BAD_VALUES: dict[str, tuple[str | None, Reason]] = {
    "none at all": (None, Reason.MALFORMED),
    "an empty value": ("", Reason.MALFORMED),
    "no token": ("Bearer", Reason.MALFORMED),
    "another scheme": ("Basic YTpi", Reason.MALFORMED),
    "two values joined": (f"{a_token()}, {a_token()}", Reason.MALFORMED),
    "two parts": (a_token().rpartition(".")[0], Reason.MALFORMED),
    "five parts": (f"{a_token()}.a.b", Reason.MALFORMED),
    "a line break": (f"{a_token()}\n", Reason.MALFORMED),
    "letters of no alphabet of ours": (f"{a_token()}ü", Reason.MALFORMED),
    "a flood": ("Bearer " + "a" * 20_000 + ".a.a", Reason.MALFORMED),
    "a header that is no JSON": (a_handmade_token(b"{"), Reason.MALFORMED),
    "a header in another encoding": (a_handmade_token('{"alg":"RS256"}'.encode("utf-16")), Reason.MALFORMED),
    "a header that says alg twice": (a_handmade_token(b'{"alg":"none","alg":"RS256"}'), Reason.MALFORMED),
    "a header that is a list": (a_handmade_token(b"[]"), Reason.MALFORMED),
    "a header deep as a well": (a_handmade_token(b"[" * 5_000), Reason.MALFORMED),
    "alg none": (a_handmade_token({"alg": "none", "kid": "rsa"}, signature=b""), Reason.MALFORMED),
    "alg none with a signature": (a_handmade_token({"alg": "none", "kid": "rsa"}), Reason.SIGNATURE),
    "alg None": (a_handmade_token({"alg": "None", "kid": "rsa"}), Reason.SIGNATURE),
    "no alg": (a_handmade_token({"kid": "rsa"}), Reason.SIGNATURE),
    "alg as a list": (a_handmade_token({"alg": ["RS256"], "kid": "rsa"}), Reason.SIGNATURE),
    "HMAC with our public key": (hmac_with_the_public_key(), Reason.SIGNATURE),
    "HMAC with an empty key": (a_handmade_token({"alg": "HS256", "kid": "rsa"}), Reason.SIGNATURE),
    "an algorithm that is not ours": (a_token(alg="PS256"), Reason.SIGNATURE),
    "an algorithm for another key": (a_token(kid="ec"), Reason.SIGNATURE),
    "a curve that is not ours": (a_handmade_token({"alg": "ES256", "kid": "p384"}), Reason.SIGNATURE),
    "a key of the same name": (a_token(key=OTHER_RSA), Reason.SIGNATURE),
    "a changed payload": (a_token()[:-400] + "A" + a_token()[-399:], Reason.SIGNATURE),
    "no kid": (a_handmade_token({"alg": "RS256"}), Reason.KEY),
    "an unknown kid": (a_token(key=STRANGER), Reason.KEY),
    "a kid that is a path": (a_token(kid="../../etc/passwd"), Reason.KEY),
    "a kid that is a statement": (a_token(kid="' OR 1=1 --"), Reason.KEY),
    "a kid that is a number": (a_handmade_token({"alg": "RS256", "kid": 7}), Reason.KEY),
    "its own key": (a_token(key=STRANGER, jwk=STRANGER.as_dict(private=False)), Reason.MALFORMED),
    "the address of a key set": (a_token(jku="https://evil.example/keys"), Reason.MALFORMED),
    "the address of a certificate": (a_token(x5u="https://evil.example/cert"), Reason.MALFORMED),
    "a certificate": (a_handmade_token({"alg": "RS256", "kid": "rsa", "x5c": ["MII"]}), Reason.MALFORMED),
    "something critical": (a_handmade_token({"alg": "RS256", "kid": "rsa", "crit": ["x"]}), Reason.MALFORMED),
    "nothing critical": (
        a_handmade_token({"alg": "RS256", "kid": "rsa", "crit": []}),
        Reason.MALFORMED,
    ),
    "an unencoded payload": (a_handmade_token({"alg": "RS256", "kid": "rsa", "b64": False}), Reason.MALFORMED),
    "another type of token": (a_token(typ="secevent+jwt"), Reason.MALFORMED),
}


@pytest.mark.parametrize("name", BAD_VALUES)
async def test_a_bad_value_is_refused_with_its_reason(authenticate, name):
    value, expected = BAD_VALUES[name]

    reason = await reason_of(authenticate, value)

    assert reason == expected.value


BAD_CLAIMS: dict[str, tuple[dict[str, Any], Reason]] = {
    "no iss": ({"iss": ...}, Reason.CLAIMS),
    "no aud": ({"aud": ...}, Reason.CLAIMS),
    "no exp": ({"exp": ...}, Reason.CLAIMS),
    "no sub": ({"sub": ...}, Reason.CLAIMS),
    "an empty sub": ({"sub": ""}, Reason.CLAIMS),
    "a sub of null": ({"sub": None}, Reason.CLAIMS),
    "another issuer": ({"iss": "https://evil.example"}, Reason.ISSUER),
    "a longer issuer": ({"iss": f"{OURS.issuer}/"}, Reason.ISSUER),
    "a list of issuers": ({"iss": [OURS.issuer]}, Reason.ISSUER),
    "another audience": ({"aud": "other"}, Reason.AUDIENCE),
    "a part of the audience": ({"aud": "install"}, Reason.AUDIENCE),
    "an audience with more": ({"aud": "installhub-admin"}, Reason.AUDIENCE),
    "audiences without ours": ({"aud": ["a", "b"]}, Reason.AUDIENCE),
    "no audience in the list": ({"aud": []}, Reason.AUDIENCE),
    "an audience that is a number": ({"aud": 7}, Reason.MALFORMED),
    "expired": ({"exp": NOW - 61}, Reason.TIME),
    "expired long ago": ({"exp": -(2**60)}, Reason.TIME),
    "an end that is text": ({"exp": str(NOW + 600)}, Reason.MALFORMED),
    "an end that is true": ({"exp": True}, Reason.MALFORMED),
    "not valid yet": ({"nbf": NOW + 120}, Reason.TIME),
    "issued in the future": ({"iat": NOW + 120}, Reason.TIME),
    "a beginning that is text": ({"nbf": "now"}, Reason.MALFORMED),
    "a scope that is a number": ({"scope": 1}, Reason.MALFORMED),
    "permissions with a number": ({"permissions": ["a", 1]}, Reason.MALFORMED),
    "roles as an object": ({"roles": {"installhub:admin": True}}, Reason.MALFORMED),
    "tenants as an object": ({"tenants": {"acme": 1}}, Reason.MALFORMED),
    "tenants with a list": ({"tenants": [["acme"]]}, Reason.MALFORMED),
    "a tenant that is a number": ({"tenant_id": 7}, Reason.MALFORMED),
    "a sub that is a number": ({"sub": 7}, Reason.MALFORMED),
    "an email that is a list": ({"email": ["a@b.c"]}, Reason.MALFORMED),
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
async def test_a_bad_claim_is_refused_with_its_reason(authenticate, name):
    claims, expected = BAD_CLAIMS[name]

    reason = await reason_of(authenticate, a_token(claims))

    assert reason == expected.value


@pytest.mark.parametrize("claims", [{"exp": NOW - 59}, {"nbf": NOW + 59}, {"iat": NOW + 59}, {"exp": NOW + 0.5}])
async def test_clocks_may_differ_by_a_minute(authenticate, claims):
    caller = await authenticate(a_token(claims))

    assert caller.subject == "anna"


async def test_an_end_beyond_the_calendar_is_the_last_day(authenticate):
    caller = await authenticate(a_token({"exp": 2**62}))

    assert caller.expires_at == datetime(9999, 12, 31, tzinfo=UTC)


async def test_a_remembered_token_ends_when_it_ends(authenticate, clock):
    token = a_token()
    await authenticate(token)

    clock.advance(661)

    assert await reason_of(authenticate, token) == "TokenExpired"


async def test_only_so_many_tokens_are_remembered(authenticate):
    tokens = [a_token({"jti": str(number)}, key=ED, alg="EdDSA") for number in range(REMEMBERED + 5)]

    for token in tokens:
        await authenticate(token)

    assert len(authenticate._known) == REMEMBERED


async def test_a_key_taken_away_is_refused_at_once(authenticate, keys_file):
    token = a_token()
    await authenticate(token)

    keys_file.write_text(json.dumps(KeySet([EC]).as_dict(private=False)))

    assert await reason_of(authenticate, token) == "KeyNotFound"


async def test_a_key_set_gone_bad_leaves_the_keys_as_they_were(authenticate, keys_file):
    await authenticate(a_token())

    keys_file.write_text("{")

    assert (await authenticate(a_token({"jti": "2"}))).subject == "anna"


async def test_without_any_keys_the_server_says_later(tmp_path, clock):
    authenticate = TokenAuthenticator(FileKeys(tmp_path / "missing.json"), OURS, clock)

    with pytest.raises(Refusal) as caught:
        await authenticate(a_token())

    assert (caught.value.code, caught.value.status) == (ErrorCode.SERVICE_UNAVAILABLE, 503)


async def test_keys_for_other_purposes_and_weak_ones_are_no_keys(tmp_path, clock):
    with pytest.warns(match="2048"):
        weak = RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False)
    rows = [OctKey.generate_key(256, {"kid": "oct"}).as_dict(), weak, RSA.as_dict(private=False) | {"use": "enc"}]
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [*rows, ED.as_dict(private=False), {"kty": "??", "kid": "new"}]}))

    keys = await FileKeys(path).keys("ed")

    assert set(keys) == {"ed"}


class Issuer:
    """An issuer of tokens on this machine that can be switched off, and counts who asks."""

    def __init__(self) -> None:
        self.keys = KeySet([RSA])
        self.is_up = True
        self.asked = 0
        self.talks = threading.Event()
        self.talks.set()
        issuer = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if issuer.talks.wait(10):
                    issuer.asked += 1
                body = json.dumps(issuer.keys.as_dict(private=False)).encode()
                self.send_response(200 if issuer.is_up else 500)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    thread = threading.Thread(target=issuer.server.serve_forever, args=(0.01,))
    thread.start()
    yield issuer
    issuer.server.shutdown()
    thread.join()
    issuer.server.server_close()


class Watch:
    """Monotonic time that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def test_keys_at_an_address_are_read_once_for_many_tokens(issuer, clock):
    authenticate = TokenAuthenticator(UrlKeys(issuer.url), OURS, clock)

    callers = await asyncio.gather(*(authenticate(a_token({"jti": str(n)})) for n in range(20)))

    assert (len(callers), issuer.asked) == (20, 1)


async def test_an_unknown_key_makes_the_server_look_again_but_not_often(issuer, clock):
    watch = Watch()
    authenticate = TokenAuthenticator(UrlKeys(issuer.url, monotonic=watch), OURS, clock)
    await authenticate(a_token())
    issuer.keys = KeySet([RSA, STRANGER])

    too_soon = await reason_of(authenticate, a_token(key=STRANGER))
    watch.seconds += PAUSE_SECONDS + 1
    later = await authenticate(a_token(key=STRANGER))

    assert (too_soon, later.subject, issuer.asked) == ("KeyNotFound", "anna", 2)


async def test_keys_survive_an_outage_of_the_issuer_up_to_their_age(issuer, clock):
    watch = Watch()
    authenticate = TokenAuthenticator(UrlKeys(issuer.url, monotonic=watch), OURS, clock)
    await authenticate(a_token())
    issuer.is_up = False

    watch.seconds += USABLE_SECONDS - 1
    during = await authenticate(a_token())
    watch.seconds += PAUSE_SECONDS + 1
    with pytest.raises(Refusal) as caught:
        await authenticate(a_token())

    assert (during.subject, caught.value.code) == ("anna", ErrorCode.SERVICE_UNAVAILABLE)


async def test_old_keys_are_read_again_while_requests_go_on(issuer, clock):
    watch = Watch()
    source = UrlKeys(issuer.url, monotonic=watch)
    await source.keys("rsa")
    issuer.keys = KeySet([RSA, EC])

    watch.seconds += FRESH_SECONDS + 1
    at_once = set(await source.keys("rsa"))
    assert source._reading is not None
    await asyncio.wait_for(source._reading, 5)

    assert (at_once, set(await source.keys("rsa"))) == ({"rsa"}, {"rsa", "ec"})


async def test_a_key_that_the_issuer_took_back_is_refused_within_five_minutes(issuer, clock):
    watch = Watch()
    authenticate = TokenAuthenticator(UrlKeys(issuer.url, monotonic=watch), OURS, clock)
    await authenticate(a_token())
    issuer.keys = KeySet([EC])

    watch.seconds += CERTAIN_SECONDS + 1

    assert (await reason_of(authenticate, a_token()), CERTAIN_SECONDS) == ("KeyNotFound", 300)
    assert (await authenticate(a_token(key=EC, alg="ES256"))).subject == "anna"


async def test_while_the_issuer_is_silent_nobody_waits_twice(issuer, clock):
    watch = Watch()
    authenticate = TokenAuthenticator(UrlKeys(issuer.url, monotonic=watch), OURS, clock)
    await authenticate(a_token())
    issuer.is_up = False
    watch.seconds += CERTAIN_SECONDS + 1
    await authenticate(a_token())

    issuer.talks.clear()
    watch.seconds += PAUSE_SECONDS + 1
    async with asyncio.timeout(1):
        again = await authenticate(a_token())

    issuer.talks.set()
    assert (again.subject, issuer.asked) == ("anna", 2)


async def test_a_flood_of_unknown_keys_asks_the_issuer_once(issuer, clock):
    authenticate = TokenAuthenticator(UrlKeys(issuer.url, monotonic=Watch()), OURS, clock)
    unknown = [a_handmade_token({"alg": "RS256", "kid": f"k-{number}"}) for number in range(200)]

    reasons = {await reason_of(authenticate, token) for token in unknown}

    assert (reasons, issuer.asked) == ({"KeyNotFound"}, 1)


async def test_without_an_issuer_no_door_opens_and_each_says_when_to_come_back(issuer, tmp_path):
    issuer.is_up = False
    async with a_world(tmp_path, role="web", jwks=issuer.url, issuer=OURS.issuer, dev=False) as world:
        headers = {"Authorization": a_token({"exp": 2**40})}

        rest = await world.http.get("/api/installhub/imports", headers=headers)
        graphql = await world.http.post("/graphql", json={"query": "{ viewer { subject } }"}, headers=headers)

    assert [(one.status_code, int(one.headers["retry-after"]) > 0) for one in (rest, graphql)] == [(503, True)] * 2


@pytest.mark.parametrize("place", ["http://issuer.example/jwks.json", "ftp://issuer.example/jwks", "file:///etc/keys"])
def test_keys_come_from_a_file_or_over_https(place):
    with pytest.raises(ValueError, match="https"):
        key_source(place)
