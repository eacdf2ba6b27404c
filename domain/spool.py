"""Bytes put aside while an import runs: appended once, read at any place, by any thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Span:
    """Where something lies in a spool."""

    offset: int
    length: int


class Spool:
    """A scratch file of one import. Append from one thread at a time; read from any."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=1 << 18)
        self._size = 0
        self._is_flushed = True

    def append(self, data: bytes) -> Span:
        """Put bytes at the end."""
        span = Span(self._size, len(data))
        self._file.write(data)
        self._size += len(data)
        self._is_flushed = False
        return span

    def read(self, span: Span) -> bytes:
        """The bytes of a span."""
        if not self._is_flushed:
            self._file.flush()
            self._is_flushed = True
        return os.pread(self._file.fileno(), span.length, span.offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
