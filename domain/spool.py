"""Bytes put aside while an import runs: appended once, read at any place, by any thread."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

#: what stays in memory of a bundle of small pieces: a thousand ordinary artifacts
KEPT_BYTES = 12 << 20
#: reading larger pieces needs memory enough
KEPT_PIECE_BYTES = 256 << 10


class Span(NamedTuple):
    """Where something lies in a spool."""

    offset: int
    length: int


class Spool:
    """Bytes of one import: small pieces in memory, from the first on that is too much in a scratch file.

    Append from one thread at a time; read from any.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=1 << 18)
        self._kept: dict[int, bytes] = {}
        self._kept_size = self._size = 0
        self._is_flushed = True

    def append(self, data: bytes) -> Span:
        """Put bytes at the end."""
        span = Span(self._size, len(data))
        self._size += span.length
        if span.offset == self._kept_size and self._size <= KEPT_BYTES and span.length <= KEPT_PIECE_BYTES:
            self._kept[span.offset] = data
            self._kept_size = self._size
        else:
            self._file.write(data)
            self._is_flushed = False
        return span

    def read(self, span: Span) -> bytes:
        """The bytes of a span, as it was given."""
        if span.offset < self._kept_size:
            return self._kept[span.offset][: span.length]
        if not self._is_flushed:
            self._file.flush()
            self._is_flushed = True
        return os.pread(self._file.fileno(), span.length, span.offset - self._kept_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._kept.clear()
