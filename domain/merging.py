"""Merge: the package's changes applied to what the tenant has, the rest kept (installhub.md section 8.6; R7).

Two sides, no common ancestor: the package wins where both say something, and what it leaves out stays. With what both
began from, :func:`three_way` knows who changed what. The rules of two sides:

1. ``id``, ``name`` and the times and schema of the envelope stay the tenant's; ``_version`` is the higher of the two.
2. Objects are merged key by key. A null says nothing (X31).
3. A list with a merge key in the registry is matched item by item: a known item is merged, an unknown one is appended
   in the package's order, one that only the tenant has stays in its place.
4. Where such a list cannot be matched (an item without the key, a key twice), and for every other list and value,
   the package's stands.

Paths name places in the merged result: ``rules[2]``, ``rules[0].condition``. The rules of three sides:

1. ``id`` and the times and schema of the envelope stay the tenant's; ``_version`` is the higher of the two.
2. At every place: what one side did not change is the other side's, additions and removals too. A null says nothing.
3. Objects that both sides changed are settled key by key, lists with a merge key item by item; of such a list the
   order is a value of its own. What one side added stands behind the item that it stands behind there.
4. Where neither can be done and the sides differ, somebody decides whose value stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain import strict_json
from domain.artifact_types import ArtifactType
from domain.options import Side
from domain.versions import higher, is_semver

_VERSION = "_version"
_ENVELOPE = frozenset({"id", "_exportedAt", "_schemaVersion"})
_TENANTS_OWN = _ENVELOPE | {"name"}
#: the pointer of the whole artifact: a side decided there is meant for every place that is not named
EVERYWHERE = ""
#: nobody decides more places of one artifact one by one; their names take this many characters at most
_PATHS_MAX, _PLACES_MAX = 1_000, 1 << 20
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

#: an item's identity in a keyed list: the field that tells it, and its value; what is no text as its bytes, because
#: 1, true and "1" are three keys, and a list can be one
Key = tuple[str, str | bytes]
#: how it is found, or None where an item has none
KeyOf = Callable[[Any], Key | None]
_Items = Sequence[Any]
#: a place in a content: the place around it and the last step; None is the content itself
Place = tuple["Place", str | int] | None


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged artifact, and the paths by which it differs from the tenant's (installhub.md section 8.6, mergeDiff).

    ``added`` are members and list items that the tenant did not have, ``changed`` values of the tenant that the
    package replaced, ``unchanged`` items of keyed lists that stayed as they were. Nothing is ever removed. The value
    shares no part with either side.
    """

    value: dict[str, Any]
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


@dataclass(slots=True)
class _Merging:
    """One merge on its way: how lists are matched, and what has been noted so far."""

    keys: Mapping[str, KeyOf]
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def merge(existing: Mapping[str, Any], package: Mapping[str, Any], *, artifact_type: ArtifactType) -> Merged:
    """The tenant's artifact with the package's changes applied; both are contents under the tenant's ids.

    Raises:
        RuntimeError: Merge is not offered for this type; callers take ``mergeFallbackStrategy`` (R7).
    """
    if not artifact_type.is_mergeable:
        msg = f"Merge is not offered for {artifact_type.wire}"
        raise RuntimeError(msg)
    merging = _Merging({path: key_of(names) for path, names in artifact_type.entry.merge_keys})
    kept = {key for key in _TENANTS_OWN if key in existing} | {_VERSION}
    wanted = {key: value for key, value in package.items() if key not in kept}
    value = _merged_object(merging, existing, wanted, path="") | _merged_version(existing, package)
    own = strict_json.trusted(strict_json.compact(value))
    return Merged(own, tuple(merging.added), tuple(merging.changed), tuple(merging.unchanged))


class Placed:
    """Something that is true of one place in an artifact's content."""

    __slots__ = ()
    place: tuple[str | int, ...]

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer: ``/rules/0/condition``."""
        return pointer_of(self.place)

    @property
    def path(self) -> str:
        """The place as the documents write it: ``rules[0].condition`` (installhub.md section 8.6)."""
        return path_of(self.place)


@dataclass(frozen=True, slots=True)
class PathConflict(Placed):
    """A place that both sides changed since the base, each its way, and the side that was decided, if any was.

    Steps through keyed lists are places in the tenant's content; an item that the tenant has no more is counted on
    behind its last one, in the package's order. Of such a list itself only the order is meant: the values are the keys.
    ``None`` stands where a side has nothing. The place of the whole artifact stands for more places than are told.
    """

    place: tuple[str | int, ...]
    base: Any
    existing: Any
    package: Any
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What both sides come to, and where they clash, in document order. An undecided place has the tenant's value."""

    value: dict[str, Any]
    conflicts: tuple[PathConflict, ...] = ()

    @property
    def sides(self) -> dict[str, Side | None]:
        """By JSON pointer, whose value stands at each place that both sides changed."""
        return {conflict.pointer: conflict.side for conflict in self.conflicts}

    @property
    def is_decided(self) -> bool:
        """True when no place waits for a decision."""
        return all(conflict.side for conflict in self.conflicts)


