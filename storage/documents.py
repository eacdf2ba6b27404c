"""Values that are kept as JSON documents, there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.artifact_types import BY_WIRE_NAME
from domain.errors import ErrorCode, Problem
from domain.import_model import ConflictStrategy, Failure, ImportOptions, Progress, Stage, UnresolvedBindings

Document = dict[str, Any]

#: options that are plain values and keep their names
_PLAIN = (
    "allow_version_downgrade",
    "allow_major_version_upgrade",
    "allow_security_warnings",
    "backup_before_replace",
    "dry_run",
    "imported_by",
)


def options_document(options: ImportOptions) -> Document:
    return {name: getattr(options, name) for name in _PLAIN} | {
        "default_strategy": options.default_strategy and options.default_strategy.value,
        "strategy_by_type": {kind.wire: wish.value for kind, wish in options.strategy_by_type.items()},
        "merge_fallback": options.merge_fallback.value,
        "bindings": dict(options.bindings),
        "unresolved_bindings": options.unresolved_bindings.value,
    }


def options_of(document: Document) -> ImportOptions:
    default = document["default_strategy"]
    return ImportOptions(
        default_strategy=ConflictStrategy(default) if default else None,
        strategy_by_type={
            BY_WIRE_NAME[kind]: ConflictStrategy(wish) for kind, wish in document["strategy_by_type"].items()
        },
        merge_fallback=ConflictStrategy(document["merge_fallback"]),
        bindings=document["bindings"],
        unresolved_bindings=UnresolvedBindings(document["unresolved_bindings"]),
        # an option that came later stands in no older row
        **{name: document[name] for name in _PLAIN if name in document},
    )


def decisions_document(decisions: Mapping[str, ConflictStrategy]) -> Document:
    return {key: strategy.value for key, strategy in decisions.items()}


def decisions_of(document: Document) -> dict[str, ConflictStrategy]:
    return {key: ConflictStrategy(word) for key, word in document.items()}


def problem_document(problem: Problem) -> Document:
    return {
        "code": problem.code.name,
        "message": problem.message,
        "where": problem.where,
        "artifact_id": problem.artifact_id,
        "details": dict(problem.details),
    }


def problem_of(document: Document) -> Problem:
    return Problem(**{**document, "code": ErrorCode[document["code"]]})


def failure_document(failure: Failure) -> Document:
    return {
        "stage": failure.stage and failure.stage.value,
        "code": failure.code,
        "message": failure.message,
        "status": failure.status,
        "problems": [problem_document(problem) for problem in failure.problems],
        "details": dict(failure.details),
        "rolled_back": failure.rolled_back,
    }


def failure_of(document: Document) -> Failure:
    stage = document["stage"]
    problems = tuple(problem_of(problem) for problem in document["problems"])
    return Failure(**{**document, "stage": Stage(stage) if stage else None, "problems": problems})


def progress_document(progress: Progress) -> Document:
    return {
        "stage": progress.stage and progress.stage.value,
        "done": progress.done,
        "total": progress.total,
        "percent": progress.percent,
        "artifact_name": progress.artifact_name,
    }


def progress_of(document: Document) -> Progress:
    stage = document["stage"]
    return Progress(**{**document, "stage": Stage(stage) if stage else None})
