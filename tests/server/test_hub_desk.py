"""Telling another installation's hub something: what goes out, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ErrorCode, Refusal
from server import settings
from server.hub_desk import RemoteDesk, token_of
from server.outward import Outward
from server.settings import SettingsError
from tests.hostile import Hostile, a_hostile, page, redirect

PLACE = "/api/marketplace/reported/installs"
TOLD = {"tenant": "ab", "packageId": "mkt-pkg-1"}
HERE = ip_network("127.0.0.1/32")


@pytest.fixture
async def outward() -> AsyncIterator[Outward]:
    opened = Outward((HERE,))
    yield opened
    await opened.aclose()


@pytest.fixture
async def hub() -> AsyncIterator[Hostile]:
    async with a_hostile() as server:
        yield server


async def the_token() -> str:
    return "a.b.c"


def desk(hub: Hostile, outward: Outward) -> RemoteDesk:
    return RemoteDesk(hub.url, the_token, outward)


def refusal_of(code: str, text: str = "So it is.") -> bytes:
    return json.dumps({"error": code, "message": text}).encode()


async def refused(work: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value


async def test_what_is_told_carries_the_token_and_its_key(hub, outward):
    hub.answers[PLACE] = page(b'{"counted": true}')

    told = await desk(hub, outward).tell(("installs",), TOLD, key="once")

    assert told == {"counted": True}
    head = hub.requests[0].lower()
    assert head.startswith(f"post {PLACE} ".lower())
    assert "\nauthorization: bearer a.b.c\r" in head
    assert "\nidempotency-key: once\r" in head
    assert re.search(r"\ncontent-type: application/json\r", head)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("404 Not Found", ErrorCode.NOT_FOUND),
        ("403 Forbidden", ErrorCode.NOT_AN_INSTALLER),
        ("409 Conflict", ErrorCode.ALREADY_REVIEWED),
        ("409 Conflict", ErrorCode.STATE_CONFLICT),
        ("400 Bad Request", ErrorCode.BAD_USER_INPUT),
        ("422 Unprocessable", ErrorCode.IDEMPOTENCY_KEY_REUSED),
    ],
)
async def test_what_the_hub_refuses_is_refused_in_its_words(hub, outward, status, code):
    hub.answers[PLACE] = page(refusal_of(code.wire), status=status)

    found = await refused(desk(hub, outward).tell(("installs",), TOLD))

    assert (found.code, found.message) == (code, "So it is.")


@pytest.mark.parametrize(
    "answer",
    [
        page(refusal_of("invalid_token"), status="401 Unauthorized"),
        page(refusal_of("InsufficientPermission"), status="403 Forbidden"),
        page(refusal_of("InternalError"), status="500 Trouble"),
        page(refusal_of("RateLimitExceeded"), status="429 Too Many"),
        page(refusal_of("NotFound"), status="200 OK", length=9_999_999),
        page(refusal_of("NotFound"), status="500 Trouble"),
        page(b"nonsense", status="502 Bad Gateway"),
        redirect("/elsewhere"),
        b"",
    ],
)
async def test_whatever_else_the_hub_says_another_attempt_may_go_well(hub, outward, answer):
    hub.answers[PLACE] = answer

    found = await refused(desk(hub, outward).tell(("installs",), TOLD))

    assert found.code is ErrorCode.HUB_UNAVAILABLE
    assert found.details["retryAfter"] > 0
    assert "a.b.c" not in found.message


@pytest.mark.parametrize(("code", "status"), [("invalid_token", "401 Unauthorized"), ("NotFound", "404 Not Found")])
async def test_a_hub_that_says_the_token_aloud_is_not_repeated(hub, outward, code, status):
    hub.answers[PLACE] = page(refusal_of(code, "The token a.b.c is bad."), status=status)

    found = await refused(desk(hub, outward).tell(("installs",), TOLD))

    assert "is bad" in found.message
    assert "a.b.c" not in found.message


async def test_a_hub_in_a_private_network_is_told_nothing(hub):
    outward = Outward()
    try:
        found = await refused(desk(hub, outward).tell(("installs",), TOLD))
    finally:
        await outward.aclose()

    assert (found.code, hub.requests) == (ErrorCode.HUB_UNAVAILABLE, [])


async def test_the_token_in_a_file_is_the_one_that_stands_there_now(hub, outward, tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("first\n")
    token = token_of(settings.load(hub_token_file=str(file)))
    assert token is not None
    hub.answers[PLACE] = page(b"{}")
    told = RemoteDesk(hub.url, token, outward)

    await told.tell(("installs",), TOLD)
    await asyncio.to_thread(file.write_text, "second")
    await told.tell(("installs",), TOLD)
    await asyncio.to_thread(file.write_text, "no token\nat all")
    found = await refused(told.tell(("installs",), TOLD))

    shown = [re.search(r"authorization: bearer (\S+)", head.lower()) for head in hub.requests]
    assert [one[1] for one in shown if one] == ["first", "second"]
    assert (found.code, "INSTALLHUB_HUB_TOKEN_FILE" in found.message) == (ErrorCode.HUB_UNAVAILABLE, True)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"hub_token": "a", "hub_token_file": "b"}, "INSTALLHUB_HUB_TOKEN_FILE"),
        ({"hub_token_file": "/nowhere/at/all"}, "INSTALLHUB_HUB_TOKEN_FILE"),
        ({"hub_token": "sec ret"}, "INSTALLHUB_HUB_TOKEN"),
        ({"hub_token": "sec\nret"}, "INSTALLHUB_HUB_TOKEN"),
    ],
)
def test_a_token_that_cannot_be_shown_is_refused_at_the_start_and_not_told(given, named):
    with pytest.raises(SettingsError, match=named) as caught:
        token_of(settings.load(**given))

    assert "sec" not in str(caught.value)
    assert token_of(settings.load()) is None
