"""What the REST door's answers are made of: the rows and lists inside them, and how a member is described."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

OURS = "(ours)"


def opened(schema: dict[str, Any]) -> None:
    """More members may come (R29), and one that is absent has no value: neither is said of callers' objects."""
    schema.pop("additionalProperties", None)
    for member in schema.get("properties", {}).values():
        member.pop("title", None)
        member.pop("default", None)


def always(text: str) -> Any:
    """A member that is always there."""
    return Field(description=text)


def maybe(text: str) -> Any:
    """A member that is left out where it says nothing."""
    return Field(None, description=text)


def ours(text: str) -> Any:
    """A member of ours that is always there."""
    return always(f"{text} {OURS}")


def ours_maybe(text: str) -> Any:
    """A member of ours that is left out where it says nothing."""
    return maybe(f"{text} {OURS}")


class Shape(BaseModel):
    """An object of an answer."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        frozen=True,
        json_schema_extra=opened,
        defer_build=True,
    )


class OpenShape(Shape):
    """An object whose further members depend on what it tells."""

    model_config = ConfigDict(extra="allow")


Time = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
    Field(json_schema_extra={"examples": ["2026-05-25T09:00:00Z"]}),
]
FineTime = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"), Field(description="UTC")
]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Url = Annotated[str, StringConstraints(pattern=r"^/")]
Count = Annotated[int, Field(ge=0)]
Strategy = Literal["Replace", "Merge", "Skip", "Copy"]
DefaultStrategy = Literal["Replace", "Merge", "Skip", "Copy", "Mirror"]
ScanVerdict = Literal["PASS", "WARN", "FAIL", "ERROR"]
StageWord = Literal[
    "Queued",
    "Download",
    "Upload",
    "Validation",
    "SecurityScan",
    "DependencyCheck",
    "Planning",
    "Installing",
    "PostInstallVerification",
    "Activation",
]
StatusWord = Literal[
    "InProgress", "PendingConflictResolution", "PendingActivation", "Success", "Failed", "Cancelled", "Expired"
]
EventWord = Literal[
    "QUEUED", "STAGE_STARTED", "PROGRESS", "PROBLEM_FOUND", "WAITING", "RESUMED", "STAGE_ENDED", "ENDED"
]
ActionWord = Literal["CREATE", "UPDATE", "MERGE", "COPY", "SKIP", "REMOVE", "UNCHANGED"]


class Retried(Shape):
    """An import that may be another one's new try."""

    retry_of: str = ours_maybe("The import that this one tries again.")


class FixRow(Shape):
    """What could be wished otherwise so that a problem of a plan goes away."""

    fix_id: str = ours("Send it back: `POST …/plans/{planId}/fixes/{fixId}`.")
    label: str = ours("What it does, to show.")
    patch: dict[str, Any] = ours("The options that it sets; the others stay as they are.")


class ErrorRow(OpenShape):
    """One thing that is wrong. Further members say more about it: `artifactId`, `expected`, `cycle`."""

    code: str = always("What is wrong, at its finest. Act on this.")
    field: str = always("Where: a path in the request, the manifest or an artifact; empty when it is the whole.")
    message: str = always("A sentence to show.")
    fixes: list[FixRow] = ours_maybe("What can be sent back to the plan so that it goes away.")


class WarningRow(OpenShape):
    """Something worth knowing that stops nothing. Further members say more about it."""

    warning: str = always("What it is. Act on this.")
    message: str = always("A sentence to show.")
    field: str = maybe("Where: a path in the request, the manifest or an artifact.")
    fixes: list[FixRow] = ours_maybe("What can be sent back to the plan so that it goes away.")


class ManifestArtifact(Shape):
    """One artifact of a package."""

    type: str = always("Its type, such as `ProcessDefinition`.")
    id: str = always("Its id in the tenant that exported it.")
    name: str = always("Its name.")
    version: str = always("Its version.")
    hash: Digest = always("SHA-256 of its file.")
    file: str = maybe("Its file in the ZIP; dependencies are listed without.")


class NeededPackage(Shape):
    """Another package that must be installed before."""

    package_name: str = always("Its name.")
    min_version: str = always("The lowest version that will do.")
    max_version: str = maybe("The lowest version that will not do any more.")


class BindingRow(Shape):
    """A credential or address that does not travel; the target supplies it."""

    artifact_id: str = always("The artifact that needs it.")
    path: str = always("JSON pointer of the place in the artifact.")
    kind: str = always("What kind of value it is.")
    hint: str = always("What to supply.")


