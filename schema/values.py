"""Small values without an identity of their own."""

from __future__ import annotations

import re

import strawberry

from domain import errors, model
from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode
from domain.fixes import fixes_of
from schema.enums import ProblemSeverity
from schema.scalars import Json

_BY_NUMBER = re.compile(r"^artifacts\[\d+\]")


@strawberry.type(description="Who did something, as the token named them.")
class Actor:
    subject: str = strawberry.field(description="The token's subject.")
    email: str | None = strawberry.field(description="The address people know the actor by.")
    is_service: bool = strawberry.field(description="True for a service account.")

    @classmethod
    def of(cls, actor: model.Actor) -> Actor:
        return cls(subject=actor.subject, email=actor.email, is_service=actor.is_service)


@strawberry.type(description="An artifact named, not looked up: one of a package, or of a record.")
class ArtifactName:
    artifact_type: ArtifactType = strawberry.field(description="Its kind.")
    artifact_id: str = strawberry.field(description="Its id where it comes from.")
    name: str = strawberry.field(description="Its name.")

    @classmethod
    def of(cls, head: model.ArtifactHead) -> ArtifactName:
        return cls(artifact_type=head.artifact_type, artifact_id=head.artifact_id, name=head.name)


@strawberry.type(description="What could be wished otherwise so that a problem of a plan goes away.")
class Fix:
    key: strawberry.ID = strawberry.field(description="Send it back with `applyFix`.")
    label: str = strawberry.field(description="What it does, to show.")
    patch: Json = strawberry.field(description="The options that it sets, in REST's spelling; the others stay.")

    @classmethod
    def all_of(cls, problem: errors.Problem) -> list[Fix]:
        return [
            cls(key=strawberry.ID(fix.fix_id), label=fix.label, patch=Json(dict(fix.patch)))
            for fix in fixes_of(problem)
        ]


@strawberry.type(description="One thing wrong, or worth a warning, and where.")
class Problem:
    severity: ProblemSeverity = strawberry.field(description="Whether it stops anything.")
    code: ErrorCode = strawberry.field(description="What kind of thing. Act on this.")
    message: str = strawberry.field(description="A sentence to show.")
    input_path: list[str] | None = strawberry.field(
        default=None, description='Which input of this mutation is meant, for forms: `["input", "save", "0", "name"]`.'
    )
    place: str | None = strawberry.field(
        description="Where in the request, the package or an artifact: `artifacts[2].hash`."
    )
    artifact_id: str | None = strawberry.field(description="The artifact it is about.")
    pointer: str | None = strawberry.field(description="Where in that artifact, as a JSON pointer.")
    details: Json | None = strawberry.field(description="What else is known of it, in REST's spelling.")
    fixes: list[Fix] = strawberry.field(
        description="What can be sent back to the plan so that it goes away; nothing for most."
    )

    @classmethod
    def of(cls, problem: errors.Problem, *, input_path: list[str] | None = None) -> Problem:
        return cls(
            severity=ProblemSeverity.of(problem),
            code=problem.code,
            message=problem.message,
            input_path=input_path,
            place=problem.where or None,
            artifact_id=problem.artifact_id or None,
            pointer=_pointer(problem),
            details=Json(dict(problem.details)) if problem.details else None,
            fixes=Fix.all_of(problem),
        )


def _pointer(problem: errors.Problem) -> str | None:
    """How a place goes on that begins with the artifact: with its id, or with its number in the manifest."""
    inside = _BY_NUMBER.sub("", problem.where.removeprefix(problem.artifact_id))
    return inside if problem.artifact_id and inside.startswith("/") else None
