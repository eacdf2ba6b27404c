"""What imports brought, so that it can be taken back; what was taken back (decisions sections 5.7, 9.6)."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ARRIVAL = ("import_id", "tenant_id", "name_key", "source", "package")
_INSTALLED = ("tenant_id", "name", "source", "version", "checksum", "package_id", "import_id", "installed_at")


def upgrade() -> None:
    op.add_column("revision", sa.Column("restores", _text()))
    op.create_table(
        "arrival",
        sa.Column(
            "arrival_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("import_id", _text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        *(sa.Column(name, _text(), nullable=False) for name in _ARRIVAL[1:]),
        sa.UniqueConstraint("import_id", "ordinal", name="uq_arrival_import_id_ordinal"),
    )
    op.create_index("ix_arrival_name", "arrival", ["tenant_id", "name_key"])
    op.create_table(
        "undone",
        sa.Column("undo_id", _text(), nullable=False),
        sa.Column("import_id", _text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("tenant_id", _text(), nullable=False),
        sa.PrimaryKeyConstraint("undo_id", "import_id", "ordinal", name="pk_undone"),
    )
    op.create_index("ix_undone_import", "undone", ["import_id"])
    _keep_what_is_installed()


def downgrade() -> None:
    op.drop_table("undone")
    op.drop_table("arrival")
    op.drop_column("revision", "restores")


def _keep_what_is_installed() -> None:
    """What came before this table is known as far as it is installed still."""
    had = sa.table("installed_package", *(sa.column(name) for name in (*_INSTALLED, "name_key", "powers")))
    kept = sa.table("arrival", *(sa.column(name) for name in (*_ARRIVAL, "ordinal")))
    rows = op.get_bind().execute(sa.select(had).order_by(had.c.installed_at)).mappings().all()
    seen: dict[str, int] = {}
    for row in rows:
        ordinal = seen.setdefault(row["import_id"], 0)
        seen[row["import_id"]] += 1
        package = {name: row[name] for name in _INSTALLED} | {"powers": json.loads(row["powers"] or "null")}
        values = {name: row[name] for name in _ARRIVAL if name != "package"}
        op.execute(sa.insert(kept).values(**values, package=json.dumps(package), ordinal=ordinal))


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
