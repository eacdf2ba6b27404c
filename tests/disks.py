"""A disk that keeps a log when it is let."""

from __future__ import annotations

import asyncio
import os
import threading


class Disk:
    """Keeps the log when it is let, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.calls: list[os.stat_result] = []
        self.is_asked = threading.Event()
        self.is_let = threading.Event()
        self.is_let.set()
        self.is_broken = False

    def sync(self, descriptor: int) -> None:
        self.calls.append(os.fstat(descriptor))
        self.is_asked.set()
        assert self.is_let.wait(10)
        if self.is_broken:
            raise OSError(5, "Input/output error")
        os.fsync(descriptor)

    async def asked(self) -> None:
        await asyncio.to_thread(self.is_asked.wait, 10)
        self.is_asked.clear()
