"""By which rules what is kept was scanned last, and the scans that are made again (design: security, section 3.3)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, name in _COLUMNS:
        op.add_column(table, sa.Column(name, _text(), nullable=False, server_default=sa.text("''")))
    # what was imported was scanned, and its report says by which rules
    for name, member in (("package_id", "packageId"), ("scanned_by", "rulesVersion")):
        stated = _STATED[op.get_bind().dialect.name].format(member)
        op.execute(sa.text(f"UPDATE scan_report SET {name} = COALESCE({stated}, '')"))  # noqa: S608 - names of ours
    op.create_table(
        "rescan",
        sa.Column("rescan_id", _text(), primary_key=True),
        *(sa.Column(name, _text(), nullable=False) for name in ("tenant_id", "keeping", "subject_id")),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        *(sa.Column(name, _text(), nullable=False) for name in _WORDS),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        *(sa.Column(name, _text()) for name in ("result", "report", "scanned_at")),
        sa.UniqueConstraint("subject_id", "ordinal", "rules_version", name=_ONCE),
    )
    op.create_index("ix_rescan_page", "rescan", ["tenant_id", "rescan_id"])


def downgrade() -> None:
    op.drop_table("rescan")
    for table, name in reversed(_COLUMNS):
        op.drop_column(table, name)


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


_ONCE = "uq_rescan_subject_id_ordinal_rules_version"
_COLUMNS = (
    *(("package", "identity"), ("package", "scanned_by")),
    *(("scan_report", "package_id"), ("scan_report", "scanned_by")),
)
_WORDS = ("package_id", "package_name", "package_version", "rules_version")
#: a member of a report, which is kept as text
_STATED = {"sqlite": "json_extract(report, '$.{}')", "postgresql": "CAST(report AS json) ->> '{}'"}
