"""``java.util.Properties.load`` once more, straight from its description: slow, and plain enough to be believed."""

from __future__ import annotations

import re

_BLANK = " \t\f"
_ENDS = "\r\n"
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_HEX = re.compile(r"[0-9A-Fa-f]{4}")


class Malformed(ValueError):  # noqa: N818 - an adjective reads better where it is caught
    r"""A ``\u`` without four hexadecimal digits."""


def java_entries(raw: bytes) -> list[tuple[str, str]]:
    """The pairs of a file, in order, its text decoded as the server decodes it."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return [_pair(line) for line in _logical_lines(text)]


def _logical_lines(text: str) -> list[str]:
    """Character by character, with the state that Java's own reader keeps."""
    found: list[str] = []
    line, is_escaped, skips_blanks, goes_on, at = "", False, True, False, 0
    while at < len(text):
        char, at = text[at], at + 1
        if skips_blanks and (char in _BLANK or (char in _ENDS and not goes_on)):
            continue
        skips_blanks = goes_on = False
        if not line and char in "#!":
            at = next((place for place in range(at, len(text)) if text[place] in _ENDS), len(text))
            skips_blanks = True
        elif char not in _ENDS:
            line += char
            is_escaped = char == "\\" and not is_escaped
        elif is_escaped and at < len(text):
            line, is_escaped, skips_blanks, goes_on = line[:-1], False, True, True
            at += text[at - 1 : at + 1] == "\r\n"
        elif line:
            found.append(line[:-1] if is_escaped else line)
            line, is_escaped, skips_blanks = "", False, True
        else:
            skips_blanks = True
    return [*found, line[:-1] if is_escaped else line] if line else found


def _pair(line: str) -> tuple[str, str]:
    end = 0
    while end < len(line) and line[end] not in "=:" + _BLANK:
        end += 2 if line[end] == "\\" else 1
    key, rest = line[:end], line[end:].lstrip(_BLANK)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(_BLANK)
    return _unescaped(key), _unescaped(rest)


def _unescaped(text: str) -> str:
    out, at = [], 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\" and at < len(text):
            char = text[at]
            at += 1
            if char == "u":
                digits = _HEX.match(text, at)
                if digits is None:
                    raise Malformed(text[at : at + 4])
                char, at = chr(int(digits[0], 16)), at + 4
            else:
                char = _LETTERS.get(char, char)
        out.append(char)
    joined = "".join(out)
    # two escapes of surrogates are one character, as Java's strings hold it
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
