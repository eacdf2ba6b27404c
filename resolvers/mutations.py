"""What can be done. Each mutation takes one input and gives its object or a refusal (decisions R16)."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

import strawberry

from domain import import_model
from domain.edits import ArtifactChanges
from domain.errors import ErrorCode, refuse
from domain.export_order import ExportOrder
from domain.import_model import Importable, ImportPackage
from domain.import_outcome import reported_conflicts
from domain.limits import MIB
from domain.line import ImportOrder, admit
from domain.model import PackageDependency, TenantId, TenantPlan
from domain.options import Decision
from domain.referring import DependencyMode
from resolvers.context import Operation
from resolvers.installs import submitted_install
from resolvers.plans import applied_plan
from resolvers.queries import Info, named_tenant
from resolvers.refusals import refusable
from resolvers.undos import submitted_rollback, submitted_uninstall
from schema.artifacts import Artifact
from schema.decisions import by_conflict, strategy_of
from schema.fields import described
from schema.imports import ImportJob
from schema.inputs import (
    CancelImportInput,
    ChangeArtifactsInput,
    CreateTenantInput,
    ExportPackageInput,
    ImportOptionsInput,
    ImportPackageInput,
    ImportRequestInput,
    ImportSourceInput,
    PlanImportInput,
    ResolveConflictsInput,
    RetryImportInput,
    UpdateTenantInput,
)
from schema.nodes import tenant_id_of
from schema.packages import Package
from schema.payloads import (
    CancelImportPayload,
    ChangeArtifactsPayload,
    CreateTenantPayload,
    ExportPackagePayload,
    ImportPackagePayload,
    PlanImportPayload,
    ResolveConflictsPayload,
    RetryImportPayload,
    UpdateTenantPayload,
)
from schema.tenants import Tenant
from schema.values import Problem

I = TypeVar("I")  # noqa: E741 - the input
Input: TypeAlias = Annotated[I, strawberry.argument(description="What is to be done.")]


@strawberry.type(description="What can be done.")
class Mutation:
    @described("Makes a tenant.")
    @refusable(CreateTenantPayload)
    async def create_tenant(self, info: Info, input: Input[CreateTenantInput]) -> CreateTenantPayload:
        asked, plan = info.context, input.tenant_plan or TenantPlan.STANDARD
        key = input.idempotency_key
        tenant = await asked.services.tenancy.create(asked.caller, input.tenant_id, plan, key=key)
        return CreateTenantPayload(tenant=Tenant.of(tenant))

    @described("Changes a tenant: plan, status, freeze, and what it asks of imports and edits.")
    @refusable(UpdateTenantPayload)
    async def update_tenant(self, info: Info, input: Input[UpdateTenantInput]) -> UpdateTenantPayload:
        asked, tenant_id = info.context, TenantId(tenant_id_of(input.id))
        tenant = await asked.services.tenant_changes.update(asked.caller, tenant_id, input.change())
        return UpdateTenantPayload(tenant=Tenant.of(tenant))

    @described("Saves, publishes, archives and removes artifacts, all or nothing.")
    @refusable(ChangeArtifactsPayload)
    async def change_artifacts(self, info: Info, input: Input[ChangeArtifactsInput]) -> ChangeArtifactsPayload:
        changes = ArtifactChanges(
            tenant_id=named_tenant(info.context, input.tenant_id),
            save=tuple(given.draft(place) for place, given in enumerate(input.save or ())),
            publish=tuple(input.publish or ()),
            archive=tuple(input.archive or ()),
            remove=tuple(input.remove or ()),
        )
        made = await info.context.services.authoring.change(info.context.caller, changes, key=input.idempotency_key)
        warnings = [Problem.of(problem) for problem in made.warnings]
        return ChangeArtifactsPayload(artifacts=[Artifact.of(head) for head in made.heads], warnings=warnings)

    @described("Makes a package of artifacts and all they need.")
    @refusable(ExportPackagePayload)
    async def export_package(self, info: Info, input: Input[ExportPackageInput]) -> ExportPackagePayload:
        asked, order = info.context, _export_order(info.context, input)
        exported = await asked.services.exporter.export(asked.caller, order, key=input.idempotency_key)
        warnings = [Problem.of(problem) for problem in exported.warnings]
        return ExportPackagePayload(exported_package=Package.of(exported.package), warnings=warnings)

    @described(
        "What an import would do. Writes no artifact and waits for no other import."
        " The plan is null until its stage is done: follow `importProgress`."
    )
    @refusable(PlanImportPayload)
    async def plan_import(self, info: Info, input: Input[PlanImportInput]) -> PlanImportPayload:
        if input.install_package:
            job = await submitted_install(info.context, input.install_package, is_dry_run=True)
        elif input.rollback_import:
            job = await submitted_rollback(info.context, input.rollback_import, is_dry_run=True)
        elif input.uninstall_package:
            job = await submitted_uninstall(info.context, input.uninstall_package, is_dry_run=True)
        else:
            job = await _submitted(info.context, input.import_package, "importPackage", is_dry_run=True)
        return PlanImportPayload(import_job=ImportJob.of(job))

    @described("Brings a package into a tenant: applies a plan, or plans and applies the plan at once.")
    @refusable(ImportPackagePayload)
    async def import_package(self, info: Info, input: Input[ImportPackageInput]) -> ImportPackagePayload:
        if isinstance(input.plan_id, str):
            return ImportPackagePayload(import_job=ImportJob.of(await applied_plan(info.context, input.plan_id)))
        job = await _submitted(info.context, input.request, "request", is_dry_run=False)
        return ImportPackagePayload(import_job=ImportJob.of(job))

    @described("Continues an import that is WAITING_FOR_DECISIONS.")
    @refusable(ResolveConflictsPayload)
    async def resolve_conflicts(self, info: Info, input: Input[ResolveConflictsInput]) -> ResolveConflictsPayload:
        asked = info.context
        decisions = await _decisions(asked, input)
        job = await asked.services.line.resume(asked.caller, input.import_id, asked.reach, decisions)
        return ResolveConflictsPayload(import_job=ImportJob.of(job))

    @described("Stops an import before its activation.")
    @refusable(CancelImportPayload)
    async def cancel_import(self, info: Info, input: Input[CancelImportInput]) -> CancelImportPayload:
        asked = info.context
        job = await asked.services.line.cancel(asked.caller, input.import_id, asked.reach)
        return CancelImportPayload(import_job=ImportJob.of(job))

    @described("Begins an import anew that failed, was cancelled or expired: the same package, the same options.")
    @refusable(RetryImportPayload)
    async def retry_import(self, info: Info, input: Input[RetryImportInput]) -> RetryImportPayload:
        asked = info.context
        job = await asked.services.line.retry(asked.caller, input.import_id, asked.reach, key=input.idempotency_key)
        return RetryImportPayload(import_job=ImportJob.of(job))


def _export_order(asked: Operation, given: ExportPackageInput) -> ExportOrder:
    needed = given.package_dependencies or ()
    return ExportOrder(
        tenant_id=named_tenant(asked, given.tenant_id),
        package_name=given.package_name,
        package_type=given.package_type.wire,
        version=given.version,
        artifact_ids=tuple(given.artifact_ids),
        description=given.description or "",
        author=given.author or "",
        tags=tuple(given.tags or ()),
        dependency_mode=given.dependency_mode or DependencyMode.INCLUDE,
        package_dependencies=tuple(
            PackageDependency(row.package_name, row.min_version, row.max_version) for row in needed
        ),
    )


async def _submitted(
    asked: Operation, request: ImportRequestInput | None, where: str, *, is_dry_run: bool
) -> import_model.ImportJob:
    """Put the import in line (decisions R10, R15: rights before lookups)."""
    if request is None or not (request.source.package_id or request.source.upload_id):
        raise refuse(ErrorCode.BAD_USER_INPUT, "Name the package to import.", where)
    given = request.options or ImportOptionsInput()
    options = given.options(is_dry_run=is_dry_run)
    admit(asked.caller, options)
    tenant_id = named_tenant(asked, request.tenant_id)
    source = await _source(asked, request.source, tenant_id)
    await _refuse_large(asked, source.package, tenant_id)
    order = ImportOrder(tenant_id, source.package, options, gone=source.gone)
    return await asked.services.line.submit(asked.caller, order, key=request.idempotency_key)


async def _source(asked: Operation, source: ImportSourceInput, target: TenantId) -> Importable:
    if source.upload_id:
        return await asked.services.uploads.importable(asked.caller, source.upload_id, target)
    # the header names the target; the package may be any tenant's of the token
    named = source.package_id or ""
    return await asked.services.records.importable(asked.caller, named, asked.caller.reach, target)


async def _refuse_large(asked: Operation, bundle: ImportPackage, target: TenantId) -> None:
    """What the target's plan does not allow is known before it is read (R16, R24); the line knows unknown tenants."""
    tenant = await asked.services.tenancy.find(asked.caller, target)
    plan = tenant.plan if tenant else TenantPlan.STANDARD
    most = asked.services.installation.limits.zip_bytes(plan)
    if bundle.size_bytes > most:
        text = f"The package is larger than the {most / MIB:g} MB that the {plan.wire} plan allows."
        told = {"limit": most, "actual": bundle.size_bytes, "plan": plan.wire}
        raise refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, "source", **told)


async def _decisions(asked: Operation, given: ResolveConflictsInput) -> dict[str, Decision]:
    """The strategies by conflict; ``restStrategy`` stands for all that were not named."""
    decisions = by_conflict(given.decisions)
    if given.rest_strategy is None:
        return decisions
    rest = Decision(strategy_of(given.rest_strategy, "restStrategy"))
    job = await asked.services.records.get_import(asked.caller, given.import_id, asked.reach)
    return dict.fromkeys(reported_conflicts(job, open_only=True), rest) | decisions
