"""Uploads, idempotency keys, retries, and what the history and the audit are searched by (decisions R12, R13, R25)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: rows that are read, and written, at once
_ROWS = 1_000
_RECORDS = sa.table(
    "export_record",
    sa.column("record_id", sa.BigInteger()),
    *(sa.column(name, sa.Text()) for name in ("record", "exported_by")),
)
_JOBS = sa.table(
    "import_job",
    *(sa.column(name, sa.Text()) for name in ("import_id", "submitted_by", "options", "imported_by", "submitter")),
)


def upgrade() -> None:
    op.add_column("export_record", _told_later("exported_by"))
    op.add_column("import_job", sa.Column("retry_of", _text()))
    op.add_column("import_job", sa.Column("idempotency_key", _text()))
    op.add_column("import_job", _told_later("imported_by"))
    op.add_column("import_job", _told_later("submitter"))
    _index("ix_import_job_key", "import_job", ["tenant_id", "idempotency_key"], where="idempotency_key IS NOT NULL")
    _index("ix_import_job_ended", "import_job", ["ended_at"], where="ended_at IS NOT NULL")
    _index("ix_plan_action_existing", "plan_action", ["tenant_id", "existing_id"], where="existing_id IS NOT NULL")
    _index("ix_package_blob", "package", ["blob_key"])
    _index("ix_import_package_blob", "import_package", ["blob_key"])
    op.create_table(
        "upload",
        *_words("upload_id", "tenant_id", "subject", "blob_key", "sha256"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        *_words("uploaded_by", "expires_at"),
        sa.PrimaryKeyConstraint("upload_id", name="pk_upload"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name="fk_upload_tenant_id"),
    )
    _index("ix_upload_expires", "upload", ["expires_at"])
    _index("ix_upload_blob", "upload", ["blob_key"])
    op.create_table(
        "idempotency",
        *_words("tenant_id", "subject", "idempotency_key", "request_hash", "effect", "expires_at"),
        sa.PrimaryKeyConstraint("tenant_id", "subject", "idempotency_key", name="pk_idempotency"),
    )
    _index("ix_idempotency_expires", "idempotency", ["expires_at"])
    op.create_table(
        "secret",
        *_words("name", "value"),
        sa.PrimaryKeyConstraint("name", name="pk_secret"),
    )
    _tell_older(_RECORDS, _names_of_record)
    _tell_older(_JOBS, _names_of_job)


def downgrade() -> None:
    for table in ("secret", "idempotency", "upload"):
        op.drop_table(table)
    op.drop_index("ix_import_package_blob", "import_package")
    op.drop_index("ix_package_blob", "package")
    op.drop_index("ix_plan_action_existing", "plan_action")
    op.drop_index("ix_import_job_ended", "import_job")
    op.drop_index("ix_import_job_key", "import_job")
    for column in ("submitter", "imported_by", "idempotency_key", "retry_of"):
        op.drop_column("import_job", column)
    op.drop_column("export_record", "exported_by")


def _tell_older(table: sa.TableClause, names_of: Callable[[Any], Mapping[str, str]]) -> None:
    """Fill the new texts of rows that are there already, which the first column is the key of."""
    key, connection = next(iter(table.c)), op.get_bind()
    page = sa.select(table).order_by(key).limit(_ROWS)
    rows = connection.execute(page).all()
    while rows:
        told = [{"row": row[0], **names_of(row)} for row in rows]
        connection.execute(sa.update(table).where(key == sa.bindparam("row")), told)
        rows = connection.execute(page.where(key > rows[-1][0])).all()


def _names_of_record(row: Any) -> dict[str, str]:
    return {"exported_by": orjson.loads(row.record).get("exportedBy", "")}


def _names_of_job(row: Any) -> dict[str, str]:
    """A service account is shown by the person whom it names, all others by themselves (R38)."""
    subject, email, is_service = orjson.loads(row.submitted_by)
    named = orjson.loads(row.options).get("imported_by")
    submitter = email or subject
    return {"submitter": submitter, "imported_by": named if named and is_service else submitter}


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text(), nullable=False) for name in names]


def _told_later(name: str) -> sa.Column[str]:
    """A text that rows written before this migration get at its end."""
    return sa.Column(name, _text(), nullable=False, server_default=sa.text("''"))


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _index(name: str, table: str, columns: list[str], *, where: str = "") -> None:
    condition: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)} if where else {}
    op.create_index(name, table, columns, **condition)
