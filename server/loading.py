"""Artifacts from files into a tenant, and whose hand it is when the host's own command line acts."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain import strict_json
from domain.access import ADMIN, PLATFORM, Caller
from domain.authoring import Authoring
from domain.contents import status_of
from domain.differing import VOLATILE
from domain.edits import CHANGES_MAX, ArtifactChanges, ArtifactDraft, draft_of_file
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.model import ArtifactHead, TenantId
from domain.portions import portions

#: stands beside the artifacts in an unpacked bundle and is none itself
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many artifacts were saved, and how many stood there already just so."""

    saved: int
    unchanged: int


def login() -> str:
    """Who runs this process, as the system knows them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())  # a container need not have a name for everybody


def local_caller(who: str | None = None) -> Caller:
    """Whoever may run commands on this host may do anything; records name the login."""
    end = datetime.max.replace(tzinfo=UTC)
    return Caller(f"local:{who or login()}", "local", frozenset(), frozenset({ADMIN, PLATFORM}), expires_at=end)


async def load(authoring: Authoring, tenant_id: TenantId, folder: Path, *, caller: Caller | None = None) -> Loaded:
    """Save every artifact file below a folder with the status it states, ``Published`` where it states none (R5).

    All or nothing, up to 1,000 changes; more are saved in parts of so many, in the order of their files, and after
    a refusal the same call goes on where it stopped. What is unchanged is not saved again.

    Raises a refusal with every problem, each with its file.
    """
    hand = caller or local_caller()
    drafts = await asyncio.to_thread(_drafts_below, folder)
    there = await _there(authoring, hand, tenant_id, drafts)
    changed = await asyncio.to_thread(_changed, drafts, there)
    for begin in range(0, len(changed), CHANGES_MAX):
        part = ArtifactChanges(tenant_id, save=tuple(changed[begin : begin + CHANGES_MAX]))
        await authoring.apply(part, hand.actor, audited_as="artifacts.loaded")
    return Loaded(len(changed), len(drafts) - len(changed))


def _drafts_below(folder: Path) -> list[ArtifactDraft]:
    if not folder.is_dir():
        raise refuse(ErrorCode.BAD_USER_INPUT, f"{folder} is no folder.")
    drafts: list[ArtifactDraft] = []
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*.json")):
        if path.name == _MANIFEST or not path.is_file():
            continue
        try:
            draft = draft_of_file(path.read_bytes())
            drafts.append(replace(draft, status=status_of(draft.content)))
        except Refusal as refusal:
            problems += _placed(refusal, path.relative_to(folder))
    refuse_if(problems)
    # a dump of a tenant without artifacts is an empty folder
    if not drafts and any(folder.iterdir()):
        raise refuse(ErrorCode.BAD_USER_INPUT, f"There is no artifact file (*.json) below {folder}.")
    return drafts


def _placed(refusal: Refusal, path: Path) -> Iterator[Problem]:
    for problem in refusal.problems:
        yield replace(problem, message=f"{path}: {problem.message}", where=str(path))


def _changed(drafts: list[ArtifactDraft], there: dict[str | None, bytes | None]) -> list[ArtifactDraft]:
    return [draft for draft in drafts if _essence(_tree_of(draft)) != there.get(draft.artifact_id)]


async def _there(
    authoring: Authoring, caller: Caller, tenant_id: TenantId, drafts: list[ArtifactDraft]
) -> dict[str | None, bytes | None]:
    """What the tenant has under these ids, in a form to compare."""
    heads = await authoring.heads(caller, tenant_id, [draft.artifact_id for draft in drafts if draft.artifact_id])
    standing: list[ArtifactHead] = [head for head in heads.values() if head.is_there]
    found: dict[str | None, bytes | None] = {}
    sizes = await authoring.content_sizes(caller, tenant_id, [head.revision_id for head in standing])
    for part in portions(standing, lambda head: sizes[head.revision_id]):
        trees = await authoring.contents(caller, tenant_id, [head.revision_id for head in part])
        found |= await asyncio.to_thread(_essences, part, trees)
    return found


def _essences(heads: list[ArtifactHead], trees: Mapping[str, Any]) -> dict[str | None, bytes | None]:
    return {head.artifact_id: _essence(_stated(trees[head.revision_id], head)) for head in heads}


def _tree_of(draft: ArtifactDraft) -> dict[str, Any]:
    return _stated(draft.content, draft)


def _stated(tree: Mapping[str, Any], said: ArtifactDraft | ArtifactHead) -> dict[str, Any]:
    """The content as it is saved: with its name and status, whether it stated them itself or not."""
    return {**tree, "name": said.name, "status": said.status.wire}


def _essence(tree: dict[str, Any]) -> bytes | None:
    """The content without what changes by itself; nothing for what cannot be written, which is then refused."""
    try:
        return strict_json.canonical({key: value for key, value in tree.items() if key not in VOLATILE})
    except strict_json.NotStrict:
        return None
