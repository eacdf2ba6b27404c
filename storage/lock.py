"""One server process on one SQLite file: two writing processes can corrupt it on SQLite before 3.51.3."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.ports import UnavailableError


@contextmanager
def single_process_lock(database: Path) -> Iterator[None]:
    """Hold ``<database>.lock``; the system lets go of it when the process ends, however it ends.

    It lies beside the file itself, by whatever link the file is reached.

    Raises:
        UnavailableError: another process holds it.
    """
    with Path(f"{database.resolve()}.lock").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UnavailableError(f"another process uses {database}") from error
        yield
