"""What mutations give: the object, or why nothing was done. Exactly one of the two is there (decisions R16)."""

from __future__ import annotations

import strawberry

from schema.artifacts import Artifact
from schema.imports import ImportJob
from schema.packages import Package
from schema.plans import Plan
from schema.refusals import RefusalShown
from schema.tenants import Tenant
from schema.values import Problem

_REFUSAL = "Why nothing was done."
_QUEUED = "The import, in line: follow `importProgress`."


@strawberry.type(description="The tenant that was made.")
class CreateTenantPayload:
    tenant: Tenant | None = strawberry.field(default=None, description="The tenant.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The tenant as it is now.")
class UpdateTenantPayload:
    tenant: Tenant | None = strawberry.field(default=None, description="The tenant.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The artifacts as they are now.")
class ChangeArtifactsPayload:
    artifacts: list[Artifact] | None = strawberry.field(default=None, description="In the order they were named.")
    warnings: list[Problem] | None = strawberry.field(default=None, description="What is worth knowing about it.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The package that was made.")
class ExportPackagePayload:
    exported_package: Package | None = strawberry.field(default=None, description="The package.")
    warnings: list[Problem] | None = strawberry.field(default=None, description="What is worth knowing about it.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="A dry run: a job that ends with its plan.")
class PlanImportPayload:
    import_job: ImportJob | None = strawberry.field(default=None, description=_QUEUED)
    plan: Plan | None = strawberry.field(default=None, description="The plan, once its stage is done.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The import that was submitted.")
class ImportPackagePayload:
    import_job: ImportJob | None = strawberry.field(default=None, description=_QUEUED)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The import that goes on.")
class ResolveConflictsPayload:
    import_job: ImportJob | None = strawberry.field(default=None, description=_QUEUED)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The new import of the same package with the same options.")
class RetryImportPayload:
    import_job: ImportJob | None = strawberry.field(default=None, description=_QUEUED)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The import as it is now.")
class CancelImportPayload:
    import_job: ImportJob | None = strawberry.field(default=None, description="The import.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
