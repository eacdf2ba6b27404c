"""The nouns of the marketplace, frozen (installhub.md section 10; decisions R4, R8, R30; X19-X25, X28).

The hub is the part of an installation where packages are offered. A *listing* is one package of one publisher; an
*offer* is one version of it, as the hub's signed index states it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NewType

from domain.model import Actor, BlobKey, PackageDependency, PackageType, TenantId, WireEnum

PublisherId = NewType("PublisherId", str)
ListingId = NewType("ListingId", str)
SubmissionId = NewType("SubmissionId", str)
ReviewId = NewType("ReviewId", str)
InstallId = NewType("InstallId", str)


class TrustLevel(WireEnum):
    """How far a package was looked at before it was offered (X21; installhub.md section 10.3)."""

    OFFICIAL = "Official"
    CERTIFIED = "Certified"
    COMMUNITY = "Community"


class PublisherStatus(WireEnum):
    """Whether a publisher may submit (installhub.md section 3.4)."""

    PENDING_VERIFICATION = "PendingVerification"
    VERIFIED = "Verified"
    SUSPENDED = "Suspended"


class VerificationMethod(WireEnum):
    """How a publisher shows that its website is its own (installhub.md section 10.4)."""

    DNS = "DNS"
    FILE = "File"


class ListingState(WireEnum):
    """What may be done with a listing or one of its versions (installhub.md section 10.4).

    Listed: all. Deprecated: no new installs. Unlisted: neither new installs nor found by a search. Suspended: the hub
    stopped it. Yanked: the publisher took this version back. Where it is installed it stays usable in every state.
    """

    LISTED = "Listed"
    DEPRECATED = "Deprecated"
    UNLISTED = "Unlisted"
    SUSPENDED = "Suspended"
    YANKED = "Yanked"


class SubmissionStatus(WireEnum):
    """How far a submission has come (installhub.md section 3.4)."""

    QUEUED = "Queued"
    SECURITY_SCANNING = "SecurityScanning"
    MANIFEST_VALIDATION = "ManifestValidation"
    AWAITING_HUMAN_REVIEW = "AwaitingHumanReview"
    LISTED = "Listed"
    REJECTED = "Rejected"

    @property
    def is_final(self) -> bool:
        """True when nothing can change any more."""
        return self in {SubmissionStatus.LISTED, SubmissionStatus.REJECTED}


class ReviewState(WireEnum):
    """Whether others can read a review (X25: moderated before; a flag hides it meanwhile)."""

    PENDING_MODERATION = "PendingModeration"
    PUBLISHED = "Published"
    HIDDEN = "Hidden"
    REJECTED = "Rejected"


class Category(WireEnum):
    """What a package is for (X28: the words of the search)."""

    HR = "hr"
    FINANCE = "finance"
    OPERATIONS = "operations"
    COMPLIANCE = "compliance"
    CUSTOMER = "customer"
    FORMS = "forms"
    UTILITIES = "utilities"


class ListingSort(WireEnum):
    """Orders of a search (installhub.md section 10.2). RELEVANCE is the order of a text search without ``sortBy``."""

    INSTALLS = "installs"
    RATING = "rating"
    NEWEST = "newest"
    NAME = "name"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who offers packages. ``tenant_id`` is the tenant whose people act for it; ``domain`` is known once verified."""

    publisher_id: PublisherId
    tenant_id: TenantId
    display_name: str
    slug: str
    website: str
    contact_email: str
    description: str
    logo_url: str
    status: PublisherStatus
    #: the hub's own house: its packages are Official
    is_official: bool
    verification_method: VerificationMethod
    verification_token: str
    verification_expires_at: datetime
    created_at: datetime
    created_by: Actor
    verified_at: datetime | None = None
    domain: str = ""


