"""Suggestions for binding slots: what stands at the same place in artifacts of the same type, by likeness (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

from domain.binding_slots import MASK, BindingSlot, same_kind, shown_value, values_like
from domain.errors import Problem
from domain.model import ArtifactHead, name_key

SUGGESTIONS_MAX = 5

#: what an artifact has at its slots, by their kind: ``/tools/*/credentialId``
Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value that the tenant uses already, and where. ``value`` is ``None`` for one that may be a secret."""

    value: str | None
    artifact_name: str

    @property
    def shown(self) -> str:
        """The value, or that there is one."""
        return self.value if self.value is not None else f"{MASK} ({self.artifact_name})"


def values_of(content: Mapping[str, Any], slots: Iterable[BindingSlot]) -> Values:
    """What one content has at places of the kinds of these slots; a few of each."""
    kinds = {same_kind(slot.pointer): slot.pointer for slot in slots}
    return {kind: [*islice(values_like(content, pointer), SUGGESTIONS_MAX)] for kind, pointer in kinds.items()}


def by_likeness(name: str, heads: Iterable[ArtifactHead]) -> list[ArtifactHead]:
    """Artifacts whose names are most like this one first; equals by their ids."""
    key = name_key(name)
    return sorted(heads, key=lambda head: (-_likeness(key, name_key(head.name)), head.artifact_id))


def suggestions_for(
    slot: BindingSlot, heads: Sequence[ArtifactHead], values: Mapping[str, Values]
) -> tuple[Suggestion, ...]:
    """At most :data:`SUGGESTIONS_MAX`, each value once. ``values`` are those of the heads, by artifact id."""
    found: dict[str, Suggestion] = {}
    for head in by_likeness(slot.artifact_name, heads):
        for value in values.get(head.artifact_id, {}).get(same_kind(slot.pointer), ()):
            shown = shown_value(value)
            made = Suggestion(None if shown == MASK else shown, head.name)
            found.setdefault(made.shown, made)
            if len(found) == SUGGESTIONS_MAX:
                return tuple(found.values())
    return tuple(found.values())


def with_suggestions(problems: Iterable[Problem], suggestions: Mapping[str, Iterable[Suggestion]]) -> Iterator[Problem]:
    """The problems; those of slots without a value say which names of secrets would do, the likeliest first."""
    for problem in problems:
        found = suggestions.get(problem.details.get("bindingKey", ""), ())
        values = [one.value for one in found if one.value is not None]
        yield replace(problem, details={**problem.details, "suggestions": values}) if values else problem


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
