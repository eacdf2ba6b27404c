"""Fixes as data: what could be wished otherwise so that a problem goes away, ready to be sent back (pure).

A fix is a patch of an import's options, in REST's spelling; its id follows from the patch, so the same cure has the
same id wherever it is offered. Sending one back makes a new plan with the patched options, and does nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domain import strict_json
from domain.errors import ErrorCode, Problem
from domain.import_model import ImportJob
from domain.options import BlockerChoice, ConflictStrategy, Decision, ImportOptions, Side, UnresolvedBindings
from domain.plan_model import PlanAction

_ID_DIGITS = 12
_REPLACE, _MERGE, _SKIP, _COPY = (
    ConflictStrategy.REPLACE,
    ConflictStrategy.MERGE,
    ConflictStrategy.SKIP,
    ConflictStrategy.COPY,
)


@dataclass(frozen=True, slots=True)
class Fix:
    """One cure. ``patch`` are the options that it sets, the others stay."""

    fix_id: str
    label: str
    patch: Mapping[str, Any] = field(hash=False)


#: one option is the whole cure
_BY_OPTION: Mapping[ErrorCode, tuple[str, Mapping[str, Any]]] = {
    ErrorCode.VERSION_DOWNGRADE_NOT_ALLOWED: ("Let older versions in", {"allowVersionDowngrade": True}),
    ErrorCode.MAJOR_VERSION_UPGRADE_NOT_ALLOWED: ("Let the new major version in", {"allowMajorVersionUpgrade": True}),
    ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED: ("Go on in spite of the warnings", {"allowSecurityWarnings": True}),
    ErrorCode.BINDING_UNRESOLVED: (
        "Import what lacks a credential switched off",
        {"unresolvedBindings": UnresolvedBindings.IMPORT_SWITCHED_OFF.value},
    ),
    ErrorCode.REMOVAL_BLOCKED: ("Remove nothing", {"removeDropped": False}),
    ErrorCode.ACKNOWLEDGMENT_REQUIRED: ("Install the Community packages", {"acknowledgeCommunityPackage": True}),
}
#: decisions about the problem's artifact that cure it
_BY_DECISION: Mapping[ErrorCode, tuple[ConflictStrategy, ...]] = {
    ErrorCode.ARTIFACT_LOCKED: (_SKIP, _COPY),
    # what is replaced would need the name that the other match keeps
    ErrorCode.AMBIGUOUS_MATCH: (_SKIP, _COPY),
}
_UNDO_CHOICES: Mapping[BlockerChoice, str] = {
    BlockerChoice.DETACH: "Leave what was built later as it is",
    BlockerChoice.KEEP_AS_LOCAL: "Keep what was built later as the tenant's own",
    BlockerChoice.UNDO_THOSE_TOO: "Take back what was built later too",
}
_DECIDED: Mapping[ConflictStrategy, str] = {
    _REPLACE: "Replace {name} with the package's",
    _MERGE: "Merge the package's {name} into it",
    _SKIP: "Leave {name} as it is",
    _COPY: "Bring {name} in beside it",
}
_TAKEN: Mapping[Side, str] = {Side.EXISTING: "the tenant's", Side.PACKAGE: "the package's"}


def fixes_of(problem: Problem) -> tuple[Fix, ...]:
    """What can be wished otherwise so that this problem of a plan goes away; nothing for most."""
    return tuple(_cures(problem))


def open_problem(action: PlanAction) -> Problem:
    """An open conflict as a problem of its plan, so that it can be told and cured as the others are."""
    text = f"{action.name} is in the tenant already, and nobody has decided what to do about it."
    strategies = [_REPLACE, _MERGE, _SKIP, _COPY] if action.artifact_type.is_mergeable else [_REPLACE, _SKIP, _COPY]
    details = {
        "conflictId": action.conflict_key,
        "artifactName": action.name,
        "strategies": [strategy.wire for strategy in strategies],
    }
    undecided = [pointer for pointer, side in action.paths.items() if side is None]
    details |= {"pointers": undecided} if undecided else {}
    return Problem(ErrorCode.CONFLICT_REQUIRES_RESOLUTION, text, "", action.source_id, details)


def fixed(job: ImportJob, fix: Fix) -> ImportJob:
    """What the job asks for, with the patch."""
    options, install, undo = job.options, job.install, job.undo
    for name, value in fix.patch.items():
        if name in _SETTERS:
            options = _SETTERS[name](options, value)
        elif name == "blockers" and undo is not None:
            undo = replace(undo, blockers=BlockerChoice(value))
        elif name == "acknowledgeCommunityPackage" and install is not None:
            install = replace(install, acknowledged=value)
    return replace(job, options=options, install=install, undo=undo)


def _cures(problem: Problem) -> Iterator[Fix]:
    if problem.code in _BY_OPTION:
        yield _fix(*_BY_OPTION[problem.code])
    yield from _supplied(problem)
    if problem.code is ErrorCode.UNDO_BLOCKED:
        for choice, label in _UNDO_CHOICES.items():
            yield _fix(label, {"blockers": choice.value})
    name = str(problem.details.get("artifactName", problem.artifact_id))
    for source_id, strategies in _decisions(problem).items():
        shown = name if source_id == problem.artifact_id else source_id
        for strategy in strategies:
            yield _fix(_DECIDED[strategy].format(name=shown), _decision(source_id, strategy))
    if problem.code is ErrorCode.MERGE_CONFLICT and "pointer" in problem.details:
        for side, whose in _TAKEN.items():
            label = f"Take {whose} value at {problem.details['field']}"
            yield _fix(label, _decision(problem.artifact_id, None, {problem.details["pointer"]: side}))
    if problem.details.get("pointers"):
        for side, whose in _TAKEN.items():
            label = f"Merge {name}, and take {whose} values where both sides changed them"
            yield _fix(label, _decision(problem.artifact_id, _MERGE, {"": side}))


def _supplied(problem: Problem) -> Iterator[Fix]:
    """What the tenant's own artifacts have where a value is missing."""
    if problem.code is ErrorCode.BINDING_UNRESOLVED:
        for value in problem.details.get("suggestions", ()):
            yield _fix(f"Use {value} there, as others do", {"bindings": {problem.details["bindingKey"]: value}})


