"""All tables of the first release."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenant",
        *_words("tenant_id", "plan", "status", "platform_version", "created_at"),
        sa.Column("last_claimed_at", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenant"),
    )
    op.create_table(
        "artifact",
        *_words("tenant_id", "artifact_id", "type", "name", "name_key", "version", "status"),
        sa.Column("revision", sa.Integer(), nullable=False),
        *_words("revision_id", "content_hash", "changed_at", "changed_by"),
        *_optional("origin_package_key", "origin_package_name", "origin_package_version", "origin_source"),
        *_optional("origin_source_id", "origin_import_id"),
        sa.Column("imported_revision", sa.Integer()),
        sa.PrimaryKeyConstraint("tenant_id", "artifact_id", name="pk_artifact"),
    )
    _index("ix_artifact_origin", "artifact", ["tenant_id", "origin_package_key", "origin_source"])
    _index("ix_artifact_page", "artifact", ["tenant_id", "name_key", "artifact_id"])
    _index("uq_artifact_name", "artifact", ["tenant_id", "type", "name_key"], unique=True, where="status <> 'Deleted'")
    op.create_table(
        "revision",
        *_words("revision_id", "tenant_id", "artifact_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        *_words("type", "name", "name_key", "version", "status", "content_hash", "written_at", "written_by"),
        *_optional("import_id", "origin_package_key", "origin_package_name", "origin_package_version"),
        *_optional("origin_source", "origin_source_id", "origin_import_id"),
        sa.Column("held", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("revision_id", name="pk_revision"),
    )
    _index("ix_revision_held", "revision", ["import_id", "artifact_id"], where="held = 1")
    _index("uq_revision_number", "revision", ["tenant_id", "artifact_id", "number"], unique=True, where="held = 0")
    op.create_table(
        "revision_body",
        *_words("body_id", "tenant_id"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("body_id", name="pk_revision_body"),
    )
    op.create_table(
        "export_form",
        *_words("revision_id", "tenant_id", "file_hash", "bindings"),
        sa.PrimaryKeyConstraint("revision_id", name="pk_export_form"),
    )
    op.create_table(
        "reference",
        *_words("tenant_id", "revision_id", "artifact_id", "target_id", "pointer", "kind"),
    )
    _index("ix_reference_revision", "reference", ["revision_id"])
    _index("ix_reference_target", "reference", ["tenant_id", "target_id"])
    op.create_table(
        "package",
        *_words("package_id", "tenant_id", "name", "name_key", "version", "package_type", "description"),
        *_words("author", "tags", "checksum", "content_checksum"),
        sa.Column("artifact_count", sa.Integer(), nullable=False),
        *_words("install_order", "manifest", "blob_key", "bundle_sha256"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        *_words("exported_at", "exported_by", "expires_at"),
        sa.PrimaryKeyConstraint("package_id", name="pk_package"),
        sa.UniqueConstraint("tenant_id", "name_key", "version", name="uq_package_tenant_id_name_key_version"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name="fk_package_tenant_id"),
    )
    _index("ix_package_page", "package", ["tenant_id", "package_id"])
    op.create_table(
        "export_record",
        _counted("record_id"),
        *_words("tenant_id", "at", "record"),
        sa.PrimaryKeyConstraint("record_id", name="pk_export_record"),
    )
    _index("ix_export_record_tenant", "export_record", ["tenant_id", "record_id"])
    op.create_table(
        "import_job",
        *_words("import_id", "tenant_id", "kind", "mode", "state", "options", "submitted_by", "submitted_at"),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        *_optional("stage"),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        *_words("decisions"),
        *_optional("ended_at", "expires_at", "plan_id", "package_name", "package_version", "package_id"),
        *_optional("outcome", "failure", "package_key"),
        sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("run_after", sa.Double(), nullable=False, server_default=sa.text("0")),
        *_optional("owner"),
        sa.Column("lease_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("lease_until", sa.Double()),
        sa.PrimaryKeyConstraint("import_id", name="pk_import_job"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name="fk_import_job_tenant_id"),
    )
    _index("ix_import_job_lease", "import_job", ["lease_until"], where="state = 'RUNNING'")
    _index("ix_import_job_page", "import_job", ["tenant_id", "import_id"])
    _index("ix_import_job_queue", "import_job", ["tenant_id", "import_id"], where="state = 'QUEUED'")
    _index("ix_import_job_waiting", "import_job", ["expires_at"], where="state = 'WAITING_FOR_DECISIONS'")
    _index(
        "uq_import_job_place", "import_job", ["tenant_id"], unique=True, where="state = 'RUNNING' AND mode = 'APPLY'"
    )
    op.create_table(
        "import_package",
        *_words("import_id"),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        *_words("tenant_id", "blob_key", "sha256"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        *_optional("source_package"),
        sa.PrimaryKeyConstraint("import_id", "ordinal", name="pk_import_package"),
        sa.ForeignKeyConstraint(["import_id"], ["import_job.import_id"], name="fk_import_package_import_id"),
    )
    op.create_table(
        "import_event",
        *_words("import_id"),
        sa.Column("seq", sa.Integer(), nullable=False),
        *_words("tenant_id", "at", "kind", "state", "body"),
        sa.PrimaryKeyConstraint("import_id", "seq", name="pk_import_event"),
        sa.ForeignKeyConstraint(["import_id"], ["import_job.import_id"], name="fk_import_event_import_id"),
    )
    op.create_table(
        "scan_report",
        *_words("import_id"),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        *_words("tenant_id", "report"),
        sa.PrimaryKeyConstraint("import_id", "ordinal", name="pk_scan_report"),
        sa.ForeignKeyConstraint(["import_id"], ["import_job.import_id"], name="fk_scan_report_import_id"),
    )
    op.create_table(
        "plan",
        *_words("plan_id", "import_id", "tenant_id", "plan_hash", "warnings", "blockers", "created_at"),
        *_words("expires_at"),
        sa.PrimaryKeyConstraint("plan_id", name="pk_plan"),
        sa.UniqueConstraint("import_id", name="uq_plan_import_id"),
        sa.ForeignKeyConstraint(["import_id"], ["import_job.import_id"], name="fk_plan_import_id"),
    )
    op.create_table(
        "plan_action",
        *_words("import_id"),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        *_words("tenant_id", "source_id", "type", "name", "to_version"),
        *_optional("kind"),
        *_words("target_id", "decided_by"),
        *_optional("matched_by", "conflict_key", "strategy", "revision_id"),
        *_words("written_version", "status", "content_hash", "base_body_id", "base_hash", "name_key"),
        *_optional("existing_name_key", "existing_tenant_id", "existing_id", "existing_type"),
        *_optional("existing_name", "existing_version", "existing_status"),
        sa.Column("existing_revision", sa.Integer()),
        *_optional("existing_revision_id", "existing_hash", "existing_changed_at", "existing_changed_by"),
        *_optional("existing_origin_package_key", "existing_origin_package_name"),
        *_optional("existing_origin_package_version", "existing_origin_source", "existing_origin_source_id"),
        *_optional("existing_origin_import_id"),
        sa.Column("existing_imported_revision", sa.Integer()),
        sa.PrimaryKeyConstraint("import_id", "ordinal", "position", name="pk_plan_action"),
        sa.ForeignKeyConstraint(["import_id"], ["import_job.import_id"], name="fk_plan_action_import_id"),
    )
    op.create_table(
        "activation",
        *_words("import_id", "artifact_id", "tenant_id"),
        *_optional("before_revision_id"),
        *_words("after_revision_id"),
        sa.PrimaryKeyConstraint("import_id", "artifact_id", name="pk_activation"),
    )
    op.create_table(
        "merge_base",
        *_words("tenant_id", "package_key", "source", "source_id", "artifact_id", "body_id", "content_hash"),
        *_words("import_id"),
        sa.PrimaryKeyConstraint("tenant_id", "package_key", "source", "source_id", name="pk_merge_base"),
    )
    _index("ix_merge_base_body", "merge_base", ["body_id"])
    op.create_table(
        "installed_package",
        *_words("tenant_id", "name_key", "source", "name", "version", "checksum", "package_id", "import_id"),
        *_words("installed_at"),
        sa.PrimaryKeyConstraint("tenant_id", "name_key", "source", name="pk_installed_package"),
    )
    op.create_table(
        "audit",
        _counted("audit_id"),
        *_words("tenant_id", "at", "actor", "action"),
        *_optional("import_id"),
        *_words("details"),
        sa.PrimaryKeyConstraint("audit_id", name="pk_audit"),
    )
    _index("ix_audit_import", "audit", ["tenant_id", "import_id", "audit_id"])
    op.create_table(
        "outbox",
        _counted("message_id"),
        *_words("tenant_id", "at", "kind", "payload"),
        sa.PrimaryKeyConstraint("message_id", name="pk_outbox"),
    )
    if op.get_context().dialect.name == "postgresql":
        # bodies are read whole and packed in bundles: pressing them here costs 24 ms each and saves little
        op.execute("ALTER TABLE revision_body ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)


_TABLES = (
    "tenant",
    "artifact",
    "revision",
    "revision_body",
    "export_form",
    "reference",
    "package",
    "export_record",
    "import_job",
    "import_package",
    "import_event",
    "scan_report",
    "plan",
    "plan_action",
    "activation",
    "merge_base",
    "installed_package",
    "audit",
    "outbox",
)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text(), nullable=False) for name in names]


def _optional(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text()) for name in names]


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _counted(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True)


def _index(name: str, table: str, columns: list[str], *, unique: bool = False, where: str = "") -> None:
    condition: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)} if where else {}
    op.create_index(name, table, columns, unique=unique, **condition)
