"""Every table and index, literally (design: stack, sections 1-3; decisions R2-R8, R12, R20).

Every table but ``tenant`` has a ``tenant_id``, and every statement about a tenant's rows names it. Conditions of
partial indexes are written into the statements too, see :func:`storage.sql.word`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    UniqueConstraint,
    literal_column,
    or_,
    select,
    text,
)

from domain.artifact_types import ArtifactType
from domain.import_model import EventKind, ImportKind, ImportMode, ImportState, Stage
from domain.model import ArtifactStatus, PackageType, Protection, ReferenceKind, TenantPlan, TenantStatus
from storage.sql import Choice, Json, Moment, Needs, Who, Words, checked, word

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

TYPE = Choice(ArtifactType, "wire")
STATUS = Choice(ArtifactStatus)
STATE = Choice(ImportState)
STAGE = Choice(Stage)

#: the six columns of an origin, in the order of :class:`domain.model.Origin`
ORIGIN = ("package_key", "package_name", "package_version", "source", "source_id", "import_id")


def words(name: str, *, key: bool = False, optional: bool = False) -> Column[str]:
    return Column(name, Words(), primary_key=key, nullable=optional)


def origin_columns(prefix: str = "origin_") -> list[Column[Any]]:
    return [words(prefix + name, optional=True) for name in ORIGIN]


#: of an import job: it has a last moment
WAITS = "state IN ('WAITING_FOR_DECISIONS', 'WAITING_FOR_ACTIVATION')"
#: it ended, and not well
CAME_TO_NOTHING = "state IN ('FAILED', 'CANCELLED', 'EXPIRED')"


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def _counted(name: str) -> Column[int]:
    # SQLite counts by itself only in an INTEGER
    return Column(name, BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)


tenant = Table(
    "tenant",
    METADATA,
    words("tenant_id", key=True),
    Column("plan", Choice(TenantPlan), nullable=False),
    Column("status", Choice(TenantStatus), nullable=False),
    words("platform_version"),
    Column("created_at", Moment(), nullable=False),
    #: database seconds: whose turn it is
    Column("last_claimed_at", Double(), nullable=False, server_default=text("0")),
    words("freeze_reason", optional=True),
    Column("approvals_needed", Integer(), nullable=False, server_default=text("0")),
    Column("protect_installed", Choice(Protection), nullable=False, server_default=text("'Off'")),
    Column("accepts_warnings", Boolean(), nullable=False, server_default=text("false")),
)

artifact = Table(
    "artifact",
    METADATA,
    words("tenant_id", key=True),
    words("artifact_id", key=True),
    Column("type", TYPE, nullable=False),
    words("name"),
    words("name_key"),
    words("version"),
    Column("status", STATUS, nullable=False),
    Column("revision", Integer(), nullable=False),
    words("revision_id"),
    words("content_hash"),
    Column("changed_at", Moment(), nullable=False),
    Column("changed_by", Who(), nullable=False),
    *origin_columns(),
    Column("imported_revision", Integer()),
    Index("uq_artifact_name", "tenant_id", "type", "name_key", unique=True, **where("status <> 'Deleted'")),
    Index("ix_artifact_page", "tenant_id", "name_key", "artifact_id"),
    Index("ix_artifact_origin", "tenant_id", "origin_package_key", "origin_source"),
)

revision = Table(
    "revision",
    METADATA,
    words("revision_id", key=True),
    words("tenant_id"),
    words("artifact_id"),
    Column("number", Integer(), nullable=False),
    Column("type", TYPE, nullable=False),
    words("name"),
    words("name_key"),
    words("version"),
    Column("status", STATUS, nullable=False),
    words("content_hash"),
    Column("written_at", Moment(), nullable=False),
    Column("written_by", Who(), nullable=False),
    words("import_id", optional=True),
    *origin_columns(),
    #: 1: it is seen once its import is activated, see ``is_seen``; 0: at once. What was written by imports before that
    #: was said so has 0. A number, because the databases spell truth differently in index conditions
    Column("follows_import", SmallInteger(), nullable=False),
    #: the earlier revision that it is the same as, for an undo's
    words("restores", optional=True),
    Index("uq_revision_number", "tenant_id", "artifact_id", "number", unique=True, **where("follows_import = 0")),
    Index("ix_revision_number", "tenant_id", "artifact_id", "number"),
    Index("ix_revision_held", "import_id", **where("follows_import = 1")),
)
#: of an import that is not at its end: nobody sees it yet
IS_HELD = revision.c.follows_import == literal_column("1")

revision_body = Table(
    "revision_body",
    METADATA,
    #: a revision's id, or the id of a merge base that is no revision
    words("body_id", key=True),
    words("tenant_id"),
    Column("body", LargeBinary(), nullable=False),
    #: of the body as it was written; what was written before there was this column has none
    Column("sha256", LargeBinary()),
    #: of the content, where the body is a gzip file of it; what was written before is the content itself
    Column("content_size", Integer()),
)

export_form = Table(
    "export_form",
    METADATA,
    words("revision_id", key=True),
    words("tenant_id"),
    words("file_hash"),
    Column("bindings", Json(), nullable=False),
)

reference = Table(
    "reference",
    METADATA,
    words("tenant_id"),
    words("revision_id"),
    words("artifact_id"),
    words("target_id"),
    words("pointer"),
    Column("kind", Choice(ReferenceKind), nullable=False),
    Index("ix_reference_revision", "revision_id"),
    Index("ix_reference_target", "tenant_id", "target_id"),
)

package = Table(
    "package",
    METADATA,
    words("package_id", key=True),
    Column("tenant_id", Words(), ForeignKey("tenant.tenant_id"), nullable=False),
    words("name"),
    words("name_key"),
    words("version"),
    Column("package_type", Choice(PackageType), nullable=False),
    words("description"),
    words("author"),
    Column("tags", Json(), nullable=False),
    words("checksum"),
    words("content_checksum"),
    Column("artifact_count", Integer(), nullable=False),
    Column("install_order", Json(), nullable=False),
    Column("manifest", Json(), nullable=False),
    words("blob_key"),
    words("bundle_sha256"),
    Column("size_bytes", BigInteger(), nullable=False),
    Column("exported_at", Moment(), nullable=False),
    Column("exported_by", Who(), nullable=False),
    Column("expires_at", Moment(), nullable=False),
    Column("deleted_at", Moment()),
    #: issuer and subject of who exported it: whose the notices are
    Column("identity", Words(), nullable=False, server_default=text("''")),
    #: the version of the rules that it was scanned by last; empty: it was not
    Column("scanned_by", Words(), nullable=False, server_default=text("''")),
    UniqueConstraint("tenant_id", "name_key", "version"),
    Index("ix_package_page", "tenant_id", "package_id"),
    Index("ix_package_blob", "blob_key"),
)

export_record = Table(
    "export_record",
    METADATA,
    _counted("record_id"),
    words("tenant_id"),
    Column("at", Moment(), nullable=False),
    Column("record", Json(), nullable=False),
    #: as people know the actor: what the history is filtered by
    Column("exported_by", Words(), nullable=False, server_default=text("''")),
    Index("ix_export_record_tenant", "tenant_id", "record_id"),
)

import_job = Table(
    "import_job",
    METADATA,
    words("import_id", key=True),
    Column("tenant_id", Words(), ForeignKey("tenant.tenant_id"), nullable=False),
    Column("kind", Choice(ImportKind), nullable=False),
    Column("mode", Choice(ImportMode), nullable=False),
    Column("state", STATE, nullable=False),
    Column("options", Json(), nullable=False),
    Column("submitted_by", Who(), nullable=False),
    Column("submitted_at", Moment(), nullable=False),
    Column("fence", Integer(), nullable=False),
    Column("attempt", Integer(), nullable=False),
    Column("last_seq", Integer(), nullable=False),
    Column("stage", STAGE),
    Column("cancel_requested", Boolean(), nullable=False),
    Column("decisions", Json(), nullable=False),
    Column("ended_at", Moment()),
    Column("expires_at", Moment()),
    words("plan_id", optional=True),
    words("package_name", optional=True),
    words("package_version", optional=True),
    words("package_id", optional=True),
    Column("outcome", Json()),
    Column("failure", Json()),
    #: how the package name is compared
    words("package_key", optional=True),
    #: a higher one goes to the head of its tenant's line
    Column("priority", Integer(), nullable=False, server_default=text("0")),
    Column("run_after", Double(), nullable=False, server_default=text("0")),
    words("owner", optional=True),
    Column("lease_seconds", Double(), nullable=False, server_default=text("0")),
    Column("lease_until", Double()),
    words("retry_of", optional=True),
    words("idempotency_key", optional=True),
    #: as people know the one who is named, and the actor: what lists are filtered by
    Column("imported_by", Words(), nullable=False, server_default=text("''")),
    Column("submitter", Words(), nullable=False, server_default=text("''")),
    #: what was asked of the marketplace, for an install
    Column("install", Json()),
    #: issuer and subject of who submitted it: whose the notices are
    Column("identity", Words(), nullable=False, server_default=text("''")),
    #: the plan that it carries out, if it was shown one
    words("applies_plan", optional=True),
    #: what an undo or uninstall takes back
    Column("undo", Json()),
    #: the last moment that its callers were told was near
    Column("reminded_of", Moment()),
    Index("uq_import_job_place", "tenant_id", unique=True, **where("state = 'RUNNING' AND mode = 'APPLY'")),
    Index("ix_import_job_queue", "tenant_id", "import_id", **where("state = 'QUEUED'")),
    Index("ix_import_job_lease", "lease_until", **where("state = 'RUNNING'")),
    Index("ix_import_job_waiting", "expires_at", **where(WAITS)),
    Index("ix_import_job_nothing", "import_id", **where(CAME_TO_NOTHING)),
    Index("ix_import_job_page", "tenant_id", "import_id"),
    Index("ix_import_job_key", "tenant_id", "idempotency_key", **where("idempotency_key IS NOT NULL")),
    Index("ix_import_job_ended", "ended_at", **where("ended_at IS NOT NULL")),
)

#: as the index of those who wait says it
IS_WAITING = import_job.c.state.in_([literal_column(f"'{state.value}'") for state in ImportState if state.is_waiting])


_its_import = import_job.alias("its_import")


def is_seen(revisions: FromClause) -> ColumnElement[bool]:
    """Whether a tenant sees revisions: what a person saved, and what an import wrote that was activated.

    The end of an import is what activates it (decisions section 5.3): none of its revisions is touched again for that,
    which took a quarter of the time for which an activation kept all other writers waiting.
    """
    # no EXISTS: for some thousand revisions PostgreSQL would rather read all imports of all tenants
    state = select(_its_import.c.state).where(_its_import.c.import_id == revisions.c.import_id).correlate(revisions)
    return or_(
        revisions.c.follows_import == literal_column("0"),
        checked(state.scalar_subquery() == word(ImportState.SUCCEEDED)),
    )


IS_SEEN = is_seen(revision)

import_package = Table(
    "import_package",
    METADATA,
    Column("import_id", Words(), ForeignKey("import_job.import_id"), primary_key=True),
    Column("ordinal", Integer(), primary_key=True, autoincrement=False),
    words("tenant_id"),
    words("blob_key"),
    words("sha256"),
    Column("size_bytes", BigInteger(), nullable=False),
    words("source_package", optional=True),
    #: what the hub's index says of it, for a package of an install
    Column("offer", Json()),
    Index("ix_import_package_blob", "blob_key"),
)

import_event = Table(
    "import_event",
    METADATA,
    Column("import_id", Words(), ForeignKey("import_job.import_id"), primary_key=True),
    Column("seq", Integer(), primary_key=True, autoincrement=False),
    words("tenant_id"),
    Column("at", Moment(), nullable=False),
    Column("kind", Choice(EventKind), nullable=False),
    Column("state", STATE, nullable=False),
    #: progress, message and problem
    Column("body", Json(), nullable=False),
)


installed_package = Table(
    "installed_package",
    METADATA,
    words("tenant_id", key=True),
    words("name_key", key=True),
    words("source", key=True),
    words("name"),
    words("version"),
    words("checksum"),
    words("package_id"),
    words("import_id"),
    Column("installed_at", Moment(), nullable=False),
    #: what it can do there, for a package of the marketplace
    Column("powers", Json()),
    Column("dependencies", Needs(), nullable=False, server_default=text("'[]'")),
)

audit = Table(
    "audit",
    METADATA,
    _counted("audit_id"),
    words("tenant_id"),
    Column("at", Moment(), nullable=False),
    Column("actor", Who(), nullable=False),
    words("action"),
    words("import_id", optional=True),
    Column("details", Json(), nullable=False),
    Index("ix_audit_import", "tenant_id", "import_id", "audit_id"),
)

outbox = Table(
    "outbox",
    METADATA,
    _counted("message_id"),
    words("tenant_id"),
    Column("at", Moment(), nullable=False),
    words("kind"),
    Column("payload", Json(), nullable=False),
)

upload = Table(
    "upload",
    METADATA,
    words("upload_id", key=True),
    Column("tenant_id", Words(), ForeignKey("tenant.tenant_id"), nullable=False),
    #: issuer and subject of the only caller who may use it (R13)
    words("subject"),
    words("blob_key"),
    words("sha256"),
    Column("size_bytes", BigInteger(), nullable=False),
    Column("uploaded_by", Who(), nullable=False),
    Column("expires_at", Moment(), nullable=False),
    Index("ix_upload_expires", "expires_at"),
    Index("ix_upload_blob", "blob_key"),
)

idempotency = Table(
    "idempotency",
    METADATA,
    words("tenant_id", key=True),
    words("subject", key=True),
    words("idempotency_key", key=True),
    words("request_hash"),
    #: what the request made, by the names of its ids
    Column("effect", Json(), nullable=False),
    Column("expires_at", Moment(), nullable=False),
    Index("ix_idempotency_expires", "expires_at"),
)

#: keys of the installation itself, made at first use and shared by its processes
secret = Table(
    "secret",
    METADATA,
    words("name", key=True),
    words("value"),
)
