"""Who goes first where threads share the interpreter."""

from __future__ import annotations

import asyncio
import time

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from domain.courtesy import PATIENCE_SECONDS, Courtesy
from server.threads import AnsweredFirst


def seconds_aside(courtesy):
    began = time.monotonic()
    courtesy.give_way()
    return time.monotonic() - began


async def test_a_thread_stands_aside_while_a_request_is_answered_and_not_behind_it():
    courtesy = Courtesy()
    aside = []

    async def page(_):
        aside.append(await asyncio.to_thread(seconds_aside, courtesy))
        return PlainTextResponse("here")

    app = AnsweredFirst(Starlette(routes=[Route("/", page)]), courtesy)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        answer = await client.get("/")
    aside.append(seconds_aside(courtesy))

    assert answer.text == "here"
    assert aside[0] >= PATIENCE_SECONDS > aside[1]


async def test_a_request_that_fails_is_over_too():
    courtesy = Courtesy()

    async def page(_):
        raise RuntimeError("a bug")

    app = AnsweredFirst(Starlette(routes=[Route("/", page)]), courtesy)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        answer = await client.get("/")

    assert answer.status_code == 500
    assert seconds_aside(courtesy) < PATIENCE_SECONDS


async def test_an_open_socket_is_no_request():
    courtesy = Courtesy()
    aside = []

    async def socket(scope, receive, send):
        aside.append(await asyncio.to_thread(seconds_aside, courtesy))

    async def nothing(_=None):
        return {}

    await AnsweredFirst(socket, courtesy)({"type": "websocket"}, nothing, nothing)

    assert aside[0] < PATIENCE_SECONDS
