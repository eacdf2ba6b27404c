"""Plans, scan reports, and whether what a plan relied on still holds (decisions R9-R11)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    union_all,
)

from domain.model import ArtifactStatus, ImportId, PlanId, TenantId, name_key
from domain.options import Side
from domain.plan_model import POSITIONS, ActionKind, Drift, ExternalTarget, Plan, PlanAction
from domain.ports import PlanMovedError
from domain.rows import Page, Slice
from storage.artifacts import slice_of
from storage.bulk import Columns
from storage.documents import problem_document, problem_of, slot_document, slot_of
from storage.heads import EXISTING_HEAD, existing_columns, head_of
from storage.plan_tables import plan, plan_action, plan_approval, scan_report
from storage.session import Session
from storage.sql import on_both, word
from storage.tables import artifact

_ORDINAL_MAX = 2**31 - 1

#: the columns of an action, but for the existing artifact
_FIELDS = (
    *("ordinal", "position", "source_id", "type", "name", "to_version", "kind", "target_id", "decided_by"),
    *("matched_by", "conflict_key", "strategy", "revision_id", "written_version", "status", "content_hash"),
    *("base_body_id", "base_hash", "merge_base_id", "paths", "restores"),
)
_NAMES = tuple("artifact_type" if name == "type" else name for name in _FIELDS)
_values_of = itemgetter(*map(PlanAction._fields.index, _NAMES))

_P = plan_action.c
_THIS = and_(_P.import_id == bindparam("id"), _P.tenant_id == bindparam("tenant"))
_LIVE = artifact.c.status != word(ArtifactStatus.DELETED)


def _is(column: Any, *kinds: ActionKind) -> Any:
    return column.in_([word(kind) for kind in kinds])


ACTION = [*(_P[name] for name in _FIELDS), *EXISTING_HEAD]
PLAN = [
    plan.c[name]
    for name in (
        *("plan_id", "import_id", "tenant_id", "plan_hash", "warnings", "blockers"),
        *("created_at", "expires_at", "applied_by", "bindings", "relied", "externals"),
    )
]

_ACTIONS = select(*ACTION).where(_THIS).order_by(_P.ordinal, _P.position)
_COUNT = select(func.count()).select_from(plan_action).where(_THIS)
_PLAN = select(*PLAN).where(plan.c.plan_id == bindparam("id"), plan.c.tenant_id == bindparam("tenant"))
_ADD_PLAN = insert(plan)
_DROP_ACTIONS = delete(plan_action).where(_THIS)
_DROP_PLAN = delete(plan).where(plan.c.import_id == bindparam("id"), plan.c.tenant_id == bindparam("tenant"))
_DROP_APPROVALS = delete(plan_approval).where(
    plan_approval.c.plan_id.in_(
        select(plan.c.plan_id).where(plan.c.import_id == bindparam("id"), plan.c.tenant_id == bindparam("tenant"))
    )
)
_SAVE_SCAN = on_both(lambda made: made(scan_report).on_conflict_do_nothing())
_SCANS = (
    select(scan_report.c.report)
    .where(scan_report.c.import_id == bindparam("id"), scan_report.c.tenant_id == bindparam("tenant"))
    .order_by(scan_report.c.ordinal)
)


_RELIED_ON = (ActionKind.UPDATE, ActionKind.MERGE, ActionKind.UNCHANGED, ActionKind.REMOVE)
_EXISTING = and_(artifact.c.tenant_id == _P.tenant_id, artifact.c.artifact_id == _P.existing_id)
_SAME_NAME = and_(
    artifact.c.tenant_id == _P.tenant_id,
    artifact.c.type == _P.type,
    artifact.c.name_key == _P.name_key,
    artifact.c.artifact_id != _P.target_id,
    _LIVE,
)
_WANTS_A_NAME = or_(
    _is(_P.kind, ActionKind.CREATE, ActionKind.COPY),
    and_(_is(_P.kind, ActionKind.UPDATE, ActionKind.MERGE), _P.name_key != _P.existing_name_key),
)


def drift(these: ColumnElement[bool], *beside: ColumnElement[bool]) -> Select[Any]:
    """One row an artifact that moved: where it stands now, beside what a plan among these knew of it.

    ``beside``: what else must be so of one that is there for its move to count.
    """
    seen = (_P.ordinal, _P.position, _P.target_id, _P.name, _P.type, _P.existing_revision, _P.existing_revision_id)
    now = (
        *(artifact.c.artifact_id, artifact.c.name.label("now_name"), artifact.c.revision, artifact.c.changed_by),
        *(artifact.c.changed_at, artifact.c.revision_id, _P.import_id),
    )
    differs = or_(artifact.c.revision != _P.existing_revision, artifact.c.content_hash != _P.existing_hash)
    moved = or_(artifact.c.artifact_id.is_(None), and_(differs, *beside))
    gone = or_(artifact.c.artifact_id.is_(None), ~_LIVE)
    changed = (
        select(*seen, *now)
        .select_from(plan_action)
        .outerjoin(artifact, _EXISTING)
        .where(
            these,
            _P.existing_id.is_not(None),
            or_(and_(_is(_P.kind, *_RELIED_ON), moved), and_(_is(_P.kind, ActionKind.SKIP), gone)),
        )
    )
    found = union_all(changed, _taken(these, *seen, *now)).subquery()
    return select(found).order_by(found.c.ordinal, found.c.position)


def _taken(these: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[Any]:
    """Names that a plan relies on to be free, and that somebody else has now."""
    return (
        select(*columns).select_from(plan_action).join(artifact, _SAME_NAME).where(these, _WANTS_A_NAME, ~_given_up())
    )


def _given_up() -> ColumnElement[bool]:
    """A name that another action of this very plan gives up is free."""
    other = plan_action.alias("other")
    return exists().where(
        other.c.import_id == _P.import_id,
        other.c.existing_id == artifact.c.artifact_id,
        or_(
            _is(other.c.kind, ActionKind.REMOVE),
            and_(_is(other.c.kind, ActionKind.UPDATE, ActionKind.MERGE), other.c.name_key != other.c.existing_name_key),
        ),
    )


def _fallen() -> Select[Any]:
    """An action whose precondition fell, among those that activation would carry out all the same.

    A pointer is moved from the revision that the plan saw and from no other, so what is written needs no question. No
    artifact is read for it: it would be most of what is asked while nobody else can write.
    """
    is_same = and_(artifact.c.revision == _P.existing_revision, artifact.c.content_hash == _P.existing_hash)
    given_up = _given_up().correlate(plan_action, artifact)
    moved = and_(_is(_P.kind, *_RELIED_ON), _P.revision_id.is_(None), _found(_EXISTING, is_same).is_(None))
    gone = and_(_is(_P.kind, ActionKind.SKIP), _found(_EXISTING, _LIVE).is_(None))
    taken = and_(_WANTS_A_NAME, _found(_SAME_NAME, ~given_up).is_not(None))
    return select(_P.ordinal).where(_THIS, or_(and_(_P.existing_id.is_not(None), or_(moved, gone)), taken)).limit(1)


def _found(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    """An artifact for an action. No EXISTS: PostgreSQL may read all artifacts of all tenants for it."""
    return select(artifact.c.artifact_id).where(*conditions).correlate(plan_action).scalar_subquery()


_DRIFT = drift(_THIS)
_FALLEN = _fallen()
#: the same while the import is activated: what is as this very plan wrote it has not moved
_DRIFT_BESIDE = drift(_THIS, artifact.c.revision_id != func.coalesce(_P.revision_id, ""))


class Plans:
    """Plans of a tenant's imports."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def save_scan(self, import_id: ImportId, ordinal: int, report: Mapping[str, Any]) -> None:
        row = {"import_id": import_id, "ordinal": ordinal, "tenant_id": self._tenant, "report": report}
        row |= {"package_id": report.get("packageId", ""), "scanned_by": report.get("rulesVersion", "")}
        self._session.later(_SAVE_SCAN, row)

    async def scan_reports(self, import_id: ImportId) -> list[dict[str, Any]]:
        return [row[0] for row in await self._session.rows(_SCANS, {"id": import_id, "tenant": self._tenant})]

    async def save_plan(self, plan: Plan, *, part: slice | None = None) -> None:
        begin, end, _ = (part or slice(None)).indices(len(plan.actions))
        if begin == 0:
            for statement in (_DROP_APPROVALS, _DROP_PLAN, _DROP_ACTIONS):
                self._session.later(statement, {"id": plan.import_id, "tenant": self._tenant})
        named = {"import_id": plan.import_id, "tenant_id": self._tenant}
        for is_met in (True, False):
            actions = [action for action in plan.actions[begin:end] if (action.existing is not None) is is_met]
            if actions:
                columns = partial(_action_columns, actions, named, is_met=is_met)
                await self._session.add_columns_aside(len(actions), columns)
        if end == len(plan.actions):
            self._session.later(_ADD_PLAN, _plan_row(plan) | {"tenant_id": self._tenant})

    async def plan(self, plan_id: PlanId) -> Plan | None:
        row = await self._session.row(_PLAN, {"id": plan_id, "tenant": self._tenant})
        return plan_of(row) if row else None

    async def actions(
        self,
        import_id: ImportId,
        *,
        first: int,
        after: int | None = None,
        kinds: Collection[ActionKind | None] | None = None,
    ) -> Slice[PlanAction]:
        page = _of_kinds(_ACTIONS, kinds).limit(first + 1)
        if after is not None:
            ordinal, position = divmod(max(-1, after), POSITIONS)
            page = page.where(tuple_(_P.ordinal, _P.position) > tuple_(min(ordinal, _ORDINAL_MAX), position))
        rows = await self._session.rows(page, {"id": import_id, "tenant": self._tenant})
        return slice_of([action_of(row) for row in rows], first)

    async def action_page(
        self, import_id: ImportId, *, page: int, page_size: int, kinds: Collection[ActionKind | None] | None = None
    ) -> Page[PlanAction]:
        named = {"id": import_id, "tenant": self._tenant}
        total = await self._session.row(_of_kinds(_COUNT, kinds), named)
        part = _of_kinds(_ACTIONS, kinds).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part, named)
        return Page(tuple(action_of(row) for row in rows), int(total[0]) if total else 0)

    async def drift(self, import_id: ImportId) -> list[Drift]:
        rows = await self._session.rows(_DRIFT, {"id": import_id, "tenant": self._tenant})
        return [_drift_of(row) for row in rows]

    async def demand_preconditions(self, import_id: ImportId) -> None:
        self._session.demand(_FALLEN, {"id": import_id, "tenant": self._tenant}, 0, partial(self._moved, import_id))

    async def _moved(self, import_id: ImportId, _: int) -> None:
        raise PlanMovedError(await self.drift(import_id))


