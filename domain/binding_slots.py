"""Binding slots: places of a package whose values never travel, and what stands there in a tenant (R22; pure).

The value at a slot is, in this order: the supplied one, the one active in the target, the one remembered from an
earlier import of that tenant pair; else the slot is unresolved. An empty supplied text says nothing, as in a template
that nobody filled in, nor does the mask, as in a file that was shown. List items are found by the keys of the registry,
not by their place: the credential of one tool never becomes that of another because a third was put before it.

A binding file is a JSON object of values by key, or the same as Java properties. Values are secrets, or the names of
secrets: they are shown only where :func:`shown_value` takes them for a name.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from domain import scanning, strict_json
from domain.artifact_types import ArtifactType
from domain.contents import value_at
from domain.errors import ErrorCode, Problem
from domain.manifest_fields import BINDINGS_MAX, is_binding_path
from domain.merging import Key, KeyOf, is_same, key_of, key_values
from domain.model import ArtifactId, Binding, WireEnum

#: stands for a value that is not shown; sent back, it leaves what is remembered
MASK = "********"
KEY_LENGTH_MAX = 2_048
VALUE_LENGTH_MAX = 64 * 1024
#: of a slot that no manifest describes: a value came with a foreign bundle and was dropped
_CREDENTIAL = "credential"
_KEY_SHOWN, _UNUSED_SHOWN = 200, 100
_NAME_LENGTH_MAX = 64
_NAME = re.compile(r"[A-Za-z0-9]+(?:[-_.:/@][A-Za-z0-9]+)*")
#: a word of a name is a word or a number; what mixes both for long is a secret or a random id
_RANDOM = re.compile(r"(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{13,}")
_PROPERTIES_ESCAPES = str.maketrans(
    {
        "\\": "\\\\",
        " ": "\\ ",
        ":": "\\:",
        "=": "\\=",
        "#": "\\#",
        "!": "\\!",
        "\t": "\\t",
        "\n": "\\n",
        "\r": "\\r",
        "\f": "\\f",
    }
)


class BindingSource(WireEnum):
    """Where the value at a slot comes from."""

    SUPPLIED = "Supplied"
    ACTIVE = "Active"
    REMEMBERED = "Remembered"


@dataclass(frozen=True, slots=True)
class BindingSlot:
    """A slot of an import's plan, without its value; ``source`` is ``None`` while nobody supplied one."""

    key: str
    kind: str
    label: str
    artifact_type: ArtifactType
    source_id: ArtifactId
    artifact_name: str
    source: BindingSource | None = None
    #: of the package in its import
    ordinal: int = 0
    #: what tells the list item that it stands in, see :func:`item_of`
    item: str = ""

    @property
    def pointer(self) -> str:
        """The place in the artifact."""
        return self.key.removeprefix(self.source_id)


class SlottedArtifact(Protocol):
    """An artifact of a checked bundle."""

    @property
    def source_id(self) -> ArtifactId:
        """Its id in the package."""

    @property
    def artifact_type(self) -> ArtifactType:
        """Its kind."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def credentials(self) -> tuple[str, ...]:
        """The JSON pointers of its slots."""


@dataclass(frozen=True, slots=True)
class BoundValue:
    """The value at a slot, and where it comes from."""

    value: Any
    source: BindingSource


class Kept(NamedTuple):
    """A remembered value, and the list item that it was given to (:func:`item_of`); empty: whatever stands there."""

    value: str
    item: str = ""


@dataclass(frozen=True, slots=True)
class Sides:
    """Three states of one artifact: as the package has it, as the tenant has it, and as it will be written."""

    artifact_type: ArtifactType
    package: Mapping[str, Any]
    existing: Mapping[str, Any]
    written: Mapping[str, Any]


def slots_of(artifact: SlottedArtifact, declared: Mapping[str, Binding], *, ordinal: int = 0) -> list[BindingSlot]:
    """The slots of one artifact; ``declared`` are the manifest's bindings by key."""
    slots = []
    for pointer in artifact.credentials:
        key = f"{artifact.source_id}{pointer}"
        stated = declared.get(key)
        label = (stated.hint if stated else "") or f"{artifact.name}: {pointer.rpartition('/')[2]}"
        kind = stated.kind if stated else _CREDENTIAL
        named = (artifact.artifact_type, artifact.source_id, artifact.name)
        slots.append(BindingSlot(key, kind, label, *named, ordinal=ordinal))
    return slots


