"""What a running process may have, taken away and given back while it runs (Linux)."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


@contextmanager
def allowed(pid: int, kind: int, amount: int) -> Iterator[None]:
    """Inside, the process has at most so much of it."""
    soft, hard = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (amount, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, (soft, hard))


def no_descriptor_more(pid: int) -> int:
    """The limit at which a process can open nothing: every number below it is taken."""
    taken = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return next(number for number in count() if number not in taken)


def address_space(pid: int) -> int:
    """How many bytes of addresses it has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
