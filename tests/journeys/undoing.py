"""What journeys do to take imports back, and what they look at afterwards."""

from __future__ import annotations

from typing import Any

from domain.errors import ErrorCode
from domain.import_model import ImportJob
from domain.model import TenantId
from domain.options import BlockerChoice
from domain.undo_order import UndoAsked
from tests.journeys.inside import GLOBEX, Inside
from tests.makers import SOURCE, a_bundle, a_form, an_entity

REFUSE, DETACH = BlockerChoice.REFUSE, BlockerChoice.DETACH
KEEP, TOO = BlockerChoice.KEEP_AS_LOCAL, BlockerChoice.UNDO_THOSE_TOO
#: the artifacts' ids in the bundles below
ENTITY, FORM = "ent-1", "form-1"


def a_package(name: str = "Starter", version: str = "1.0.0", *fields: str, title: str = "", **changes: Any) -> bytes:
    """A bundle with an entity and a form that refers to it."""
    named = {"title": title} if title else {}
    trees = (
        an_entity(ENTITY, *(fields or ("hours",)), name="Hours"),
        a_form(FORM, name="Sheet", entity=ENTITY, **named),
    )
    return a_bundle(*trees, name=name, version=version, **changes)


async def roll_back(inside: Inside, import_id: str, choice: BlockerChoice = REFUSE, **asked: Any) -> Any:
    """Ask for an undo and run it; the undo as it ended, an :class:`ImportJob`."""
    asked_for = UndoAsked(choice, **asked)
    submitted = await inside.services.undos.roll_back(inside.caller, import_id, None, asked_for)
    return await _run(inside, submitted)


async def uninstall(inside: Inside, name: str = "Starter", choice: BlockerChoice = REFUSE, **asked: Any) -> Any:
    """The same for all that a package brought to globex."""
    asked_for = UndoAsked(choice, **asked)
    return await _run(inside, await inside.services.undos.uninstall(inside.caller, GLOBEX, name, asked_for))


async def _run(inside: Inside, submitted: ImportJob) -> ImportJob:
    job = await inside.run_next()
    assert job.import_id == submitted.import_id
    return job


async def state_of(inside: Inside, tenant: TenantId = GLOBEX, *names: str) -> tuple[Any, ...]:
    """All that an import changes: contents, whose each artifact is, what is installed, bases of the next merges."""
    heads = await inside.heads(tenant)
    marks = {
        name: (head.artifact_id, head.origin, _is_as_imported(head.imported_revision, head.revision), head.status)
        for name, head in heads.items()
    }
    async with inside.sql.view(tenant) as unit:
        installed = await unit.imports.installed()
        bases = [await unit.imports.merge_bases(name, SOURCE) for name in names or ("starter",)]
    return await inside.contents(tenant), marks, sorted(map(str, installed)), bases


def _is_as_imported(imported: int | None, revision: int) -> bool | None:
    return None if imported is None else imported == revision


def blockers(job: ImportJob) -> list[str]:
    """What blocked an undo, in words."""
    assert job.failure is not None
    assert (job.failure.code, job.failure.status) == (ErrorCode.UNDO_BLOCKED.wire, 409)
    return [problem.message for problem in job.failure.problems]
