"""What callers may decide about artifacts that are there already, sent with an import or while it waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import strawberry

from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.options import ConflictStrategy, Decision, Side, StrategyWish

_CONFLICT = "The conflict, of an import that waits for decisions."
_ARTIFACT = "The artifact, by its id in the package: sent with the import."


@strawberry.input(description="What is done about one artifact. Name its conflict or, with an import, the artifact.")
class ArtifactDecisionInput:
    conflict_key: strawberry.ID | None = strawberry.field(default=None, description=_CONFLICT)
    artifact_id: str | None = strawberry.field(default=None, description=_ARTIFACT)
    strategy: StrategyWish = strawberry.field(description="What to do; not MIRROR.")


@strawberry.input(
    description="Whose value stands at a place that both sides changed. The artifact is merged."
    " Name its conflict or, with an import, the artifact."
)
class PathDecisionInput:
    conflict_key: strawberry.ID | None = strawberry.field(default=None, description=_CONFLICT)
    artifact_id: str | None = strawberry.field(default=None, description=_ARTIFACT)
    pointer: str = strawberry.field(
        description="The place, as `Conflict.paths` names it; empty: all places that are not named."
    )
    take: Side = strawberry.field(description="The side.")


@strawberry.input(one_of=True, description="One decision.")
class DecisionInput:
    artifact: ArtifactDecisionInput | None = strawberry.field(
        default=strawberry.UNSET, description="About a whole artifact."
    )
    path: PathDecisionInput | None = strawberry.field(
        default=strawberry.UNSET, description="About a place in an artifact that is merged."
    )


def strategy_of(wish: StrategyWish, where: str) -> ConflictStrategy:
    """What is done about a conflict. Raises ``InvalidOptions`` for what is wished for everything only."""
    if wish is StrategyWish.MIRROR:
        raise refuse(ErrorCode.INVALID_OPTIONS, "MIRROR is a default strategy only.", where)
    return wish.strategy


def by_conflict(rows: Sequence[DecisionInput]) -> dict[str, Decision]:
    """Decisions for an import that waits, by conflict. Raises ``BadUserInput`` with everything that is wrong."""
    return _decided(rows, "conflict_key", "conflictKey", ErrorCode.BAD_USER_INPUT, "decisions")


def by_artifact(rows: Sequence[DecisionInput]) -> dict[str, Decision]:
    """Decisions that come with an import, by artifact. Raises ``InvalidOptions`` with everything that is wrong."""
    return _decided(rows, "artifact_id", "artifactId", ErrorCode.INVALID_OPTIONS, "options.decisions")


def _decided(rows: Sequence[DecisionInput], field: str, wire: str, code: ErrorCode, where: str) -> dict[str, Decision]:
    artifacts: dict[str, ConflictStrategy] = {}
    sides: dict[str, dict[str, Side]] = {}
    problems: list[Problem] = []
    for place, row in enumerate(rows):
        at = f"{where}[{place}]"
        about = row.artifact or row.path
        named = str(getattr(about, field) or "")
        if not named or (about and about.conflict_key and about.artifact_id):
            problems.append(Problem(code, f"Name {wire}, and nothing else.", at))
        elif row.artifact:
            if named in artifacts:
                problems.append(Problem(code, f"{named} is decided twice.", at))
            artifacts[named] = strategy_of(row.artifact.strategy, at)
        elif row.path:
            if row.path.pointer in sides.setdefault(named, {}):
                problems.append(Problem(code, f"The path {row.path.pointer[:200]} is decided twice.", at))
            sides[named][row.path.pointer] = row.path.take
    refuse_if([*problems, *_unmerged(artifacts, sides, code, where)])
    return {key: Decision(artifacts.get(key), sides.get(key, {})) for key in {**artifacts, **sides}}


def _unmerged(
    artifacts: dict[str, ConflictStrategy], sides: dict[str, dict[str, Side]], code: ErrorCode, where: str
) -> Iterator[Problem]:
    for key in sides:
        if artifacts.get(key, ConflictStrategy.MERGE) is not ConflictStrategy.MERGE:
            yield Problem(code, f"Paths of {key} are decided where its strategy is MERGE.", where)
