"""Whether a regular expression of an artifact can take forever, judged by its shape alone; it is never run.

Dangerous is a group that is repeated without end and whose content can match one and the same text in many ways: a
repetition in it that nothing sets apart, or two alternatives that begin alike (security.md section 3.3). One pass over
the pattern, a bounded memory of each group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

#: so many rounds are as good as endless
_ENDLESS = 20
#: of a group; a longer one is judged by its first items
_ITEMS_MAX = 64
_LONGEST = 10_000
_CHARACTERS = 128
_ALL = (1 << _CHARACTERS) - 1


def _mask_of(test: str) -> int:
    return sum(1 << number for number in range(_CHARACTERS) if re.fullmatch(test, chr(number), re.ASCII))


_CLASSES = {"w": _mask_of(r"\w"), "d": _mask_of(r"\d"), "s": _mask_of(r"\s")}
_CLASSES |= {name.upper(): _ALL & ~mask for name, mask in _CLASSES.items()}
_CONTROLS = {"n": 1 << 10, "r": 1 << 13, "t": 1 << 9, "f": 1 << 12, "v": 1 << 11}
_QUANTIFIER = re.compile(r"([*+?]|\{([0-9]{1,6})(,([0-9]{0,6}))?\})[?+]?")
_GROUP_HEAD = re.compile(r"\?(?:[:=!>]|<[=!]|P?<\w{1,60}>|[a-zA-Z-]{1,8}:?)")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.){0,300}\]", re.DOTALL)
_ZERO_WIDTH = frozenset("^$")


@dataclass(slots=True)
class _Item:
    """One piece: which characters it can be of, whether it must be there, whether it repeats without end."""

    mask: int
    is_needed: bool = True
    is_endless: bool = False


@dataclass(slots=True)
class _Group:
    """What stands between two parentheses so far."""

    alternatives: list[list[_Item]] = field(default_factory=lambda: [[]])

    def add(self, item: _Item) -> None:
        if len(self.alternatives[-1]) < _ITEMS_MAX:
            self.alternatives[-1].append(item)

    def is_ambiguous(self) -> bool:
        """Whether a text of one character can be matched in many ways by repeating this."""
        if any(_is_one_run(items) for items in self.alternatives):
            return True
        seen = 0
        for items in self.alternatives:
            common = _common(items)
            if common & seen:
                return True
            seen |= common
        return False

    def as_items(self) -> Iterator[_Item]:
        """The group as pieces of what is around it."""
        if len(self.alternatives) == 1:
            yield from self.alternatives[0]
            return
        items = [item for alternative in self.alternatives for item in alternative]
        mask = 0
        for item in items:
            mask |= item.mask
        needed = all(any(item.is_needed for item in alternative) for alternative in self.alternatives)
        yield _Item(mask, needed, any(item.is_endless for item in items))


def takes_forever(pattern: str) -> bool:
    """True if a pattern holds an endless repetition of something ambiguous. Linear in its length."""
    groups = [_Group()]
    place = 0
    pattern = pattern[:_LONGEST]
    while place < len(pattern):
        character = pattern[place]
        if character == "(":
            head = _GROUP_HEAD.match(pattern, place + 1)
            groups.append(_Group())
            place = head.end() if head else place + 1
        elif character == "|":
            groups[-1].alternatives.append([])
            place += 1
        elif character == ")" and len(groups) > 1:
            least, is_endless, place = _repeated(pattern, place + 1)
            closed = groups.pop()
            if is_endless and closed.is_ambiguous():
                return True
            _join(groups[-1], closed, least=least, is_endless=is_endless)
        else:
            mask, place = _piece(pattern, place)
            least, is_endless, place = _repeated(pattern, place)
            if mask:
                groups[-1].add(_Item(mask, least > 0, is_endless))
    return False


def _common(items: list[_Item]) -> int:
    """The characters of which every needed piece can be; none of an alternative that can be empty."""
    needed = [item.mask for item in items if item.is_needed]
    common = _ALL if needed else 0
    for mask in needed:
        common &= mask
    return common


def _join(outer: _Group, closed: _Group, *, least: int, is_endless: bool) -> None:
    for item in closed.as_items():
        outer.add(_Item(item.mask, item.is_needed and least > 0, item.is_endless or is_endless))


def _is_one_run(items: list[_Item]) -> bool:
    """Whether an endless piece can take what all needed pieces take: nothing sets its rounds apart."""
    return any(
        endless.is_endless and all(item.mask & endless.mask for item in items if item.is_needed) for endless in items
    )


def _repeated(pattern: str, place: int) -> tuple[int, bool, int]:
    """How often at least, whether endlessly, and where the quantifier ends."""
    match = _QUANTIFIER.match(pattern, place)
    if match is None:
        return 1, False, place
    if match[1] in ("*", "+", "?"):
        return int(match[1] == "+"), match[1] != "?", match.end()
    least = int(match[2])
    most = least if match[3] is None else int(match[4]) if match[4] else _ENDLESS
    return least, most >= _ENDLESS, match.end()


def _piece(pattern: str, place: int) -> tuple[int, int]:
    """The characters that the piece at a place can be, and where it ends."""
    character = pattern[place]
    if character == "[" and (match := _CLASS.match(pattern, place)):
        return _class_mask(match[0][1:-1]), match.end()
    if character == "\\":
        return _escaped(pattern[place + 1 : place + 2]), place + 2
    if character == ".":
        return _ALL, place + 1
    return (0 if character in _ZERO_WIDTH else _bit(character)), place + 1


def _class_mask(inside: str) -> int:
    is_negated = inside.startswith("^")
    inside = inside[is_negated:]
    mask, place, before = 0, 0, ""
    while place < len(inside):
        if inside[place] == "\\":
            mask |= _escaped(inside[place + 1 : place + 2])
            place, before = place + 2, ""
        elif inside[place] == "-" and before and place + 1 < len(inside) and inside[place + 1] != "\\":
            mask |= _range(before, inside[place + 1])
            place, before = place + 2, ""
        else:
            before = inside[place]
            mask |= _bit(before)
            place += 1
    return _ALL & ~mask if is_negated else mask


def _escaped(character: str) -> int:
    if character in ("b", "B", "A", "Z", "z", ""):
        return 0
    return _CLASSES.get(character) or _CONTROLS.get(character) or _bit(character)


def _range(first: str, last: str) -> int:
    low, high = ord(first), min(ord(last), _CHARACTERS - 1)
    return sum(1 << number for number in range(low, high + 1)) if low <= high else _bit(first)


def _bit(character: str) -> int:
    """Letters outside of ASCII are taken for one and the same."""
    return 1 << min(ord(character), _CHARACTERS - 1)
