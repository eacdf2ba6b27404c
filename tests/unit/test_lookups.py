"""Those who ask for the same thing at once are answered apart."""

from __future__ import annotations

import asyncio

import pytest

from resolvers.lookups import Loader


async def test_who_is_cancelled_takes_no_answer_from_those_who_asked_the_same():
    may_answer = asyncio.Event()

    async def load(keys: list[str]) -> list[str]:
        await may_answer.wait()
        return [key.upper() for key in keys]

    loader = Loader(load_fn=load)

    async def asked() -> str:
        return await loader.load("a")

    gone, staying = asyncio.create_task(asked()), asyncio.create_task(asked())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    may_answer.set()

    assert await staying == "A"
    with pytest.raises(asyncio.CancelledError):
        await gone
