"""Whether a regular expression of an artifact can take forever, judged by its shape alone; it is never run.

Dangerous is a group that is repeated without end and whose content can match one and the same text in many ways: a
repetition in it that nothing sets apart, or two alternatives that begin alike (security.md section 3.3). One pass over
the pattern, a bounded memory of each group.
"""

from __future__ import annotations

import re
from functools import lru_cache

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
_QUANTIFIER = r"(?:[*+?]|\{[0-9]{1,6}(?:,[0-9]{0,6})?\})[?+]?"
_GROUP_HEAD = r"\?(?:[:=!>]|<[=!]|P?<\w{1,60}>|[a-zA-Z-]{1,8}:?)"
_CLASS = r"\[\^?\]?(?:[^\]\\]|\\.){0,300}\]"
#: what a pattern is made of: the beginning of a group, the next alternative, or a piece and how often it stands there
_PARTS = re.compile(rf"(\((?:{_GROUP_HEAD})?|\|)|({_CLASS}|\\.?|.)({_QUANTIFIER})?", re.DOTALL)
_ZERO_WIDTH = frozenset("^$")


#: one piece: which characters it can be of, whether it must be there, whether it repeats without end
_Item = tuple[int, bool, bool]
#: what stands between two parentheses so far: its alternatives, each with its first items
_Group = list[list[_Item]]


def takes_forever(pattern: str) -> bool:
    """True if a pattern holds an endless repetition of something ambiguous. Linear in its length."""
    groups: list[_Group] = [[[]]]
    for opening, piece, quantifier in _PARTS.findall(pattern[:_LONGEST]):
        if opening == "|":
            groups[-1].append([])
        elif opening:
            groups.append([[]])
        elif piece == ")" and len(groups) > 1:
            closed = groups.pop()
            is_needed, is_endless = _repeated(quantifier)
            if is_endless and _is_ambiguous(closed):
                return True
            _join(groups[-1][-1], closed, is_needed=is_needed, is_endless=is_endless)
        elif len(groups[-1][-1]) < _ITEMS_MAX and (item := _item(piece, quantifier))[0]:
            groups[-1][-1].append(item)
    return False


def _is_ambiguous(group: _Group) -> bool:
    """Whether a text of one character can be matched in many ways by repeating this."""
    seen = 0
    for items in group:
        # the characters of which every needed piece can be; none of an alternative that can be empty
        common, may_be_empty, has_endless = _ALL, True, False
        for mask, is_needed, is_endless in items:
            if is_needed:
                common &= mask
                may_be_empty = False
            if is_endless:
                has_endless = True
        if has_endless and _is_one_run(items):
            return True
        if may_be_empty:
            continue
        if common & seen:
            return True
        seen |= common
    return False


def _join(outer: list[_Item], closed: _Group, *, is_needed: bool, is_endless: bool) -> None:
    """Add the group to the pieces of what is around it."""
    room = _ITEMS_MAX - len(outer)
    if room <= 0:
        return
    items = closed[0][:room] if len(closed) == 1 else [_one_of(closed)]
    if is_needed and not is_endless:
        outer += items
    else:
        outer += [(mask, needed and is_needed, endless or is_endless) for mask, needed, endless in items]


def _one_of(group: _Group) -> _Item:
    """The alternatives of a group as one piece."""
    mask = 0
    may_be_empty = has_endless = False
    for items in group:
        needs_one = False
        for one, is_needed, is_endless in items:
            mask |= one
            needs_one = needs_one or is_needed
            has_endless = has_endless or is_endless
        may_be_empty = may_be_empty or not needs_one
    return mask, not may_be_empty, has_endless


def _is_one_run(items: list[_Item]) -> bool:
    """Whether an endless piece can take what all needed pieces take: nothing sets its rounds apart."""
    needed = {mask for mask, is_needed, _ in items if is_needed}
    for one, _, is_endless in items:
        if is_endless:
            for mask in needed:
                if not mask & one:
                    break
            else:
                return True
    return False


@lru_cache(maxsize=1 << 12)
def _item(piece: str, quantifier: str) -> _Item:
    return _mask_of_piece(piece), *_repeated(quantifier)


@lru_cache(maxsize=1 << 10)
def _repeated(quantifier: str) -> tuple[bool, bool]:
    """Whether at least once, and whether without end."""
    if not quantifier:
        return True, False
    if not quantifier.startswith("{"):
        return quantifier.startswith("+"), not quantifier.startswith("?")
    least, comma, most = quantifier[1 : quantifier.index("}")].partition(",")
    return int(least) > 0, int(most or (_ENDLESS if comma else least)) >= _ENDLESS


def _mask_of_piece(piece: str) -> int:
    """The characters that a piece can be."""
    if piece.startswith("\\"):
        return _escaped(piece[1:])
    if len(piece) > 1:
        return _class_mask(piece[1:-1])
    if piece == ".":
        return _ALL
    return 0 if piece in _ZERO_WIDTH else _bit(piece)


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
    return (1 << high + 1) - (1 << low) if low <= high else _bit(first)


def _bit(character: str) -> int:
    """Letters outside of ASCII are taken for one and the same."""
    return 1 << min(ord(character), _CHARACTERS - 1)
