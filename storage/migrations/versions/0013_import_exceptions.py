"""Exceptions from the scans of imports (installhub.md section 9.6)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_exception",
        sa.Column("exception_id", _text(), primary_key=True),
        sa.Column("tenant_id", _text(), nullable=False),
        sa.Column("import_id", _text(), sa.ForeignKey("import_job.import_id"), nullable=False),
        sa.Column("finding_index", sa.Integer(), nullable=False),
        *(sa.Column(name, _text(), nullable=False) for name in _WORDS),
        sa.Column("asked_at", _text(), nullable=False),
        sa.Column("asked_by", _text(), nullable=False),
        sa.Column("details", _text(), nullable=False),
        *(sa.Column(name, _text()) for name in ("valid_until", "decided_at", "decided_by")),
    )
    op.create_index("ix_import_exception_import", "import_exception", ["import_id"])
    op.create_index("ix_import_exception_tenant", "import_exception", ["tenant_id", "status", "exception_id"])


def downgrade() -> None:
    op.drop_table("import_exception")


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


_WORDS = ("rule", "pointer", "artifact_hash", "explanation", "justification", "status")
