"""How the undo of an import stands, described (decisions section 9.6)."""

from __future__ import annotations

from rest_compat.shapes import ErrorRow, Shape, Time, ours, ours_maybe


class UndoRow(Shape):
    """Whether an import can be taken back."""

    is_possible: bool = ours("True for an import that is in effect. What `blockers` names must be decided about.")
    possible_until: Time = ours_maybe("Until when all that its undo needs is kept, at least.")
    undone_by: str = ours_maybe("The import that took it back.")
    undoes: list[str] = ours_maybe("What it took back itself.")
    blockers: list[ErrorRow] = ours("What was built on it since, and would be in the way now.")
