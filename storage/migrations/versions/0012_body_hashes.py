"""What was written of each body, to tell a damaged one (design: security, F22)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("revision_body", sa.Column("sha256", sa.LargeBinary()))


def downgrade() -> None:
    op.drop_column("revision_body", "sha256")
