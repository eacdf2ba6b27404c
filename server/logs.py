"""Log lines: one JSON object each, or plain words where a person watches (decisions R40).

What is known of the request that is being answered is noted on the way, and stands in its line: never content, never
a query string, never a token, and no name of an artifact.
"""

from __future__ import annotations

import json
import logging
import os
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any

import orjson
from prometheus_client import Counter

_PLAIN = "%(asctime)s %(levelname)-7s %(name)s  %(message)s"
_LOUD = ("uvicorn.access", "websockets", "alembic", "asyncio")
#: lines that wait for who reads the log, and the seconds that the process's end waits for them
_WAITING_MAX, _FAREWELL_SECONDS = 10_000, 1.0
#: lines that are written together, and for how long others are waited for then
_AT_ONCE, _PAUSE_SECONDS = 100, 0.005
_STDERR = 2
#: what formatting raises where a message and its arguments do not fit: a line that cannot be written ends nothing
_UNSAYABLE = (TypeError, ValueError, KeyError, IndexError, AttributeError)
#: a process has one log, whatever runs in it
DROPPED = Counter(
    "installhub_log_lines_dropped", "Lines of the log that nobody took or that had no room.", registry=None
)
#: shared by all tasks that a request begins
_NOTES: ContextVar[dict[str, Any] | None] = ContextVar("notes", default=None)


@contextmanager
def noting(request_id: str) -> Iterator[dict[str, Any]]:
    """Around one request: every JSON line from inside carries its number. Gives what :func:`note` adds."""
    notes = {"requestId": request_id}
    begun = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(begun)


def printable(text: str) -> str:
    """What a caller sent cannot begin a line of its own or colour the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def note(**known: Any) -> None:
    """Let the line of the request that is being answered say this too; outside of one, nothing happens."""
    notes = _NOTES.get()
    if notes is not None:
        notes.update(known)


class JsonLines(logging.Formatter):
    """A record as one line of JSON; ``extra={"fields": {...}}`` adds keys to it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if notes := _NOTES.get():
            line["requestId"] = notes["requestId"]
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # half a character, or a number beyond 64 bits
            return json.dumps(line, default=str)


class PlainLines(logging.Formatter):
    """A record as people read it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = printable(record.message)
        return super().formatMessage(record)


class Unhurried(logging.Handler):
    """Hands lines to a thread that writes them: whoever reads the log slowly, or not at all, holds up nobody.

    What comes while so many lines wait, and what cannot be written, is dropped and counted; a line says so later.
    """

    def __init__(self, descriptor: int, *, waiting_max: int = _WAITING_MAX) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._waiting_max = waiting_max
        self._untold = 0
        self._writer = threading.Thread(target=self._write_on, name="log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode(errors="backslashreplace") + b"\n"
        except _UNSAYABLE:
            self._drop()
            return
        if self._waiting.qsize() < self._waiting_max:
            self._waiting.put(line)
        else:
            self._drop()

    def close(self) -> None:
        """Write what waits, as far as that goes in a moment."""
        self._waiting.put(None)
        self._writer.join(_FAREWELL_SECONDS)
        super().close()

    def _write_on(self) -> None:
        is_open = True
        while is_open:
            lines = [self._waiting.get()]
            while lines[-1] is not None and len(lines) < _AT_ONCE and not self._waiting.empty():
                lines.append(self._waiting.get())
            is_open = lines[-1] is not None
            if self._untold:
                self._write([self._what_was_dropped()])
            self._write([line for line in lines if line is not None])
            if is_open:
                # woken for each line by itself, this thread would cost those who are answered more than the line does
                time.sleep(_PAUSE_SECONDS)

    def _what_was_dropped(self) -> bytes:
        untold, self._untold = self._untold, 0
        text = f"{untold} lines of the log were dropped"
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
        return self.format(record).encode() + b"\n"

    def _write(self, lines: Sequence[bytes]) -> None:
        text = b"".join(lines)
        try:
            while text:
                text = text[self._taken(text) :]
        except OSError:
            self._drop(len(lines))

    def _taken(self, text: bytes) -> int:
        """How much of a text was taken; whoever shares the descriptor may have made it one that is not waited for."""
        try:
            return os.write(self._descriptor, text)
        except BlockingIOError:
            room = select.poll()
            room.register(self._descriptor, select.POLLOUT)
            room.poll()
            return 0

    def _drop(self, count: int = 1) -> None:
        DROPPED.inc(count)
        self._untold += count


def log_to_stderr(*, in_json: bool, level: int = logging.INFO) -> None:
    """Let the whole process log to stderr; libraries that tell every step only warn."""
    # no line says from where in the code, from which thread or from which process it is: looking costs more than it
    logging._srcfile = None  # noqa: SLF001 - as logging's own how-to has it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    stderr = Unhurried(_STDERR)
    stderr.setFormatter(JsonLines() if in_json else PlainLines(_PLAIN, "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[stderr], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
