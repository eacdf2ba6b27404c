"""What is asked of undos and of held imports, and what that gives (decisions R16)."""

from __future__ import annotations

import strawberry

from schema.imports import ImportJob
from schema.inputs import RollbackRequestInput, UninstallRequestInput
from schema.refusals import RefusalShown

_REFUSAL = "Why nothing was done."
_APPLY = "Apply this plan exactly as it was shown; again answers the same import."
_QUEUED = "The undo, at the head of its tenant's line: follow `importProgress`."


@strawberry.input(one_of=True, description="What to take back.")
class RollbackImportInput:
    plan_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_APPLY)
    request: RollbackRequestInput | None = strawberry.field(
        default=strawberry.UNSET, description="Plan and apply at once."
    )


@strawberry.input(one_of=True, description="What to uninstall.")
class UninstallPackageInput:
    plan_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_APPLY)
    request: UninstallRequestInput | None = strawberry.field(
        default=strawberry.UNSET, description="Plan and apply at once."
    )


@strawberry.input(description="An import to be switched on.")
class ActivateImportInput:
    import_id: strawberry.ID = strawberry.field(description="One that is WAITING_FOR_ACTIVATION.")


@strawberry.type(description="The undo that was submitted, or the one that took it back already.")
class RollbackImportPayload:
    import_job: ImportJob | None = strawberry.field(default=None, description=_QUEUED)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The undo of all that the package brought.")
class UninstallPackagePayload:
    import_job: ImportJob | None = strawberry.field(default=None, description=_QUEUED)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The import that is switched on.")
class ActivateImportPayload:
    import_job: ImportJob | None = strawberry.field(
        default=None, description="The import, in line: follow `importProgress`."
    )
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
