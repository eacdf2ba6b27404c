"""Texts that callers keep and give back, but do not read: Node ids and cursors.

They are base64url of a JSON array. What comes back is foreign input: whatever is not exactly what we wrote for this
purpose reads as ``None``.
"""

from __future__ import annotations

import base64
import binascii

import orjson

from domain import strict_json

_LENGTH_MAX = 4096


def sealed(*parts: str | int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def opened(text: str, *kinds: type[str | int]) -> tuple[str | int, ...] | None:
    """The parts of a text that :func:`sealed` made of values of these types."""
    if len(text) > _LENGTH_MAX or not text.isascii():
        return None
    try:
        parts = strict_json.read(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        return None
    return tuple(parts)
