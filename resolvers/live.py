"""How many subscriptions and sockets are open in this process, for those who look for leaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Live:
    """What is open now. A subscription counts until its generator has run its end."""

    subscriptions: int = 0
    sockets: int = 0

    @contextmanager
    def subscription(self) -> Iterator[None]:
        self.subscriptions += 1
        try:
            yield
        finally:
            self.subscriptions -= 1

    @contextmanager
    def socket(self) -> Iterator[None]:
        self.sockets += 1
        try:
            yield
        finally:
            self.sockets -= 1


LIVE = Live()
