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

#: a body may have megabytes
_AT_ONCE = 10
_NEXT = sa.text(
    "SELECT body_id, body, sha256 FROM revision_body WHERE content_size IS NOT NULL AND body_id > :after"
    " ORDER BY body_id LIMIT :count"
)
_PUT_BACK = sa.text("UPDATE revision_body SET body = :body, sha256 = :sha256 WHERE body_id = :body_id").bindparams(
    sa.bindparam("body", type_=sa.LargeBinary()), sa.bindparam("sha256", type_=sa.LargeBinary())
)


def upgrade() -> None:
    op.add_column("revision_body", sa.Column("content_size", sa.Integer()))


def downgrade() -> None:
    connection, after = op.get_bind(), ""
    while rows := connection.execute(_NEXT, {"after": after, "count": _AT_ONCE}).all():
        for body_id, body, sha256 in rows:
            # a damaged one stays beside its hash, by which it is still known to be damaged
            if hashlib.sha256(body).digest() == bytes(sha256):
                content = gzip.decompress(body)
                values = {"body_id": body_id, "body": content, "sha256": hashlib.sha256(content).digest()}
                connection.execute(_PUT_BACK, values)
        after = rows[-1][0]
    op.drop_column("revision_body", "content_size")
