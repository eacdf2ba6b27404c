"""What mutations take. A tenant is named by its own id or by its Node id, whichever is at hand."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import import_model
from domain.artifact_types import ArtifactType
from domain.authoring import ArtifactDraft
from domain.errors import ErrorCode, refuse
from domain.import_model import ConflictStrategy, ImportKind, ImportState, UnresolvedBindings
from domain.model import PackageType, TenantPlan, TenantStatus
from schema.scalars import Json

IDEMPOTENCY_KEY = (
    "Your own name for this request, 1 to 255 visible ASCII characters: sent again, it gives the first answer again."
)
_NAME_MAX = 320


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
    strategy: ConflictStrategy = strawberry.field(description="What to do with those already there.")


@strawberry.input(description="A value that never travels, such as a credential.")
class BindingInput:
    key: strawberry.ID = strawberry.field(description="The artifact's id in the package and the JSON pointer in it.")
    value: str = strawberry.field(description="The value in this tenant.")


@strawberry.input(description="REST's options of an import: same meaning, same defaults.")
class ImportOptionsInput:
    default_strategy: ConflictStrategy | None = strawberry.field(
        default=None, description="For artifacts already there; left out: the import waits for decisions."
    )
    strategy_by_type: list[TypeStrategyInput] | None = strawberry.field(
        default=None, description="Goes before the default."
    )
    merge_fallback: ConflictStrategy | None = strawberry.field(
        default=ConflictStrategy.SKIP, description="REPLACE or SKIP, where MERGE is asked for but not offered."
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
    imported_by: str | None = strawberry.field(
        default=None, description="For service accounts: the person it is done for, 1 to 320 characters."
    )

    def options(self, *, is_dry_run: bool) -> import_model.ImportOptions:
        by_type = {row.artifact_type: row.strategy for row in self.strategy_by_type or ()}
        if len(by_type) < len(self.strategy_by_type or ()):
            text = "A kind of artifact stands twice in strategyByType."
            raise refuse(ErrorCode.INVALID_OPTIONS, text, "options.strategyByType")
        if self.merge_fallback is ConflictStrategy.MERGE:
            text = "mergeFallback stands in where MERGE is not offered: it is REPLACE or SKIP."
            raise refuse(ErrorCode.INVALID_OPTIONS, text, "options.mergeFallback")
        if self.imported_by is not None and not 0 < len(self.imported_by) <= _NAME_MAX:
            text = f"importedBy has 1 to {_NAME_MAX} characters."
            raise refuse(ErrorCode.INVALID_OPTIONS, text, "options.importedBy")
        return import_model.ImportOptions(
            default_strategy=self.default_strategy,
            strategy_by_type=by_type,
            merge_fallback=self.merge_fallback or ConflictStrategy.SKIP,
            allow_version_downgrade=bool(self.allow_version_downgrade),
            allow_major_version_upgrade=bool(self.allow_major_version_upgrade),
            allow_security_warnings=bool(self.allow_security_warnings),
            backup_before_replace=bool(self.backup_before_replace),
            dry_run=is_dry_run,
            imported_by=self.imported_by,
            bindings={str(row.key): row.value for row in self.bindings or ()},
            unresolved_bindings=self.unresolved_bindings or UnresolvedBindings.REFUSE,
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
    request: InstallRequestInput | None = strawberry.field(
        default=strawberry.UNSET, description="Plan and apply at once."
    )


@strawberry.input(one_of=True, description="What to plan.")
class PlanImportInput:
    import_package: ImportRequestInput | None = strawberry.field(default=strawberry.UNSET, description="An import.")
    install_package: InstallRequestInput | None = strawberry.field(default=strawberry.UNSET, description="An install.")


@strawberry.input(one_of=True, description="What to import.")
class ImportPackageInput:
    request: ImportRequestInput | None = strawberry.field(
        default=strawberry.UNSET, description="Plan and apply at once."
    )


@strawberry.input(description="What is done about one conflict.")
class ArtifactDecisionInput:
    conflict_key: strawberry.ID = strawberry.field(description="The conflict.")
    strategy: ConflictStrategy = strawberry.field(description="What to do.")


@strawberry.input(one_of=True, description="One decision.")
class DecisionInput:
    artifact: ArtifactDecisionInput | None = strawberry.field(
        default=strawberry.UNSET, description="About a whole artifact."
    )


@strawberry.input(description="Decisions for an import that waits for them.")
class ResolveConflictsInput:
    import_id: strawberry.ID = strawberry.field(description="The import.")
    decisions: list[DecisionInput] = strawberry.field(description="One for each conflict; no conflict twice.")
    rest_strategy: ConflictStrategy | None = strawberry.field(
        default=None, description="For all conflicts that still wait."
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
