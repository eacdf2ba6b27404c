"""What the routes of the catalogue answer and take, described (installhub.md sections 10.2 and 10.4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rest_compat.list_shapes import CountedPage
from rest_compat.questions import with_example
from rest_compat.shapes import Count, ScanVerdict, Shape, Time, always, maybe, ours, ours_maybe

TrustWord = Literal["Official", "Certified", "Community"]
StateWord = Literal["Listed", "Deprecated", "Unlisted", "Suspended", "Yanked"]
ReviewStateWord = Literal["PendingModeration", "Published", "Hidden", "Rejected"]
VerdictWord = Literal["approve", "reject", "restore"]
Stars = Annotated[int, Field(ge=1, le=5)]
Average = Annotated[float, Field(ge=1, le=5)]
_PENDING = "It waits to be scanned by new rules. Only those who are inside see it meanwhile."


class ListedPackage(Shape):
    """A package as the marketplace lists it."""

    package_id: str = always("Its id in the marketplace, `mkt-pkg-…`.")
    name: str = always("Its name.")
    publisher: str = always("Who offers it.")
    trust_level: TrustWord = always("How far it was looked at before it was offered.")
    package_type: str = always("What its roots are.")
    version: str = always("The version to install; where none can be installed anew, the highest.")
    description: str = always("What it is for.")
    category: str = always("What it belongs to.")
    tags: list[str] = always("Words to find it by.")
    rating: Average | None = always("Average stars of its published reviews; null without any.")
    review_count: Count = always("How many published reviews it has.")
    install_count: Count = always("How many tenants installed it.")
    updated_at: Time = always("When it was changed last.")
    security_scan_result: ScanVerdict = ours("What the security scan said of that version.")
    deprecated: bool = ours("Whether it, or that version, should no longer be used.")
    rescan_pending: Literal[True] = ours_maybe(_PENDING)


class PackageArtifact(Shape):
    """An artifact of a package."""

    type: str = always("Its type.")
    name: str = always("Its name.")
    version: str = always("Its version.")


class PackageVersionRow(Shape):
    """A version of a package."""

    version: str = always("The version.")
    published_at: Time = always("When it was published.")
    is_latest: bool = always("Whether an install takes it when no version is named.")
    breaking_change: bool = always("Whether it may break what relies on the version before.")


class PackageVersionDetail(PackageVersionRow):
    """A version of a package, and whether it may be installed."""

    deprecated: bool = always("Whether another version should be used.")
    state: StateWord = ours("What may be done with it. Only `Listed` is installed anew.")
    reason: str = ours_maybe("Why it is not `Listed`.")
    replaced_by_version: str = ours_maybe("Which version to use instead.")
    changelog: str = ours_maybe("What its publisher says is new.")
    content_checksum: str = ours("SHA-256 of its manifest in the form of RFC 8785.")
    size_bytes: Count = ours("Bytes of the ZIP.")
    artifact_count: Count = ours("How many artifacts it holds.")
    platform_version: str = ours("The platform that it was made for.")
    security_scan_result: ScanVerdict = ours("What the security scan said.")
    rescan_pending: Literal[True] = ours_maybe(_PENDING)


class MarketPackage(ListedPackage):
    """A package of the marketplace."""

    publisher_url: str = always("Its publisher's website.")
    latest_version: str = always("The same as `version`.")
    long_description: str = always("Its README, Markdown.")
    license: str = maybe("Under which terms it may be used.")
    homepage: str = maybe("Where more is told about it.")
    security_scanned_at: Time = always("When the latest version was scanned.")
    artifacts: list[PackageArtifact] = always("What is in the latest version.")
    versions: list[PackageVersionRow] = always("Its versions, highest first; at most a hundred.")
    publisher_id: str = ours("The publisher's id, `pub-…`.")
    state: StateWord = ours("What may be done with the package as a whole.")
    reason: str = ours_maybe("Why it is not `Listed`.")
    screenshots: list[str] = ours("Addresses of pictures.")
    created_at: Time = ours("When it was offered first.")


class CataloguePage(CountedPage):
    """Packages that fit."""

    items: list[ListedPackage] = always("This page's packages.")


class FeaturedPackages(Shape):
    """The front page: at most ten packages each."""

    official: list[ListedPackage] = always("Of the hub's own house.")
    trending: list[ListedPackage] = always("Most installed in the last 30 days.")
    new_releases: list[ListedPackage] = always("With a version of the last 14 days, the newest first.")
    top_rated: list[ListedPackage] = always("Best rated, with at least five reviews.")


class PackageVersions(CountedPage):
    """The versions of a package, highest first."""

    package_id: str = always("The package.")
    versions: list[PackageVersionDetail] = always("This page's versions.")


class ReviewRow(Shape):
    """What an installer says of a package."""

    review_id: str = always("Its id, `rev-…`.")
    rating: Stars = always("Stars.")
    title: str = always("In a line.")
    body: str = always("In full.")
    author: str = always("Who says so: a name, no address.")
    version: str = always("The version that the author's tenant had installed.")
    published_at: Time = always("Since when others read it.")
    helpful_count: Count = always("How many people it helped.")


class Distribution(Shape):
    """How many reviews give how many stars."""

    five: Count = Field(alias="5", description="Five stars.")
    four: Count = Field(alias="4", description="Four stars.")
    three: Count = Field(alias="3", description="Three stars.")
    two: Count = Field(alias="2", description="Two stars.")
    one: Count = Field(alias="1", description="One star.")


class ReviewsPage(Shape):
    """The published reviews of a package."""

    average_rating: Average | None = always("Average stars; null without any review.")
    total_reviews: Count = always("How many there are on all pages.")
    distribution: Distribution = always("The same, star by star.")
    reviews: list[ReviewRow] = always("This page's reviews.")
    page: Annotated[int, Field(ge=1)] = ours("Which page this is; the first is 1.")
    page_size: Annotated[int, Field(ge=1)] = ours("How many a page holds at most.")


class ReviewKept(Shape):
    """A review that waits for a moderator."""

    review_id: str = always("Its id, `rev-…`.")
    status: ReviewStateWord = always("`PendingModeration`: a moderator reads it before others do.")
    message: str = always("The same, as a sentence to show.")


class ReviewStanding(Shape):
    """How a review stands now."""

    review_id: str = always("The review.")
    status: ReviewStateWord = always("Whether others can read it.")
    helpful_count: Count = always("How many people it helped.")


class ModeratedRow(Shape):
    """A review that a moderator has to decide."""

    review_id: str = always("Its id.")
    package_id: str = always("The package.")
    package_name: str = always("The package's name.")
    status: ReviewStateWord = always("`PendingModeration`: it is new; `Hidden`: somebody flagged it.")
    rating: Stars = always("Stars.")
    title: str = always("In a line.")
    body: str = always("In full.")
    author: str = always("Who wrote it.")
    tenant_id: str = always("The tenant that installed the package.")
    version: str = always("The version that it had installed.")
    created_at: Time = always("When it was written.")
    flags: list[str] = always("Why people flagged it, the first one first.")


class ModerationQueue(CountedPage):
    """Reviews that wait for a moderator, oldest first."""

    items: list[ModeratedRow] = always("This page's reviews.")


class InstalledFromMarket(Shape):
    """A package that a tenant has from the marketplace."""

    package_id: str = always("The package.")
    installed_version: str = always("The version that is active.")
    latest_version: str = always("The version to install; empty where none can be installed anew.")
    update_available: bool = always("Whether that is a higher one.")
    is_breaking_change: bool = always("Whether it jumps over a major version.")
    installed_at: Time = always("When the installed version became active.")
    package_name: str = ours("The package's name.")
    deprecated: bool = ours("Whether the installed version should be replaced.")
    state: StateWord = ours_maybe("What may be done with the installed version.")
    reason: str = ours_maybe("Why it is not `Listed`.")
    replaced_by_version: str = ours_maybe("Which version to use instead.")


class InstalledFromMarketPage(CountedPage):
    """What a tenant has from the marketplace, by name."""

    items: list[InstalledFromMarket] = always("This page's packages.")


class SubscriptionStanding(Shape):
    """Whether a tenant hears of a package's new versions."""

    package_id: str = always("The package.")
    tenant_id: str = always("The tenant.")
    subscribed: bool = always("Whether it does.")
    subscribed_at: Time = maybe("Since when.")


class ReviewRequest(Shape):
    """What to say of a package."""

    model_config = with_example({"rating": 5, "title": "Saves us a day", "body": "It works as it says."})

    tenant_id: str = maybe("The tenant that installed it; else `X-Tenant-Id`, else the token's own.")
    rating: Stars = always("1 to 5 stars.")
    title: Annotated[str, StringConstraints(min_length=1, max_length=100)] = always("In a line.")
    body: Annotated[str, StringConstraints(min_length=1, max_length=5000)] = always("In full.")


class FlagRequest(Shape):
    """Why moderators should look again."""

    model_config = with_example({"reason": "This is an advertisement."})

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] = always("What is wrong with it.")


class VerdictRequest(Shape):
    """What a moderator decides."""

    model_config = with_example({"verdict": "approve"})

    verdict: VerdictWord = always("`approve` a new one, `reject` any, `restore` a hidden or rejected one.")


class SubscriptionRequest(Shape):
    """Which tenant is meant."""

    model_config = with_example({"tenantId": "acme-prod"})

    tenant_id: str = maybe("The tenant; else `X-Tenant-Id`, else the token's own.")
