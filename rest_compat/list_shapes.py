"""What the REST door's lists are made of, and the rows about conflicts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rest_compat.going_shapes import QueuePlace, TimeLeft
from rest_compat.shapes import (
    Count,
    Digest,
    NeededPackage,
    Retried,
    Shape,
    StageWord,
    StatusWord,
    Strategy,
    Time,
    Url,
    always,
    maybe,
    ours,
    ours_maybe,
)


class CountedPage(Shape):
    """One page of a list that is counted."""

    total_count: Count = always("How many there are on all pages.")
    page: Annotated[int, Field(ge=1)] = always("Which page this is; the first is 1.")
    page_size: Annotated[int, Field(ge=1)] = always("How many a page holds at most.")


class ListedImport(Retried):
    """An import in a list: whose it is and how it stands. What it found and did it tells alone."""

    import_id: str = always("The import's id.")
    status: StatusWord = always("How the import stands.")
    stage: StageWord = maybe("Where it is, or where it ended without success.")
    progress: str = maybe("`3 of 5 artifacts installed`, while it goes on.")
    last_event: Count = maybe("The number of its last event, while it goes on.")
    events_url: Url = maybe("Where its events are, while it goes on.")
    queue: QueuePlace = maybe("Its place in line, while it is there.")
    eta: TimeLeft = maybe("The time that is left, where past runs tell it.")
    resume_url: Url = maybe("Where to send the decisions that it waits for.")
    activate_url: Url = maybe("Where to switch it on, once it is held for that.")
    expires_at: Time | None = maybe("When it is given up, while it waits for somebody.")
    ended_at: Time = maybe("When it ended.")
    error: str = maybe("The code that answers for everything that was wrong. Act on this.")
    message: str = maybe("What was wrong, as a sentence to show.")
    tenant_id: str = always("The tenant it goes into.")
    kind: Literal["IMPORT", "INSTALL", "ROLLBACK", "UNINSTALL"] = always("Where it comes from.")
    mode: Literal["APPLY", "PLAN"] = always("Whether it is carried out, or a dry run.")
    submitted_at: Time = always("When it was asked for.")
    submitted_by: str = always("Who asked for it.")
    imported_by: str = always("Who imports it: who asked, or whom a service account named.")
    package_id: str = maybe("The package's id; known after validation.")
    package_name: str = maybe("The package's name; known after validation.")
    version: str = maybe("The package's version; known after validation.")
    index_version: Count = ours_maybe("Of an install: the version of the hub's index that it was resolved against.")


class AuditRow(Shape):
    """Who did what, and when. Never changed."""

    at: Time = always("When.")
    actor: str = always("Who.")
    action: str = always("What, such as `import.resumed`.")
    details: dict[str, Any] = always("With which details; they belong to the action.")


class HistoryRow(Shape):
    """An export that was tried."""

    export_id: str = always("Its id, `exp-…`.")
    package_id: str | None = always("The package that it made; null when it failed.")
    package_name: str = always("The name that was asked for.")
    version: str = always("The version that was asked for.")
    tenant_id: str = always("The tenant.")
    exported_by: str = always("Who asked.")
    exported_at: Time = always("When.")
    artifact_count: Count = always("How many artifacts are in the package; 0 when it failed.")
    root_artifact_ids: list[str] = always("What was asked for.")
    checksum: Digest | None = always("The package's checksum; null when it failed.")
    status: Literal["Success", "Failure"] = always("How it went.")
    error_message: str | None = always("`Code: text`; null when it went well.")
    bundle_size: Count = always("Bytes of the ZIP; 0 when it failed.")


class InstalledPackageRow(Shape):
    """Which version of a package a tenant has."""

    tenant_id: str = always("The tenant.")
    package_name: str = always("The package's name.")
    version: str = always("The version that is active.")
    source: str = always("Where it came from: the tenant that exported it. Part of its identity.")
    checksum: Digest = always("SHA-256 over its artifact files.")
    package_id: str = always("The package's id.")
    import_id: str = always("The import that brought it.")
    installed_at: Time = always("When it became active.")
    package_dependencies: list[NeededPackage] = always("The packages that it needs there.")


class NeighbourRow(Shape):
    """An artifact that can be exported."""

    id: str = always("Its id: send it as a root of an export.")
    name: str = always("Its name.")
    version: str = always("Its version.")


class MergeDetails(Shape):
    """What a merge did, by place."""

    fields_updated: list[str] = always("Places that got the package's value.")
    fields_added: list[str] = always("Places that were new.")
    fields_removed: list[str] = always("Places that were taken away.")
    truncated: bool = ours_maybe("Whether there is more than is shown.")


class ConflictAuditRow(Shape):
    """A conflict and who decided it."""

    conflict_id: str = always("Unique in its import.")
    artifact_type: str = always("The artifact's type.")
    artifact_name: str = always("Its name.")
    existing_version: str | None = always("The version that was there.")
    package_version: str = always("The version that the package brought.")
    strategy_applied: Strategy | None = always("How it was resolved; null while it waits.")
    strategy_source: str | None = always("Who decided: `Default`, `PerType` or `PerArtifact`; null while it waits.")
    resolved_by: str | None = always("Who decided it by hand; null when nobody did.")
    resolved_at: Time | None = always("When; null while it waits.")
    outcome: str | None = always("`Applied`, `Skipped` or `Failed`; null while it waits.")
    merge_details: MergeDetails | None = always("What the merge did; null when there was none.")


class ContentSide(Shape):
    """One side of a conflict."""

    version: str | None = always("Its version.")
    content: Any = always("The artifact.")


class ChangedRow(Shape):
    """A place that differs."""

    path: str = always("Where.")
    existing: Any = always("What the tenant has there.")
    package: Any = always("What the package has there.")


class AddedRow(Shape):
    """A place that only the package has."""

    path: str = always("Where.")
    package: Any = always("What the package has there.")


class RemovedRow(Shape):
    """A place that only the tenant has."""

    path: str = always("Where.")
    existing: Any = always("What the tenant has there.")


class DifferenceBody(Shape):
    """How the two sides differ."""

    changed: list[ChangedRow] = always("On both sides, and not the same.")
    added: list[AddedRow] = always("On the package's side only.")
    removed: list[RemovedRow] = always("On the tenant's side only.")
    truncated: bool = ours_maybe("Whether there is more than is shown.")


class PathConflictRow(Shape):
    """A place that both sides changed; null where a side has nothing, or nothing that may be shown."""

    pointer: str = ours("Where, as a JSON pointer.")
    base: Any = ours("What the package put there at its last import.")
    existing: Any = ours("What the tenant has there.")
    package: Any = ours("What the package brings.")
    decided: Literal["package", "existing"] | None = ours("Whose value was chosen; null while it waits.")


class TouchRow(Shape):
    """An import that touched an artifact."""

    import_id: str = always("The import.")
    imported_at: Time = always("When it ended.")
    package_name: str = always("The package's name.")
    package_version: str = always("The package's version.")
    conflict_id: str | None = always("The conflict; null when there was none.")
    strategy_applied: Strategy | None = always("How it was resolved; null when there was nothing to resolve.")
    previous_version: str | None = always("The version before; null for a new artifact.")
    new_version: str | None = always("The version since then.")
