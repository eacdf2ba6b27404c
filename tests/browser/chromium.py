"""Chromium without a window and without a driver: a page tells by itself what it saw."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

#: nothing but this machine is reached, nothing is asked, and no sandbox needs rights which containers lack
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser with a new profile; what it saves is found in ``downloads``."""

    program: str
    profile: Path
    downloads: Path

    @asynccontextmanager
    async def showing(self, url: str, *flags: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A page is open until this is left."""
        process = await self._started(url, *flags)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def seen(self, url: str, *flags: str) -> tuple[str, str]:
        """A page's HTML once it is loaded, and what the browser logged, its console included."""
        async with asyncio.timeout(30), self.showing(url, "--dump-dom", "--enable-logging=stderr", *flags) as process:
            html, log = await process.communicate()
        return html.decode(), log.decode()

    async def _started(self, url: str, *flags: str) -> asyncio.subprocess.Process:
        preferences = self.profile / "Default" / "Preferences"
        preferences.parent.mkdir(parents=True)
        saved = {"default_directory": str(self.downloads), "prompt_for_download": False}
        preferences.write_text(json.dumps({"download": saved}), encoding="utf-8")
        heard = asyncio.subprocess.PIPE if flags else asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(
            *(self.program, *_FLAGS, f"--user-data-dir={self.profile}", *flags, url),
            stdout=heard,
            stderr=heard,
            # a group of its own, so that its many processes end together
            start_new_session=True,
        )
