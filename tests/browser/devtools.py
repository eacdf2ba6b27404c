"""A page in a real browser that is used as people use it, through the browser's own protocol for developers' tools."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.browser.chromium import Chromium

_SECONDS = 60


@dataclass(slots=True)
class Shown:
    """A page, and what it did: ``requests`` are addresses, ``complaints`` what its console says."""

    connection: ClientConnection
    session: str = ""
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def tell(self, method: str, **parameters: Any) -> Any:
        """What the browser answers to a command; what it reports meanwhile is noted."""
        number = next(self._numbers)
        order = {"id": number, "method": method, "params": parameters}
        await self.connection.send(json.dumps(order | ({"sessionId": self.session} if self.session else {})))
        async with asyncio.timeout(_SECONDS):
            while (said := json.loads(await self.connection.recv())).get("id") != number:
                self._note(said)
        assert "error" not in said, said
        return said["result"]

    async def value(self, expression: str) -> Any:
        """Of an expression in the page."""
        answer = await self.tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The value of an expression, once it is true."""
        async with asyncio.timeout(_SECONDS):
            while not (found := await self.value(expression)):
                await asyncio.sleep(0.1)
        return found

    async def write(self, selector: str, text: str) -> None:
        """Write into a field."""
        await self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.tell("Input.insertText", text=text)

    async def click(self, selector: str, text: str = "") -> None:
        """Click what the selector finds, the first that begins with this text, once it is there."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        clicked = "(one) => one && (one.click() || true)"
        await self.until(f"({clicked})({found}.find((one) => one.innerText.startsWith({json.dumps(text)})))")

    def _note(self, said: Any) -> None:
        match said.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(said["params"]["exceptionDetails"]["text"])


@asynccontextmanager
async def a_page(chromium: Chromium, url: str) -> AsyncIterator[Shown]:
    """A page, from its first request on."""
    async with (
        chromium.showing("about:blank", "--remote-debugging-port=0"),
        connect(await _address(chromium), proxy=None, max_size=None) as connection,
    ):
        shown = Shown(connection)
        target = await shown.tell("Target.createTarget", url="about:blank")
        attached = await shown.tell("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        shown.session = attached["sessionId"]
        for part in ("Network", "Log", "Runtime", "Page"):
            await shown.tell(f"{part}.enable")
        await shown.tell("Page.navigate", url=url)
        yield shown


async def _address(chromium: Chromium) -> str:
    """Where the browser listens, which it writes down itself."""
    written = chromium.profile / "DevToolsActivePort"
    async with asyncio.timeout(_SECONDS):
        while not written.exists() or len(lines := written.read_text().split()) < 2:
            await asyncio.sleep(0.05)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