@dataclass(frozen=True, slots=True)
class PublisherKey:
    """A public key (Ed25519) a publisher signs with. ``public_key`` is PEM; a revoked key verifies nothing."""

    publisher_id: PublisherId
    key_id: str
    public_key: str
    added_at: datetime
    added_by: Actor
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A package as the marketplace offers it. Its name is unique in the hub and belongs to its publisher (R4)."""

    listing_id: ListingId
    tenant_id: TenantId
    publisher_id: PublisherId
    name: str
    package_type: PackageType
    category: Category
    tags: tuple[str, ...]
    description: str
    #: the README of the latest version, Markdown
    long_description: str
    license: str
    homepage: str
    screenshots: tuple[str, ...]
    trust_level: TrustLevel
    state: ListingState
    state_reason: str
    #: the newest listed, non-deprecated version that is no pre-release; empty when there is none
    latest_version: str
    install_count: int
    #: sum of the stars of published reviews, and how many there are
    rating_sum: int
    review_count: int
    needs_review: bool
    created_at: datetime
    updated_at: datetime

    @property
    def rating(self) -> float | None:
        """Average stars of the published reviews, 1 to 5; ``None`` without any."""
        return self.rating_sum / self.review_count if self.review_count else None


@dataclass(frozen=True, slots=True)
class Certification:
    """What a certified version stands on (X22: at least 70 % of lines). Coverage is 0 to 1."""

    certified_at: datetime
    certified_by: Actor
    line_coverage: float | None
    branch_coverage: float | None
    next_review: datetime


@dataclass(frozen=True, slots=True)
class ListingVersion:
    """One published version of a listing; its bytes never change.

    ``manifest`` is the re-stated one (publisher instead of tenant); ``powers`` what the package can do, as
    :mod:`domain.market.powers` finds it; ``signature`` the publisher's DSSE envelope, if it signs.
    """

    listing_id: ListingId
    tenant_id: TenantId
    version: str
    state: ListingState
    state_reason: str
    replaced_by: str
    changelog: str
    published_at: datetime
    is_breaking: bool
    manifest: Mapping[str, Any]
    checksum: str
    content_checksum: str
    blob_key: BlobKey
    sha256: str
    size_bytes: int
    artifact_count: int
    platform_version: str
    dependencies: tuple[PackageDependency, ...]
    scan_result: str
    scan_report: Mapping[str, Any]
    scanned_at: datetime
    rules_version: str
    powers: Mapping[str, Any]
    submission_id: SubmissionId
    signature: Mapping[str, Any] | None = None
    certification: Certification | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One version of a listing as the hub's index states it: all that an install believes before it has the bytes.

    ``state`` is the version's, or the listing's where that forbids more. ``sha256`` and ``size_bytes`` are those of
    the ZIP; ``checksum`` is the documented one, to which consent is bound (R6).
    """

    listing_id: ListingId
    publisher_id: PublisherId
    publisher_name: str
    name: str
    version: str
    package_type: PackageType
    trust_level: TrustLevel
    state: ListingState
    platform_version: str
    dependencies: tuple[PackageDependency, ...]
    checksum: str
    content_checksum: str
    sha256: str
    size_bytes: int
    artifact_count: int
    published_at: datetime
    state_reason: str = ""
    replaced_by: str = ""
    signature: Mapping[str, Any] | None = None
    #: PEM by key id: the keys of the publisher that verify signatures now
    publisher_keys: Mapping[str, str] = field(default_factory=dict)
    #: findings that the hub's people let pass: each the rule, the JSON pointer and the hash of the artifact's file (R6)
    exceptions: tuple[tuple[str, str, str], ...] = ()

    @property
    def full_name(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class InstallWish:
    """What was asked of the marketplace: one listing, and a version of it (``None``: the latest).

    ``acknowledged``: the caller confirmed that Community packages are among what is installed. ``index_version``: of
    the hub's index that was looked into for it (security.md section 2, "mix and match").
    """

    listing_id: ListingId
    version: str | None
    acknowledged: bool
    index_version: int | None = None

    @property
    def asked(self) -> Mapping[str, Any]:
        """What the caller asked for, whatever was found: the same request has the same."""
        return {"listing_id": self.listing_id, "version": self.version, "acknowledged": self.acknowledged}


@dataclass(frozen=True, slots=True)
class Submission:
    """A bundle that a publisher wants to offer, on its way through the checks (installhub.md section 10.4).

    ``wishes`` are the submission's own fields: description, category, tags, changelog, screenshots, license, homepage.
    """

    submission_id: SubmissionId
    tenant_id: TenantId
    publisher_id: PublisherId
    listing_id: ListingId
    name: str
    version: str
    status: SubmissionStatus
    trust_target: TrustLevel
    blob_key: BlobKey
    sha256: str
    size_bytes: int
    wishes: Mapping[str, Any]
    submitted_at: datetime
    submitted_by: Actor
    signature: Mapping[str, Any] | None = None
    #: the report of a tests' coverage, read: ``{"lineCoverage", "branchCoverage"}``, 0 to 1
    coverage: Mapping[str, Any] | None = None
    explanation: str = ""
    reason: str = ""
    details: str = ""
    scan_report: Mapping[str, Any] | None = None
    reviewed_at: datetime | None = None
    reviewed_by: Actor | None = None
    is_fast_track: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """What an installer says of a listing. ``identity`` is the author's: one review a person and listing."""

    review_id: ReviewId
    listing_id: ListingId
    tenant_id: TenantId
    identity: str
    author: Actor
    version: str
    rating: int
    title: str
    body: str
    state: ReviewState
    created_at: datetime
    published_at: datetime | None = None
    helpful_count: int = 0


@dataclass(frozen=True, slots=True)
class VulnerabilityReport:
    """Somebody's word that a version is dangerous (installhub.md section 4.3)."""

    report_id: str
    listing_id: ListingId
    tenant_id: TenantId
    version: str
    severity: str
    description: str
    reported_by: Actor
    reported_at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class ListingFilter:
    """Which listings a search shows. Empty fields ask for nothing."""

    search: str = ""
    category: Category | None = None
    trust_levels: tuple[TrustLevel, ...] = ()
    package_type: PackageType | None = None
    min_rating: float | None = None
    sort: ListingSort | None = None

    @property
    def order(self) -> ListingSort:
        """The order in which they are shown."""
        return self.sort or (ListingSort.RELEVANCE if self.search.strip() else ListingSort.INSTALLS)
