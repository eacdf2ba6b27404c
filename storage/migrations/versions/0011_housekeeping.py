"""Packages that were deleted, and which waits their callers were reminded of (decisions R40)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("package", sa.Column("deleted_at", _text()))
    op.add_column("import_job", sa.Column("reminded_of", _text()))


def downgrade() -> None:
    op.drop_column("import_job", "reminded_of")
    op.drop_column("package", "deleted_at")


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
