"""Bodies of revisions are kept as gzip files; what is there already stays as it is."""

from __future__ import annotations

import gzip
import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_AT_ONCE = 50
_NEXT = sa.text("SELECT body_id, body FROM revision_body WHERE content_size IS NOT NULL LIMIT :count")
_PUT_BACK = sa.text(
    "UPDATE revision_body SET body = :body, sha256 = :sha256, content_size = NULL WHERE body_id = :body_id"
).bindparams(sa.bindparam("body", type_=sa.LargeBinary()), sa.bindparam("sha256", type_=sa.LargeBinary()))


def upgrade() -> None:
    op.add_column("revision_body", sa.Column("content_size", sa.Integer()))


def downgrade() -> None:
    connection = op.get_bind()
    while rows := connection.execute(_NEXT, {"count": _AT_ONCE}).all():
        for body_id, body in rows:
            content = gzip.decompress(body)
            values = {"body_id": body_id, "body": content, "sha256": hashlib.sha256(content).digest()}
            connection.execute(_PUT_BACK, values)
    op.drop_column("revision_body", "content_size")
