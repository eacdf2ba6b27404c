"""What callers may decide about artifacts that are there already, sent with an import or while it waits (R18, X27)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from domain.errors import ErrorCode, Problem
from domain.options import ConflictStrategy, Decision, Side
from rest_compat.asking import Body

DECISIONS_MAX = 10_000
_POINTER_LENGTH_MAX = 64 * 1024

_Id = Annotated[str, StringConstraints(max_length=128)]
Strategy = Annotated[ConflictStrategy, Field(strict=False)]


class PathBody(Body):
    """Whose value stands at a place that both sides changed; the empty pointer: at all that are not named."""

    pointer: Annotated[str, StringConstraints(max_length=_POINTER_LENGTH_MAX)]
    take: Annotated[Side, Field(strict=False)]


class DecisionBody(Body):
    """A strategy for one artifact, sides for its paths, or both: paths are decided where the artifact is merged."""

    strategy: Strategy | None = None
    paths: list[PathBody] | None = Field(None, max_length=DECISIONS_MAX)

    def flaws(self, code: ErrorCode, where: str) -> Iterator[Problem]:
        """What no type can say of it."""
        if self.strategy is None and not self.paths:
            yield Problem(code, "Decide by strategy, by paths, or both.", f"{where}.strategy")
        if self.paths and self.strategy not in (None, ConflictStrategy.MERGE):
            yield Problem(code, "Paths are decided where the strategy is Merge.", f"{where}.paths")
        for place in _repeated(path.pointer for path in self.paths or ()):
            text = f"The path {(self.paths or [])[place].pointer[:200]} is decided twice."
            yield Problem(code, text, f"{where}.paths[{place}].pointer")

    def decision(self) -> Decision:
        return Decision(self.strategy, {path.pointer: path.take for path in self.paths or ()})


class ArtifactDecisionBody(DecisionBody):
    """About an artifact of the package, by its id there."""

    artifact_id: _Id


class ResolutionBody(DecisionBody):
    """About a conflict that an import waits for."""

    conflict_id: _Id


class ResumeBody(Body):
    resolutions: list[ResolutionBody] = Field(max_length=DECISIONS_MAX)

    def problems(self) -> Iterator[Problem]:
        """A conflict takes one decision, and each of its paths one."""
        for place, row in enumerate(self.resolutions):
            yield from row.flaws(ErrorCode.BAD_USER_INPUT, f"resolutions[{place}]")
        for place in _repeated(row.conflict_id for row in self.resolutions):
            text = f"{self.resolutions[place].conflict_id} is decided twice."
            yield Problem(ErrorCode.BAD_USER_INPUT, text, f"resolutions[{place}].conflictId")

    def decisions(self) -> dict[str, Decision]:
        return {row.conflict_id: row.decision() for row in self.resolutions}


def decision_problems(rows: list[ArtifactDecisionBody]) -> Iterator[Problem]:
    """What no type can say of decisions that are sent with an import."""
    for place, row in enumerate(rows):
        yield from row.flaws(ErrorCode.INVALID_OPTIONS, f"options.decisions[{place}]")
    for place in _repeated(row.artifact_id for row in rows):
        text = f"{rows[place].artifact_id} is decided twice."
        yield Problem(ErrorCode.INVALID_OPTIONS, text, f"options.decisions[{place}].artifactId")


def _repeated(names: Iterable[str]) -> Iterator[int]:
    """The places of names that stood there before."""
    seen: set[str] = set()
    for place, name in enumerate(names):
        if name in seen:
            yield place
        seen.add(name)
