"""Looking closer: every string of a file with its concrete place, and what the suspected rules say of it.

The walk needs no recursion. A string is read once for each kind of place it stands in, however often it occurs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, NamedTuple

from domain.scanning.active_rules import PATTERN_KEYS
from domain.scanning.content_rules import SHOWN_KEYS
from domain.scanning.report import Check
from domain.scanning.rule import Rule, Where, mask
from domain.scanning.rules import EXPRESSION_KEYS, NAMES_OF_SECRETS, QUERY_KEYS, RULES
from domain.scanning.trigger import plain
from domain.scanning.windows import WINDOW, first_in

#: a place in a tree: the place around it and the last step; None is the root
Place = tuple["Place", str | int] | None
#: a rule and what it found, already masked where it is a secret
Hit = tuple[Rule, str]
#: a rule ready to be asked: one of the words it needs, and its pattern's search. It has a row for each of its words
_Search = Callable[..., re.Match[str] | None]
_Row = tuple[str, _Search, Rule]


class _Rows(NamedTuple):
    """Rows by which reading of a string they are asked of: as it is shown, the expressions in it, as it is written."""

    plain: list[_Row]
    expressions: list[_Row]
    written: list[_Row]


class Spot(NamedTuple):
    """One string, or the name of one member, and where it stands."""

    text: str
    place: Place


def hits(tree: Any, rules: Sequence[Rule]) -> Iterator[tuple[Spot, list[Hit]]]:
    """The spots of a parsed JSON value where any of the rules finds something, in document order."""
    reader = Reader(rules)
    for text, place, area in strings(tree, reader.area_of):
        found = reader.found(text, area)
        if found:
            yield Spot(text, place), found


def hits_in_text(text: str, rules: Sequence[Rule]) -> list[Hit]:
    """What the rules find in a text of the package itself."""
    return Reader(rules).found(text, _VALUE | _SHOWN | _PACKAGE)


class Reader:
    """The suspected rules, sorted by what they read, and what they said of the strings so far."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._asked = _numbers(rules)
        self._known: dict[tuple[str, int], list[Hit]] = {}
        self._keys: dict[str, int] = {}

    def keep(self, rules: Sequence[Rule]) -> None:
        """Ask only these rules from now on."""
        asked = _numbers(rules)
        if asked != self._asked:
            self._asked, self._known = asked, {}

    def area_of(self, key: str) -> int:
        """The areas that a member of this name adds to its value."""
        known = self._keys.get(key)
        if known is None:
            name = plain(key)
            known = _SECRET if _ENDS_IN_A_SECRET.search(name) else 0
            known = self._keys[key] = known | _AREA_OF_KEY.get(name, 0)
        return known

    def found(self, text: str, area: int) -> list[Hit]:
        """What the rules find in a string that stands in such an area."""
        if area & _VALUE and ("{{" in text or not text.isascii()):
            area |= _TEMPLATE
        reading = (text, area)
        found = self._known.get(reading)
        if found is None:
            rows = _rows_of(self._asked, area)
            found = self._known[reading] = _look(text, area, rows) if any(rows) else []
        return found


def _numbers(rules: Sequence[Rule]) -> int:
    """A set of rules of the table, as a number with a bit for each."""
    return sum(_BIT_OF[id(rule)] for rule in rules)


@lru_cache(maxsize=1 << 12)
def _rows_of(rules: int, area: int) -> _Rows:
    """What is asked of the strings of an area. Files that raise the same suspicions share it."""
    asked = [rule for rule in RULES if rules & _BIT_OF[id(rule)] and _READS[rule.where] & area]
    return _Rows(
        *(
            [
                (need, rule.pattern.search, rule)
                for rule in asked
                if _READING_OF.get(rule.where, _PLAIN) == reading
                for need in rule.needs
            ]
            for reading in (_PLAIN, _EXPRESSIONS, _WRITTEN)
        )
    )


