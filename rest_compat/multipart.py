"""Parts out of a multipart body: ``package`` and what else is expected, in any order, and nothing besides.

Pure over the chunks it is given (design: security, section 3.4; RFC 7578). The client's file name is never used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from domain.errors import ErrorCode, Refusal, refuse

PACKAGE, OPTIONS, BINDINGS = "package", "options", "bindings"

_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_VALUE = rb'"(?:[^"\\\r\n]|\\[^\r\n])*"|[!#$%&\'*+.^_`|~0-9A-Za-z-]+'
_PARAMETER = re.compile(rb"\s*;\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(" + _VALUE + rb")\s*")
_PLAIN_ENCODINGS = {b"7bit", b"8bit", b"binary"}


class Piece(NamedTuple):
    """Bytes of a part; ``is_last`` with the end of the part, and then there may be none."""

    part: str
    data: bytes
    is_last: bool = False


class Parts:
    """Cuts a body into pieces of its parts. Refuses every repeated, unknown or nested part."""

    def __init__(self, content_type: str, expected: Sequence[str] = (PACKAGE, OPTIONS, BINDINGS)) -> None:
        self.is_complete = False
        self.seen: set[str] = set()
        self._expected = expected
        self._has_begun = False
        self._pieces: list[Piece] = []
        self._part = ""
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""
        self._parser = MultipartParser(
            _boundary(content_type),
            {
                "on_part_begin": self._begun,
                "on_header_field": self._named,
                "on_header_value": self._valued,
                "on_header_end": self._header_ended,
                "on_headers_finished": self._headers_ended,
                "on_part_data": self._bytes_came,
                "on_part_end": self._part_ended,
                "on_end": self._ended,
            },
        )

    def cut(self, chunk: bytes) -> list[Piece]:
        """The pieces that this chunk of the body brings."""
        if self.is_complete:
            return []
        if not self._has_begun:
            # after a first line break the library passes over anything up to a hyphen, as far as the chunk goes
            chunk = chunk.lstrip(b"\r\n")
            self._has_begun = bool(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as flaw:
            raise _malformed("The multipart body cannot be read.") from flaw
        pieces, self._pieces = self._pieces, []
        return pieces

    def _begun(self) -> None:
        self._part, self._headers, self._name, self._value = "", {}, b"", b""

    def _named(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _valued(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ended(self) -> None:
        name = self._name.lower()
        if name in self._headers:
            raise _malformed("A part states a header twice.")
        self._headers[name] = self._value.strip()
        self._name, self._value = b"", b""

    def _headers_ended(self) -> None:
        name = _part_name(self._headers, self._expected)
        if name in self.seen:
            raise _malformed(f"The part {name} is there twice.", name)
        _refuse_encoded(self._headers, name)
        self.seen.add(name)
        self._part = name

    def _bytes_came(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(Piece(self._part, data[start:end]))

    def _part_ended(self) -> None:
        self._pieces.append(Piece(self._part, b"", is_last=True))

    def _ended(self) -> None:
        self.is_complete = True


def _boundary(content_type: str) -> bytes:
    kind, semicolon, rest = content_type.encode("latin-1").partition(b";")
    found = _parameters(semicolon + rest)
    boundary = (found or {}).get(b"boundary", b"")
    if kind.strip().lower() != b"multipart/form-data" or not _BOUNDARY.fullmatch(boundary):
        raise _malformed("The Content-Type needs a boundary of 1 to 70 letters.")
    return boundary


def _part_name(headers: Mapping[bytes, bytes], expected: Sequence[str]) -> str:
    kind, semicolon, rest = headers.get(b"content-disposition", b"").partition(b";")
    found = _parameters(semicolon + rest)
    if kind.strip().lower() != b"form-data" or found is None or not found.keys() <= {b"name", b"filename"}:
        raise _malformed("A part needs the Content-Disposition form-data with a name, and at most a filename.")
    for name in expected:
        if found.get(b"name") == name.encode():
            return name
    raise _malformed(f"No other part is expected than {' and '.join(expected)}.")


def _refuse_encoded(headers: Mapping[bytes, bytes], name: str) -> None:
    is_encoded = b"content-encoding" in headers
    is_wrapped = headers.get(b"content-transfer-encoding", b"binary").lower() not in _PLAIN_ENCODINGS
    if is_encoded or is_wrapped:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send the part {name} without an encoding.", name)
    if headers.get(b"content-type", b"").lower().startswith((b"multipart/", b"message/")):
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"The part {name} holds parts of its own.", name)


def _parameters(raw: bytes) -> dict[bytes, bytes] | None:
    """``; name="value"`` and so on, each name once; ``None`` for anything else, extended parameters included."""
    found: dict[bytes, bytes] = {}
    place = 0
    while place < len(raw):
        match = _PARAMETER.match(raw, place)
        if match is None or match[1].lower() in found:
            return None
        value = match[2]
        found[match[1].lower()] = value[1:-1] if value.startswith(b'"') else value
        place = match.end()
    return found


def _malformed(text: str, where: str = "") -> Refusal:
    return refuse(ErrorCode.BAD_USER_INPUT, text, where)
