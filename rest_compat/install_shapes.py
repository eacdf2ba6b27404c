"""What the routes of installs answer, described (source: marketplace-install; installhub.md section 10.1; R30)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import RootModel, StringConstraints

from rest_compat.answers import DryRunAnswer
from rest_compat.questions import OptionsRequest, with_example
from rest_compat.shapes import (
    BroughtPackage,
    ConflictsOpen,
    Count,
    EndpointsMapped,
    ErrorRow,
    Powers,
    ScanVerdict,
    Shape,
    StageWord,
    Time,
    Url,
    WarningRow,
    always,
    maybe,
    ours,
    ours_maybe,
)

InstallStage = Literal[
    "Queued",
    "Downloading",
    "Validation",
    "SecurityScan",
    "DependencyCheck",
    "Planning",
    "Installing",
    "PostInstallVerification",
    "Activation",
]
VersionText = Annotated[str, StringConstraints(max_length=128)]


class InstallRequest(OptionsRequest):
    """What to install, and how: the options of an import besides."""

    model_config = with_example({"targetTenantId": "acme-prod", "defaultConflictStrategy": "Replace"})

    version: VersionText = maybe("The version; the latest when it is not given.")
    acknowledge_community_package: bool = maybe(
        "Required where a Community package is among what would be installed: you know what that means."
    )


class PreviewInstallRequest(Shape):
    """What an install would bring."""

    model_config = with_example({"targetTenantId": "acme-prod"})

    version: VersionText = maybe("The version; the latest when it is not given.")
    target_tenant_id: str = maybe("The tenant; else `X-Tenant-Id`, else the token's own.")


class InstallStarted(Shape):
    """The install is on its way."""

    install_id: str = always("Its id, `mkt-install-…`.")
    status: Literal["InProgress", "Success", "Failed"] = always("How it stands.")
    status_url: Url = always("Where to look how it stands.")
    estimated_seconds: Count = always("How long such an install took before.")
    warnings: list[WarningRow] = ours_maybe("What is worth knowing about the request.")


class UnacknowledgedPackage(Shape):
    """A Community package of an install."""

    package_name: str = always("Its name.")
    version: str = always("Its version.")
    package_id: str = always("Its listing.")


class AcknowledgmentDemand(Shape):
    """A Community package is among what would be installed, and nobody said that this is known."""

    error: Literal["AcknowledgmentRequired"] = always("Always this.")
    message: str = always("What to send.")
    packages: list[UnacknowledgedPackage] = ours_maybe("Which ones, where it is not the only package.")


class InstallGoing(Shape):
    """An install on its way."""

    status: Literal["InProgress"] = always("Always this.")
    stage: InstallStage = always("Where it is.")
    progress: str = always("`3 of 5 artifacts installed`.")


class InstallWaiting(InstallGoing):
    """An install that waits for decisions about its conflicts."""

    waiting_for: Literal["ConflictResolution"] = ours("What it waits for.")
    import_id: str = ours("The import that waits.")
    resume_url: Url = ours("Where to send the decisions.")
    expires_at: Time | None = ours("When it is given up.")
    conflict_report: ConflictsOpen = ours("What to decide.")


class InstallHeld(InstallGoing):
    """An install that is held and verified, and waits to be switched on."""

    waiting_for: Literal["Activation"] = ours("What it waits for.")
    import_id: str = ours("The import that waits.")
    activate_url: Url = ours("Where to switch it on.")
    expires_at: Time | None = ours("When it is given up.")


class InstallDone(Shape):
    """An install that ended well."""

    status: Literal["Success"] = always("Always this.")
    import_id: str = always("Its import.")
    artifacts_installed: Count = always("Artifacts that are now in the tenant as decided.")
    conflicts_resolved: Count = always("Conflicts that got a decision.")
    completed_at: Time = always("When everything became active, at once.")
    dry_run: DryRunAnswer = ours_maybe("What it would do, where that was all that was asked.")


class InstallFailed(Shape):
    """An install that ended, the tenant being as it was."""

    status: Literal["Failed"] = always("Always this.")
    stage: StageWord | Literal["Download"] = always("Where it ended.")
    error: str = always("Why. Act on this.")
    message: str = always("A sentence to show.")
    rolled_back: Literal[True] = always("Nothing of it is left in the tenant.")


class InstallStatus(RootModel[InstallGoing | InstallWaiting | InstallHeld | InstallDone | InstallFailed]):
    """An install as it now stands."""


class WouldInstall(Shape):
    """An artifact that an install would write."""

    type: str = always("Its type.")
    name: str = always("Its name.")
    action: str = always("What would be done.")


class WouldConflict(Shape):
    """An artifact that is there already."""

    type: str = always("Its type.")
    name: str = always("Its name.")
    existing_version: str | None = always("The version that is there.")
    package_version: str = always("The version that would come.")
    default_action: str | None = always("What would be done without a decision; null: it would wait for one.")


class DependenciesCheck(Shape):
    """Whether what the package needs is in the tenant."""

    satisfied: bool = always("Whether all of it is.")
    missing: list[str] = always("What is not, and would come along: `name@version`.")


class PlatformCheck(Shape):
    """Whether the package suits the tenant's platform."""

    compatible: bool = always("Whether it can be installed there.")
    package_platform: str = always("The platform it was made on.")
    target_platform: str = always("The tenant's.")


class InstallPreview(Shape):
    """What an install would do. Nothing was written."""

    package_id: str = always("The listing.")
    version: str = always("The version.")
    target_tenant_id: str = always("The tenant.")
    would_install: list[WouldInstall] = always("What would be written.")
    conflicts: list[WouldConflict] = always("What is there already.")
    package_dependencies_check: DependenciesCheck = always("What it needs.")
    security_scan_result: ScanVerdict = always("What the security scan said.")
    platform_compatibility: PlatformCheck = always("The platforms.")
    estimated_install_time: Count = always("How many seconds such an install took before.")
    packages: list[BroughtPackage] = ours("Every package that would come, what is needed first.")
    index_version: Count = ours_maybe("The version of the hub's index that this was resolved against.")
    blockers: list[ErrorRow] = ours("What would stop the install.")
    warnings: list[WarningRow] = ours("What is worth knowing.")
    powers: Powers = ours("What the packages will be able to do.")
    new_powers: Powers = ours("What of that the versions in the tenant cannot do.")
    endpoints_mapped: EndpointsMapped = ours_maybe("What the endpoint mapping would do, where one was sent.")
    plan_id: str = ours("The plan behind this.")
