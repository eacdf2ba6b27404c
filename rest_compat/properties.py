"""Java properties, as ``java.util.Properties.load`` reads them, and an endpoint mapping out of them.

The text is UTF-8, with or without a mark at its beginning, or else Latin-1. How large it may be, how many entries it
may have and how long one may go on over lines is decided before it is read any further.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

import javaproperties

from domain.errors import ErrorCode, Refusal, refuse, refuse_if
from domain.mapping import PAIRS_MAX, mapping_problems
from domain.strict_json import shown

PROPERTIES_BYTES_MAX = 1 << 20
#: of one entry, all its lines together; two addresses need less, even where each character is escaped
_ENTRY_LENGTH_MAX = 32 * 1024
_ENTRY_LINES_MAX = 50
_SHOWN = 100
#: what is left of an address as a key, where nobody escaped its colon
_CUT_OFF = ("http", "https")
#: a line that begins no entry: blank, a comment, or one that goes on before it has begun: to Java the next one begins
#: anew, and at the very end it is an empty key
_NOTHING_YET = re.compile(r"[ \t\f]*(?:[#!].*|(?P<goes_on>\\))?(?:\r\n?|\n)?", re.DOTALL)
_CURE = r"In a key, write \: for each colon and \= for each equals sign: https\://host/path = https://other/path."


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value, and the line on which they begin."""

    line: int
    key: str
    value: str


def endpoint_mapping(raw: bytes, where: str) -> dict[str, str]:
    """Target addresses by source address, out of the bytes of a properties file that came as the part ``where``.

    Raises ``PayloadTooLarge``, and a refusal with everything that is wrong, line by line.
    """
    entries = {entry.key: entry for entry in properties(raw, where)}
    cut_off = [entry for entry in entries.values() if entry.key in _CUT_OFF and entry.value.startswith("//")]
    if cut_off:
        raise refuse(ErrorCode.INVALID_OPTIONS, _CURE, _place(where, cut_off[0].line), line=cut_off[0].line)
    refuse_if(mapping_problems((_place(where, one.line), one.key, one.value) for one in entries.values()))
    return {entry.key: entry.value for entry in entries.values()}


def properties(raw: bytes, where: str) -> list[Entry]:
    """The entries of a properties file, in order; of equal keys the last one counts.

    Raises ``PayloadTooLarge``, and ``BadUserInput`` with the line for what cannot be read.
    """
    if len(raw) > PROPERTIES_BYTES_MAX:
        text = f"A properties file has at most {PROPERTIES_BYTES_MAX} bytes."
        raise refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, where, limit=PROPERTIES_BYTES_MAX, actual=len(raw))
    entries = []
    for entry in _entries(_Lines(_text(raw), where)):
        entries.append(entry)
        if len(entries) > PAIRS_MAX:
            text = f"A properties file has at most {PAIRS_MAX} entries."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, _place(where, entry.line), line=entry.line)
    return entries


class _Lines:
    """Natural lines, handed out one by one, that knows how many went into the present entry.

    The library joins the lines of an entry anew for each of them, so how many there may be is bounded here.
    """

    def __init__(self, text: str, where: str) -> None:
        self._text = io.StringIO(text, newline="")
        self._end = len(text)
        self.where = where
        self.begun = 1
        self._number = self._length = 0

    def readline(self) -> str:
        """The next one that is part of an entry; all that the library asks of a file."""
        line = self._text.readline() if self._length else self._beginning()
        self._number += 1
        self._length += len(line)
        if self._length > _ENTRY_LENGTH_MAX or self._number - self.begun >= _ENTRY_LINES_MAX:
            text = f"An entry has at most {_ENTRY_LENGTH_MAX} characters on at most {_ENTRY_LINES_MAX} lines."
            raise _unreadable(self, text)
        return line

    def _beginning(self) -> str:
        """The line on which the next entry begins. The library needs ten times as long to find out what is nothing."""
        line = self._text.readline()
        while line and (nothing := _NOTHING_YET.fullmatch(line)):
            if nothing["goes_on"] and self._text.tell() == self._end and not line.endswith("\r\n"):
                return "="
            self._number += 1
            self.next_entry()
            line = self._text.readline()
        return line

    def next_entry(self) -> None:
        """What comes now begins something new."""
        self.begun = self._number + 1
        self._length = 0


def _entries(lines: _Lines) -> Iterator[Entry]:
    try:
        for element in javaproperties.parse(cast("IO[str]", lines)):
            if isinstance(element, javaproperties.KeyValue):
                yield Entry(lines.begun, element.key, element.value)
            lines.next_entry()
    except javaproperties.InvalidUEscapeError as flaw:
        escape = shown(flaw.escape, limit=_SHOWN)
        raise _unreadable(lines, f"{escape} is no \\u with four hexadecimal digits behind it.") from flaw


def _unreadable(lines: _Lines, text: str) -> Refusal:
    return refuse(
        ErrorCode.BAD_USER_INPUT,
        f"Line {lines.begun}: {text}",
        _place(lines.where, lines.begun),
        line=lines.begun,
    )


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _place(where: str, line: int) -> str:
    return f"{where}, line {line}"