class ExternalRow(Shape):
    """An artifact that another package is to bring."""

    artifact_id: str = always("Its id here.")
    type: str = always("Its kind.")
    name: str = always("Its name.")
    package_name: str = always("The package.")
    package_source: str = always("Where that package comes from.")
    source_id: str = always("The artifact's id in that package.")


class ManifestBody(Shape):
    """The whole `manifest.json` of a package."""

    manifest_version: Literal["1.0"] = always("The manifest's own version.")
    package_id: str = always("The package's id.")
    name: str = always("The package's name.")
    package_type: str = always("What its roots are, such as `workflow-package`.")
    version: str = always("The package's version.")
    description: str = maybe("What it is for.")
    author: str = maybe("Who made it.")
    tags: list[str] = always("Words to find it by.")
    exported_at: Time = always("When it was exported.")
    exported_by: str = always("Who exported it.")
    tenant_id: str = always("The tenant it was exported from.")
    platform_version: str = always("The platform it was exported on.")
    checksum: Digest = always("SHA-256 over all artifact files, in install order.")
    artifacts: list[ManifestArtifact] = always("Everything that is in it.")
    dependencies: list[ManifestArtifact] = always("What is in it because something else needs it.")
    package_dependencies: list[NeededPackage] = always("Other packages that must be installed before.")
    install_order: list[str] = always("All artifact ids, each after what it needs.")
    bindings: list[BindingRow] = ours("What the target must supply.")
    external_references: list[ExternalRow] = ours_maybe("What it leaves to other packages to bring.")
    readme_hash: Digest = ours_maybe("SHA-256 of the README.")
    content_checksum: Digest = ours_maybe("SHA-256 of this manifest, in canonical form, without this member.")


class ExportedPackage(Shape):
    """What every answer about an exported package says."""

    package_id: str = always("The package's id, `pkg-…`.")
    package_name: str = always("Its name.")
    version: str = always("Its version; a version is exported once.")
    checksum: Digest = always("SHA-256 over all artifact files: the same artifacts give the same.")
    artifact_count: Count = always("How many artifacts are in it, those that came along included.")
    bundle_download_url: Url = always("Where its ZIP is.")
    exported_at: Time = always("When it was exported.")
    is_success: Literal[True] = always("Always true here; failures are refusals.")
    manifest: ManifestBody = always("Its whole manifest.")
    binding_template: dict[str, str] = ours_maybe("The binding file that a target fills in: every key, no value.")
    binding_properties: str = ours_maybe("The same file as Java properties.")


class ArtifactRow(Shape):
    """An artifact."""

    type: str = always("Its type.")
    id: str = always("Its id.")
    name: str = always("Its name.")


class ResolvedRow(ArtifactRow):
    """An artifact that comes along."""

    resolved_from: str = always("The artifact that needs it, the nearest to a root.")


class DecidedConflict(Shape):
    """A conflict and what was done about it."""

    conflict_id: str | None = ours("Unique in its import, `conf-001`.")
    artifact_name: str = always("The artifact's name.")
    type: str = always("Its type.")
    resolution: Strategy = always("How it was resolved.")
    previous_version: str | None = always("The version that was there before.")
    installed_version: str = always("The version that is there now.")


class ConflictsDecided(Shape):
    """The conflicts of an import that has ended."""

    conflicts: list[DecidedConflict] = always("In install order.")


class InstalledRow(Shape):
    """An artifact that was written."""

    type: str = always("Its type.")
    name: str = always("Its name.")
    action: Literal["Created", "Updated", "Merged", "Copied"] = always("What was done.")


class SkippedRow(Shape):
    """An artifact that was left as it was."""

    type: str = always("Its type.")
    name: str = always("Its name.")
    reason: str = always("Why.")
    existing_version: str | None = always("The version that stays.")
    package_version: str = always("The version that the package brings.")


class DroppedRow(Shape):
    """An artifact that goes because the package does not hold it any more."""

    type: str = ours("Its type.")
    name: str = ours("Its name.")
    artifact_id: str = ours("Its id in the tenant.")


class ActionCounts(Shape):
    """How many artifacts get which action."""

    create: Count = always("New in the tenant.")
    update: Count = always("Replaced under their own ids.")
    merge: Count = always("Merged into what is there.")
    copy_: Count = Field(alias="copy", description="Brought in beside what is there.")
    skip: Count = always("Left as they are.")
    remove: Count = always("Taken away.")
    unchanged: Count = always("There already, the same.")
    open_conflicts: Count = always("Waiting for a decision.")
    blockers: Count = always("What would stop the import.")