async def drift_beside(session: Session, tenant_id: TenantId, import_id: ImportId) -> list[Drift]:
    """What moved under a plan of which a part was activated in this session."""
    rows = await session.rows(_DRIFT_BESIDE, {"id": import_id, "tenant": tenant_id})
    return [_drift_of(row) for row in rows]


def _of_kinds(actions: Select[Any], kinds: Collection[ActionKind | None] | None) -> Select[Any]:
    """Those of some kinds, if given; ``None`` among them stands for open conflicts."""
    if kinds is None:
        return actions
    # each once, in one order: a statement for every choice of kinds, and no more
    decided = _P.kind.in_([kind for kind in ActionKind if kind in kinds])
    return actions.where(or_(decided, _P.kind.is_(None)) if None in kinds else decided)


def _plan_row(made: Plan) -> dict[str, Any]:
    return {
        "plan_id": made.plan_id,
        "import_id": made.import_id,
        "plan_hash": made.plan_hash,
        "warnings": [problem_document(problem) for problem in made.warnings],
        "blockers": [problem_document(problem) for problem in made.blockers],
        "created_at": made.created_at,
        "expires_at": made.expires_at,
        "bindings": [slot_document(slot) for slot in made.bindings],
        "externals": [[one.ordinal, one.artifact_id, one.target_id] for one in made.externals],
        "relied": made.relied,
    }