def bound(
    slots: Iterable[BindingSlot], sides: Sides, *, supplied: Mapping[str, str], remembered: Mapping[str, Kept]
) -> tuple[list[BindingSlot], dict[str, Any]]:
    """The slots with where their values come from, and the values by JSON pointer into what will be written.

    A slot whose place was not taken over into what is written (a merge may leave it out) needs no value.
    """
    written, existing = (
        Counterparts(sides.package, side, sides.artifact_type) for side in (sides.written, sides.existing)
    )
    told, values = [], {}
    for slot in slots:
        place, met = written.place(slot.pointer), existing.place(slot.pointer)
        if place is None:
            continue
        one = replace(slot, item=item_of(slot.pointer, sides.package, sides.artifact_type))
        active = value_at(sides.existing, met) if met is not None else None
        found = _bound_value(one, active, supplied, remembered)
        told.append(replace(one, source=found.source if found else None))
        if found is not None:
            values[place] = found.value
    return told, values


def _bound_value(
    slot: BindingSlot, active: Any, supplied: Mapping[str, str], remembered: Mapping[str, Kept]
) -> BoundValue | None:
    if (given := supplied.get(slot.key)) and given != MASK:
        return BoundValue(given, BindingSource.SUPPLIED)
    if active is not None:
        return BoundValue(active, BindingSource.ACTIVE)
    kept = remembered.get(slot.key)
    if kept is None or not kept.value or kept.item not in ("", slot.item):
        return None
    return BoundValue(kept.value, BindingSource.REMEMBERED)


class Counterparts:
    """Where ``here`` has what pointers name ``there``; each list is looked through once, however many there are.

    Items of lists with a key in the registry are found by it, where it stands once on either side; every other step is
    taken as it is.
    """

    def __init__(self, there: Mapping[str, Any], here: Mapping[str, Any], artifact_type: ArtifactType) -> None:
        self._there, self._here, self._type = there, here, artifact_type
        self._found: dict[str, dict[str, int] | None] = {}

    def place(self, pointer: str) -> str | None:
        """The pointer into ``here``; ``None`` where it has no such list item."""
        step = _keyed_step(pointer, self._type)
        if step is None or self._there is self._here:
            return pointer
        name = step.name
        if name not in self._found:
            self._found[name] = _moved(self._there.get(name), self._here.get(name), step.key)
        found = self._found[name]
        if found is None:
            return pointer
        return f"/{name}/{found[step.at]}/{step.below}" if step.at in found else None


def _moved(old: Any, new: Any, key: KeyOf) -> dict[str, int] | None:
    """By its place in one list, where an item is in the other; ``None`` where the lists are the same."""
    if is_same(old, new):
        return None
    if not isinstance(old, list) or not isinstance(new, list):
        return {}
    after = _once(new, key)
    return {str(at): after[told] for told, at in _once(old, key).items() if told in after}


def _once(items: list[Any], key: KeyOf) -> dict[Key, int]:
    """The places of the items that have a key which no other has."""
    keys = [key(item) for item in items]
    counts = Counter(keys)
    return {told: at for at, told in enumerate(keys) if told is not None and counts[told] == 1}


def item_of(pointer: str, content: Mapping[str, Any], artifact_type: ArtifactType) -> str:
    """The hash of the key of the list item that a pointer leads into; empty outside of lists with a key."""
    step = _keyed_step(pointer, artifact_type)
    if step is None:
        return ""
    key = step.key(value_at(content, f"/{step.name}/{step.at}"))
    told = strict_json.compact([key[0], *key_values([key])] if key else [])
    return hashlib.sha256(told).hexdigest()


class _KeyedStep(NamedTuple):
    """A pointer that leads into an item of a list with a key."""

    name: str
    at: str
    below: str
    key: KeyOf


def _keyed_step(pointer: str, artifact_type: ArtifactType) -> _KeyedStep | None:
    name, _, rest = pointer.removeprefix("/").partition("/")
    index, slash, below = rest.partition("/")
    names = dict(artifact_type.list_keys).get(name)
    return _KeyedStep(name, index, below, key_of(names)) if names is not None and slash else None


def unresolved_problems(slots: Iterable[BindingSlot], *, is_refused: bool) -> Iterator[Problem]:
    """A refusal, or a warning where the artifact may come in switched off, for each slot without a value."""
    code = ErrorCode.BINDING_UNRESOLVED if is_refused else ErrorCode.BINDING_MISSING
    for slot in slots:
        if slot.source is None:
            text = f"{slot.artifact_name} needs a credential at {slot.pointer} that nobody supplied."
            cure = f" Send bindings: {{ {slot.key!r}: … }}, or unresolvedBindings: ImportSwitchedOff."
            details = {"bindingKey": slot.key}
            yield Problem(code, text + (cure if is_refused else ""), slot.key, slot.source_id, details)


