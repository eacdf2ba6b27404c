"""Plans made of a checked bundle and an inventory on paper."""

from __future__ import annotations

from domain.contents import content_hash, written
from domain.holding import Author
from domain.model import Actor, ImportId, PlanId, name_key
from domain.options import ConflictStrategy, ImportOptions
from domain.plan import Inventory, PlanRequest, draft, following_conflict
from domain.plan_model import ActionKind
from domain.settling import settle, unsettled
from domain.whole_plan import plan_of
from tests.clocks import NOON
from tests.makers import (
    TARGET,
    a_head,
)

REPLACE, MERGE, SKIP = ConflictStrategy.REPLACE, ConflictStrategy.MERGE, ConflictStrategy.SKIP
CREATE, UPDATE, UNCHANGED = ActionKind.CREATE, ActionKind.UPDATE, ActionKind.UNCHANGED
AUTHOR = Author(ImportId("imp-1"), Actor("anna"), NOON)


def an_inventory(*heads, origins=None, own=(), **fields):
    known = {"bases": {}} | fields
    return Inventory(
        named={(head.artifact_type, name_key(head.name)): head for head in heads},
        from_package=origins or {},
        own={head.artifact_id: head for head in own},
        installed=(),
        platform_version="4.2.0",
        **known,
    )


def a_request(plan_id="plan-1", **fields):
    known = {name: fields.pop(name) for name in ("decisions", "conflict_keys") if name in fields}
    return PlanRequest(
        plan_id=PlanId(plan_id),
        import_id=ImportId("imp-1"),
        tenant_id=TARGET,
        options=ImportOptions(**fields),
        decisions=known.get("decisions", {}),
        conflict_keys=known.get("conflict_keys", {}),
        next_conflict=following_conflict(known.get("conflict_keys", {}).values()),
    )


def planned(bundle, inventory, bodies=None, **fields):
    """The plan, settled with these contents of existing artifacts."""
    made = draft(bundle, inventory, a_request(**fields))
    heads = {action.existing.artifact_id: action.existing for action in made.actions if action.existing}
    stored = {heads[key].revision_id if key in heads else key: body for key, body in (bodies or {}).items()}
    for one in unsettled(made):
        settle(made, one, stored)
    return made, plan_of([made], [], now=NOON, plan_days=7)


def kinds(plan):
    return [action.kind for action in plan.actions]


def codes(problems):
    return [problem.code for problem in problems]


def as_it_stands(bundle, place, **ids):
    """The head of an artifact that holds just what the package brings, under its own id."""
    artifact = bundle.artifacts[place]
    target = ids.pop("artifact_id")
    remap = {artifact.source_id: target, **ids.pop("remap", {})}
    return a_head(target, artifact.name, content_hash=content_hash(written(bundle.template(artifact), remap)), **ids)
