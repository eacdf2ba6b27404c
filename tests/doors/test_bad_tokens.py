"""Every bad token on every route of every door: a new row of the route table is tried without being named here.

(design: security, sections 3.5 and 6; what is wrong with each is told apart in tests/server/test_auth.py)
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import time
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from domain.access import Right
from rest_compat import OPERATIONS
from rest_compat.operations import Admits
from tests import world as worlds
from tests.doors.graphql_world import a_socket
from tests.doors.inside import ask
from tests.doors.test_every_dialect import SIGNING_IN, address
from tests.thorough import is_taken
from tests.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")
WITH_TOKENS = [one for one in OPERATIONS if one.right is not Admits.SESSION and one.path not in SIGNING_IN]
WITH_SESSIONS = [one for one in OPERATIONS if one.right is Admits.SESSION and one.path not in SIGNING_IN]
STRANGER = RSAKey.generate_key(2048, {"kid": "stranger"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
QUESTION = json.dumps({"query": "{ viewer { subject } }"}).encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    log = logging.getLogger("server.access")
    log.setLevel(logging.WARNING)  # a line for each of five thousand refusals takes longer than they do
    async with a_world(tmp_path_factory.mktemp("world"), role="web") as world:
        await world.tenant("acme")
        yield world
    log.setLevel(logging.NOTSET)


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forge:
    """Makes tokens that are nearly good: right in everything but what is said."""

    def __init__(self, world: World) -> None:
        self.key = worlds._signing_key()
        settings, now = world.settings, int(time.time())
        self.claims: dict[str, Any] = {
            "iss": settings.token_issuer,
            "aud": settings.audience,
            "sub": "anna",
            "exp": now + 600,
            "iat": now,
            "scope": " ".join(worlds.EVERYTHING),
            "tenant_id": "acme",
        }

    def token(self, claims: dict[str, Any] | None = None, *, key: Any = None, alg: str = "RS256", **header: Any) -> str:
        kept = {name: value for name, value in (self.claims | (claims or {})).items() if value is not ...}
        registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
        head = {"alg": alg, "kid": self.key.kid, "typ": "JWT"} | header
        return jws.serialize_compact(head, json.dumps(kept), key or self.key, algorithms=[alg], registry=registry)

    def unbound(self) -> RSAKey:
        """Our own key, and nothing that says what it is for."""
        kept = self.key.as_dict(private=True)
        return RSAKey.import_key({name: value for name, value in kept.items() if name not in {"alg", "use", "key_ops"}})

    def bare(self, signature: bytes = b"x", **header: Any) -> str:
        head = {"alg": "RS256", "kid": self.key.kid} | header
        return f"{text(json.dumps(head).encode())}.{text(json.dumps(self.claims).encode())}.{text(signature)}"

    def keyed(self, secret: bytes) -> str:
        """Signed by HMAC with what everybody knows."""
        said = self.bare(alg="HS256").rpartition(".")[0]
        return f"{said}.{text(hmac.digest(secret, said.encode(), 'sha256'))}"

    def bad(self) -> dict[str, str]:
        """Values of an Authorization header, none of which opens anything."""
        now = self.claims["exp"]
        own, theirs = self.key.as_dict(private=False), STRANGER.as_dict(private=False)
        tokens = {
            "alg none": self.bare(b"", alg="none"),
            "alg None": self.bare(alg="None"),
            "alg nOnE": self.bare(alg="nOnE"),
            "HMAC with the public key": self.keyed(self.key.as_pem(private=False)),
            "HMAC with the public JWK": self.keyed(json.dumps(own).encode()),
            "HMAC with nothing": self.keyed(b""),
            "another family": self.token(key=self.unbound(), alg="PS256"),
            "a key of another family": self.token(key=EC, alg="ES256"),
            "a stranger's key": self.token(key=STRANGER, kid="stranger"),
            "a stranger's key under our name": self.token(key=STRANGER),
            "its own key": self.token(key=STRANGER, jwk=theirs),
            "its own key's address": self.token(key=STRANGER, jku="https://evil.example/keys"),
            "its own certificate's address": self.token(key=STRANGER, x5u="https://evil.example/cert"),
            "its own certificate": self.bare(x5c=["MII"]),
            "a kid that is a path": self.token(kid="../../../../dev/null"),
            "a kid that is a statement": self.token(kid="x' UNION SELECT 'key"),
            "no kid": self.bare(kid=None),
            "something critical": self.token(crit=["kid"]),
            "an unencoded payload": self.bare(b64=False),
            "another type": self.token(typ="logout+jwt"),
            "expired": self.token({"exp": now - 600 - 61}),
            "no end": self.token({"exp": ...}),
            "an end that is text": self.token({"exp": str(now)}),
            "not yet": self.token({"nbf": now}),
            "issued tomorrow": self.token({"iat": now}),
            "another issuer": self.token({"iss": "https://evil.example"}),
            "no issuer": self.token({"iss": ...}),
            "another audience": self.token({"aud": "other"}),
            "a part of the audience": self.token({"aud": self.claims["aud"][:-1]}),
            "nobody": self.token({"sub": ...}),
            "a changed payload": self.token().replace(".", ".A", 1),
            "two parts": self.token().rpartition(".")[0],
            "five parts": self.token() + ".a.b",
            "garbage": "\x7f\xff.{}.[]",
            "a flood": "a" * 20_000 + ".a.a",
        }
        schemes = {"no scheme": self.token(), "another scheme": f"Basic {self.token()}", "nothing": ""}
        twice = {"two tokens": f"Bearer {self.token()}, Bearer {self.token()}"}
        return {name: f"Bearer {token}" for name, token in tokens.items()} | schemes | twice


async def opened(
    world: World, asked: list[tuple[str, str]], values: dict[str, str], *, one_of: int = 1, **more: str
) -> dict[str, int]:
    """What is not refused with 401; usually each route is tried with one of so many values, and so is each value."""
    found = {}
    for row, (method, target) in enumerate(asked):
        body = QUESTION if target == "/graphql" and method == "POST" else b""
        for column, (name, value) in enumerate(values.items()):
            if not is_taken(row + column, one_of):
                continue
            headers = [("authorization", value), *((key.replace("_", "-"), said) for key, said in more.items())]
            answer = await ask(world, method, target, headers, body)
            if answer.status != 401:
                found[f"{method} {target}: {name}"] = answer.status
    return found


async def test_no_bad_token_opens_any_route(world):
    bad = Forge(world).bad()
    routes = [(one.method, address(one.path)) for one in (*WITH_TOKENS, *WITH_SESSIONS)]

    wrong = await opened(world, routes, bad, one_of=8)

    assert (len(bad) >= 24, len(routes) > 100) == (True, True)
    assert wrong == {}


async def test_no_bad_token_asks_graphql_in_any_way(world):
    bad = Forge(world).bad()
    ways = [("POST", "/graphql"), ("GET", "/graphql?query=%7Bviewer%7Bsubject%7D%7D")]

    answered = await opened(world, ways, bad, content_type="application/json")
    streamed = await opened(world, ways, bad, content_type="application/json", accept="text/event-stream")

    assert (answered, streamed) == ({}, {})


async def test_no_bad_token_opens_a_socket(world):
    wrong = {}

    for name, value in Forge(world).bad().items():
        async with a_socket(world) as socket:
            await socket.say({"type": "connection_init", "payload": {"Authorization": value}})
            if (ended := await socket.closed()) != (4403, "Forbidden"):
                wrong[name] = ended

    assert wrong == {}


async def test_the_forge_makes_a_good_token_too(world):
    forge = Forge(world)

    answer = await ask(world, "GET", "/api/installhub/imports", [("authorization", f"Bearer {forge.token()}")])

    assert answer.status == 200


#: scopes that look like more than they are
NEARLY = {
    "none": "",
    "a longer one": "installhub:admin:x marketplace:admin:x installhub:import:x installhub:export:x",
    "a shorter one": "installhub: installhub marketplace installhub:*",
    "in capitals": "INSTALLHUB:ADMIN Installhub:Import MARKETPLACE:ADMIN",
    "in one word of a list": ["installhub:admin installhub:platform marketplace:admin marketplace:publish"],
    "with commas": "installhub:admin,installhub:platform,marketplace:admin,installhub:import",
    "with a tab": "installhub:admin\tinstallhub:platform\tmarketplace:admin",
}


@pytest.mark.parametrize("scope", NEARLY.values(), ids=NEARLY.keys())
async def test_a_scope_that_is_nearly_right_is_none(world, scope):
    token = Forge(world).token({"scope": scope})
    closed = [one for one in WITH_TOKENS if isinstance(one.right, Right)]

    answers = {
        f"{one.method} {one.path}": (
            await ask(world, one.method, address(one.path), [("authorization", f"Bearer {token}")])
        ).status
        for one in closed
    }

    assert len(answers) > 80
    assert {asked: status for asked, status in answers.items() if status != 403} == {}
