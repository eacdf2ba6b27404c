"""The marketplace: publishers, listings, submissions, reviews, the hub's metadata; what an install knows beforehand.

(installhub.md section 10; decisions R4, R8, R30.)
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    *("publisher", "publisher_key", "listing", "listing_version", "submission", "scan_exception", "manual_review"),
    *("listing_review", "review_mark", "listing_install", "listing_subscription", "vulnerability_report"),
    *("hub_metadata", "hub_trust"),
)
_SEARCH = {
    "sqlite": (
        """CREATE VIRTUAL TABLE listing_search USING fts5(
listing_id UNINDEXED, name, description, tags, tokenize = 'unicode61 remove_diacritics 2')""",
    ),
    "postgresql": (
        'CREATE TABLE listing_search (listing_id TEXT COLLATE "C" NOT NULL PRIMARY KEY, words TSVECTOR NOT NULL)',
        "CREATE INDEX ix_listing_search_words ON listing_search USING gin (words)",
    ),
}


def upgrade() -> None:
    op.add_column("import_package", sa.Column("offer", _text()))
    op.add_column("import_job", sa.Column("install", _text()))
    op.add_column("installed_package", sa.Column("powers", _text()))
    _hub()
    _people()
    for statement in _SEARCH[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE listing_search")
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_column("installed_package", "powers")
    op.drop_column("import_job", "install")
    op.drop_column("import_package", "offer")


def _hub() -> None:
    op.create_table(
        "publisher",
        *_words(
            "publisher_id",
            "tenant_id",
            "display_name",
            "slug",
            "website",
            "contact_email",
            "description",
            "logo_url",
            "status",
        ),
        sa.Column("is_official", sa.Boolean(), nullable=False),
        *_words("verification_method", "verification_token", "verification_expires_at", "created_at", "created_by"),
        sa.Column("verified_at", _text()),
        *_words("domain"),
        sa.PrimaryKeyConstraint("publisher_id", name="pk_publisher"),
        sa.UniqueConstraint("slug", name="uq_publisher_slug"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name="fk_publisher_tenant_id"),
    )
    op.create_index("ix_publisher_tenant", "publisher", ["tenant_id"])
    op.create_table(
        "publisher_key",
        *_words("publisher_id", "key_id", "tenant_id", "public_key", "added_at", "added_by"),
        sa.Column("revoked_at", _text()),
        sa.PrimaryKeyConstraint("publisher_id", "key_id", name="pk_publisher_key"),
    )
    op.create_table(
        "listing",
        *_words(
            "listing_id",
            "tenant_id",
            "publisher_id",
            "name",
            "name_key",
            "package_type",
            "category",
            "tags",
            "description",
            "long_description",
            "license",
            "homepage",
            "screenshots",
            "trust_level",
            "state",
            "state_reason",
            "latest_version",
        ),
        sa.Column("install_count", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("rating_sum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("review_count", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("needs_review", sa.Boolean(), nullable=False),
        *_words("created_at", "updated_at"),
        sa.PrimaryKeyConstraint("listing_id", name="pk_listing"),
        sa.UniqueConstraint("name_key", name="uq_listing_name_key"),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.publisher_id"], name="fk_listing_publisher_id"),
    )
    op.create_index("ix_listing_installs", "listing", ["install_count", "listing_id"])
    op.create_index("ix_listing_publisher", "listing", ["publisher_id"])
    op.create_index("ix_listing_updated", "listing", ["updated_at", "listing_id"])
    op.create_table(
        "listing_version",
        *_words(
            "listing_id", "version", "tenant_id", "state", "state_reason", "replaced_by", "changelog", "published_at"
        ),
        sa.Column("is_breaking", sa.Boolean(), nullable=False),
        *_words("manifest", "checksum", "content_checksum", "blob_key", "sha256"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("artifact_count", sa.Integer(), nullable=False, server_default=sa.text("0")),
        *_words(
            "platform_version",
            "dependencies",
            "scan_result",
            "scan_report",
            "scanned_at",
            "rules_version",
            "powers",
            "submission_id",
        ),
        sa.Column("signature", _text()),
        sa.Column("certification", _text()),
        sa.PrimaryKeyConstraint("listing_id", "version", name="pk_listing_version"),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.listing_id"], name="fk_listing_version_listing_id"),
    )
    op.create_index("ix_listing_version_blob", "listing_version", ["blob_key"])
    op.create_index("ix_listing_version_published", "listing_version", ["published_at"])
    op.create_index("ix_listing_version_rules", "listing_version", ["rules_version", "listing_id"])
    op.create_table(
        "submission",
        *_words(
            "submission_id",
            "tenant_id",
            "publisher_id",
            "listing_id",
            "name",
            "name_key",
            "version",
            "status",
            "trust_target",
            "blob_key",
            "sha256",
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        *_words("wishes", "submitted_at", "submitted_by"),
        sa.Column("signature", _text()),
        sa.Column("coverage", _text()),
        *_words("explanation", "reason", "details"),
        sa.Column("scan_report", _text()),
        sa.Column("reviewed_at", _text()),
        sa.Column("reviewed_by", _text()),
        sa.Column("is_fast_track", sa.Boolean(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("submission_id", name="pk_submission"),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.publisher_id"], name="fk_submission_publisher_id"),
    )
    op.create_index("ix_submission_blob", "submission", ["blob_key"])
    op.create_index("ix_submission_publisher", "submission", ["publisher_id", "submission_id"])
    op.create_index("ix_submission_status", "submission", ["status", "submission_id"])
    op.create_table(
        "scan_exception",
        *_words("exception_id", "tenant_id", "submission_id"),
        sa.Column("finding_index", sa.Integer(), nullable=False),
        *_words("rule", "pointer", "artifact_hash", "explanation", "evidence", "status", "asked_at", "asked_by"),
        sa.Column("decided_at", _text()),
        sa.Column("decided_by", _text()),
        sa.PrimaryKeyConstraint("exception_id", name="pk_scan_exception"),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.submission_id"], name="fk_scan_exception_submission_id"
        ),
    )
    op.create_index("ix_scan_exception_submission", "scan_exception", ["submission_id"])
    op.create_table(
        "manual_review",
        *_words("request_id", "tenant_id", "submission_id", "explanation", "status", "details", "asked_at", "asked_by"),
        sa.Column("decided_at", _text()),
        sa.Column("decided_by", _text()),
        sa.PrimaryKeyConstraint("request_id", name="pk_manual_review"),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.submission_id"], name="fk_manual_review_submission_id"),
    )
    op.create_index("ix_manual_review_submission", "manual_review", ["submission_id", "request_id"])
    op.create_index("ix_manual_review_status", "manual_review", ["status", "request_id"])


def _people() -> None:
    op.create_table(
        "listing_review",
        *_words("review_id", "listing_id", "tenant_id", "identity", "author", "version"),
        sa.Column("rating", sa.Integer(), nullable=False),
        *_words("title", "body", "state", "created_at"),
        sa.Column("published_at", _text()),
        sa.Column("helpful_count", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("review_id", name="pk_listing_review"),
        sa.UniqueConstraint("listing_id", "identity", name="uq_listing_review_listing_id_identity"),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.listing_id"], name="fk_listing_review_listing_id"),
    )
    op.create_index("ix_listing_review_state", "listing_review", ["state", "review_id"])
    op.create_table(
        "review_mark",
        *_words("review_id", "identity", "kind", "tenant_id", "reason", "at"),
        sa.PrimaryKeyConstraint("review_id", "identity", "kind", name="pk_review_mark"),
        sa.ForeignKeyConstraint(["review_id"], ["listing_review.review_id"], name="fk_review_mark_review_id"),
    )
    op.create_table(
        "listing_install",
        *_words("listing_id", "tenant_id", "version", "first_at", "last_at"),
        sa.PrimaryKeyConstraint("listing_id", "tenant_id", name="pk_listing_install"),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.listing_id"], name="fk_listing_install_listing_id"),
    )
    op.create_index("ix_listing_install_first", "listing_install", ["first_at"])
    op.create_index("ix_listing_install_tenant", "listing_install", ["tenant_id"])
    op.create_table(
        "listing_subscription",
        *_words("listing_id", "tenant_id", "subscribed_at", "subscribed_by", "identity"),
        sa.PrimaryKeyConstraint("listing_id", "tenant_id", name="pk_listing_subscription"),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.listing_id"], name="fk_listing_subscription_listing_id"),
    )
    op.create_table(
        "vulnerability_report",
        *_words(
            "report_id",
            "listing_id",
            "tenant_id",
            "version",
            "severity",
            "description",
            "reported_by",
            "reported_at",
            "status",
        ),
        sa.PrimaryKeyConstraint("report_id", name="pk_vulnerability_report"),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.listing_id"], name="fk_vulnerability_report_listing_id"),
    )
    op.create_index("ix_vulnerability_report_listing", "vulnerability_report", ["listing_id", "report_id"])
    op.create_table(
        "hub_metadata",
        *_words("role"),
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        *_words("tenant_id", "body", "made_at"),
        sa.PrimaryKeyConstraint("role", "version", name="pk_hub_metadata"),
    )
    op.create_table(
        "hub_trust",
        *_words("hub", "role", "tenant_id"),
        sa.Column("version", sa.Integer(), nullable=False),
        *_words("body", "verified_at"),
        sa.PrimaryKeyConstraint("hub", "role", name="pk_hub_trust"),
    )


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text(), nullable=False) for name in names]


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
