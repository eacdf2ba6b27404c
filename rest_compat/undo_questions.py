"""What callers may send to take something back, described for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

from rest_compat import undos
from rest_compat.questions import Name, with_example
from rest_compat.shapes import Shape, ours_maybe

_EXAMPLE = {"blockers": "Detach", "reason": "It was meant for another tenant."}


class RollbackRequest(Shape):
    """How an import is taken back. Nothing needs to be said."""

    model_config = with_example(_EXAMPLE)

    blockers: Literal["Refuse", "Detach", "KeepAsLocal", "UndoThoseToo"] = ours_maybe(
        "What is done about what was built on it since: refuse the undo, the default; leave that as it is, with its"
        " package; leave it as nobody's package; take the later imports and edits back as well."
    )
    reason: Annotated[str, StringConstraints(max_length=500)] = ours_maybe("Why, for the audit.")


class UninstallRequest(RollbackRequest):
    """How a package is taken back, and where."""

    model_config = with_example({"tenantId": "acme-prod", **_EXAMPLE})

    tenant_id: Name = ours_maybe("The tenant; else `X-Tenant-Id`, else the token's own.")
    source: Name = ours_maybe("The package's `source`, where several have the name.")


UNDO_DESCRIBED: Mapping[type[BaseModel], type[BaseModel]] = {
    undos.RollbackBody: RollbackRequest,
    undos.UninstallBody: UninstallRequest,
}