def plan_of(row: Sequence[Any]) -> Plan:
    plan_id, import_id, tenant_id, plan_hash, warnings, blockers, created_at, expires_at, *rest = row
    applied_by, bindings, relied, externals = rest
    return Plan(
        plan_id=plan_id,
        import_id=import_id,
        tenant_id=tenant_id,
        plan_hash=plan_hash,
        actions=(),
        warnings=tuple(problem_of(problem) for problem in warnings),
        blockers=tuple(problem_of(problem) for problem in blockers),
        created_at=created_at,
        expires_at=expires_at,
        applied_by=applied_by,
        relied=relied,
        bindings=tuple(slot_of(slot) for slot in bindings),
        externals=tuple(ExternalTarget(*row) for row in externals),
    )


def _action_columns(actions: Sequence[PlanAction], named: Mapping[str, str], *, is_met: bool) -> dict[Table, Columns]:
    """Of actions that all meet an artifact, or none of which does; ``named`` stands in every row."""
    columns: dict[str, Sequence[Any]] = dict(zip(_FIELDS, zip(*map(_values_of, actions), strict=True), strict=True))
    columns |= {name: [value] * len(actions) for name, value in named.items()}
    columns["name_key"] = [name_key(name) for name in columns["name"]]
    columns["paths"] = [_sides(paths) for paths in columns["paths"]]
    existing = existing_columns([one.existing for one in actions if one.existing]) if is_met else {}
    return {plan_action: {**columns, **existing}}


def _sides(paths: Mapping[str, Side | None]) -> dict[str, str | None] | None:
    return {pointer: side and side.value for pointer, side in paths.items()} if paths else None


def action_of(row: Sequence[Any]) -> PlanAction:
    existing = row[len(_FIELDS) :]
    head = head_of(existing) if existing[0] is not None else None
    values = dict(zip(_NAMES, row, strict=False))
    values["paths"] = {pointer: side and Side(side) for pointer, side in (values["paths"] or {}).items()}
    return PlanAction(**values, existing=head)


def _drift_of(row: Sequence[Any]) -> Drift:
    _, _, target_id, planned_name, artifact_type, planned_revision, before, artifact_id, name, *now, _ = row
    if artifact_id is None:
        return Drift(target_id, planned_name, planned_revision, None, None, artifact_type, before)
    revision, changed_by, changed_at, after = now
    before = before if artifact_id == target_id else None  # somebody else took its name
    return Drift(artifact_id, name, revision, changed_by, changed_at, artifact_type, before, after)
