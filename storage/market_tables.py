"""Tables of the marketplace's hub (installhub.md section 10; decisions R4, R8, R30). Rules: see ``tables``."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    event,
    text,
)

from domain.market.model import (
    Category,
    ListingState,
    PublisherStatus,
    ReviewState,
    SubmissionStatus,
    TrustLevel,
    VerificationMethod,
)
from domain.model import PackageType
from storage.sql import Choice, Json, Moment, Who, Words
from storage.tables import METADATA, words


def _number(name: str) -> Column[int]:
    return Column(name, Integer(), nullable=False, server_default=text("0"))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean(), nullable=False)


publisher = Table(
    "publisher",
    METADATA,
    words("publisher_id", key=True),
    Column("tenant_id", Words(), ForeignKey("tenant.tenant_id"), nullable=False),
    words("display_name"),
    words("slug"),
    words("website"),
    words("contact_email"),
    words("description"),
    words("logo_url"),
    Column("status", Choice(PublisherStatus), nullable=False),
    _flag("is_official"),
    Column("verification_method", Choice(VerificationMethod), nullable=False),
    words("verification_token"),
    Column("verification_expires_at", Moment(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    Column("created_by", Who(), nullable=False),
    Column("verified_at", Moment()),
    words("domain"),
    UniqueConstraint("slug"),
    Index("ix_publisher_tenant", "tenant_id"),
)

publisher_key = Table(
    "publisher_key",
    METADATA,
    words("publisher_id", key=True),
    words("key_id", key=True),
    words("tenant_id"),
    words("public_key"),
    Column("added_at", Moment(), nullable=False),
    Column("added_by", Who(), nullable=False),
    Column("revoked_at", Moment()),
)

listing = Table(
    "listing",
    METADATA,
    words("listing_id", key=True),
    words("tenant_id"),
    Column("publisher_id", Words(), ForeignKey("publisher.publisher_id"), nullable=False),
    words("name"),
    words("name_key"),
    Column("package_type", Choice(PackageType), nullable=False),
    Column("category", Choice(Category), nullable=False),
    Column("tags", Json(), nullable=False),
    words("description"),
    words("long_description"),
    words("license"),
    words("homepage"),
    Column("screenshots", Json(), nullable=False),
    Column("trust_level", Choice(TrustLevel), nullable=False),
    Column("state", Choice(ListingState), nullable=False),
    words("state_reason"),
    words("latest_version"),
    _number("install_count"),
    _number("rating_sum"),
    _number("review_count"),
    _flag("needs_review"),
    Column("created_at", Moment(), nullable=False),
    Column("updated_at", Moment(), nullable=False),
    UniqueConstraint("name_key"),
    Index("ix_listing_publisher", "publisher_id"),
    Index("ix_listing_installs", "install_count", "listing_id"),
    Index("ix_listing_updated", "updated_at", "listing_id"),
)

listing_version = Table(
    "listing_version",
    METADATA,
    Column("listing_id", Words(), ForeignKey("listing.listing_id"), primary_key=True),
    words("version", key=True),
    words("tenant_id"),
    Column("state", Choice(ListingState), nullable=False),
    words("state_reason"),
    words("replaced_by"),
    words("changelog"),
    Column("published_at", Moment(), nullable=False),
    _flag("is_breaking"),
    Column("manifest", Json(), nullable=False),
    words("checksum"),
    words("content_checksum"),
    words("blob_key"),
    words("sha256"),
    Column("size_bytes", BigInteger(), nullable=False),
    _number("artifact_count"),
    words("platform_version"),
    #: rows of packageDependencies, as the manifest has them
    Column("dependencies", Json(), nullable=False),
    words("scan_result"),
    Column("scan_report", Json(), nullable=False),
    Column("scanned_at", Moment(), nullable=False),
    words("rules_version"),
    Column("powers", Json(), nullable=False),
    words("submission_id"),
    Column("signature", Json()),
    Column("certification", Json()),
    Index("ix_listing_version_blob", "blob_key"),
    Index("ix_listing_version_published", "published_at"),
    Index("ix_listing_version_rules", "rules_version", "listing_id"),
)

submission = Table(
    "submission",
    METADATA,
    words("submission_id", key=True),
    words("tenant_id"),
    Column("publisher_id", Words(), ForeignKey("publisher.publisher_id"), nullable=False),
    words("listing_id"),
    words("name"),
    words("name_key"),
    words("version"),
    Column("status", Choice(SubmissionStatus), nullable=False),
    Column("trust_target", Choice(TrustLevel), nullable=False),
    words("blob_key"),
    words("sha256"),
    Column("size_bytes", BigInteger(), nullable=False),
    Column("wishes", Json(), nullable=False),
    Column("submitted_at", Moment(), nullable=False),
    Column("submitted_by", Who(), nullable=False),
    Column("signature", Json()),
    Column("coverage", Json()),
    words("explanation"),
    words("reason"),
    words("details"),
    Column("scan_report", Json()),
    Column("reviewed_at", Moment()),
    Column("reviewed_by", Who()),
    _flag("is_fast_track"),
    #: database seconds: until then somebody works on it
    Column("lease_until", Double(), nullable=False, server_default=text("0")),
    #: how often the automatic checks were begun
    _number("attempt"),
    Index("ix_submission_publisher", "publisher_id", "submission_id"),
    Index("ix_submission_status", "status", "submission_id"),
    Index("ix_submission_blob", "blob_key"),
)

scan_exception = Table(
    "scan_exception",
    METADATA,
    words("exception_id", key=True),
    words("tenant_id"),
    Column("submission_id", Words(), ForeignKey("submission.submission_id"), nullable=False),
    Column("finding_index", Integer(), nullable=False),
    words("rule"),
    words("pointer"),
    words("artifact_hash"),
    words("explanation"),
    words("evidence"),
    words("status"),
    Column("asked_at", Moment(), nullable=False),
    Column("asked_by", Who(), nullable=False),
    Column("decided_at", Moment()),
    Column("decided_by", Who()),
    Index("ix_scan_exception_submission", "submission_id"),
)

#: what a publisher wants a person to look at
manual_review = Table(
    "manual_review",
    METADATA,
    words("request_id", key=True),
    words("tenant_id"),
    Column("submission_id", Words(), ForeignKey("submission.submission_id"), nullable=False),
    words("explanation"),
    words("status"),
    words("details"),
    Column("asked_at", Moment(), nullable=False),
    Column("asked_by", Who(), nullable=False),
    Column("decided_at", Moment()),
    Column("decided_by", Who()),
    Index("ix_manual_review_submission", "submission_id", "request_id"),
    Index("ix_manual_review_status", "status", "request_id"),
)

listing_review = Table(
    "listing_review",
    METADATA,
    words("review_id", key=True),
    Column("listing_id", Words(), ForeignKey("listing.listing_id"), nullable=False),
    words("tenant_id"),
    words("identity"),
    Column("author", Who(), nullable=False),
    words("version"),
    Column("rating", Integer(), nullable=False),
    words("title"),
    words("body"),
    Column("state", Choice(ReviewState), nullable=False),
    Column("created_at", Moment(), nullable=False),
    Column("published_at", Moment()),
    _number("helpful_count"),
    UniqueConstraint("listing_id", "identity"),
    Index("ix_listing_review_state", "state", "review_id"),
)

#: one row for a person's flag or "helpful" on a review
review_mark = Table(
    "review_mark",
    METADATA,
    Column("review_id", Words(), ForeignKey("listing_review.review_id"), primary_key=True),
    words("identity", key=True),
    words("kind", key=True),
    words("tenant_id"),
    words("reason"),
    Column("at", Moment(), nullable=False),
)

#: installs are counted once a tenant (installhub.md section 10.2)
listing_install = Table(
    "listing_install",
    METADATA,
    Column("listing_id", Words(), ForeignKey("listing.listing_id"), primary_key=True),
    words("tenant_id", key=True),
    words("version"),
    Column("first_at", Moment(), nullable=False),
    Column("last_at", Moment(), nullable=False),
    Index("ix_listing_install_first", "first_at"),
    Index("ix_listing_install_tenant", "tenant_id"),
)

listing_subscription = Table(
    "listing_subscription",
    METADATA,
    Column("listing_id", Words(), ForeignKey("listing.listing_id"), primary_key=True),
    words("tenant_id", key=True),
    Column("subscribed_at", Moment(), nullable=False),
    Column("subscribed_by", Who(), nullable=False),
    #: whose the notices are: issuer and subject
    words("identity"),
)

vulnerability_report = Table(
    "vulnerability_report",
    METADATA,
    words("report_id", key=True),
    Column("listing_id", Words(), ForeignKey("listing.listing_id"), nullable=False),
    words("tenant_id"),
    words("version"),
    words("severity"),
    words("description"),
    Column("reported_by", Who(), nullable=False),
    Column("reported_at", Moment(), nullable=False),
    words("status"),
    Index("ix_vulnerability_report_listing", "listing_id", "report_id"),
)

#: the hub's own signed metadata (TUF), every version of every role
hub_metadata = Table(
    "hub_metadata",
    METADATA,
    words("role", key=True),
    Column("version", Integer(), primary_key=True, autoincrement=False),
    words("tenant_id"),
    words("body"),
    Column("made_at", Moment(), nullable=False),
)

#: what this installation trusts of another hub: the last metadata of each role that it verified
hub_trust = Table(
    "hub_trust",
    METADATA,
    words("hub", key=True),
    words("role", key=True),
    words("tenant_id"),
    Column("version", Integer(), nullable=False),
    words("body"),
    Column("verified_at", Moment(), nullable=False),
)

#: what a search looks into: FTS5 on SQLite, a weighted tsvector on PostgreSQL; see ``listing_search``
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
for _name, _statements in _SEARCH.items():
    for _statement in _statements:
        event.listen(METADATA, "after_create", DDL(_statement).execute_if(dialect=_name))  # type: ignore[no-untyped-call]
event.listen(METADATA, "before_drop", DDL("DROP TABLE listing_search"))  # type: ignore[no-untyped-call]