class FoundConflict(Shape):
    """A conflict that a dry run found."""

    conflict_id: str | None = ours("Unique in its import, `conf-001`.")
    artifact_name: str = always("The artifact's name.")
    type: str = always("Its type.")
    resolution: Strategy | None = always("How it would be resolved; null while nobody has decided.")


class ActionRow(Shape):
    """What an import would do with one artifact."""

    source_id: str = always("Its id in the package.")
    artifact_name: str = always("Its name.")
    type: str = always("Its type.")
    action: ActionWord | None = always("What would be done; null while its conflict waits for a decision.")
    target_id: str = always("Its id in the tenant afterwards.")
    existing_version: str | None = always("The version that is there; null when none is.")
    package_version: str = always("The version that the package brings.")
    decided_by: Literal["Default", "PerType", "PerArtifact", "PerPath", "NoConflict"] | None = always(
        "Who decided; null while its conflict waits for a decision."
    )


class OpenPath(Shape):
    """A place that both sides changed since the package's last import."""

    pointer: str = ours("Where, as a JSON pointer: send it back with the decision.")
    decided: Literal["package", "existing"] | None = ours("Whose value was chosen; null while it waits.")


class OpenConflict(Shape):
    """A conflict that waits for a decision."""

    conflict_id: str = always("Send it back with the decision.")
    artifact_name: str = always("The artifact's name.")
    type: str = always("Its type.")
    artifact_type: str = always("Its type, under the name that the conflict pages use.")
    existing_version: str | None = always("The version that is there.")
    package_version: str = always("The version that the package brings.")
    merge_supported: bool = always("Whether `Merge` can be chosen.")
    proposed_strategy: Strategy | None = always("What is proposed; null when nothing is.")
    paths: list[OpenPath] = ours_maybe("Where a merge asks whose value stands.")


class ConflictsOpen(Shape):
    """The conflicts that an import waits for."""

    conflicts_found: Count = always("How many.")
    conflicts: list[OpenConflict] = always("In install order.")


class FindingRow(Shape):
    """A suspicious place in an artifact."""

    artifact_type: str = always("The artifact's type.")
    artifact_name: str = always("Its name.")
    field: str = always("Where, such as `nodes[2].config.expression`.")
    value: str = always("What stands there, cut short; of a secret only its kind.")
    rule: str = always("The rule that found it.")
    severity: Literal["Critical", "High", "Medium", "Low"] = always("How bad it is.")
    message: str = always("A sentence to show.")
    artifact_id: str = ours("The artifact's id in the package.")
    pointer: str = ours("The same place as a JSON pointer.")


class CheckRow(Shape):
    """What one family of rules found."""

    check: str = always("The family.")
    result: ScanVerdict = always("Its verdict.")
    findings: list[FindingRow] = always("What it found.")


class FindingCounts(Shape):
    """How many findings there are."""

    total_findings: Count = always("In all.")
    critical: Count = always("Critical ones.")
    high: Count = always("High ones.")
    medium: Count = always("Medium ones.")
    low: Count = always("Low ones.")


class BroughtPackage(Shape):
    """A package of an install."""

    package_name: str = always("Its name.")
    version: str = always("Its version.")
    package_id: str = always("Its listing.")
    trust_level: Literal["Official", "Certified", "Community"] = always("How far it was looked at.")
    artifacts: Count = always("How many artifacts it holds.")


# installhub.md section 12
class Powers(Shape):
    """What packages can do once they are installed."""

    hosts: list[str] = ours("Hosts that they call.")
    reads: dict[str, list[str]] = ours("Fields that they read, by the entity's id.")
    writes: dict[str, list[str]] = ours("Fields that they write, by the entity's id.")
    agent_tools: list[str] = ours("Tools that their agents use.")
    entities: dict[str, str] = ours("Names of these entities, by id.")


class MappedEndpointRow(Shape):
    """An address of an artifact that an endpoint mapping changed."""

    artifact_id: str = ours("The artifact, by its id in the package.")
    pointer: str = ours("Where, as a JSON pointer.")
    source: str = ours("The source of the mapping that it met.")
    before: str = ours("What the package has there.")
    after: str = ours("What the tenant gets.")


# akana.md section 7
class EndpointsMapped(Shape):
    """What an endpoint mapping does to the artifacts."""

    count: Count = ours("How many addresses it changes.")
    endpoints: list[MappedEndpointRow] = ours("The first hundred of them.")
    unknown_source_count: Count = ours("How many of its sources stand nowhere in the package.")
    unknown_sources: list[str] = ours("The first hundred of those.")
