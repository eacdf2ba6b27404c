"""What an import put over what: its plan's actions say the same, so the activation no longer writes it down again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("activation")


def downgrade() -> None:
    op.create_table(
        "activation",
        *(sa.Column(name, _text(), primary_key=True) for name in ("import_id", "artifact_id")),
        sa.Column("tenant_id", _text(), nullable=False),
        sa.Column("before_revision_id", _text()),
        sa.Column("after_revision_id", _text(), nullable=False),
    )
    op.execute(
        sa.text(
            "INSERT INTO activation (import_id, artifact_id, tenant_id, before_revision_id, after_revision_id)"
            " SELECT p.import_id, r.artifact_id, p.tenant_id,"
            # a copy leaves what it met as it is
            " CASE WHEN p.existing_id = p.target_id THEN p.existing_revision_id END, r.revision_id"
            " FROM plan_action p JOIN revision r ON r.revision_id = p.revision_id AND r.held = 0"
        )
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
