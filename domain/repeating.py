"""Requests that may be sent again under one key and are carried out once (decisions R25).

A key belongs to a caller in a tenant. What it made is remembered in the transaction that makes it, so a crash leaves
either both or neither. Refusals are never remembered: nothing was made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

import orjson

from domain.access import Caller
from domain.errors import ErrorCode, refuse
from domain.ports import KeyTakenError, TenantUnit
from domain.rows import Remembered

Made = TypeVar("Made")

#: how long a key is known
KEPT = timedelta(days=30)
#: what a key made, as far as a refusal tells it (section 9.2)
_TOLD = ("importId", "packageId")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Once:
    """A caller's key for a request, and the hash of all that the request asks for."""

    subject: str
    key: str
    request_hash: str


def once(caller: Caller, key: str | None, operation: str, *asked: Any) -> Once | None:
    """The request of an operation under a key; ``None`` without a key.

    ``asked`` are the parts of the request that matter: plain values, enums and dataclasses of them. Raises
    ``BadUserInput`` for a key that is not 1 to 255 visible ASCII characters.
    """
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        text = "An idempotency key has 1 to 255 visible ASCII characters."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, "idempotencyKey")
    stated = orjson.dumps([operation, [_plain(part) for part in asked]], option=orjson.OPT_SORT_KEYS)
    return Once(caller.identity, key, hashlib.sha256(stated).hexdigest())


async def made_before(unit: TenantUnit, request: Once | None, now: datetime) -> Mapping[str, Any] | None:
    """What this very request made when it came first. Raises ``IdempotencyKeyReused`` for another request."""
    if request is None:
        return None
    found = await unit.repeats.find(request.subject, request.key, now)
    if found is None:
        return None
    if found.request_hash != request.request_hash:
        text = "This idempotency key was used for another request. Send a new request with a new key."
        made = {name: found.effect[name] for name in _TOLD if name in found.effect}
        raise refuse(ErrorCode.IDEMPOTENCY_KEY_REUSED, text, "idempotencyKey", **made)
    return found.effect


async def written_once(write: Callable[[], Awaitable[Made]]) -> Made:
    """What ``write`` makes in a transaction that remembers it; where a twin of the request was quicker, what that made.

    ``write`` asks :func:`made_before` first: begun a second time, it finds the twin by its key.
    """
    try:
        return await write()
    except KeyTakenError:
        return await write()


async def remember(unit: TenantUnit, request: Once | None, effect: Mapping[str, Any], now: datetime) -> None:
    """Keep what a request made; raises :class:`domain.ports.KeyTakenError` when its twin was quicker."""
    if request is not None:
        made = Remembered(request.request_hash, effect)
        await unit.repeats.remember(request.subject, request.key, made, expires_at=now + KEPT)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
