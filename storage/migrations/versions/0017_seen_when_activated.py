"""What an import wrote is seen because the import was activated: its revisions keep the mark of what is held.

So an artifact's history is found without looking at that mark. What a dead worker's attempt left of an import that
another one brought to its end was still to be swept; it goes here, or it would be seen.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_INDEX, _ENDED = "ix_revision_number", "ix_import_job_nothing"
_OF_ACTIVATED = "held = 1 AND import_id IN (SELECT import_id FROM import_job WHERE state = 'SUCCEEDED')"
_LEFT = f"(SELECT revision_id FROM revision WHERE {_OF_ACTIVATED})"  # noqa: S608 - of our own words alone
_SWEEP = (
    sa.text(f"DELETE FROM reference WHERE revision_id IN {_LEFT}"),  # noqa: S608
    sa.text(f"DELETE FROM revision_body WHERE body_id IN {_LEFT}"),  # noqa: S608
    sa.text(f"DELETE FROM revision WHERE {_OF_ACTIVATED}"),  # noqa: S608
)
_PUT_BACK = sa.text(f"UPDATE revision SET held = 0 WHERE {_OF_ACTIVATED}")  # noqa: S608


def upgrade() -> None:
    for statement in _SWEEP:
        op.execute(statement)
    # under its old name, a process of an earlier version would sweep all that imports wrote since
    op.execute(sa.text("ALTER TABLE revision RENAME COLUMN held TO follows_import"))
    op.create_index(_INDEX, "revision", ["tenant_id", "artifact_id", "number"])
    nothing = sa.text("state IN ('FAILED', 'CANCELLED', 'EXPIRED')")
    op.create_index(_ENDED, "import_job", ["import_id"], sqlite_where=nothing, postgresql_where=nothing)


def downgrade() -> None:
    op.execute(sa.text("ALTER TABLE revision RENAME COLUMN follows_import TO held"))
    op.execute(_PUT_BACK)
    op.drop_index(_INDEX, "revision")
    op.drop_index(_ENDED, "import_job")
