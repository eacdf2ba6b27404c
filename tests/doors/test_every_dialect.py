"""What every REST dialect keeps to, whatever its words: walked over the tables that its routes are made of."""

from __future__ import annotations

import re
from itertools import product

import pytest
from starlette.requests import Request

from domain.errors import ErrorCode, refuse
from rest_compat import DIALECTS, OPERATIONS
from rest_compat.operations import Admits
from tests.world import a_world

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FITTING = {path: {one.method for one in OPERATIONS if one.path == path} for path in {one.path for one in OPERATIONS}}
#: whoever has no session yet, asks these
SIGNING_IN = ("/api/login", "/api/login/status")


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        await world.tenant("acme")
        yield world


def address(path: str) -> str:
    """The path with ids in it that nobody has; where an id says whose it is, a tenant that is there."""
    return re.sub(r"{\w+}", "nobodys.acme", path.replace("{BusinessID}", "tenantbusiness.acme"))


def needs_somebody(admitted: object) -> bool:
    return admitted not in {None, Admits.ANYBODY}


async def test_nobody_gets_past_any_door_without_showing_who_it_is(world):
    closed = [one for one in OPERATIONS if needs_somebody(one.right) and one.path not in SIGNING_IN]

    statuses = {
        f"{one.method} {one.path}": (await world.http.request(one.method, address(one.path))).status_code
        for one in closed
    }

    assert len(statuses) > 100
    assert set(statuses.values()) == {401}, {asked: status for asked, status in statuses.items() if status != 401}


async def test_what_opens_one_door_opens_no_other(world):
    token = world.headers("acme")
    cookie = {"cookie": "AtmoAuthToken_acme=TokenID%3Dany"}
    sessions = [one for one in OPERATIONS if one.right is Admits.SESSION and one.path not in SIGNING_IN]
    tokens = [one for one in OPERATIONS if needs_somebody(one.right) and one.right is not Admits.SESSION]

    with_token = {(await world.http.request(o.method, address(o.path), headers=token)).status_code for o in sessions}
    with_cookie = {(await world.http.request(o.method, address(o.path), headers=cookie)).status_code for o in tokens}

    assert (with_token, with_cookie) == ({401}, {401})


async def test_a_verb_that_does_not_fit_is_refused_with_those_that_do(world):
    token = world.headers("acme")
    misfits = [(verb, path) for verb, path in product(VERBS, FITTING) if verb not in FITTING[path]]

    wrong = []
    for verb, path in misfits:
        answer = await world.http.request(verb, address(path), headers=token)
        allowed = {one.strip() for one in answer.headers.get("allow", "").split(",")}
        if answer.status_code != 405 or not FITTING[path] <= allowed or verb in allowed:
            wrong.append((verb, path, answer.status_code, allowed))

    assert len(misfits) > 200
    assert wrong == []


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_refusal_names_its_code_and_blames_the_one_who_did_it(dialect):
    asked = Request({"type": "http", "method": "POST", "path": dialect.prefixes[0], "headers": [], "query_string": b""})

    for code in ErrorCode:
        if code.is_warning:
            continue
        answer = dialect.render_refusal(asked, refuse(code, "Why.", "where", importId="imp-1", size=1))

        body = bytes(answer.body).decode()
        assert code.family.wire in body or code.wire in body, code
        assert "Why." in body, code
        if code.status in {401, 404, 405, 413, 415, 429, 503}:
            assert answer.status_code == code.status, code
        if answer.status_code in {429, 503}:
            assert int(answer.headers["retry-after"]) > 0, code
