"""What is given up for good: packages, and whole tenants."""

from __future__ import annotations

import strawberry

from schema.packages import Package
from schema.refusals import RefusalShown

_REFUSAL = "Why nothing was done."


@strawberry.input(description="A package to be deleted.")
class DeletePackageInput:
    package_id: strawberry.ID = strawberry.field(description="An export of this server.")


@strawberry.input(description="A tenant to be purged.")
class PurgeTenantInput:
    id: strawberry.ID = strawberry.field(description="The tenant.")
    confirmation: str = strawberry.field(description="The id that tokens know it by, once more: there is no way back.")


@strawberry.type(description="What became of the tenant.")
class PurgeTenantPayload:
    purged_tenant_id: str | None = strawberry.field(default=None, description="Which one it was.")
    is_gone: bool | None = strawberry.field(
        default=None, description="False when it stays, suspended, for what it published in the marketplace."
    )
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The package that is no longer to be had.")
class DeletePackagePayload:
    deleted_package: Package | None = strawberry.field(default=None, description="Its record.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
