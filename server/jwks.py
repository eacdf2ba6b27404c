"""The keys that tokens are checked with: a file or an address of our own choosing, never one out of a token.

(Decisions section 6; installhub.md section 5: cached, read again on an unknown ``kid``; security, F24; RFC 8725.)
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from domain.errors import ErrorCode, refuse

#: keys this old are read again in the background
FRESH_SECONDS = 240.0
#: with keys this old requests wait for the reading: a key that its issuer took back is good no longer (F24)
CERTAIN_SECONDS = 300.0
#: keys this old are used no more, however long the issuer is away
USABLE_SECONDS = 3600.0
#: no two requests to the issuer are closer together, however many unknown ``kid`` come
PAUSE_SECONDS = 30.0
ANSWER_SECONDS = 5.0
_BYTES_MAX = 1 << 20
_KINDS = frozenset({"RSA", "EC", "OKP"})
#: of a modulus of 2048 bits in base64url
_MODULUS_LETTERS = 342

PublicKey = RSAKey | ECKey | OKPKey
Keys = Mapping[str, PublicKey]
_log = logging.getLogger(__name__)


class KeySource(Protocol):
    """Where keys come from."""

    async def keys(self, wanted: str) -> Keys:
        """Keys by ``kid``; looks again before it answers without ``wanted``.

        The same object as before while nothing changed. Raises a refusal ``SERVICE_UNAVAILABLE`` when there are none.
        """


def key_source(place: str) -> KeySource:
    """Keys from an https address (http on this machine only) or a file. Raises ``ValueError``."""
    if "://" not in place:
        return FileKeys(Path(place))
    parts = urlsplit(place)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}):
        raise ValueError("keys come from a file or over https")
    return UrlKeys(place)


class FileKeys:
    """A key set in a file, read again when the file changes. A file that went bad leaves the keys as they were."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = ()
        self._keys: Keys = {}

    async def keys(self, wanted: str) -> Keys:  # noqa: ARG002 - a file is looked at each time anyway
        self._look()
        if not self._keys:
            raise refuse(ErrorCode.SERVICE_UNAVAILABLE, "The keys for tokens cannot be read now.", retryAfter=5)
        return self._keys

    def _look(self) -> None:
        seen = _identity(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = parsed(self._path.read_bytes())
        except (OSError, ValueError) as trouble:
            _log.warning("The key set %s cannot be read: %s", self._path, trouble)


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


class UrlKeys:
    """A key set at an address. Requests wait for it only while there is nothing usable to go on with."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._now = monotonic
        self._keys: Keys = {}
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._is_failing = False

    async def keys(self, wanted: str) -> Keys:
        age = self._now() - self._read_at
        if age > FRESH_SECONDS or wanted not in self._keys:
            reading = self._begin_reading()
            # while the issuer is away, nobody waits who can go on
            certain = USABLE_SECONDS if self._is_failing else CERTAIN_SECONDS
            if reading is not None and (age > certain or wanted not in self._keys):
                await asyncio.shield(reading)
        if self._now() - self._read_at > USABLE_SECONDS:
            raise refuse(ErrorCode.SERVICE_UNAVAILABLE, "The issuer of tokens does not answer now.", retryAfter=30)
        return self._keys

    def _begin_reading(self) -> asyncio.Task[None] | None:
        """The reading under way, or a new one, or nothing when the last one was a moment ago."""
        if self._reading is not None and not self._reading.done():
            return self._reading
        if self._now() - self._asked_at < PAUSE_SECONDS:
            return None
        self._asked_at = self._now()
        self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                keys = parsed(await asyncio.to_thread(_fetched, self._url))
        except (OSError, HTTPException, ValueError) as trouble:
            _log.warning("The key set %s cannot be read: %s", self._url, trouble)
            self._is_failing = True
            return
        self._is_failing = False
        self._read_at = self._now()
        if {k: v.as_dict() for k, v in keys.items()} != {k: v.as_dict() for k, v in self._keys.items()}:
            self._keys = keys


def parsed(content: bytes) -> Keys:
    """Public keys by ``kid``. Keys for other purposes, without ``kid`` or too weak are left out.

    Raises ``ValueError`` when this is no key set or holds no usable key.
    """
    try:
        rows = json.loads(content)["keys"]
        found = {row["kid"]: key for row in rows if (key := _usable(row)) is not None}
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("this is no key set") from error
    if not found:
        raise ValueError("the key set holds no usable key")
    return found


def _usable(row: dict[str, Any]) -> PublicKey | None:
    if not isinstance(row.get("kid"), str) or row.get("use", "sig") != "sig":
        return None
    if row.get("kty") not in _KINDS or (row["kty"] == "RSA" and len(str(row.get("n"))) < _MODULUS_LETTERS):
        return None
    try:
        key = JWKRegistry.import_key(row)
    except (JoseError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Nobody else may say where our keys are."""


def _fetched(url: str) -> bytes:
    opener: OpenerDirector = build_opener(_NoRedirects)
    with opener.open(Request(url, headers={"Accept": "application/json"}), timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - key_source() lets only https through
        content: bytes = answer.read(_BYTES_MAX + 1)
    if len(content) > _BYTES_MAX:
        raise URLError("the key set is too large")
    return content