@dataclass(slots=True)
class _Reconciling:
    """One three-way merge on its way: how lists are matched, what was decided, and the clashes so far."""

    keys: Mapping[str, KeyOf]
    sides: Mapping[str, Side]
    conflicts: list[PathConflict] = field(default_factory=list)
    room: int = _PLACES_MAX

    def side_at(self, place: Place, base: Any, existing: Any, package: Any) -> Side | None:
        """Note a clash; whose value was decided for it."""
        if self.is_crowded:
            return self.sides.get(EVERYWHERE)
        steps = steps_of(place)
        self.room -= sum(len(str(step)) for step in steps)
        side = self.sides.get(pointer_of(steps), self.sides.get(EVERYWHERE))
        self.conflicts.append(PathConflict(steps, base, existing, package, side))
        return side

    @property
    def is_crowded(self) -> bool:
        """Whether there are more clashes than anybody decides one by one."""
        return len(self.conflicts) > _PATHS_MAX or self.room < 0


def three_way(
    base: Mapping[str, Any],
    existing: Mapping[str, Any],
    package: Mapping[str, Any],
    *,
    artifact_type: ArtifactType,
    sides: Mapping[str, Side],
) -> Reconciled:
    """What the tenant and the package made of ``base``, brought together; all three under the tenant's ids (R7).

    ``sides`` are decisions by JSON pointer; those about places that do not clash say nothing. The value shares parts
    with the sides: whoever changes it uses them up.

    Raises:
        RuntimeError: Merge is not offered for this type.
    """
    if not artifact_type.is_mergeable:
        msg = f"Merge is not offered for {artifact_type.wire}"
        raise RuntimeError(msg)
    merging = _Reconciling({path: key_of(names) for path, names in artifact_type.entry.merge_keys}, sides)
    began, old, new = (
        {key: value for key, value in side.items() if key not in _ENVELOPE and key != _VERSION}
        for side in (base, existing, package)
    )
    own = {key: side[key] for side in (package, existing) for key in _ENVELOPE if key in side}
    value = own | _settled(merging, None, began, old, new) | _merged_version(existing, package)
    conflicts = tuple(merging.conflicts)
    if merging.is_crowded:
        conflicts = (PathConflict((), began, old, new, sides.get(EVERYWHERE)),)
    return Reconciled(value, conflicts)


def _settled(merging: _Reconciling, place: Place, base: Any, existing: Any, package: Any) -> Any:
    """The value at one place; ``None`` where nothing is."""
    if is_same(package, base) or is_same(package, existing):
        return existing
    if is_same(existing, base):
        return package
    if isinstance(existing, dict) and isinstance(package, dict) and (base is None or isinstance(base, dict)):
        return _settled_object(merging, place, base or {}, existing, package)
    # the registry names lists of the artifact itself
    key = merging.keys.get(str(place[1])) if place is not None and place[0] is None else None
    if key is not None and all(isinstance(items, list) for items in (existing, package, base or [])):
        began, old, new = (by_key(items, key) for items in (base or [], existing, package))
        if began is not None and old is not None and new is not None:
            return _settled_items(merging, place, began, old, new)
    return package if merging.side_at(place, base, existing, package) is Side.PACKAGE else existing


def _settled_object(
    merging: _Reconciling, place: Place, base: dict[str, Any], existing: dict[str, Any], package: dict[str, Any]
) -> dict[str, Any]:
    value = dict(existing)
    for key in sorted({**existing, **package}):
        sides = (base.get(key), existing.get(key), package.get(key))
        settled = _settled(merging, (place, key), *sides)
        if settled is not None:
            value[key] = settled
        elif sides[1] is not None:
            del value[key]
    return value


def _settled_items(
    merging: _Reconciling, place: Place, base: dict[Key, Any], existing: dict[Key, Any], package: dict[Key, Any]
) -> list[Any]:
    indexes = {key: index for index, key in enumerate(package, len(existing))}
    indexes |= {key: index for index, key in enumerate(existing)}
    settled = {
        key: _settled(merging, (place, indexes[key]), base.get(key), existing.get(key), package.get(key))
        for key in {**existing, **package}
    }
    order = _settled_order(merging, place, list(base), list(existing), list(package))
    return [settled[key] for key in order if settled[key] is not None]


def _settled_order(
    merging: _Reconciling, place: Place, base: list[Key], existing: list[Key], package: list[Key]
) -> list[Key]:
    """The keys of both sides in the order of the side that changed it."""
    here, there = set(existing), set(package)
    old, new = [key for key in existing if key in there], [key for key in package if key in here]
    began = [key for key in base if key in here and key in there]
    if new in (old, began):
        return _interleaved(existing, package)
    if old == began:
        return _interleaved(package, existing)
    side = merging.side_at(place, *(key_values(keys) for keys in (base, existing, package)))
    return _interleaved(package, existing) if side is Side.PACKAGE else _interleaved(existing, package)


