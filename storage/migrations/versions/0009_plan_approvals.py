"""Who agreed to a plan, and which installed packages it relies on (decisions R11, section 9.1)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plan", sa.Column("relied", _text(), nullable=False, server_default=sa.text("'{}'")))
    op.create_table(
        "plan_approval",
        sa.Column("plan_id", _text(), sa.ForeignKey("plan.plan_id"), primary_key=True),
        sa.Column("identity", _text(), primary_key=True),
        sa.Column("tenant_id", _text(), nullable=False),
        sa.Column("actor", _text(), nullable=False),
        sa.Column("plan_hash", _text(), nullable=False),
        sa.Column("at", _text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("plan_approval")
    op.drop_column("plan", "relied")


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
