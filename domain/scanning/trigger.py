r"""The fast path: which rules have any reason to look closer at a file (decisions R9, R28).

All triggers are sought on the canonical bytes with one look (:mod:`domain.needles`). Without an expression or
a query in it a file gives a third of the rules no reason. A file with a ``\u`` or ``\x`` escape, an invisible
character, a foreign blank or a comment may hide its words, so it is tried a second time with these shown or gone.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from domain.needles import Needles
from domain.scanning.rule import Rule, Where
from domain.scanning.rules import EXPRESSION_KEYS, QUERY_KEYS, RULES

#: invisible characters that can stand inside a word without being seen
INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0001-\U000e007f"
#: blanks outside of ASCII, as a script reads them
FOREIGN_BLANKS = "\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

#: what may hide a word
_HIDDEN = (
    r"\xC2[\x85\xA0\xAD]", r"\xD8\x9C", r"\xE1\x9A\x80", r"\xE1\xA0\x8E", r"\xE2\x80[\x80-\x8F\xA8-\xAF]",
    r"\xE2\x81[\x9F-\xAF]", r"\xE3\x80\x80", r"\xEF\xBB\xBF", r"\xEF\xBF[\xB9-\xBB]", r"\xF3\xA0[\x80\x81]",
    r"\\[ux]", r"/\*", r"[^:/]//",
)  # fmt: skip
#: what a file must hold besides, for a rule that reads only some members
_PLACES = {
    Where.EXPRESSION: (r"\{\{", f'"({"|".join(EXPRESSION_KEYS)})"'),
    Where.QUERY: (f'"({"|".join(QUERY_KEYS)})"',),
}


def suspected(raw: bytes) -> list[Rule]:
    """The rules that must look closer at a canonical file; none for nearly every file.

    Never misses a rule that would find something.
    """
    told = _NEEDLES.names_in(raw)
    if not told:
        return []
    fired = _fired(raw, told)
    if _HIDING in told:
        for shown in _shown(raw):
            fired |= _fired(shown, _NEEDLES.names_in(shown) - fired)
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
    # what is not seen may stand in an escape, and may be written as one, where it may as well part two words
    written = _ESCAPE.sub(_character, plain(raw.decode("utf-8", "replace")))
    shown = {written, plain(written)}
    bare = {_COMMENT.sub(" ", one) for one in shown}
    return [*({one.encode("utf-8", "replace") for one in shown | bare} - {raw})]


def _character(match: re.Match[str]) -> str:
    number = int(match[1] or match[2] or match[3], 16)
    if number > _LAST_CHARACTER:
        return ""
    return _AS_IN_A_FILE.get(number) or chr(number)


def _fired(raw: bytes, told: Collection[str]) -> set[str]:
    """The told rules that have their place there, but not those whose gate keeps them out: each gate is asked once."""
    rules = {name: rule for name in told if (rule := _RULE_OF.get(name)) and _PLACE_OF.get(name, name) in told}
    shut = {gate for gate in {rule.gate for rule in rules.values()} if gate is not None and not gate(raw)}
    return {name for name, rule in rules.items() if rule.gate not in shut}


def _needles_of(rule: Rule) -> tuple[str, ...]:
    """What gives a rule a reason: a rule without a trigger has one wherever its place is."""
    if rule.where is Where.AS_WRITTEN:
        return rule.trigger + _HIDDEN
    return rule.trigger or _PLACES[rule.where]


#: an escape of JSON, or of the script inside its string; here and below it begins with one sign, which is sought fast
_ESCAPE = re.compile(r"\\\\?(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]{1,6})\})")
#: a comment of a script inside of a string of JSON, to its end or that of its string: nothing is read twice
_COMMENT = re.compile(
    r"/(?:\*[^*\"\\]*+(?:(?:\\.|\*(?!/))[^*\"\\]*+)*+(?:\*/)?"
    r"|(?<!:/)/[^\"\\\n]*+(?:\\[^nr][^\"\\\n]*+)*+(?:\\[nr])?)"
)
#: a line feed ends a comment, so it stays one
_AS_IN_A_FILE = {ord(blank): " " for blank in "\t\v\f"} | {ord(one): f"\\{one}" for one in '"\\'}
_AS_IN_A_FILE |= {ord("\n"): r"\n", ord("\r"): r"\r"}
_LAST_CHARACTER = 0x10FFFF
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_FOREIGN_BLANK = re.compile(f"[{FOREIGN_BLANKS}]")
#: the name of the needles that are no rule's and no place's
_HIDING = "hiding"
_RULE_OF = {f"rule {number}": rule for number, rule in enumerate(RULES) if rule.where is not Where.PACKAGE_TEXT}
_PLACE_OF = {name: rule.where.name for name, rule in _RULE_OF.items() if rule.where in _PLACES}
_NEEDLES = Needles(
    {_HIDING: _HIDDEN}
    | {where.name: needles for where, needles in _PLACES.items()}
    | {name: _needles_of(rule) for name, rule in _RULE_OF.items()}
)
