"""Log lines: one JSON object each, or plain words where a person watches (decisions R40)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import orjson

_PLAIN = "%(asctime)s %(levelname)-7s %(name)s  %(message)s"
_LOUD = ("uvicorn.access", "websockets", "alembic", "asyncio")


class JsonLines(logging.Formatter):
    """A record as one line of JSON; ``extra={"fields": {...}}`` adds keys to it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class PlainLines(logging.Formatter):
    """A record as people read it; what a caller sent cannot begin a line of its own or colour the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in record.message)
        return super().formatMessage(record)


def log_to_stderr(*, in_json: bool, level: int = logging.INFO) -> None:
    """Let the whole process log to stderr; libraries that tell every step only warn."""
    stderr = logging.StreamHandler()
    stderr.setFormatter(JsonLines() if in_json else PlainLines(_PLAIN, "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[stderr], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