def _look(text: str, area: int, rows: _Rows) -> list[Hit]:
    """What each of the rules finds first. Nearly all of a scan's time is spent here."""
    shown = plain(text)
    if len(text) > WINDOW:
        rows = _Rows(*map(_windowed, rows))
    found: list[Hit] = []
    _ask(rows.plain, shown, found)
    if rows.expressions:
        parts = [shown] if area & _EXPRESSION else _templates(shown) if area & _TEMPLATE else ()
        _ask_of_any(rows.expressions, _as_read(parts), found)
    if rows.written and not text.isascii():
        _ask(rows.written, text, found)
    return found


def _ask(rows: list[_Row], text: str, found: list[Hit]) -> None:
    small = text.lower()
    asked: Rule | None = None
    for need, search, rule in rows:
        if need in small and rule is not asked:
            asked = rule
            if (match := search(text)) is not None and (excerpt := rule.excerpt(match)) is not None:
                found.append((rule, excerpt))


def _ask_of_any(rows: list[_Row], texts: list[str], found: list[Hit]) -> None:
    """The same of expressions that stand in one text: a rule finds something in the first of them that has it."""
    if len(texts) == 1:
        _ask(rows, texts[0], found)
        return
    for _, asked in groupby(rows, key=_rule_of):
        of_rule = [*asked]
        for text in texts:
            before = len(found)
            _ask(of_rule, text, found)
            if len(found) > before:
                break


def _rule_of(row: _Row) -> int:
    return id(row[2])


def _windowed(rows: list[_Row]) -> list[_Row]:
    return [(need, partial(first_in, search), rule) for need, search, rule in rows]


def _no_area(_key: str) -> int:
    return 0


def strings(tree: Any, area_of: Callable[[str], int] = _no_area) -> Iterator[tuple[str, Place, int]]:
    """All strings and member names of a value, their places and areas; items of a list share the list's area."""
    waiting: list[tuple[Any, Place, int]] = [(tree, None, 0)]
    while waiting:
        value, place, area = waiting.pop()
        if isinstance(value, str):
            yield value, place, area | _VALUE
        elif isinstance(value, list):
            waiting.extend((value[index], (place, index), area) for index in range(len(value) - 1, -1, -1))
        elif isinstance(value, dict):
            lasting = area & _LASTING
            for name in value:
                yield name, (place, name), lasting | _NAME
            for name in reversed(value):
                own = lasting | area_of(name)
                if name in _VALUE_KEYS:
                    own |= area_of(_asked_for(value, name)) & _SECRET
                waiting.append((value[name], (place, name), own))


def path_of(place: Place) -> str:
    """A place as the documents write it: ``nodes[2].config.expression``."""
    return "".join(_path_step(step) for step in _steps(place)).removeprefix(".")


def pointer_of(place: Place) -> str:
    """A place as a JSON pointer (RFC 6901)."""
    return "".join(f"/{_pointer_step(step)}" for step in _steps(place))


def shown_pointer_of(place: Place) -> str:
    """The pointer as a report may repeat it: a token inside of a member name is masked."""
    return "".join(f"/{_pointer_step(redacted(step) if isinstance(step, str) else step)}" for step in _steps(place))


def redacted(text: str) -> str:
    """A text with every known kind of token in it masked, for names and paths that a report must repeat."""
    if len(text) < _SHORTEST_TOKEN:
        return text
    text = plain(text)
    for rule in _TOKENS:
        text = rule.pattern.sub(mask, text)
    return text


def _templates(text: str) -> list[str]:
    """The insides of ``{{…}}``; the words around them are prose."""
    start, end = text.find("{{"), text.rfind("}}")
    if start < 0 or end < start:
        return []
    parts = text[start + 2 : end].split("{{")
    return [part[:closed] if (closed := part.rfind("}}")) >= 0 else part for part in parts]


