"""Merge: the package's changes applied to what the tenant has, the rest kept (installhub.md section 8.6; R7).

Two sides, no common ancestor: the package wins where both say something, and what it leaves out stays. The rules:

1. ``id``, ``name`` and the times and schema of the envelope stay the tenant's; ``_version`` is the higher of the two.
2. Objects are merged key by key. A null says nothing (X31).
3. A list with a merge key in the registry is matched item by item: a known item is merged, an unknown one is appended
   in the package's order, one that only the tenant has stays in its place.
4. Where such a list cannot be matched (an item without the key, a key twice), and for every other list and value,
   the package's stands.

Paths name places in the merged result: ``rules[2]``, ``rules[0].condition``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain import strict_json
from domain.artifact_types import ArtifactType
from domain.versions import higher, is_semver

_TENANTS_OWN = frozenset({"id", "name", "_exportedAt", "_schemaVersion"})
_VERSION = "_version"
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

#: an item's identity in a keyed list, or None where it has none
KeyOf = Callable[[Any], bytes | None]
_Items = Sequence[Any]


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


def _merged_items(merging: _Merging, old: Mapping[bytes, Any], new: Mapping[bytes, Any], path: str) -> list[Any]:
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


def by_key(items: _Items, key_of: KeyOf) -> dict[bytes, Any] | None:
    """The items by their identities, in their order; ``None`` where they cannot all be told apart."""
    found = {key: item for item in items if (key := key_of(item)) is not None}
    return found if len(found) == len(items) else None


def key_of(names: str | tuple[str, ...]) -> KeyOf:
    """What tells the items of a list apart: the first of these fields that an item has (see the registry)."""
    choice = (names,) if isinstance(names, str) else names

    def key(item: Any) -> bytes | None:
        named = [name for name in choice if item.get(name) is not None] if isinstance(item, dict) else []
        # bytes, because 1, true and "1" are three keys, and a list can be one
        return strict_json.compact({named[0]: item[named[0]]}) if named else None

    return key


def is_same(one: Any, other: Any) -> bool:
    """Equal as JSON: key order does not count, 1 and true are two values."""
    return one is other or strict_json.compact(one) == strict_json.compact(other)


def member_path(path: str, key: str) -> str:
    """The path of an object's member, as people read it: ``layout.columns``, ``labels["de-CH"]``."""
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{strict_json.compact(key).decode()}]"
    return f"{path}.{key}" if path else key
