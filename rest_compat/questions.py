"""What callers may send, described for the OpenAPI document: the forms of :mod:`rest_compat.wishes` in callers' words.

The forms let pass what the domain judges with everything else; here stands what a good request holds. A test keeps
the members of both equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from domain.artifact_types import BY_WIRE_NAME
from rest_compat import deciding, wishes
from rest_compat.deciding import DECISIONS_MAX
from rest_compat.shapes import DefaultStrategy, Shape, Strategy, always, maybe, opened, ours, ours_maybe

Name = Annotated[str, StringConstraints(max_length=128)]
_OPTIONS = {"targetTenantId": "acme-prod", "defaultConflictStrategy": "Replace"}
PackageTypeWord = Literal["workflow-package", "form-package", "app-package", "agent-package", "config-package"]
DependencyWord = Literal["Include", "Refer"]


def with_example(example: Mapping[str, Any], **more: Any) -> ConfigDict:
    """A form with an example, as a command line may send it."""

    def described(schema: dict[str, Any]) -> None:
        opened(schema)
        schema.update(more, examples=[dict(example)])

    return ConfigDict(json_schema_extra=described)


class NeededPackageRequest(Shape):
    """Another package that must be installed before."""

    package_name: str = always("Its name.")
    min_version: str = always("The lowest version that will do.")
    max_version: str = maybe("The lowest version that will not do any more.")


# A2
class ExportRequest(Shape):
    """What to export."""

    model_config = with_example(
        {
            "tenantId": "acme-dev",
            "packageName": "Employee Onboarding",
            "packageType": "workflow-package",
            "version": "1.0.0",
            "artifactIds": ["proc-1001"],
        }
    )

    tenant_id: Name = maybe("The tenant; else `X-Tenant-Id`, else the token's own.")
    package_name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = always("The package's name.")
    package_type: PackageTypeWord = always("What its roots are.")
    version: str = always("Its version, as Semantic Versioning has it. A version is exported once.")
    description: Annotated[str, StringConstraints(max_length=500)] = maybe("What it is for.")
    author: Annotated[str, StringConstraints(max_length=100)] = maybe("Who made it.")
    tags: Annotated[list[str], Field(max_length=10)] = maybe("Words to find it by.")
    artifact_ids: Annotated[list[Name], Field(min_length=1)] = always("The roots; what they need comes along.")
    package_dependencies: Annotated[list[NeededPackageRequest], Field(max_length=100)] = ours_maybe(
        "Other packages that must be installed before."
    )
    dependency_mode: DependencyWord = ours_maybe(
        "`Refer` leaves what other installed packages brought to them, and needs them. `Include` if not given."
    )


# A2
class PreviewRequest(Shape):
    """Which roots to look at."""

    model_config = with_example({"tenantId": "acme-dev", "artifactIds": ["proc-1001"]})

    tenant_id: Name = maybe("The tenant; else `X-Tenant-Id`, else the token's own.")
    artifact_ids: Annotated[list[Name], Field(min_length=1)] = always("The roots; what they need comes along.")
    package_name: Annotated[str, StringConstraints(max_length=100)] = ours_maybe(
        "The package's name, for `suggestedVersion`, and to tell its own artifacts from those of other packages."
    )
    dependency_mode: DependencyWord = ours_maybe("As the export would have it.")


# A1; installhub.md section 8.2
class PathRequest(Shape):
    """Whose value stands at a place that both sides changed."""

    pointer: str = always("The place, as the conflict's `paths` names it; empty: all that are not named.")
    take: Literal["package", "existing"] = always("The side.")


class DecisionRequest(Shape):
    """What is done about an artifact: a strategy, sides of its paths where it is merged, or both."""

    strategy: Strategy = maybe("What to do about it; may be left out where paths are decided.")
    paths: Annotated[list[PathRequest], Field(max_length=DECISIONS_MAX)] = ours_maybe(
        "Sides of places that the tenant and the package both changed; each place once."
    )


class ArtifactDecisionRequest(DecisionRequest):
    """A decision sent with an import."""

    artifact_id: Name = ours("The artifact, by its id in the package.")


class OptionsRequest(Shape):
    """How to import."""

    model_config = with_example(_OPTIONS)

    plan_id: Name = ours_maybe("A plan that is to be applied as it was shown; then it has all other options.")
    target_tenant_id: Name = maybe("The tenant; else `X-Tenant-Id`, else the token's own.")
    default_conflict_strategy: DefaultStrategy = maybe(
        "For every conflict. Without it, an import waits for decisions. `Mirror` is `Replace` with `removeDropped`."
    )
    conflict_strategy: DefaultStrategy = maybe("Another name of `defaultConflictStrategy`.")
    conflict_strategy_overrides: Annotated[
        dict[str, Strategy], Field(json_schema_extra={"propertyNames": {"enum": list(BY_WIRE_NAME)}})
    ] = maybe("By artifact type; goes before the default.")
    decisions: Annotated[list[ArtifactDecisionRequest], Field(max_length=DECISIONS_MAX)] = ours_maybe(
        "By artifact, and by path in it; goes before every strategy. Each artifact once."
    )
    merge_fallback_strategy: Literal["Replace", "Skip"] = maybe("Where `Merge` is not supported; `Skip` if not given.")
    backup_before_replace: bool = maybe("Export what will be replaced, as a package of its own, before it is.")
    remove_dropped: bool = ours_maybe(
        "Remove what an earlier version of the package brought and this one does not hold. With `Replace` or `Merge`."
    )
    allow_version_downgrade: bool = maybe("Let an older version replace a newer one.")
    allow_major_version_upgrade: bool = maybe(
        "Let a new major version in. Needs `installhub:import:override-major-version`."
    )
    allow_security_warnings: bool = maybe(
        "Go on when the scan warns. Needs `installhub:import:override-security-warnings`."
    )
    dry_run: bool = maybe("Plan and write nothing; the same as `?dryRun=true`.")
    imported_by: Annotated[str, StringConstraints(min_length=1, max_length=320)] = maybe(
        "On whose behalf; only a service account's word is taken."
    )
    bindings: dict[str, str] = ours_maybe(
        "Values for what does not travel, by `bindings` of the manifest: artifact id and path, written together."
    )
    endpoint_mapping: dict[str, str] = ours_maybe(
        "Addresses that the package's artifacts call, and the address that stands for each here. An address is met as"
        " it stands, or on a path boundary as the beginning of a longer one; the longest counts. http and https only."
    )
    unresolved_bindings: Literal["Refuse", "ImportSwitchedOff"] = ours_maybe(
        "What happens to an artifact without its values; `Refuse` if not given."
    )
    activation: Literal["Automatic", "Manual"] = ours_maybe(
        "`Manual`: hold and verify everything, and wait for `…/activate`, up to seven days. `Automatic` if not given."
    )
    reason: Annotated[str, StringConstraints(max_length=500)] = ours_maybe("Why, for the audit.")


# A1, URL reference
class ReferenceRequest(Shape):
    """What to import, when the server has its bytes already."""

    model_config = with_example(
        {"sourcePackageId": "pkg-a3f9c821-4b2e-49d1-bc44-f7e2a1c09d33", "options": _OPTIONS},
        oneOf=[{"required": ["sourcePackageId"]}, {"required": ["uploadId"]}, {"required": ["planId"]}],
    )

    source_package_id: Name = maybe("A package that this server exported. It, `uploadId` or `planId`.")
    upload_id: Name = ours_maybe("A ZIP that was uploaded. It, `sourcePackageId` or `planId`.")
    plan_id: Name = ours_maybe("A plan that is to be applied as it was shown. It, `sourcePackageId` or `uploadId`.")
    options: OptionsRequest = maybe("How to import it.")


class ResolutionRequest(DecisionRequest):
    """The decision about one conflict."""

    conflict_id: Name = always("Which conflict.")


class ResumeRequest(Shape):
    """Decisions for an import that waits."""

    model_config = with_example({"resolutions": [{"conflictId": "conf-001", "strategy": "Replace"}]})

    resolutions: list[ResolutionRequest] = always("Each conflict once.")


#: the description of each form that the door reads
DESCRIBED: Mapping[type[BaseModel], type[BaseModel]] = {
    wishes.DependencyBody: NeededPackageRequest,
    wishes.ExportBody: ExportRequest,
    wishes.PreviewBody: PreviewRequest,
    wishes.OptionsBody: OptionsRequest,
    wishes.ReferenceBody: ReferenceRequest,
    deciding.PathBody: PathRequest,
    deciding.ArtifactDecisionBody: ArtifactDecisionRequest,
    deciding.ResolutionBody: ResolutionRequest,
    deciding.ResumeBody: ResumeRequest,
}
