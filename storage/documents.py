"""Values that are kept as JSON documents, there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.artifact_types import BY_WIRE_NAME
from domain.binding_slots import BindingSlot, BindingSource
from domain.errors import ErrorCode, Problem
from domain.import_model import Failure, Progress, Stage
from domain.options import (
    Activation,
    BlockerChoice,
    ConflictStrategy,
    Decision,
    ImportOptions,
    Side,
    UndoWish,
    UnresolvedBindings,
)

Document = dict[str, Any]

#: options that are plain values and keep their names
_PLAIN = (
    "allow_version_downgrade",
    "allow_major_version_upgrade",
    "allow_security_warnings",
    "backup_before_replace",
    "dry_run",
    "imported_by",
    "remove_dropped",
    "reason",
    "is_migration",
)


def options_document(options: ImportOptions) -> Document:
    return {name: getattr(options, name) for name in _PLAIN} | {
        "default_strategy": options.default_strategy and options.default_strategy.value,
        "strategy_by_type": {kind.wire: wish.value for kind, wish in options.strategy_by_type.items()},
        "merge_fallback": options.merge_fallback.value,
        "bindings": dict(options.bindings),
        "endpoint_mapping": dict(options.endpoint_mapping),
        "unresolved_bindings": options.unresolved_bindings.value,
        "decisions": decisions_document(options.decisions),
        "activation": options.activation.value,
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
        endpoint_mapping=document.get("endpoint_mapping", {}),
        unresolved_bindings=UnresolvedBindings(document["unresolved_bindings"]),
        decisions=decisions_of(document.get("decisions", {})),
        activation=Activation(document.get("activation", Activation.AUTOMATIC.value)),
        # an option that came later stands in no older row
        **{name: document[name] for name in _PLAIN if name in document},
    )


def decisions_document(decisions: Mapping[str, Decision]) -> Document:
    return {
        key: {
            "strategy": decision.strategy and decision.strategy.value,
            "sides": {pointer: side.value for pointer, side in decision.sides.items()},
            "seen": decision.seen,
        }
        for key, decision in decisions.items()
    }


def decisions_of(document: Document) -> dict[str, Decision]:
    return {key: _decision_of(kept) for key, kept in document.items()}


def _decision_of(kept: Document | str) -> Decision:
    if isinstance(kept, str):  # an older row, when a decision was a strategy and nothing else
        return Decision(ConflictStrategy(kept))
    strategy = kept["strategy"]
    sides = {pointer: Side(side) for pointer, side in kept["sides"].items()}
    return Decision(ConflictStrategy(strategy) if strategy else None, sides, kept.get("seen", ""))


def undo_document(undo: UndoWish) -> Document:
    return {
        "import_id": undo.import_id,
        "package_name": undo.package_name,
        "source": undo.source,
        "blockers": undo.blockers.value,
    }


def undo_of(document: Document) -> UndoWish:
    return UndoWish(**{**document, "blockers": BlockerChoice(document["blockers"])})


def slot_document(slot: BindingSlot) -> Document:
    return {
        "key": slot.key,
        "kind": slot.kind,
        "label": slot.label,
        "artifact_type": slot.artifact_type.wire,
        "source_id": slot.source_id,
        "artifact_name": slot.artifact_name,
        "source": slot.source and slot.source.value,
        "ordinal": slot.ordinal,
    }


def slot_of(document: Document) -> BindingSlot:
    source = document["source"]
    kind = BY_WIRE_NAME[document["artifact_type"]]
    return BindingSlot(**{**document, "artifact_type": kind, "source": BindingSource(source) if source else None})


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
