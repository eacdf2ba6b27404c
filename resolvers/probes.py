"""What testers ask of a server that they let run out of breath: ``INSTALLHUB_TEST_PROBES`` (docs/probes.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain.errors import ErrorCode, refuse
from resolvers.live import LIVE
from schema.fields import described, watched

RATE_MAX = 1_000
COUNT_MAX = 1_000_000
BYTES_MAX = 1 << 20

Count = Annotated[int, strawberry.argument(description="How many events; then the end.")]


@strawberry.type(description="What is open in this process now.")
class ProbeCounts:
    subscriptions: int = strawberry.field(description="Subscriptions whose generators have not run their end.")
    sockets: int = strawberry.field(description="WebSocket connections.")


@strawberry.type
class ProbeQuery:
    @described("What is open in this process now.")
    def probe_counts(self) -> ProbeCounts:
        return ProbeCounts(subscriptions=LIVE.subscriptions, sockets=LIVE.sockets)

    @described("Answers after so many seconds.")
    async def probe_slow(self, seconds: Annotated[float, strawberry.argument(description="At most a day.")]) -> float:
        _demand("seconds", seconds, 86_400)
        await asyncio.sleep(seconds)
        return seconds


@strawberry.type
class ProbeSubscription:
    @watched("Numbers from 1, at a rate.")
    async def probe_ticks(
        self, per_second: Annotated[int, strawberry.argument(description="At most 1,000.")], count: Count
    ) -> AsyncGenerator[int, None]:
        _demand("perSecond", per_second, RATE_MAX)
        _demand("count", count, COUNT_MAX)
        return _ticks(per_second, count)

    @watched("Nothing, without end.")
    async def probe_idle(self) -> AsyncGenerator[int, None]:
        return _idle()

    @watched("Numbers from 1, then an error of the kind that callers are told nothing about.")
    async def probe_failing(
        self, after: Annotated[int, strawberry.argument(description="How many numbers come before it.")]
    ) -> AsyncGenerator[int, None]:
        _demand("after", after, COUNT_MAX)
        return _failing(after)

    @watched("Large events, as fast as they are taken.")
    async def probe_flood(
        self,
        count: Count,
        size_bytes: Annotated[int, strawberry.argument(description="Of each, at most 1 MiB.")],
    ) -> AsyncGenerator[str, None]:
        _demand("count", count, COUNT_MAX)
        _demand("sizeBytes", size_bytes, BYTES_MAX)
        return _flood(count, size_bytes)


async def _ticks(per_second: int, count: int) -> AsyncGenerator[int, None]:
    began = asyncio.get_running_loop().time()
    for number in range(1, count + 1):
        # by the clock, so that late ones are made up for
        await asyncio.sleep(max(began + number / max(per_second, 1) - asyncio.get_running_loop().time(), 0))
        yield number


async def _idle() -> AsyncGenerator[int, None]:
    await asyncio.Event().wait()
    yield 0


async def _failing(after: int) -> AsyncGenerator[int, None]:
    for number in range(1, after + 1):
        yield number
    raise RuntimeError("a probe fails, as it was asked to, and this text stays here")


async def _flood(count: int, size: int) -> AsyncGenerator[str, None]:
    for _ in range(count):
        # others come first: only what takes the events holds this back
        await asyncio.sleep(0)
        yield "x" * size


def _demand(name: str, asked: float, most: int) -> None:
    if not 0 <= asked <= most:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"{name} is 0 to {most}.", name, limit=most)
