"""What an import holds is found in the order in which it was written: the index of it no longer sorts by artifact.

Nobody asks for one artifact of what is held. Sorted, each batch wrote to pages all over the index, and whoever read
what an import holds went through its revisions in no order.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_INDEX = "ix_revision_held"


def upgrade() -> None:
    _made_anew(["import_id"])


def downgrade() -> None:
    _made_anew(["import_id", "artifact_id"])


def _made_anew(columns: list[str]) -> None:
    held = sa.text("follows_import = 1")
    op.drop_index(_INDEX, "revision")
    op.create_index(_INDEX, "revision", columns, sqlite_where=held, postgresql_where=held)