def _as_read(parts: Sequence[str]) -> list[str]:
    """Expressions as an interpreter reads them: their escapes read, and once more without their comments."""
    read = [_unescaped(part) for part in parts]
    return [*read, *(bare for one in read if "/" in one and (bare := _COMMENT.sub(" ", one)) != one)]


def _unescaped(text: str) -> str:
    r"""An expression with its own escapes (``\u0065val``, ``\x65val``) read as the characters they stand for."""
    return _ESCAPE.sub(_escaped_character, text) if "\\" in text else text


def _escaped_character(match: re.Match[str]) -> str:
    number = int(match[1] or match[2] or match[3], 16)
    return chr(number) if number <= _LAST_CHARACTER else ""


def _asked_for(members: dict[str, Any], name: str) -> str:
    """What a value is called: its member name, or its sibling's word in ``{"name": "apiKey", "value": "…"}``."""
    label = members.get("name", members.get("key"))
    return label if isinstance(label, str) else name


def _steps(place: Place) -> list[str | int]:
    steps: list[str | int] = []
    while place is not None:
        place, step = place
        steps.append(step)
    return steps[::-1]


def _pointer_step(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _path_step(step: str | int) -> str:
    """A member name that is no plain word stands in brackets, so that a path reads in one way only."""
    if isinstance(step, int):
        return f"[{step}]"
    shown = redacted(step)
    return f".{shown}" if _PLAIN_NAME.fullmatch(shown) else f'["{shown[:_LONGEST_NAME]}"]'


#: areas: what a string is, and what the members around it say of it
_EXPRESSION, _QUERY, _SECRET, _NAME, _VALUE, _SHOWN, _PATTERN, _PACKAGE = (1 << number for number in range(8))
_TEMPLATE = 1 << 8
#: a member under an expression is one too; only the value itself answers to a name that asks for a secret
_LASTING = _EXPRESSION | _QUERY
_AREA_OF_KEY = (
    dict.fromkeys(EXPRESSION_KEYS, _EXPRESSION)
    | dict.fromkeys(QUERY_KEYS, _QUERY)
    | dict.fromkeys(SHOWN_KEYS, _SHOWN)
    | dict.fromkeys(PATTERN_KEYS, _PATTERN)
)
_READS = {
    Where.EXPRESSION: _EXPRESSION | _TEMPLATE,
    Where.QUERY: _QUERY,
    Where.TEXT: _NAME | _VALUE,
    Where.NAME: _NAME,
    Where.SECRET_VALUE: _SECRET,
    Where.SHOWN: _SHOWN,
    Where.AS_WRITTEN: _SHOWN,
    Where.PATTERN: _PATTERN,
    Where.PACKAGE_TEXT: _PACKAGE,
}
#: readings of a string: as an interpreter reads it, the expressions in it, as it is written
_PLAIN, _EXPRESSIONS, _WRITTEN = range(3)
_READING_OF = {Where.EXPRESSION: _EXPRESSIONS, Where.AS_WRITTEN: _WRITTEN}
#: by the rule's identity: there is one of each
_BIT_OF = {id(rule): 1 << number for number, rule in enumerate(RULES)}
_VALUE_KEYS = frozenset({"value", "defaultValue"})
_ENDS_IN_A_SECRET = re.compile(f"{NAMES_OF_SECRETS}$", re.ASCII | re.IGNORECASE)
_TOKENS = tuple(rule for rule in RULES if rule.check is Check.CREDENTIAL and rule.where is Where.TEXT)
#: the shortest text that any row of _TOKENS matches is an address with a login, ``ab://c:def@g``
_SHORTEST_TOKEN = 12
_PLAIN_NAME = re.compile(r"[\w$-]{1,80}")
_LONGEST_NAME = 80
#: it always ends, so no text is read twice
_COMMENT = re.compile(r"/(?:\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/)?|(?<!:/)/[^\n]*+\n?)")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]{1,6})\})")
_LAST_CHARACTER = 0x10FFFF
