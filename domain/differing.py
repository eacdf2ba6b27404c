"""The field-level difference of two contents of one artifact, place by place (pure; installhub.md section 8.7; R7).

1. Objects are compared key by key, in the order of the sorted keys. A null says nothing (X31).
2. A list with a key in the registry is compared item by item, whatever their places. Where the items that both sides
   have stand in another order, the list itself is changed too: from the keys in their one order to the other.
3. Where such a list cannot be matched (an item without the key, a key twice), and in every other list, what begins
   and what ends the longer and the shorter one alike is left out, and the rest is compared place by place.
4. Everything else is one value. 1, 1.0 and true are three.

Steps through lists are places in the first content; only the last step to what was added is a place in the second.
Credentials never take part (R22). Nothing here recurses; the time grows with the contents, times the depth at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import Any

from domain import scanning, strict_json
from domain.artifact_types import ArtifactType
from domain.contents import without_credentials
from domain.merging import Key, KeyOf, Place, Placed, by_key, is_same, key_of, key_values, steps_of
from domain.model import WireEnum

#: nobody reads more changes of one artifact
CHANGES_MAX = 1_000
#: characters of all places together: one long key around many changes would cost its length for each of them
_PLACES_MAX = 1 << 20
#: members of a file that change with every export, or with the product (R6)
VOLATILE = ("_exportedAt", "_schemaVersion")


class _Absent:
    """There is nothing at this place."""


_ABSENT = _Absent()

#: a place, and what stands there on either side
_Pair = tuple[Place, Any, Any]


class ChangeKind(WireEnum):
    """What happened at a place."""

    ADDED = "ADDED"
    CHANGED = "CHANGED"
    REMOVED = "REMOVED"


@dataclass(frozen=True, slots=True)
class Change(Placed):
    """One difference. A tuple as ``before`` and ``after`` is the order of a list: the keys of its items."""

    place: tuple[str | int, ...]
    kind: ChangeKind
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class Changes:
    """The differences in document order; ``is_truncated`` when there are more than are told."""

    items: tuple[Change, ...]
    is_truncated: bool = False

    def of(self, kind: ChangeKind) -> tuple[Change, ...]:
        """Those of one kind."""
        return tuple(change for change in self.items if change.kind is kind)


def shown_content(file: bytes, artifact_type: ArtifactType) -> dict[str, Any]:
    """A stored content as people may see it: without credentials, secrets and the times of its file (R6, R22)."""
    secrets = [pointer for pointer, _ in scanning.secret_paths(artifact_type.wire, None, raw=file)]
    shown, _ = without_credentials(file, artifact_type, secrets)
    tree: dict[str, Any] = strict_json.trusted(shown)
    for name in VOLATILE:
        tree.pop(name, None)
    return tree


def changes(
    before: Mapping[str, Any], after: Mapping[str, Any], artifact_type: ArtifactType, *, most: int = CHANGES_MAX
) -> Changes:
    """What makes ``after`` out of ``before``: contents of one type that this server wrote, at most ``most`` changes."""
    keys = {path: key_of(names) for path, names in artifact_type.list_keys}
    old, new = (_without_credentials(side, artifact_type) for side in (before, after))
    told: list[Change] = []
    room = _PLACES_MAX
    for change in _differences(old, new, keys):
        room -= sum(len(str(step)) for step in change.place)
        if len(told) == most or room < 0:
            return Changes(tuple(told), is_truncated=True)
        told.append(change)
    return Changes(tuple(told))


def _without_credentials(content: Mapping[str, Any], artifact_type: ArtifactType) -> dict[str, Any]:
    if not artifact_type.entry.credentials:
        return dict(content)
    tree: dict[str, Any] = strict_json.trusted(
        without_credentials(strict_json.compact(dict(content)), artifact_type)[0]
    )
    return tree


def _differences(before: dict[str, Any], after: dict[str, Any], keys: Mapping[str, KeyOf]) -> Iterator[Change]:
    waiting: list[Iterator[_Pair]] = [iter([(None, before, after)])]
    while waiting:
        pair = next(waiting[-1], None)
        if pair is None:
            waiting.pop()
        elif is_same(pair[1], pair[2]):
            continue
        elif (inside := _inside(*pair, keys)) is not None:
            waiting.append(inside)
        else:
            yield _change(*pair)


def _inside(place: Place, before: Any, after: Any, keys: Mapping[str, KeyOf]) -> Iterator[_Pair] | None:
    """What is compared next where both sides hold more than one value."""
    if isinstance(before, dict) and isinstance(after, dict):
        return _members(place, before, after)
    if not isinstance(before, list) or not isinstance(after, list):
        return None
    # the registry names lists of the artifact itself
    key = keys.get(str(place[1])) if place is not None and place[0] is None else None
    if key is not None:
        old, new = by_key(before, key), by_key(after, key)
        if old is not None and new is not None:
            return _keyed_items(place, old, new)
    return _items(place, before, after)


def _change(place: Place, before: Any, after: Any) -> Change:
    if before is _ABSENT:
        return Change(steps_of(place), ChangeKind.ADDED, None, after)
    if after is _ABSENT:
        return Change(steps_of(place), ChangeKind.REMOVED, before, None)
    return Change(steps_of(place), ChangeKind.CHANGED, before, after)


def _members(place: Place, before: dict[str, Any], after: dict[str, Any]) -> Iterator[_Pair]:
    for key in sorted({**before, **after}):
        old, new = (_ABSENT if side.get(key) is None else side[key] for side in (before, after))
        yield (place, key), old, new


def _keyed_items(place: Place, old: Mapping[Key, Any], new: Mapping[Key, Any]) -> Iterator[_Pair]:
    kept, kept_after = [key for key in old if key in new], [key for key in new if key in old]
    if kept != kept_after:
        yield place, tuple(key_values(kept)), tuple(key_values(kept_after))
    for index, (key, item) in enumerate(old.items()):
        yield (place, index), item, new.get(key, _ABSENT)
    for index, (key, item) in enumerate(new.items()):
        if key not in old:
            yield (place, index), _ABSENT, item


def _items(place: Place, before: list[Any], after: list[Any]) -> Iterator[_Pair]:
    begin = end = 0
    if len(before) != len(after):
        begin = _alike(before, after)
        end = _alike(before[begin:][::-1], after[begin:][::-1])
    old, new = before[begin : len(before) - end], after[begin : len(after) - end]
    for offset, (one, other) in enumerate(zip_longest(old, new, fillvalue=_ABSENT)):
        yield (place, begin + offset), one, other


def _alike(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items are the same from the beginning on."""
    return sum(1 for _ in takewhile(lambda pair: is_same(*pair), zip(one, other, strict=False)))
