"""A stored package over HTTP: its entity tag, one range, and the name it is saved under (RFC 9110, RFC 6266; X34)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import NamedTuple, Protocol
from urllib.parse import quote

from starlette.datastructures import Headers

from domain.errors import ErrorCode, refuse
from domain.model import Package

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class Stored(Protocol):
    """Bytes that never change: how many, and their SHA-256 in hexadecimal digits."""

    @property
    def bundle_sha256(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


class Span(NamedTuple):
    """Which bytes are sent; ``is_part`` for 206."""

    start: int
    length: int
    is_part: bool


def entity_tag(package: Stored) -> str:
    """Strong: the same tag means the same bytes."""
    return f'"sha256:{package.bundle_sha256}"'


def is_known(package: Stored, headers: Headers) -> bool:
    """Whether the caller has these bytes already (``If-None-Match``)."""
    stated = headers.get("if-none-match", "")
    return stated.strip() == "*" or entity_tag(package) in _TAG.findall(stated)


def span_of(package: Stored, headers: Headers) -> Span:
    """What of the package is asked for. One range is served; several, or none that can be read, mean the whole.

    Raises a refusal ``RangeNotSatisfiable`` for a range outside the package.
    """
    whole = Span(0, package.size_bytes, is_part=False)
    found = _RANGE.fullmatch(headers.get("range", ""))
    condition = headers.get("if-range")
    if found is None or (condition is not None and condition != entity_tag(package)):
        return whole
    first, last = found[1], found[2]
    if not first and not last:
        return whole
    start = int(first) if first else max(0, package.size_bytes - int(last))
    end = min(int(last), package.size_bytes - 1) if first and last else package.size_bytes - 1
    if first and last and int(last) < int(first):
        return whole
    if start > end:
        text = f"The package has {package.size_bytes} bytes; the range is outside of them."
        raise refuse(ErrorCode.RANGE_NOT_SATISFIABLE, text, size=package.size_bytes)
    return Span(start, end - start + 1, is_part=True)


async def begun(chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, the first of them being there: who cannot be given any is told so by a status.

    Raises ``UnavailableError``, and ``FileNotFoundError`` when they are gone.
    """
    first = await anext(chunks, b"")

    async def all_of_them() -> AsyncIterator[bytes]:
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    return all_of_them()


def download_headers(package: Package, span: Span) -> Mapping[str, str]:
    """The headers of 200 and 206."""
    headers = {
        "content-type": "application/zip",
        "content-length": str(span.length),
        "content-disposition": disposition(package),
        **validators(package),
    }
    if span.is_part:
        headers["content-range"] = f"bytes {span.start}-{span.start + span.length - 1}/{package.size_bytes}"
    return headers


def validators(package: Package) -> Mapping[str, str]:
    """What a 304 repeats."""
    return {
        "etag": entity_tag(package),
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        # a signed address is a permission, and no page that comes next is to learn it
        "referrer-policy": "no-referrer",
    }


def disposition(package: Package) -> str:
    """``attachment`` with ``slug(full name)-version.zip``; ``filename*`` only where the ASCII name differs."""
    plain = f"{slug(package.name)}-{package.version}.zip"
    spoken = f"{_hyphened(package.name) or 'package'}-{package.version}.zip"
    extended = "" if plain == spoken else f"; filename*=UTF-8''{quote(spoken, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def slug(name: str) -> str:
    """``Employee Onboarding Suite`` is ``employee-onboarding-suite``. ASCII letters and digits, whatever the name."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _hyphened(letters) or "package"


def _hyphened(name: str) -> str:
    return "-".join(re.findall(r"\w+", name.lower().replace("_", "-")))
