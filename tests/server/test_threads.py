"""Who goes first where threads share the interpreter."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from domain.courtesy import Courtesy
from server.threads import AnsweredFirst


class Work:
    """Work that gives way when it is asked to; its clock moves on only while it stands aside."""

    def __init__(self):
        self.now = 0.0
        self.courtesy = Courtesy(lambda: self.now, self._sleep)

    def _sleep(self, seconds):
        self.now += seconds

    def stands_aside(self):
        began = self.now
        self.courtesy.give_way()
        return self.now > began


@pytest.fixture
def work():
    return Work()


async def answer_of(work, page):
    app = AnsweredFirst(Starlette(routes=[Route("/", page)]), work.courtesy)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        return await client.get("/")


async def test_work_stands_aside_while_a_request_is_answered_and_not_behind_it(work):
    async def page(_):
        return PlainTextResponse(str(work.stands_aside()))

    answer = await answer_of(work, page)

    assert answer.text == "True"
    assert not work.stands_aside()


async def test_a_request_that_fails_is_over_too(work):
    async def page(_):
        raise RuntimeError("a bug")

    answer = await answer_of(work, page)

    assert answer.status_code == 500
    assert not work.stands_aside()


async def test_an_open_socket_is_no_request(work):
    aside = []

    async def socket(scope, receive, send):
        aside.append(work.stands_aside())

    async def nothing(_=None):
        return {}

    await AnsweredFirst(socket, work.courtesy)({"type": "websocket"}, nothing, nothing)

    assert aside == [False]
