r"""The fast path: which rules have any reason to look closer at a file (decisions R9, R28).

All triggers are compiled into one set of YARA rules, one for each row of the table, and tried on the canonical bytes
in one pass. A file with a ``\u`` or ``\x`` escape, an invisible character, a foreign blank or a comment may
hide its words, so it is tried a second time with these shown or gone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

import yara_x

from domain.scanning.rule import Rule, Where
from domain.scanning.rules import EXPRESSION_KEYS, QUERY_KEYS, RULES

#: invisible characters that can stand inside a word without being seen
INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0001-\U000e007f"
#: blanks outside of ASCII, as a script reads them
FOREIGN_BLANKS = "\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

_HIDDEN = (
    r"/\xC2[\x85\xA0\xAD]/", r"/\xD8\x9C/", r"/\xE1\x9A\x80/", r"/\xE1\xA0\x8E/", r"/\xE2\x80[\x80-\x8F\xA8-\xAF]/",
    r"/\xE2\x81[\x9F-\xAF]/", r"/\xE3\x80\x80/", r"/\xEF\xBB\xBF/", r"/\xEF\xBF[\xB9-\xBB]/", r"/\xF3\xA0[\x80\x81]/",
    r'"\\u"', r'"\\x"', '"/*"', r"/[^:\/]\/\//",
)  # fmt: skip

#: what a file must hold besides, for a rule that reads only some members: asked once for all such rules
_PLACES = {
    Where.EXPRESSION: ("expressions", ('"{{"', *(f'"\\"{key}\\""' for key in EXPRESSION_KEYS))),
    Where.QUERY: ("queries", tuple(f'"\\"{key}\\""' for key in QUERY_KEYS)),
}


def suspected(raw: bytes) -> list[Rule]:
    """The rules that must look closer at a canonical file; none for nearly every file.

    Never misses a rule that would find something.
    """
    named = _named(raw)
    if not named:
        return []
    fired = _fired(raw, named)
    if _HIDING in named:
        for shown in _shown(raw):
            fired |= _fired(shown, _named(shown) - fired)
    return [rule for name, rule in _RULE_OF.items() if name in fired]


def plain(text: str) -> str:
    """The text as an interpreter reads it: invisible characters gone, foreign blanks as plain ones."""
    if text.isascii():
        return text
    return _FOREIGN_BLANK.sub(" ", _INVISIBLE.sub("", text))


def _shown(raw: bytes) -> list[bytes]:
    """The file with its escapes as characters and without invisible ones, good for triggers alone.

    Once more without its comments, if it has some: what begins like a comment may be none.
    """
    text = _ESCAPE.sub(_character, raw.decode("utf-8", "replace"))
    shown = plain(text)
    bare = _COMMENT.sub(" ", shown)
    return [one.encode("utf-8", "replace") for one in ((shown,) if bare == shown else (shown, bare))]


def _character(match: re.Match[str]) -> str:
    number = int(match[1] or match[2] or match[3], 16)
    if number in _QUOTE_AND_BACKSLASH:
        return f"\\{chr(number)}"
    return chr(number) if _FIRST_VISIBLE <= number <= _LAST_CHARACTER else " "


def _named(raw: bytes) -> set[str]:
    return {rule.identifier for rule in _SCANNERS.scanner.scan(raw).matching_rules}


def _fired(raw: bytes, named: set[str]) -> set[str]:
    return {name for name in named & _RULE_OF.keys() if (gate := _RULE_OF[name].gate) is None or gate(raw)}


def _source(name: str, rule: Rule) -> str:
    if rule.where is Where.PACKAGE_TEXT:
        return f"rule {name} {{ condition: false }}"
    if rule.where is Where.AS_WRITTEN:
        return f"{_any_of(name, rule.trigger).removesuffix('}')} or {_HIDING} }}"
    place, _ = _PLACES.get(rule.where, ("true", ()))
    return _any_of(name, rule.trigger, place) if rule.trigger else f"rule {name} {{ condition: {place} }}"


def _any_of(name: str, expressions: Sequence[str], besides: str = "true") -> str:
    strings = " ".join(f"$s{number} = {expression}" for number, expression in enumerate(expressions))
    return f"rule {name} {{ strings: {strings} condition: {besides} and any of them }}"


#: an escape of JSON, or of the script inside its string; here and below it begins with one sign, which is sought fast
_ESCAPE = re.compile(r"\\\\?(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]{1,6})\})")
#: a comment of a script inside of a string of JSON, to its end or that of its string: nothing is read twice
_COMMENT = re.compile(
    r"/(?:\*[^*\"\\]*+(?:(?:\\.|\*(?!/))[^*\"\\]*+)*+(?:\*/)?"
    r"|(?<!:/)/[^\"\\\n]*+(?:\\[^nr][^\"\\\n]*+)*+(?:\\[nr])?)"
)
_QUOTE_AND_BACKSLASH = frozenset(b'"\\')
_FIRST_VISIBLE, _LAST_CHARACTER = 0x20, 0x10FFFF
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_FOREIGN_BLANK = re.compile(f"[{FOREIGN_BLANKS}]")
#: the name of the one YARA rule that is no row of the table
_HIDING = "hiding"
_RULE_OF = {f"rule_{number}": rule for number, rule in enumerate(RULES)}
_TRIGGERS = yara_x.compile(
    "\n".join(
        [
            _any_of(_HIDING, _HIDDEN),
            *(f"private {_any_of(*place)}" for place in _PLACES.values()),
            *(_source(name, rule) for name, rule in _RULE_OF.items()),
        ]
    )
)


class _Scanners(threading.local):
    """One scanner a thread: making one costs more than scanning a file."""

    def __init__(self) -> None:
        self.scanner = yara_x.Scanner(_TRIGGERS)
        self.scanner.fast_scan(True)


_SCANNERS = _Scanners()
