"""What imports say of being switched on and taken back (decisions sections 9.3, 9.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain.errors import Problem
from domain.import_model import ImportJob
from domain.model import rfc3339
from domain.undos import UndoStanding
from rest_compat.dialect import error_rows

_IMPORTS = "/api/installhub/imports"


def waiting_for_activation(job: ImportJob) -> dict[str, Any]:
    """An import that is held and verified: where to switch it on, and until when."""
    return {"importId": job.import_id, "status": job.state.wire, "statusUrl": f"{_IMPORTS}/{job.import_id}"} | (
        when_activated(job)
    )


def when_activated(job: ImportJob) -> dict[str, Any]:
    """The same in a list."""
    expires_at = rfc3339(job.expires_at) if job.expires_at else None
    return {"activateUrl": f"{_IMPORTS}/{job.import_id}/activate", "expiresAt": expires_at}


def undo(standing: UndoStanding, blockers: Iterable[Problem]) -> dict[str, Any]:
    """Whether an import can be taken back, until when that is promised, and what would be in the way."""
    known = {
        "possibleUntil": rfc3339(standing.possible_until) if standing.possible_until else None,
        "undoneBy": standing.undone_by,
        "undoes": list(standing.undoes) or None,
    }
    return {
        "isPossible": standing.is_possible,
        **{name: value for name, value in known.items() if value is not None},
        "blockers": error_rows(blockers),
    }