def unused_problems(supplied: Iterable[str], slots: Iterable[BindingSlot]) -> Iterator[Problem]:
    """A warning where values were supplied that nothing that is written needs."""
    unused = sorted(set(supplied) - {slot.key for slot in slots})
    if unused:
        shown = [strict_json.shown(key, limit=_KEY_SHOWN) for key in unused[:_UNUSED_SHOWN]]
        text = f"{len(unused)} supplied bindings are needed by nothing that is written, the first is {shown[0]}."
        yield Problem(ErrorCode.BINDING_UNUSED, text, "bindings", details={"unused": shown, "unusedCount": len(unused)})


def to_remember(slots: Iterable[BindingSlot], supplied: Mapping[str, str]) -> dict[str, str]:
    """What a successful import remembers for the next one: the supplied values that it used."""
    used = (slot.key for slot in slots if slot.source is BindingSource.SUPPLIED)
    return {key: supplied[key] for key in used}


def template_of(bindings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A binding file to be filled in, from the rows of a manifest's ``bindings``: every key with no value."""
    return {f"{row['artifactId']}{row['path']}": "" for row in bindings}


def labels_of(bindings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What each key is for, from the same rows."""
    return {f"{row['artifactId']}{row['path']}": row.get("hint") or row["kind"] for row in bindings}


def properties_of(values: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """The same file as Java properties, each key under a comment with its label."""
    lines = []
    for key, value in values.items():
        label = " ".join(labels.get(key, "").split())
        lines += [f"# {strict_json.shown(label, limit=200)}"] if label else []
        lines.append(f"{key.translate(_PROPERTIES_ESCAPES)}={value.translate(_PROPERTIES_ESCAPES)}")
    return "".join(f"{line}\n" for line in lines)


def file_problems(values: Mapping[str, str], where: str) -> Iterator[Problem]:
    """What is wrong with a binding file: too many keys, a key that names no place, a value that is too long."""
    if len(values) > BINDINGS_MAX:
        text = f"A binding file has at most {BINDINGS_MAX} keys."
        yield Problem(ErrorCode.INVALID_OPTIONS, text, where, details={"limit": BINDINGS_MAX})
        return
    for key, value in values.items():
        named, slash, path = key.partition("/")
        shown = strict_json.shown(key, limit=_KEY_SHOWN)
        if not named or len(key) > KEY_LENGTH_MAX or not is_binding_path(slash + path):
            text = f"{shown!r} is no key of a binding: an artifact's id in the package and the JSON pointer in it."
            yield Problem(ErrorCode.INVALID_OPTIONS, text, where)
        elif len(value) > VALUE_LENGTH_MAX:
            text = f"The value of {shown!r} is longer than {VALUE_LENGTH_MAX} characters."
            yield Problem(ErrorCode.INVALID_OPTIONS, text, where, details={"limit": VALUE_LENGTH_MAX})


def shown_value(value: Any) -> str:
    """A value as people may see it: the name of a secret as it is, anything that may be one as :data:`MASK`."""
    if not isinstance(value, str) or len(value) > _NAME_LENGTH_MAX or not _NAME.fullmatch(value):
        return MASK
    looks_random = any(_RANDOM.fullmatch(part) for part in re.split(r"[-_.:/@]", value))
    secret = scanning.secret_paths("", {"credentialId": value}, raw=strict_json.canonical({"credentialId": value}))
    return MASK if looks_random or secret else value


def same_kind(pointer: str) -> str:
    """What the pointers of one kind of slot have in common: ``/tools/*/credentialId``."""
    return re.sub(r"/[0-9]+(?=/|$)", "/*", pointer)


def values_like(content: Mapping[str, Any], pointer: str) -> Iterator[Any]:
    """The values of a content at all places of the kind of a pointer."""
    waiting: list[tuple[Any, Sequence[str]]] = [(content, same_kind(pointer).split("/")[1:])]
    while waiting:
        value, steps = waiting.pop()
        if not steps:
            if isinstance(value, str) and value:
                yield value
        elif steps[0] == "*":
            waiting += [(item, steps[1:]) for item in reversed(value)] if isinstance(value, list) else []
        else:
            below = value_at(value, f"/{steps[0]}") if isinstance(value, dict) else None
            waiting += [(below, steps[1:])] if below is not None else []
