"""Carrying a plan out, up to its activation: saved, held, verified (decisions section 5.3).

SQLite has one writer for all tenants. So what is long is written in parts, each of which keeps a neighbour waiting
for a few milliseconds, and what only reads does so without the writer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from domain.errors import ErrorCode, Problem, Refusal
from domain.holding import Batch
from domain.import_model import Stage
from domain.import_run import Run
from domain.plan_model import ActionKind, Plan
from domain.ports import Turn
from domain.undo_planning import broken_anew

#: actions of a plan in one transaction
ACTIONS_AT_ONCE = 500
#: the word BrokenReference is 400 in a bundle and 422 once an import has begun to write (decisions section 9.2)
_FOUND_LATE = 422


async def save_plan(run: Run, made: Plan, changes: Mapping[str, Any] | None = None) -> None:
    """Save the plan, with these changes of the job; it is there, and is told of, when its last action is.

    An import that waited takes its conflict ids from the earlier plan, so that one is replaced in one step (R18).
    """
    count = max(len(made.actions), 1)
    size = ACTIONS_AT_ONCE if run.job.expires_at is None else count
    for begin in range(0, count, size):
        if begin + size >= count:
            run.end(_plan_sentence(made))
        async with run.writing({} if begin else changes, turn=Turn.LONG) as unit:
            await unit.imports.save_plan(made, part=slice(begin, begin + size))


async def hold(run: Run, made: Plan, batches: AsyncIterator[Batch]) -> None:
    """Hold everything that the plan writes, a batch a transaction."""
    run.begin(Stage.INSTALLATION)
    done = sum(not action.writes for action in made.actions)
    async for batch in batches:
        done += batch.installed
        run.held += len(batch.revisions)
        run.progress(done, f"{done} of {run.total} artifacts installed", batch.last_name)
        async with run.writing(turn=Turn.LONG) as unit:
            await unit.imports.hold(batch.revisions, batch.bases)
    run.end("All revisions are held; nobody sees them yet.")


async def verify(run: Run) -> None:
    """What is held can be read, and refers only to what is there (installhub.md section 8.9). Raises a refusal."""
    run.begin(Stage.VERIFICATION)
    async with run.writing():
        pass
    async with run.reading() as unit:
        unreadable = await unit.imports.unreadable(run.job.import_id)
        broken = await unit.imports.broken_references(run.job.import_id)
        if run.job.undo is not None:
            broken = await broken_anew(unit, broken)
    if unreadable:
        raise Refusal([Problem(ErrorCode.VERIFICATION_FAILED, f"{i} cannot be read back.", i) for i in unreadable])
    if broken:
        texts = [(f"{r.artifact_id}{r.pointer} refers to {r.target_id}, which is not there.", r) for r in broken]
        problems = [Problem(ErrorCode.BROKEN_REFERENCE, text, r.pointer, r.artifact_id) for text, r in texts]
        raise Refusal(problems, status=_FOUND_LATE)
    run.end("Every held artifact can be read and every reference resolves.")


def _plan_sentence(made: Plan) -> str:
    kinds = [(made.count(kind), kind.value.lower()) for kind in ActionKind]
    counted = [f"{count} {word}" for count, word in [*kinds, (len(made.open_conflicts), "undecided")] if count]
    return f"The plan is made: {', '.join(counted)}."
