"""Copies: the package's artifact beside the one that is there, under an id and a name of its own (X27, R3; pure).

A copy keeps its origin and has the name of what it was made of with a number behind: ``Expense form (2)``. By both it
is known when the same package comes again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from domain import strict_json
from domain.artifact_types import ArtifactType
from domain.bundle import NAME_LENGTH_MAX
from domain.model import ArtifactHead, name_key

#: how many names are looked for together
_TRIED_AT_ONCE = 8
_FIRST = 2
_NUMBER = re.compile(r" \(([1-9][0-9]{0,8})\)$")

#: a type and a name key, which stand once in a tenant (R5)
Named = tuple[ArtifactType, str]


def names_to_try(name: str, turn: int) -> list[str]:
    """The next names that a copy may have; the first turn is 0."""
    begin = _FIRST + turn * _TRIED_AT_ONCE
    return [_copy_name(name, number) for number in range(begin, begin + _TRIED_AT_ONCE)]


def first_free(artifact_type: ArtifactType, names: Sequence[str], taken: Collection[Named]) -> str | None:
    """The first of these names that nobody has, if there is one."""
    return next((name for name in names if (artifact_type, name_key(name)) not in taken), None)


def copies_of(name: str, artifact_type: ArtifactType, heads: Collection[ArtifactHead]) -> list[ArtifactHead]:
    """Which artifacts of one origin were made as copies of what has this name."""
    return [head for head in heads if head.artifact_type is artifact_type and _is_copy_name(head.name, name)]


def renamed(content: bytes, name: str) -> bytes:
    """An artifact's content under another name."""
    return strict_json.canonical(strict_json.trusted(content) | {"name": name})


def _copy_name(name: str, number: int) -> str:
    """A long name is cut, so that it stays one that an artifact may have."""
    behind = f" ({number})"
    return name[: NAME_LENGTH_MAX - len(behind)] + behind


def _is_copy_name(name: str, of: str) -> bool:
    found = _NUMBER.search(name)
    return found is not None and name_key(name) == name_key(_copy_name(of, int(found[1])))
