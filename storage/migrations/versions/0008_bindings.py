"""Bindings that are remembered, and told with plans; what installed packages need (decisions R22)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NEW = (("installed_package", "dependencies"), ("plan", "bindings"), ("plan", "externals"))


def upgrade() -> None:
    for table, name in _NEW:
        op.add_column(table, sa.Column(name, _text(), nullable=False, server_default=sa.text("'[]'")))
    op.create_table(
        "remembered_binding",
        *(
            sa.Column(name, _text(), nullable=False)
            for name in ("tenant_id", "source", "binding_key", "sealed", "kept_at", "kept_by", "item")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "source", "binding_key", name="pk_remembered_binding"),
    )


def downgrade() -> None:
    op.drop_table("remembered_binding")
    for table, name in reversed(_NEW):
        op.drop_column(table, name)


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
