"""Small writes that are put off to the end of a turn, on the event loop that servers run on."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvloop

from server.gathering import Gathering


def test_what_is_written_to_a_caller_who_is_gone_is_dropped_without_noise():
    troubles: list[dict[str, Any]] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, trouble: troubles.append(trouble))
        here, there = socket.socketpair()
        with there:
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=here)
            gathering = Gathering(transport, loop)
            transport.abort()
            for _ in range(3):
                await asyncio.sleep(0)
            gathering.write(b"put off")
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())

    assert troubles == []
