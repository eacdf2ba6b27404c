"""What mutations take. A tenant is named by its own id or by its Node id, whichever is at hand."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import import_model
from domain.artifact_types import ArtifactType
from domain.edits import ArtifactDraft
from domain.errors import ErrorCode, refuse
from domain.import_model import ImportKind, ImportState
from domain.model import PackageType, Protection, TenantPlan, TenantStatus
from domain.options import Activation, BlockerChoice, ImportOptions, StrategyWish, UnresolvedBindings
from domain.referring import DependencyMode
from domain.tenant_changes import TenantChange
from schema.decisions import DecisionInput, by_artifact, strategy_of
from schema.endpoints import EndpointMappingInput, targets_of
from schema.scalars import Json

IDEMPOTENCY_KEY = (
    "Your own name for this request, 1 to 255 visible ASCII characters: sent again, it gives the first answer again."
)
_NAME_MAX = 320
_REASON_MAX = 500


@strawberry.input(description="A tenant to be made.")
class CreateTenantInput:
    tenant_id: strawberry.ID = strawberry.field(
        description="1 to 100 letters, digits, dots, hyphens or underscores; tokens and REST know it by this."
    )
    tenant_plan: TenantPlan | None = strawberry.field(
        default=TenantPlan.STANDARD, description="Decides how large an import may be."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="What of a tenant is to change; what is left out stays.")
class UpdateTenantInput:
    id: strawberry.ID = strawberry.field(description="The tenant.")
    tenant_plan: TenantPlan | None = strawberry.field(default=None, description="Its new plan.")
    status: TenantStatus | None = strawberry.field(default=None, description="Its new status.")
    freeze_reason: str | None = strawberry.field(
        default=None, description="Freezes it: no new import begins. Why, in 1 to 500 characters."
    )
    unfreeze: bool | None = strawberry.field(default=False, description="Lets imports begin again.")
    approvals_needed: int | None = strawberry.field(
        default=None, description="How many others must agree to a plan before it is applied, 0 to 10."
    )
    protect_installed: Protection | None = strawberry.field(
        default=None, description="What happens when somebody edits what a package put there."
    )
    accepts_warnings: bool | None = strawberry.field(
        default=None, description="Whether the Akana-compatible door lets a scan's warnings pass."
    )

    def change(self) -> TenantChange:
        return TenantChange(
            plan=self.tenant_plan,
            status=self.status,
            approvals_needed=self.approvals_needed,
            protect_installed=self.protect_installed,
            accepts_warnings=self.accepts_warnings,
            freeze_reason=self.freeze_reason,
            unfreeze=bool(self.unfreeze),
        )


@strawberry.input(description="An artifact to be saved, as a draft.")
class ArtifactInput:
    artifact_type: ArtifactType = strawberry.field(description="Its kind.")
    artifact_id: str | None = strawberry.field(default=None, description="Its id; left out: a new one is made.")
    name: str = strawberry.field(description="Its name, unique among the tenant's artifacts of this kind.")
    version: str = strawberry.field(description="Its semantic version.")
    content: Json = strawberry.field(description="The artifact itself, a JSON object.")
    if_revision: int | None = strawberry.field(
        default=None, description="Refuse with REVISION_CONFLICT unless this is the active one; 0: must be new."
    )

    def draft(self, place: int) -> ArtifactDraft:
        if not isinstance(self.content, dict):
            raise refuse(ErrorCode.ARTIFACT_INVALID, "The content is no JSON object.", f"save[{place}].content")
        return ArtifactDraft(
            artifact_type=self.artifact_type,
            artifact_id=self.artifact_id,
            name=self.name,
            version=self.version,
            content=self.content,
            if_revision=self.if_revision,
        )


@strawberry.input(description="Saves, then publishes, archives and removals: all of them, or none.")
class ChangeArtifactsInput:
    tenant_id: strawberry.ID = strawberry.field(description="Whose artifacts.")
    save: list[ArtifactInput] | None = strawberry.field(default=None, description="Artifacts to write.")
    publish: list[str] | None = strawberry.field(default=None, description="Artifact ids.")
    archive: list[str] | None = strawberry.field(default=None, description="Artifact ids.")
    remove: list[str] | None = strawberry.field(default=None, description="Artifact ids; they are never used again.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="A package that must be installed where this one is.")
class PackageDependencyInput:
    package_name: str = strawberry.field(description="Its name.")
    min_version: str = strawberry.field(description="The lowest version that will do.")
    max_version: str | None = strawberry.field(default=None, description="The lowest version that will not do.")


@strawberry.input(description="A package to be made.")
class ExportPackageInput:
    tenant_id: strawberry.ID = strawberry.field(description="Whose artifacts.")
    package_name: str = strawberry.field(description="1 to 100 printable characters, no slashes.")
    package_type: PackageType = strawberry.field(description="What it is mainly made of.")
    version: str = strawberry.field(description="A semantic version that this name does not have yet.")
    artifact_ids: list[str] = strawberry.field(description="The roots; what they need comes along.")
    description: str | None = strawberry.field(default=None, description="At most 500 characters.")
    author: str | None = strawberry.field(default=None, description="At most 100 characters.")
    tags: list[str] | None = strawberry.field(default=None, description="At most 10 words to find it by.")
    package_dependencies: list[PackageDependencyInput] | None = strawberry.field(
        default=None, description="Packages that must be there before."
    )
    dependency_mode: DependencyMode | None = strawberry.field(
        default=DependencyMode.INCLUDE,
        description="REFER leaves what other installed packages brought to those packages, and needs them.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(one_of=True, description="Where the bundle comes from.")
class ImportSourceInput:
    upload_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A ZIP that this caller sent to `POST /api/installhub/uploads`."
    )
    package_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="An export of this server, of any tenant the token reaches."
    )


@strawberry.input(description="A strategy for one kind of artifact.")
class TypeStrategyInput:
    artifact_type: ArtifactType = strawberry.field(description="The kind.")
    strategy: StrategyWish = strawberry.field(description="What to do with those already there; not MIRROR.")


@strawberry.input(description="A value that never travels, such as a credential.")
class BindingInput:
    key: strawberry.ID = strawberry.field(description="The artifact's id in the package and the JSON pointer in it.")
    value: str = strawberry.field(description="The value in this tenant.")


_APPLY = "Apply this plan exactly as it was shown; again answers the same import."


@strawberry.input(description="REST's options of an import: same meaning, same defaults.")
class ImportOptionsInput:
    default_strategy: StrategyWish | None = strawberry.field(
        default=None, description="For artifacts already there; left out: the import waits for decisions."
    )
    strategy_by_type: list[TypeStrategyInput] | None = strawberry.field(
        default=None, description="Goes before the default."
    )
    decisions: list[DecisionInput] | None = strawberry.field(
        default=None,
        description="By artifact, and by place in it; goes before every strategy. Nothing is decided twice.",
    )
    merge_fallback: StrategyWish | None = strawberry.field(
        default=StrategyWish.SKIP, description="REPLACE or SKIP, where MERGE is asked for but not offered."
    )
    remove_dropped: bool | None = strawberry.field(
        default=False,
        description="Remove what an earlier version of the package brought and this one does not hold."
        " With REPLACE or MERGE as the default.",
    )
    backup_before_replace: bool | None = strawberry.field(
        default=False, description="Keep what will be replaced or merged as a package of the tenant."
    )
    allow_version_downgrade: bool | None = strawberry.field(default=False, description="Older versions may come in.")
    allow_major_version_upgrade: bool | None = strawberry.field(
        default=False, description="A new major version may come in; needs a permission of its own."
    )
    allow_security_warnings: bool | None = strawberry.field(
        default=False, description="Warnings of the scan do not block; needs a permission of its own."
    )
    bindings: list[BindingInput] | None = strawberry.field(default=None, description="Values that never travel.")
    unresolved_bindings: UnresolvedBindings | None = strawberry.field(
        default=UnresolvedBindings.REFUSE, description="What happens where such a value is missing."
    )
    endpoint_mapping: list[EndpointMappingInput] | None = strawberry.field(
        default=None, description="Addresses that the package's artifacts call, and what stands for each in the tenant."
    )
    imported_by: str | None = strawberry.field(
        default=None, description="For service accounts: the person it is done for, 1 to 320 characters."
    )
    activation: Activation | None = strawberry.field(
        default=Activation.AUTOMATIC, description="When what is held and verified is switched on."
    )
    reason: str | None = strawberry.field(default=None, description="Why, for the audit; at most 500 characters.")

    def options(self, *, is_dry_run: bool) -> ImportOptions:
        by_type = {
            row.artifact_type: strategy_of(row.strategy, "options.strategyByType")
            for row in self.strategy_by_type or ()
        }
        if len(by_type) < len(self.strategy_by_type or ()):
            text = "A kind of artifact stands twice in strategyByType."
            raise refuse(ErrorCode.INVALID_OPTIONS, text, "options.strategyByType")
        if self.merge_fallback not in (None, StrategyWish.REPLACE, StrategyWish.SKIP):
            text = "mergeFallback stands in where MERGE is not offered: it is REPLACE or SKIP."
            raise refuse(ErrorCode.INVALID_OPTIONS, text, "options.mergeFallback")
        if self.imported_by is not None and not 0 < len(self.imported_by) <= _NAME_MAX:
            text = f"importedBy has 1 to {_NAME_MAX} characters."
            raise refuse(ErrorCode.INVALID_OPTIONS, text, "options.importedBy")
        if len(self.reason or "") > _REASON_MAX:
            raise refuse(ErrorCode.INVALID_OPTIONS, f"A reason has at most {_REASON_MAX} characters.", "options.reason")
        return ImportOptions(
            default_strategy=self.default_strategy.strategy if self.default_strategy else None,
            strategy_by_type=by_type,
            decisions=by_artifact(self.decisions or ()),
            remove_dropped=self.default_strategy is StrategyWish.MIRROR or bool(self.remove_dropped),
            merge_fallback=(self.merge_fallback or StrategyWish.SKIP).strategy,
            allow_version_downgrade=bool(self.allow_version_downgrade),
            allow_major_version_upgrade=bool(self.allow_major_version_upgrade),
            allow_security_warnings=bool(self.allow_security_warnings),
            backup_before_replace=bool(self.backup_before_replace),
            dry_run=is_dry_run,
            imported_by=self.imported_by,
            bindings={str(row.key): row.value for row in self.bindings or ()},
            endpoint_mapping=targets_of(self.endpoint_mapping),
            unresolved_bindings=self.unresolved_bindings or UnresolvedBindings.REFUSE,
            activation=self.activation or Activation.AUTOMATIC,
            reason=(self.reason or "").strip(),
        )


@strawberry.input(description="What to import, where to, and how.")
class ImportRequestInput:
    tenant_id: strawberry.ID = strawberry.field(description="The tenant that is to have it.")
    source: ImportSourceInput = strawberry.field(description="The bundle.")
    options: ImportOptionsInput | None = strawberry.field(default=None, description="How.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="What to install from the marketplace, where to, and how.")
class InstallRequestInput:
    tenant_id: strawberry.ID = strawberry.field(description="The tenant that is to have it.")
    listing_id: strawberry.ID = strawberry.field(description="The package.")
    version: str | None = strawberry.field(default=None, description="The version; left out: the latest.")
    options: ImportOptionsInput | None = strawberry.field(default=None, description="How.")
    acknowledge_community_package: bool | None = strawberry.field(
        default=False, description="Required where a Community package is among what would be installed."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(one_of=True, description="What to install.")
class InstallPackageInput:
    plan_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_APPLY)
    request: InstallRequestInput | None = strawberry.field(
        default=strawberry.UNSET, description="Plan and apply at once."
    )


@strawberry.input(description="An import to be taken back, or an undo.")
class RollbackRequestInput:
    import_id: strawberry.ID = strawberry.field(description="One that succeeded.")
    blockers: BlockerChoice | None = strawberry.field(
        default=BlockerChoice.REFUSE, description="What is done about what was built on it since."
    )
    reason: str | None = strawberry.field(default=None, description="Why, for the audit; at most 500 characters.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="A package to be taken back with all that it brought.")
class UninstallRequestInput:
    tenant_id: strawberry.ID = strawberry.field(description="Where.")
    package_name: str = strawberry.field(description="Its name, in any case.")
    source: str | None = strawberry.field(
        default=None, description="Where it came from, if several packages have the name."
    )
    blockers: BlockerChoice | None = strawberry.field(
        default=BlockerChoice.REFUSE, description="What is done about what was built on it since."
    )
    reason: str | None = strawberry.field(default=None, description="Why, for the audit; at most 500 characters.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(one_of=True, description="What to plan.")
class PlanImportInput:
    import_package: ImportRequestInput | None = strawberry.field(default=strawberry.UNSET, description="An import.")
    install_package: InstallRequestInput | None = strawberry.field(default=strawberry.UNSET, description="An install.")
    rollback_import: RollbackRequestInput | None = strawberry.field(default=strawberry.UNSET, description="An undo.")
    uninstall_package: UninstallRequestInput | None = strawberry.field(
        default=strawberry.UNSET, description="The undo of all that a package brought."
    )


@strawberry.input(one_of=True, description="What to import.")
class ImportPackageInput:
    plan_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_APPLY)
    request: ImportRequestInput | None = strawberry.field(
        default=strawberry.UNSET, description="Plan and apply at once."
    )


@strawberry.input(description="Decisions for an import that waits for them.")
class ResolveConflictsInput:
    import_id: strawberry.ID = strawberry.field(description="The import.")
    decisions: list[DecisionInput] = strawberry.field(description="No conflict twice, no place twice.")
    rest_strategy: StrategyWish | None = strawberry.field(
        default=None, description="For all conflicts that still wait; not MIRROR."
    )


@strawberry.input(description="An import to be stopped.")
class CancelImportInput:
    import_id: strawberry.ID = strawberry.field(description="The import.")


@strawberry.input(description="An import to be tried again.")
class RetryImportInput:
    import_id: strawberry.ID = strawberry.field(description="One that failed, was cancelled or expired.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="Which imports a list shows.")
class ImportFilter:
    tenant_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Only these tenants'.")
    states: list[ImportState] | None = strawberry.field(default=None, description="Only these states.")
    kinds: list[ImportKind] | None = strawberry.field(default=None, description="Only these kinds.")
    package_name: str | None = strawberry.field(default=None, description="Only this package, in any case.")
    package_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only imports of this package, by the id its manifest or export gave it."
    )
    submitted_by: str | None = strawberry.field(
        default=None, description="Only what this person asked for: the e-mail address, else the subject."
    )
    imported_by: str | None = strawberry.field(default=None, description="Only by this person, as `importedBy` shows.")
    since: datetime | None = strawberry.field(default=None, description="Submitted at or after this time.")
    until: datetime | None = strawberry.field(default=None, description="Submitted before this time.")
    expires_before: datetime | None = strawberry.field(
        default=None, description="Only waiting ones that are given up before this time."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Only what was submitted under this key: finds an answer that was lost."
    )
    include_dry_runs: bool | None = strawberry.field(default=False, description="Plans as well.")

    def wanted(self) -> import_model.ImportFilter:
        return import_model.ImportFilter(
            states=tuple(dict.fromkeys(self.states or ())),
            kinds=tuple(dict.fromkeys(self.kinds or ())),
            package_name=self.package_name or "",
            package_id=self.package_id or "",
            submitted_by=self.submitted_by or "",
            imported_by=self.imported_by or "",
            since=self.since,
            until=self.until,
            expires_before=self.expires_before,
            idempotency_key=self.idempotency_key or "",
            include_dry_runs=bool(self.include_dry_runs),
        )
