"""The nouns, frozen (design: house, section 4; decisions sections 3-5 and 8).

Times are aware datetimes in UTC. Sizes are bytes. Hashes are ``sha256:`` and 64 lower-case hex digits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple, NewType

from domain.artifact_types import ArtifactType
from domain.deflating import Deflated

TenantId = NewType("TenantId", str)
ArtifactId = NewType("ArtifactId", str)
PackageId = NewType("PackageId", str)
ImportId = NewType("ImportId", str)
PlanId = NewType("PlanId", str)
RevisionId = NewType("RevisionId", str)
BlobKey = NewType("BlobKey", str)
UploadId = NewType("UploadId", str)

HASH_PREFIX = "sha256:"


def name_key(name: str) -> str:
    """How names are compared everywhere (R4): NFC, then case-folded. Stored, never computed by the database."""
    return unicodedata.normalize("NFC", name).casefold()


@lru_cache(maxsize=64)
def rfc3339(moment: datetime) -> str:
    """A time with whole seconds and ``Z``, as documented routes print it (decisions section 9.4)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class WireEnum(Enum):
    """An enum whose values are the words of the REST contract; GraphQL uses the members' names."""

    @property
    def wire(self) -> str:
        """The documented spelling."""
        return str(self.value)


class TenantPlan(WireEnum):
    """What a tenant may bring in (A1, file size limits)."""

    STANDARD = "Standard"
    ENTERPRISE = "Enterprise"


class TenantStatus(WireEnum):
    """A suspended tenant can be read, not changed."""

    ACTIVE = "Active"
    SUSPENDED = "Suspended"


class Protection(WireEnum):
    """What a tenant does about edits of installed artifacts."""

    OFF = "Off"
    WARN = "Warn"
    BLOCK = "Block"


class ArtifactStatus(WireEnum):
    """Belongs to the revision; every change of it is a new revision (R5)."""

    DRAFT = "Draft"
    PUBLISHED = "Published"
    ACTIVE = "Active"
    LOCKED = "Locked"
    ARCHIVED = "Archived"
    DELETED = "Deleted"


EXPORTABLE = frozenset({ArtifactStatus.PUBLISHED, ArtifactStatus.ACTIVE})


class PackageType(WireEnum):
    """The contract's packageType (A2)."""

    WORKFLOW_PACKAGE = "workflow-package"
    FORM_PACKAGE = "form-package"
    APP_PACKAGE = "app-package"
    AGENT_PACKAGE = "agent-package"
    CONFIG_PACKAGE = "config-package"


class ReferenceKind(WireEnum):
    """How sure we are that a string names an artifact (R23)."""

    LITERAL = "literal"
    DYNAMIC = "dynamic"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, as records keep it (R38)."""

    subject: str
    email: str | None = None
    is_service: bool = False

    @property
    def label(self) -> str:
        """The address people know the actor by."""
        return self.email or self.subject

    @property
    def public_label(self) -> str:
        """The same as everybody may know it: without the address's domain, so that nobody gathers addresses."""
        return self.label.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Tenant:
    """The owner of artifacts. ``platform_version`` is its own, else the installation's."""

    tenant_id: TenantId
    plan: TenantPlan
    status: TenantStatus
    platform_version: str
    created_at: datetime
    #: why no new import begins, while the tenant is frozen (decisions section 9.6)
    freeze_reason: str | None = None
    #: how many others must agree to a plan before it is applied
    approvals_needed: int = 0
    #: what happens when somebody edits what a package put there
    protect_installed: Protection = Protection.OFF
    #: whether the Akana-compatible door lets a scan's warnings pass
    accepts_warnings: bool = False


class Origin(NamedTuple):
    """Where an imported artifact came from (R3, R4). ``source`` is the package's origin: its tenant or publisher."""

    package_key: str
    package_name: str
    package_version: str
    source: str
    source_id: str
    import_id: ImportId


class ArtifactHead(NamedTuple):
    """An artifact without its content: the active pointer and what the active revision says of itself."""

    tenant_id: TenantId
    artifact_id: ArtifactId
    artifact_type: ArtifactType
    name: str
    version: str
    status: ArtifactStatus
    revision: int
    revision_id: RevisionId
    content_hash: str
    changed_at: datetime
    changed_by: Actor
    origin: Origin | None = None
    #: the revision that the last import put there; another one means: changed since
    imported_revision: int | None = None

    @property
    def is_there(self) -> bool:
        """False once the artifact is deleted."""
        return self.status is not ArtifactStatus.DELETED


