"""What touched an artifact is found by the revision that it wrote, and by the artifact only where it wrote none.

By artifact, each plan wrote to pages all over the index: of a thousand artifacts that had been imported forty times,
one more import changed every page of it. Revisions are numbered as they are made, so theirs stand side by side.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TABLE = "plan_action"
_BEFORE = ("ix_plan_action_existing", ["tenant_id", "existing_id"], "existing_id IS NOT NULL")
_BY_REVISION = ("ix_plan_action_revision", ["revision_id"], "revision_id IS NOT NULL")
_MET = (
    "existing_id IS NOT NULL AND (kind <> 'UNCHANGED' OR strategy IS NOT NULL)"
    " AND (revision_id IS NULL OR target_id <> existing_id)"
)
_BY_ARTIFACT = ("ix_plan_action_met", ["tenant_id", "existing_id"], _MET)


def upgrade() -> None:
    _add(_BY_REVISION)
    _add(_BY_ARTIFACT)
    op.drop_index(_BEFORE[0], _TABLE)


def downgrade() -> None:
    _add(_BEFORE)
    for name, *_ in (_BY_REVISION, _BY_ARTIFACT):
        op.drop_index(name, _TABLE)


def _add(index: tuple[str, list[str], str]) -> None:
    name, columns, condition = index
    op.create_index(name, _TABLE, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