def _interleaved(leading: list[Key], other: list[Key]) -> list[Key]:
    """All keys in the order of the leading ones; what only the others have stands behind what it stands behind there.

    It comes after what only the leading ones have at that place.
    """
    leads, others = set(leading), set(other)
    following: dict[Key | None, list[Key]] = {}
    anchor: Key | None = None
    for key in other:
        if key in leads:
            anchor = key
        else:
            following.setdefault(anchor, []).append(key)
    order: list[Key] = []
    anchor = None
    for key in leading:
        if key in others:
            order += following.get(anchor, [])
            anchor = key
        order.append(key)
    return order + following.get(anchor, [])


def _merged_version(existing: Mapping[str, Any], package: Mapping[str, Any]) -> dict[str, str]:
    """The higher SemVer (R7). A side that states none does not count."""
    stated = [v for side in (existing, package) if isinstance(v := side.get(_VERSION), str) and is_semver(v)]
    return {_VERSION: higher(stated[0], stated[-1])} if stated else {}


def _merged(merging: _Merging, existing: Any, package: Any, path: str) -> Any:
    if isinstance(existing, dict) and isinstance(package, dict):
        return _merged_object(merging, existing, package, path)
    if isinstance(existing, list) and isinstance(package, list) and path in merging.keys:
        old, new = (by_key(items, merging.keys[path]) for items in (existing, package))
        if old is not None and new is not None:
            return _merged_items(merging, old, new, path)
    if is_same(existing, package):
        return existing
    merging.changed.append(path)
    return package


def _merged_object(
    merging: _Merging, existing: Mapping[str, Any], package: Mapping[str, Any], path: str
) -> dict[str, Any]:
    value = dict(existing)
    for key in sorted(key for key, wanted in package.items() if wanted is not None):
        place = member_path(path, key)
        if existing.get(key) is None:
            merging.added.append(place)
            value[key] = package[key]
        else:
            value[key] = _merged(merging, existing[key], package[key], place)
    return value


def _merged_items(merging: _Merging, old: Mapping[Key, Any], new: Mapping[Key, Any], path: str) -> list[Any]:
    value = []
    for index, (key, item) in enumerate(old.items()):
        place = f"{path}[{index}]"
        result = _merged(merging, item, new[key], place) if key in new else item
        if is_same(result, item):
            merging.unchanged.append(place)
        value.append(result)
    for key, item in new.items():
        if key not in old:
            merging.added.append(f"{path}[{len(value)}]")
            value.append(item)
    return value


def by_key(items: _Items, key_of: KeyOf) -> dict[Key, Any] | None:
    """The items by their identities, in their order; ``None`` where they cannot all be told apart."""
    found = {key: item for item in items if (key := key_of(item)) is not None}
    return found if len(found) == len(items) else None


def key_of(names: str | tuple[str, ...]) -> KeyOf:
    """What tells the items of a list apart: the first of these fields that an item has (see the registry)."""
    choice = (names,) if isinstance(names, str) else names

    def key(item: Any) -> Key | None:
        if isinstance(item, dict):
            for name in choice:
                value = item.get(name)
                if value is not None:
                    return name, value if isinstance(value, str) else strict_json.compact(value)
        return None

    return key


def key_values(keys: Sequence[Key]) -> list[Any]:
    """What tells the items apart, as it stands in them."""
    return [value if isinstance(value, str) else strict_json.trusted(value) for _, value in keys]


def is_same(one: Any, other: Any) -> bool:
    """Equal as JSON: key order does not count, 1 and true are two values."""
    # Python's own comparison is quick to say no, but takes 1, 1.0 and true for one value
    return one is other or (one == other and strict_json.compact(one) == strict_json.compact(other))


def steps_of(place: Place) -> tuple[str | int, ...]:
    """The steps from the whole content to a place."""
    steps: list[str | int] = []
    while place is not None:
        place, step = place
        steps.append(step)
    return tuple(reversed(steps))


def pointer_of(steps: Sequence[str | int]) -> str:
    """The JSON pointer of these steps: ``/rules/0/condition``."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def path_of(steps: Sequence[str | int]) -> str:
    """The path of these steps, as people read it: ``rules[0].condition`` (installhub.md section 8.6)."""
    path = ""
    for step in steps:
        path = f"{path}[{step}]" if isinstance(step, int) else member_path(path, step)
    return path


def member_path(path: str, key: str) -> str:
    """The path of an object's member, as people read it: ``layout.columns``, ``labels["de-CH"]``."""
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{strict_json.compact(key).decode()}]"
    return f"{path}.{key}" if path else key
