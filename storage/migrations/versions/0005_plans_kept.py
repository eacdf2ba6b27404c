"""Plans that are applied as shown, undos, path decisions; what a tenant asks of its imports (decisions 5, 9.6)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WAITING_BEFORE = "state = 'WAITING_FOR_DECISIONS'"
_WAITING = "state IN ('WAITING_FOR_DECISIONS', 'WAITING_FOR_ACTIVATION')"
_NEW = {
    "import_job": ("applies_plan", "undo"),
    "plan": ("applied_by",),
    "plan_action": ("merge_base_id", "paths", "restores"),
}


def upgrade() -> None:
    op.add_column("tenant", sa.Column("freeze_reason", _text()))
    op.add_column("tenant", sa.Column("approvals_needed", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("tenant", sa.Column("protect_installed", _text(), nullable=False, server_default=sa.text("'Off'")))
    op.add_column(
        "tenant", sa.Column("accepts_warnings", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    for table, names in _NEW.items():
        for name in names:
            op.add_column(table, sa.Column(name, _text()))
    _waiting_index(_WAITING)


def downgrade() -> None:
    _waiting_index(_WAITING_BEFORE)
    for table, names in _NEW.items():
        for name in names:
            op.drop_column(table, name)
    for name in ("freeze_reason", "approvals_needed", "protect_installed", "accepts_warnings"):
        op.drop_column("tenant", name)


def _waiting_index(condition: str) -> None:
    op.drop_index("ix_import_job_waiting", "import_job")
    where = sa.text(condition)
    op.create_index("ix_import_job_waiting", "import_job", ["expires_at"], sqlite_where=where, postgresql_where=where)


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
