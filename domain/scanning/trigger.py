r"""The fast path: which rules have any reason to look closer at a file (decisions R9, R28).

All triggers are compiled into YARA rules, one for each row of the table, and tried on the canonical bytes. Going
through a file costs more than the number of rules, so one with a sign of trouble is tried with all of them at once.
Without such a sign half of the rules find nothing, and without an expression or a query a third. A file with a ``\u``
or ``\x`` escape, an invisible character, a foreign blank or a comment may hide its words, so it is tried a second time
with these shown or gone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence

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

#: what a file must hold besides, for a rule that reads only some members: asked once for all such rules. A template
#: is sought with the byte behind it, which is no line feed in a string: two bytes alone slow down the search for all
_PLACES = {
    Where.EXPRESSION: ("expressions", (r"/\{\{./", *(f'"\\"{key}\\""' for key in EXPRESSION_KEYS))),
    Where.QUERY: ("queries", tuple(f'"\\"{key}\\""' for key in QUERY_KEYS)),
}
#: rare in files, and sought in a moment. All that hides words holds one of them, or a byte outside of ASCII
_SIGNS = ("<", "@", "$", "/", "\\")


def suspected(raw: bytes) -> list[Rule]:
    """The rules that must look closer at a canonical file; none for nearly every file.

    Never misses a rule that would find something.
    """
    named = _named(raw)
    if not named:
        return [rule for rule in _UNTRIGGERED if rule.gate is None or rule.gate(raw)]
    fired = _fired(raw, named)
    if _HIDING in named:
        for shown in _shown(raw):
            fired |= _fired(shown, [name for name in _named(shown) if name not in fired])
    return [rule for name, rule in _RULE_OF.items() if name in fired]


def plain(text: str) -> str:
    """The text as an interpreter reads it: invisible characters gone, foreign blanks as plain ones."""
    if text.isascii():
        return text
    return _FOREIGN_BLANK.sub(" ", _INVISIBLE.sub("", text))


def _shown(raw: bytes) -> list[bytes]:
    """The file with its escapes as characters and without invisible ones, good for triggers alone.

    Once more without its comments: what begins like a comment may be none. Nothing of what is as it was.
    """
    # what is not seen may stand in an escape, and may be written as one
    shown = plain(_ESCAPE.sub(_character, plain(raw.decode("utf-8", "replace"))))
    bare = _COMMENT.sub(" ", shown)
    read = {one.encode("utf-8", "replace") for one in (shown, bare)}
    return [*(read - {raw})]


def _character(match: re.Match[str]) -> str:
    number = int(match[1] or match[2] or match[3], 16)
    if number in _QUOTE_AND_BACKSLASH:
        return f"\\{chr(number)}"
    return chr(number) if number not in _BLANKS and number <= _LAST_CHARACTER else " "


def _named(raw: bytes) -> list[str]:
    """The names of the YARA rules that match."""
    if _holds_a_sign(raw):
        return _matching(_ALL, raw)
    named = _matching(_WORDS, raw)
    return named if not named or _PLACES_NAMED.isdisjoint(named) else named + _matching(_PLACED, raw)


def _holds_a_sign(raw: bytes) -> bool:
    if not raw.isascii():
        return True
    for sign in _SIGN_BYTES:  # noqa: SIM110 - a generator costs more than the search
        if sign in raw:
            return True
    return False


def _matching(name: str, raw: bytes) -> list[str]:
    return [rule.identifier for rule in _SCANNERS.of(name).scan(raw).matching_rules]


def _fired(raw: bytes, named: Iterable[str]) -> set[str]:
    """The named rules and those without a trigger, but not those whose gate keeps them out: each gate is asked once."""
    rules = [*_UNTRIGGERED_NAMES, *(name for name in named if name in _RULE_OF)]
    shut = {gate for gate in {_RULE_OF[name].gate for name in rules} if gate is not None and not gate(raw)}
    return {name for name in rules if _RULE_OF[name].gate not in shut}


def _is_told(rule: Rule) -> bool:
    """Whether a YARA rule tells of it."""
    return bool(_trigger_of(rule)) or _is_placed(rule)


def _trigger_of(rule: Rule) -> tuple[str, ...]:
    return rule.trigger + rule.signed


def _is_placed(rule: Rule) -> bool:
    return rule.where in _PLACES


def _is_signed(rule: Rule) -> bool:
    """Whether all that it finds holds a sign."""
    return rule.where is Where.AS_WRITTEN or all(any(sign in need for sign in _SIGNS) for need in rule.needs)


def _source(name: str, rule: Rule, trigger: tuple[str, ...]) -> str:
    if rule.where is Where.AS_WRITTEN:
        return _any_of(name, trigger, f"any of them or {_HIDING}")
    place, _ = _PLACES.get(rule.where, ("true", ()))
    return _any_of(name, trigger, f"{place} and any of them" if trigger else place)


def _any_of(name: str, expressions: Sequence[str], condition: str = "any of them") -> str:
    strings = " ".join(f"$s{number} = {expression}" for number, expression in enumerate(expressions))
    return f"rule {name} {{ {f'strings: {strings}' if strings else ''} condition: {condition} }}"


def _compiled(rules: Iterable[str], *others: str, whole: bool = True) -> yara_x.Rules:
    """A set of the named rules, with what is left of their triggers in files without a sign, or all of these."""
    places = [_any_of(*place) for place in _PLACES.values()]
    told = [(name, rule := _RULE_OF[name], _trigger_of(rule) if whole else rule.trigger) for name in rules]
    return yara_x.compile("\n".join([*others, *places, *(_source(*row) for row in told)]))


#: an escape of JSON, or of the script inside its string; here and below it begins with one sign, which is sought fast
_ESCAPE = re.compile(r"\\\\?(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]{1,6})\})")
#: a comment of a script inside of a string of JSON, to its end or that of its string: nothing is read twice
_COMMENT = re.compile(
    r"/(?:\*[^*\"\\]*+(?:(?:\\.|\*(?!/))[^*\"\\]*+)*+(?:\*/)?"
    r"|(?<!:/)/[^\"\\\n]*+(?:\\[^nr][^\"\\\n]*+)*+(?:\\[nr])?)"
)
_QUOTE_AND_BACKSLASH = frozenset(b'"\\')
_BLANKS, _LAST_CHARACTER = frozenset(b"\t\n\v\f\r"), 0x10FFFF
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_FOREIGN_BLANK = re.compile(f"[{FOREIGN_BLANKS}]")
#: the name of the one YARA rule that is no row of the table
_HIDING = "hiding"
_RULE_OF = {f"rule_{number}": rule for number, rule in enumerate(RULES)}
_TOLD = {name: rule for name, rule in _RULE_OF.items() if _is_told(rule)}
_UNTRIGGERED_NAMES = [n for n, rule in _RULE_OF.items() if n not in _TOLD and rule.where is not Where.PACKAGE_TEXT]
_UNTRIGGERED = [_RULE_OF[name] for name in _UNTRIGGERED_NAMES]
_SIGN_BYTES = tuple(sign.encode() for sign in _SIGNS)
#: the sets: what a file with a sign is tried with; what others are; and what those of them are that have such a place
_ALL, _WORDS, _PLACED, _PLACES_NAMED = "all", "words", "placed", frozenset(place for place, _ in _PLACES.values())
_TRIGGERS = {
    _ALL: _compiled(_TOLD, _any_of(_HIDING, _HIDDEN)),
    _WORDS: _compiled(
        [name for name, rule in _TOLD.items() if not (_is_placed(rule) or _is_signed(rule))], whole=False
    ),
    _PLACED: _compiled([name for name, rule in _TOLD.items() if _is_placed(rule)], whole=False),
}


class _Scanners(threading.local):
    """One scanner a thread and set: making one costs more than scanning a file."""

    def __init__(self) -> None:
        self.known: dict[str, yara_x.Scanner] = {}

    def of(self, name: str) -> yara_x.Scanner:
        scanner = self.known.get(name)
        if scanner is None:
            scanner = self.known[name] = yara_x.Scanner(_TRIGGERS[name])
            scanner.fast_scan(True)
        return scanner


_SCANNERS = _Scanners()
