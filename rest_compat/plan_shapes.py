"""Answers about plans as contracts, described: how they stand, what they mean for others, what they change."""

from __future__ import annotations

from typing import Any, Literal

from rest_compat.shapes import (
    ActionRow,
    ArtifactRow,
    Count,
    Digest,
    FixRow,
    Powers,
    Shape,
    Time,
    always,
    ours,
    ours_maybe,
)

PlanStateWord = Literal["APPLIED", "EXPIRED", "BLOCKED", "NEEDS_DECISIONS", "STALE", "NEEDS_APPROVAL", "READY"]


class ApprovalRow(Shape):
    """Somebody who agreed to a plan."""

    by: str = ours("Who.")
    at: Time = ours("When.")
    hash: Digest = ours("The plan's hash that was agreed to.")


class OtherPackageRow(Shape):
    """An installed package that a plan touches."""

    package_name: str = ours("Its name.")
    version: str = ours("The version that is installed.")
    source: str = ours("Where it came from. Part of its identity.")


class ImpactBody(Shape):
    """What a plan means for others; each list has at most a hundred members."""

    activates: list[ArtifactRow] = ours("Artifacts that start being active, by their ids in the tenant.")
    deactivates: list[ArtifactRow] = ours("Artifacts that stop being active.")
    also_used_by: list[ArtifactRow] = ours("Artifacts outside the plan that refer to what it changes.")
    other_packages: list[OtherPackageRow] = ours(
        "Other installed packages: their artifacts change, they use what changes, or they need this package."
    )
    new_powers: Powers = ours_maybe("Of an install: what its packages can do that they could not do before.")


class ChangeRow(Shape):
    """A place of an artifact that a plan changes."""

    pointer: str = ours("Where, as a JSON pointer.")
    kind: Literal["ADDED", "CHANGED", "REMOVED"] = ours("What happens there.")
    before: Any = ours("What is there; null for what is added.")
    after: Any = ours("What will be there; null for what is removed.")


class PlanActionRow(ActionRow):
    """One action of a plan."""

    matched_by: Literal["ORIGIN", "NAME"] | None = always("Why both are the same thing; null when nothing was there.")
    conflict_id: str | None = always("The conflict's id; null when there is none.")
    changes: list[ChangeRow] | None = ours(
        "What it changes in an artifact that is there, the first fifty places; null when the package is gone."
    )
    change_count: Count | None = ours("How many places it changes, at most a thousand; null when nobody can tell.")
    fixes: list[FixRow] = ours_maybe("What can be decided about a conflict that waits: ready to be sent back.")