class Reference(NamedTuple):
    """The place in one artifact that names another. ``pointer`` is a JSON pointer into the artifact."""

    artifact_id: ArtifactId
    target_id: ArtifactId
    pointer: str
    kind: ReferenceKind


@dataclass(frozen=True, slots=True)
class Revision:
    """One saved state of an artifact, as it is listed; its bytes are read apart."""

    revision_id: RevisionId
    artifact_id: ArtifactId
    number: int
    name: str
    version: str
    status: ArtifactStatus
    content_hash: str
    written_at: datetime
    written_by: Actor
    import_id: ImportId | None = None


class NewRevision(NamedTuple):
    """A revision about to be written. ``body`` is the artifact's bundle file, bytes exact (R6)."""

    revision_id: RevisionId
    artifact_id: ArtifactId
    artifact_type: ArtifactType
    number: int
    name: str
    version: str
    status: ArtifactStatus
    content_hash: str
    body: bytes
    written_at: datetime
    written_by: Actor
    references: tuple[Reference, ...] = ()
    import_id: ImportId | None = None
    origin: Origin | None = None
    #: the earlier revision that it is the same as, for an undo's
    restores: RevisionId | None = None
    #: the body as it is kept, where it was deflated beforehand
    deflated: Deflated | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A place whose value never travels and that the target supplies (R22)."""

    artifact_id: ArtifactId
    path: str
    kind: str
    hint: str

    @property
    def key(self) -> str:
        """How callers name the place: source artifact id and JSON pointer."""
        return f"{self.artifact_id}{self.path}"


class ArtifactEntry(NamedTuple):
    """One row of ``manifest.artifacts``."""

    artifact_type: ArtifactType
    artifact_id: ArtifactId
    name: str
    version: str
    file: str
    hash: str


@dataclass(frozen=True, slots=True)
class PackageDependency:
    """Another package that must be there: ``min_version`` inclusive, ``max_version`` exclusive (X17)."""

    package_name: str
    min_version: str
    max_version: str | None = None


@dataclass(frozen=True, slots=True)
class ExternalReference:
    """An artifact that a package refers to and leaves to another package, ``package_name``, to bring.

    ``artifact_id`` is how the package's own artifacts name it, ``source_id`` its id in the other package, whose origin
    (R4) is ``package_source``.
    """

    artifact_id: ArtifactId
    artifact_type: ArtifactType
    name: str
    package_name: str
    package_source: str
    source_id: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The bundle's own statement of what it holds, already checked (installhub.md section 7.2)."""

    package_id: PackageId
    name: str
    package_type: PackageType
    version: str
    exported_at: str
    exported_by: str
    tenant_id: str
    platform_version: str
    checksum: str
    artifacts: tuple[ArtifactEntry, ...]
    install_order: tuple[ArtifactId, ...]
    package_dependencies: tuple[PackageDependency, ...] = ()
    bindings: tuple[Binding, ...] = ()
    description: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    readme_hash: str = ""
    content_checksum: str = ""
    external_references: tuple[ExternalReference, ...] = ()

    @property
    def known_ids(self) -> frozenset[str]:
        """What its artifacts may refer to: each other, and what is left to other packages."""
        return frozenset([*self.install_order, *(one.artifact_id for one in self.external_references)])


@dataclass(frozen=True, slots=True)
class Package:
    """An exported package: the record, its manifest and where its bytes lie."""

    package_id: PackageId
    tenant_id: TenantId
    name: str
    version: str
    package_type: PackageType
    description: str
    author: str
    tags: tuple[str, ...]
    checksum: str
    content_checksum: str
    artifact_count: int
    install_order: tuple[str, ...]
    manifest: Mapping[str, Any]
    blob_key: BlobKey
    bundle_sha256: str
    size_bytes: int
    exported_at: datetime
    exported_by: Actor
    expires_at: datetime
    #: since when nobody gets its bytes any more; the record stays, and its version stays taken (R14, R40)
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ArtifactFilter:
    """Which artifacts of a tenant a list shows; deleted ones only when asked for by status."""

    search: str = ""
    artifact_types: tuple[ArtifactType, ...] = ()
    statuses: tuple[ArtifactStatus, ...] = ()
    origin_package: str = ""
    origin_artifact_id: str = ""
    is_changed_since_import: bool | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A ZIP that waits for its import (R13). ``subject`` is the only caller who may use it: issuer and subject."""

    upload_id: UploadId
    tenant_id: TenantId
    subject: str
    blob_key: BlobKey
    sha256: str
    size_bytes: int
    uploaded_by: Actor
    expires_at: datetime
