"""Log lines: one JSON object each, or plain words where a person watches (decisions R40).

What is known of the request that is being answered is noted on the way, and stands in its line: never content, never
a query string, never a token, and no name of an artifact.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

_PLAIN = "%(asctime)s %(levelname)-7s %(name)s  %(message)s"
_LOUD = ("uvicorn.access", "websockets", "alembic", "asyncio")
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
        return orjson.dumps(line, default=str).decode()


class PlainLines(logging.Formatter):
    """A record as people read it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = printable(record.message)
        return super().formatMessage(record)


def log_to_stderr(*, in_json: bool, level: int = logging.INFO) -> None:
    """Let the whole process log to stderr; libraries that tell every step only warn."""
    stderr = logging.StreamHandler()
    stderr.setFormatter(JsonLines() if in_json else PlainLines(_PLAIN, "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[stderr], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
