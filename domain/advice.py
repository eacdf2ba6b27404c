"""Which version tells of what changed in a package since an earlier one (installhub.md section 7.6; pure).

An artifact that is gone, a field that is gone, that holds another kind of value now or that must be there now breaks
what was built on it: major. A new artifact, a new field: minor. Everything else is text: patch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain import strict_json
from domain.artifact_types import ArtifactType
from domain.differing import VOLATILE, Change, ChangeKind, changes
from domain.scanning.walk import redacted
from domain.versions import Bump, bumped, compare, tells

#: as many reasons are told
REASONS_MAX = 3
_SHOWN = 200
#: members that say which kind of value a field holds, and that it must be there
_KINDS = frozenset({"type", "fieldType", "dataType"})
_DEMANDS = frozenset({"required", "isRequired", "mandatory"})
_WORDS = {ChangeKind.ADDED: "is new", ChangeKind.CHANGED: "was changed", ChangeKind.REMOVED: "was removed"}


class Reason(NamedTuple):
    """One change, and how much it weighs."""

    bump: Bump
    text: str


class Named(NamedTuple):
    """An artifact of either version: its type, name and the hash of its file."""

    artifact_type: ArtifactType
    name: str
    hash: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What changed since ``earlier``, the last version before; the weightiest reasons first."""

    earlier: str
    bump: Bump
    reasons: tuple[str, ...]

    @property
    def suggested(self) -> str:
        """The lowest version that tells of it."""
        return bumped(self.earlier, self.bump)

    def is_met_by(self, version: str) -> bool:
        """Whether a version tells as much."""
        return tells(version, self.earlier, self.bump)


def earlier_version(exported: Iterable[str], version: str | None) -> str | None:
    """The highest version before this one; of all, where none is chosen yet."""
    found: str | None = None
    for one in exported:
        is_before = version is None or compare(one, version) < 0
        if is_before and (found is None or compare(one, found) > 0):
            found = one
    return found


def advice_of(earlier: str, reasons: Iterable[Reason]) -> Advice:
    """The advice that these changes give; none of them: a patch, for a version has to be new."""
    ordered = sorted(reasons, key=lambda reason: -reason.bump.value)
    bump = ordered[0].bump if ordered else Bump.PATCH
    return Advice(earlier, bump, tuple(reason.text for reason in ordered[:REASONS_MAX]))


def artifact_reasons(before: Mapping[str, Named], after: Mapping[str, Named]) -> Iterator[Reason]:
    """What came and what went, by artifact id."""
    for artifact_id in sorted(before.keys() - after.keys()):
        yield Reason(Bump.MAJOR, f"{_shown(before[artifact_id].name)} ({artifact_id}) is not in the package any more.")
    for artifact_id in sorted(after.keys() - before.keys()):
        yield Reason(Bump.MINOR, f"{_shown(after[artifact_id].name)} ({artifact_id}) is new.")


def content_reasons(name: str, before: bytes, after: bytes, artifact_type: ArtifactType) -> Iterator[Reason]:
    """What changed in one artifact, from its two exported files. No value is told."""
    old, new = (_content(file) for file in (before, after))
    for change in changes(old, new, artifact_type).items:
        place = redacted(change.path)
        yield Reason(_weight(change), f"{_shown(name)}: {_shown(place)} {_WORDS[change.kind]}.")


def _content(file: bytes) -> dict[str, Any]:
    tree: dict[str, Any] = strict_json.trusted(file)
    for name in VOLATILE:
        tree.pop(name, None)
    return tree


def _weight(change: Change) -> Bump:
    last = str(change.place[-1]) if change.place else ""
    if change.kind is ChangeKind.REMOVED or (last in _DEMANDS and change.after is True):
        return Bump.MAJOR
    if change.kind is ChangeKind.ADDED:
        return Bump.MAJOR if _is_demanded(change.after) else Bump.MINOR
    if last in _KINDS or _kind(change.before) is not _kind(change.after):
        return Bump.MAJOR
    return Bump.PATCH


def _is_demanded(value: Any) -> bool:
    return isinstance(value, dict) and any(value.get(word) is True for word in _DEMANDS)


def _kind(value: Any) -> type:
    """The kind of a JSON value: whole and broken numbers are of one."""
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, int | float) else type(value)


def _shown(text: str) -> str:
    return strict_json.shown(text, limit=_SHOWN)