def _decisions(problem: Problem) -> Mapping[str, Sequence[ConflictStrategy]]:
    """By source id, what could be decided. A problem may name them itself: ``strategies``, ``cures``."""
    if problem.code in _BY_DECISION:
        return {problem.artifact_id: _BY_DECISION[problem.code]}
    if problem.code is ErrorCode.CONFLICT_REQUIRES_RESOLUTION:
        words = problem.details.get("strategies", ())
        return {problem.artifact_id: [ConflictStrategy(word) for word in words]}
    if problem.code is ErrorCode.DUPLICATE_ARTIFACT:
        cures = problem.details.get("cures", {})
        return {source_id: [ConflictStrategy(word) for word in words] for source_id, words in cures.items()}
    return {}


def _decision(
    source_id: str, strategy: ConflictStrategy | None, sides: Mapping[str, Side] | None = None
) -> dict[str, Any]:
    decided: dict[str, Any] = {"artifactId": source_id} | ({"strategy": strategy.value} if strategy else {})
    if sides:
        decided["paths"] = [{"pointer": pointer, "take": side.value} for pointer, side in sides.items()]
    return {"decisions": [decided]}


def _fix(label: str, patch: Mapping[str, Any]) -> Fix:
    digest = hashlib.sha256(strict_json.compact(dict(patch))).hexdigest()
    return Fix(f"fix-{digest[:_ID_DIGITS]}", f"{label}.", patch)


def _with_decisions(options: ImportOptions, given: Sequence[Mapping[str, Any]]) -> ImportOptions:
    decisions = dict(options.decisions)
    for row in given:
        source_id = row["artifactId"]
        before = decisions.get(source_id, Decision())
        strategy = ConflictStrategy(row["strategy"]) if "strategy" in row else before.strategy
        sides = {path["pointer"]: Side(path["take"]) for path in row.get("paths", ())}
        decisions[source_id] = replace(before, strategy=strategy, sides={**before.sides, **sides})
    return replace(options, decisions=decisions)


_SETTERS: Mapping[str, Callable[[ImportOptions, Any], ImportOptions]] = {
    "allowVersionDowngrade": lambda options, value: replace(options, allow_version_downgrade=value),
    "allowMajorVersionUpgrade": lambda options, value: replace(options, allow_major_version_upgrade=value),
    "allowSecurityWarnings": lambda options, value: replace(options, allow_security_warnings=value),
    "unresolvedBindings": lambda options, value: replace(options, unresolved_bindings=UnresolvedBindings(value)),
    "bindings": lambda options, value: replace(options, bindings={**options.bindings, **value}),
    "removeDropped": lambda options, value: replace(options, remove_dropped=value),
    "decisions": _with_decisions,
}
