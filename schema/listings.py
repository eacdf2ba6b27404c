"""Packages as the marketplace offers them, and what installers say of them (installhub.md sections 10.2 and 10.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.market import catalogue, catalogue_rows, model, review_rows
from domain.market.model import Category, ListingState, ReviewState, TrustLevel
from domain.market.review_rows import ReviewSort
from domain.model import PackageType
from domain.scanning import ScanResult
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, tenant_id_of
from schema.scalars import Long
from schema.values import Actor

_STARS = "Stars, 1 to 5."
_PENDING = "Whether it waits to be scanned by new rules. Only those who are inside see it meanwhile."


@strawberry.type(description="Who offers a listing.")
class ListingPublisher:
    key: strawberry.ID = strawberry.field(description="The publisher's id.")
    name: str = strawberry.field(description="Its name.")
    slug: str = strawberry.field(description="Its name in addresses.")
    website: str = strawberry.field(description="Its website.")


@strawberry.type(description="What a version of a listing says of one of its artifacts.")
class ListingArtifact:
    artifact_type: str = strawberry.field(description="Its type.")
    artifact_id: str = strawberry.field(description="Its id where it comes from.")
    name: str = strawberry.field(description="Its name.")
    version: str = strawberry.field(description="Its version.")

    @classmethod
    def of(cls, found: catalogue.Artifact) -> ListingArtifact:
        return cls(
            artifact_type=found.artifact_type, artifact_id=found.artifact_id, name=found.name, version=found.version
        )


@strawberry.type(description="One version of a listing. Its bytes never change.")
class ListingVersion:
    version: str = strawberry.field(description="The version.")
    state: ListingState = strawberry.field(description="What may be done with it. Only LISTED is installed anew.")
    reason: str | None = strawberry.field(description="Why it is not LISTED.")
    replaced_by_version: str | None = strawberry.field(description="Which version to use instead.")
    changelog: str | None = strawberry.field(description="What its publisher says is new.")
    published_at: datetime = strawberry.field(description="When it was published.")
    is_breaking: bool = strawberry.field(description="Whether it may break what relies on the version before.")
    content_checksum: str = strawberry.field(description="SHA-256 of its manifest in the form of RFC 8785.")
    size_bytes: Long = strawberry.field(description="The size of the ZIP.")
    artifact_count: int = strawberry.field(description="How many artifacts it holds.")
    platform_version: str = strawberry.field(description="The platform that it was made for.")
    security_scan_result: ScanResult = strawberry.field(description="What the security scan said.")
    security_scanned_at: datetime = strawberry.field(description="When it was scanned last.")
    is_rescan_pending: bool = strawberry.field(description=_PENDING)
    head: strawberry.Private[catalogue_rows.VersionHead]

    @described("What is in it.")
    async def artifacts(self, info: Info) -> list[ListingArtifact]:
        found = await info.context.catalogue.artifacts(self.head.listing_id, self.head.version)
        info.context.spend(len(found))
        return [ListingArtifact.of(one) for one in found]

    @classmethod
    def of(cls, head: catalogue_rows.VersionHead) -> ListingVersion:
        return cls(
            version=head.version,
            state=head.state,
            reason=head.state_reason or None,
            replaced_by_version=head.replaced_by or None,
            changelog=head.changelog or None,
            published_at=head.published_at,
            is_breaking=head.is_breaking,
            content_checksum=head.content_checksum,
            size_bytes=Long(head.size_bytes),
            artifact_count=head.artifact_count,
            platform_version=head.platform_version,
            security_scan_result=ScanResult(head.scan_result),
            security_scanned_at=head.scanned_at,
            is_rescan_pending=head.is_rescan_pending,
            head=head,
        )


@strawberry.type(description="What an installer says of a listing.")
class Review:
    key: strawberry.ID = strawberry.field(description="Its id: mutations know it as `reviewId`.")
    state: ReviewState = strawberry.field(description="Whether others can read it.")
    rating: int = strawberry.field(description=_STARS)
    title: str = strawberry.field(description="In a line.")
    body: str = strawberry.field(description="In full.")
    author: str = strawberry.field(description="Who says so: a name, no address.")
    version: str = strawberry.field(description="The version that the author's tenant had installed.")
    published_at: datetime | None = strawberry.field(description="Since when others read it.")
    helpful_count: int = strawberry.field(description="How many people it helped.")

    @classmethod
    def of(cls, review: model.Review) -> Review:
        return cls(
            key=strawberry.ID(review.review_id),
            state=review.state,
            rating=review.rating,
            title=review.title,
            body=review.body,
            author=review.author.public_label,
            version=review.version,
            published_at=review.published_at,
            helpful_count=review.helpful_count,
        )


@strawberry.type(description="A review that a moderator has to decide.")
class ModeratedReview:
    review: Review = strawberry.field(description="What was written.")
    listing_id: strawberry.ID = strawberry.field(description="About which listing.")
    listing_name: str = strawberry.field(description="The listing's name.")
    written_by: Actor = strawberry.field(description="By whom.")
    tenant_id: str = strawberry.field(description="The tenant that installed the listing.")
    created_at: datetime = strawberry.field(description="When.")
    flags: list[str] = strawberry.field(description="Why people flagged it, the first one first.")

    @classmethod
    def of(cls, found: review_rows.Moderated) -> ModeratedReview:
        return cls(
            review=Review.of(found.review),
            listing_id=strawberry.ID(found.review.listing_id),
            listing_name=found.listing_name,
            written_by=Actor.of(found.review.author),
            tenant_id=found.review.tenant_id,
            created_at=found.review.created_at,
            flags=list(found.reasons),
        )


@strawberry.type(description="How many published reviews give so many stars.")
class StarCount:
    stars: int = strawberry.field(description=_STARS)
    count: int = strawberry.field(description="How many reviews.")


OfTenant = Annotated[strawberry.ID, strawberry.argument(description="A tenant of the caller's.")]
InOrder = Annotated[ReviewSort | None, strawberry.argument(description="The order.")]


@strawberry.type(description="A package as the marketplace offers it.")
class Listing(Node):
    name: str = strawberry.field(description="Its name, unique in the marketplace.")
    publisher_name: str = strawberry.field(description="Who offers it.")
    publisher: ListingPublisher = strawberry.field(description="The same, with more about them.")
    package_type: PackageType = strawberry.field(description="What it is mainly made of.")
    category: Category = strawberry.field(description="What it is for, in a word.")
    tags: list[str] = strawberry.field(description="Words to find it by.")
    description: str = strawberry.field(description="What it is for.")
    trust_level: TrustLevel = strawberry.field(description="How far it was looked at before it was offered.")
    state: ListingState = strawberry.field(description="What may be done with it as a whole.")
    reason: str | None = strawberry.field(description="Why it is not LISTED.")
    latest_version: str = strawberry.field(
        description="The version to install; where none can be installed anew, the highest."
    )
    is_deprecated: bool = strawberry.field(description="Whether it, or that version, should no longer be used.")
    rating: float | None = strawberry.field(description="Average stars of its published reviews.")
    review_count: int = strawberry.field(description="How many published reviews it has.")
    install_count: int = strawberry.field(description="How many tenants installed it.")
    security_scan_result: ScanResult = strawberry.field(description="What the scan said of the latest version.")
    security_scanned_at: datetime = strawberry.field(description="When that version was scanned last.")
    is_rescan_pending: bool = strawberry.field(description=_PENDING)
    created_at: datetime = strawberry.field(description="When it was offered first.")
    updated_at: datetime = strawberry.field(description="When it was changed last.")
    shown: strawberry.Private[catalogue.Shown]

    @described("Its README, Markdown.")
    async def long_description(self, info: Info) -> str:
        return (await info.context.catalogue.texts(self.shown)).long_description

    @described("Under which terms it may be used.")
    async def license(self, info: Info) -> str | None:
        return (await info.context.catalogue.texts(self.shown)).license or None

    @described("Where more is told about it.")
    async def homepage(self, info: Info) -> str | None:
        return (await info.context.catalogue.texts(self.shown)).homepage or None

    @described("Addresses of pictures.")
    async def screenshots(self, info: Info) -> list[str]:
        return list((await info.context.catalogue.texts(self.shown)).screenshots)

    @described("Its versions, highest first; its publisher and its installers see those that were taken back, too.")
    async def versions(self, info: Info) -> list[ListingVersion]:
        found = await info.context.catalogue.versions(self.shown)
        info.context.spend(len(found))
        return [ListingVersion.of(one) for one in found]

    @described("What is in the latest version.")
    async def artifacts(self, info: Info) -> list[ListingArtifact]:
        found = await info.context.catalogue.artifacts(self.shown.head.listing_id, self.latest_version)
        info.context.spend(len(found))
        return [ListingArtifact.of(one) for one in found]

    @described("What installers say of it.")
    async def reviews(
        self, info: Info, sort: InOrder = ReviewSort.HELPFUL, first: First = 20, after: After = None
    ) -> Connection[Review]:
        asked, order = info.context, sort or ReviewSort.HELPFUL
        cursors = Cursors(f"reviews:{order.name}", self.shown.head.listing_id)
        size, seen = page_size(first), cursors.place(after)
        page = await asked.catalogue.reviews(self.shown, order, first=size, after=seen)
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Review.of, key=lambda one: (one.review_id, one.helpful_count))

    @described("How many published reviews give how many stars, five first.")
    async def stars(self, info: Info) -> list[StarCount]:
        found = await info.context.catalogue.stars(self.shown)
        return [StarCount(stars=stars, count=found.get(stars, 0)) for stars in range(catalogue.STARS_MAX, 0, -1)]

    @described("Which version of it a tenant has; null for none, and for a tenant that is not the caller's.")
    async def installed_version(self, info: Info, tenant_id: OfTenant) -> str | None:
        return await info.context.catalogue.installed_version(self.shown, tenant_id_of(tenant_id))

    @described("Whether a tenant of the caller's hears of its new versions.")
    async def is_subscribed(self, info: Info, tenant_id: OfTenant) -> bool:
        return await info.context.catalogue.is_subscribed(self.shown, tenant_id_of(tenant_id))

    @classmethod
    def of(cls, shown: catalogue.Shown) -> Listing:
        head = shown.head
        return cls(
            id=strawberry.ID(head.listing_id),
            name=head.name,
            publisher_name=head.publisher_name,
            publisher=ListingPublisher(
                key=strawberry.ID(head.publisher_id),
                name=head.publisher_name,
                slug=head.publisher_slug,
                website=head.publisher_website,
            ),
            package_type=head.package_type,
            category=head.category,
            tags=list(head.tags),
            description=head.description,
            trust_level=head.trust_level,
            state=head.state,
            reason=head.state_reason or None,
            latest_version=shown.version.version,
            is_deprecated=shown.is_deprecated,
            rating=head.rating,
            review_count=head.review_count,
            install_count=head.install_count,
            security_scan_result=ScanResult(shown.version.scan_result),
            security_scanned_at=shown.version.scanned_at,
            is_rescan_pending=shown.version.is_rescan_pending,
            created_at=head.created_at,
            updated_at=head.updated_at,
            shown=shown,
        )


@strawberry.type(description="The front page of the marketplace: at most ten listings each.")
class FeaturedListings:
    official: list[Listing] = strawberry.field(description="Of the hub's own house.")
    trending: list[Listing] = strawberry.field(description="Most installed in the last 30 days.")
    new_releases: list[Listing] = strawberry.field(description="With a version of the last 14 days, newest first.")
    top_rated: list[Listing] = strawberry.field(description="Best rated, with at least five reviews.")

    @classmethod
    def of(cls, front: catalogue.Featured) -> FeaturedListings:
        return cls(
            official=[Listing.of(shown) for shown in front.official],
            trending=[Listing.of(shown) for shown in front.trending],
            new_releases=[Listing.of(shown) for shown in front.new_releases],
            top_rated=[Listing.of(shown) for shown in front.top_rated],
        )
