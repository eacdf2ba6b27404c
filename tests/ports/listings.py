"""Small stored listings with good defaults: as rows, without what publishing does before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from domain.market.model import (
    Category,
    Listing,
    ListingId,
    ListingState,
    ListingVersion,
    Publisher,
    PublisherId,
    PublisherStatus,
    Review,
    ReviewId,
    ReviewState,
    SubmissionId,
    TrustLevel,
    VerificationMethod,
)
from domain.model import BlobKey, PackageType, TenantId, name_key
from domain.ports import PlatformUnit, Store
from domain.scanning import RULES_VERSION
from storage.tables import installed_package
from tests.clocks import NOON
from tests.ports.rows import ANNA, GLOBEX

PUBLISHER = PublisherId("pub-1")


def a_publisher(publisher_id: str = PUBLISHER, **fields: Any) -> Publisher:
    """Of the tenant Globex unless said otherwise."""
    publisher = Publisher(
        publisher_id=PublisherId(publisher_id),
        tenant_id=GLOBEX,
        display_name=f"Publisher {publisher_id}",
        slug=publisher_id,
        website=f"https://{publisher_id}.example",
        contact_email=f"packages@{publisher_id}.example",
        description="",
        logo_url="",
        status=PublisherStatus.VERIFIED,
        is_official=False,
        verification_method=VerificationMethod.DNS,
        verification_token="token",
        verification_expires_at=NOON,
        created_at=NOON,
        created_by=ANNA,
    )
    return replace(publisher, **fields)


def a_listing(listing_id: str = "mkt-pkg-1", **fields: Any) -> Listing:
    listing = Listing(
        listing_id=ListingId(listing_id),
        tenant_id=GLOBEX,
        publisher_id=PUBLISHER,
        name=f"Package {listing_id}",
        package_type=PackageType.WORKFLOW_PACKAGE,
        category=Category.HR,
        tags=("people",),
        description="What it is for",
        long_description="# Read me",
        license="MIT",
        homepage="https://pub-1.example/package",
        screenshots=("https://pub-1.example/1.png",),
        trust_level=TrustLevel.COMMUNITY,
        state=ListingState.LISTED,
        state_reason="",
        latest_version="1.0.0",
        install_count=0,
        rating_sum=0,
        review_count=0,
        needs_review=False,
        created_at=NOON,
        updated_at=NOON,
    )
    return replace(listing, **fields)


def a_version(listing: Listing, version: str = "1.0.0", **fields: Any) -> ListingVersion:
    artifact = {"type": "RuleSet", "id": "rule-1", "name": "Rules", "version": "1.0.0"}
    made = ListingVersion(
        listing_id=listing.listing_id,
        tenant_id=listing.tenant_id,
        version=version,
        state=ListingState.LISTED,
        state_reason="",
        replaced_by="",
        changelog="",
        published_at=NOON,
        is_breaking=False,
        manifest={"packageName": listing.name, "version": version, "artifacts": [artifact]},
        checksum="sha256:" + "1" * 64,
        content_checksum="sha256:" + "2" * 64,
        blob_key=BlobKey(f"{listing.listing_id}-{version}"),
        sha256="3" * 64,
        size_bytes=1234,
        artifact_count=1,
        platform_version="4.2.0",
        dependencies=(),
        scan_result="PASS",
        scan_report={},
        scanned_at=NOON,
        rules_version=RULES_VERSION,
        powers={},
        submission_id=SubmissionId("sub-1"),
    )
    return replace(made, **fields)


def a_review(review_id: str = "rev-1", **fields: Any) -> Review:
    review = Review(
        review_id=ReviewId(review_id),
        listing_id=ListingId("mkt-pkg-1"),
        tenant_id=TenantId("tenant-acme"),
        identity=f"issuer {review_id}",
        author=ANNA,
        version="1.0.0",
        rating=4,
        title="Good",
        body="It works.",
        state=ReviewState.PENDING_MODERATION,
        created_at=NOON,
    )
    return replace(review, **fields)


async def listed(
    store: Store, *listings: Listing, versions: tuple[ListingVersion, ...] = (), proven_until: datetime = NOON
) -> None:
    """Store listings and let the search find them; each without versions of its own here gets version 1.0.0."""
    with_versions = {version.listing_id for version in versions}
    usual = [a_version(listing) for listing in listings if listing.listing_id not in with_versions]
    async with store.platform_unit() as unit:
        for publisher_id in {listing.publisher_id for listing in listings}:
            owner = next(listing.tenant_id for listing in listings if listing.publisher_id == publisher_id)
            proven = a_publisher(publisher_id, tenant_id=owner, verification_expires_at=proven_until)
            await unit.publishing.add(proven)
        for listing in listings:
            await unit.publishing.add_listing(listing)
            await unit.catalogue.index(listing)
        for version in (*usual, *versions):
            await unit.publishing.add_version(version)


async def with_installs(
    store: Store, listing_id: str, *tenant_ids: str, version: str = "1.0.0", at: datetime = NOON
) -> None:
    """Count an install of the listing for each tenant."""
    async with store.platform_unit() as unit:
        for tenant_id in tenant_ids:
            await unit.catalogue.count_install(listing_id, TenantId(tenant_id), version, at)


async def keep_installed(unit: PlatformUnit, tenant_id: str, listing: Listing, version: str = "1.0.0") -> None:
    """Note that a tenant has a version, as an activation does."""
    row = {
        "tenant_id": tenant_id,
        "name_key": name_key(listing.name),
        "name": listing.name,
        "source": listing.publisher_id,
        "version": version,
        "checksum": "sha256:" + "1" * 64,
        "package_id": f"pkg-{listing.listing_id}",
        "import_id": "imp-1",
        "installed_at": NOON,
    }
    session: Any = getattr(unit, "_session")  # noqa: B009 - no port writes this row alone
    session.later(insert(installed_package), row)
