"""What is asked of publishers, and what comes of it."""

from __future__ import annotations

import strawberry

from domain.market.model import Category, VerificationMethod
from domain.market.publisher_order import PublisherOrder
from domain.market.submitting import Wishes
from domain.model import TenantId
from schema.inputs import IDEMPOTENCY_KEY
from schema.publishers import PackageValidation, Publisher, PublisherKey, Submission
from schema.refusals import RefusalShown
from schema.scalars import Json
from schema.values import Problem

_PUBLISHER = "The publisher."
_REFUSAL = "Why nothing was done."
_UPLOAD = "A ZIP that the caller sent to `POST /api/installhub/uploads` for the publisher's tenant."


@strawberry.input(description="Who wants to publish.")
class CreatePublisherInput:
    tenant_id: strawberry.ID = strawberry.field(description="The tenant whose people act for it.")
    display_name: str = strawberry.field(description="The name that people see, at most 100 characters.")
    slug: str = strawberry.field(description="Its short name: at most 50 lower-case letters, digits and hyphens.")
    website: str = strawberry.field(description="Its website, https. Its domain is to be shown to be its own.")
    contact_email: str = strawberry.field(
        description="Whom users of its packages write to; it stands in every package that is offered."
    )
    description: str | None = strawberry.field(default=None, description="What it does, at most 500 characters.")
    logo_url: str | None = strawberry.field(default=None, description="Where its logo is, https.")
    verification_method: VerificationMethod | None = strawberry.field(
        default=VerificationMethod.DNS, description="Where the record will be shown."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)

    def order(self, tenant_id: TenantId) -> PublisherOrder:
        return PublisherOrder(
            tenant_id=tenant_id,
            display_name=self.display_name,
            slug=self.slug,
            website=self.website,
            contact_email=self.contact_email,
            description=self.description or "",
            logo_url=self.logo_url or "",
            method=self.verification_method or VerificationMethod.DNS,
        )


@strawberry.type(description="The publisher that was made; it waits to be verified.")
class CreatePublisherPayload:
    publisher: Publisher | None = strawberry.field(default=None, description=_PUBLISHER)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.input(description="A publisher whose domain is to be looked at now.")
class VerifyPublisherInput:
    publisher_id: strawberry.ID = strawberry.field(description=_PUBLISHER)
    verification_method: VerificationMethod | None = strawberry.field(
        default=None, description="Another place to look for the record than before."
    )


@strawberry.type(description="The publisher as it stands after the look.")
class VerifyPublisherPayload:
    publisher: Publisher | None = strawberry.field(default=None, description=_PUBLISHER)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.input(description="Whether a publisher is the marketplace's own house.")
class MarkPublisherOfficialInput:
    publisher_id: strawberry.ID = strawberry.field(description=_PUBLISHER)
    is_official: bool = strawberry.field(description="Whether its packages are OFFICIAL.")


@strawberry.type(description="The publisher as it is now.")
class MarkPublisherOfficialPayload:
    publisher: Publisher | None = strawberry.field(default=None, description=_PUBLISHER)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.input(description="A publisher that is to be stopped.")
class SuspendPublisherInput:
    publisher_id: strawberry.ID = strawberry.field(description=_PUBLISHER)
    reason: str = strawberry.field(description="For the publisher's people, at most 500 characters.")


@strawberry.type(description="The publisher as it is now.")
class SuspendPublisherPayload:
    publisher: Publisher | None = strawberry.field(default=None, description=_PUBLISHER)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.input(description="A suspended publisher that may go on.")
class ReinstatePublisherInput:
    publisher_id: strawberry.ID = strawberry.field(description=_PUBLISHER)


@strawberry.type(description="The publisher as it is now.")
class ReinstatePublisherPayload:
    publisher: Publisher | None = strawberry.field(default=None, description=_PUBLISHER)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.input(description="A key to sign with.")
class AddPublisherKeyInput:
    publisher_id: strawberry.ID = strawberry.field(description=_PUBLISHER)
    public_key: str = strawberry.field(description="The public key: Ed25519, PEM.")


@strawberry.type(description="The key. From the first one on, unsigned submissions are refused.")
class AddPublisherKeyPayload:
    publisher_key: PublisherKey | None = strawberry.field(default=None, description="The key.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.input(description="A key that is to verify nothing any more.")
class RevokePublisherKeyInput:
    publisher_id: strawberry.ID = strawberry.field(description=_PUBLISHER)
    key: strawberry.ID = strawberry.field(description="The key's `key`.")


@strawberry.type(description="The key as it is now.")
class RevokePublisherKeyPayload:
    publisher_key: PublisherKey | None = strawberry.field(default=None, description="The key.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.input(description="A package to be looked at.")
class ValidatePackageInput:
    upload_id: strawberry.ID = strawberry.field(description=_UPLOAD)


@strawberry.type(description="What a submission of the package would meet. Nothing was kept.")
class ValidatePackagePayload:
    validation: PackageValidation | None = strawberry.field(default=None, description="Errors and warnings.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.input(description="A package to be offered, and what its page will say.")
class SubmitPackageInput:
    publisher_id: strawberry.ID = strawberry.field(description=_PUBLISHER)
    upload_id: strawberry.ID = strawberry.field(description=_UPLOAD)
    description: str = strawberry.field(description="What it is for, at most 500 characters.")
    category: Category = strawberry.field(description="What it belongs to.")
    tags: list[str] | None = strawberry.field(default=None, description="At most ten words to find it by.")
    changelog: str | None = strawberry.field(default=None, description="What is new, at most 5000 characters.")
    license: str | None = strawberry.field(default=None, description="Its license; else the manifest's.")
    homepage: str | None = strawberry.field(default=None, description="Its homepage, https; else the manifest's.")
    screenshots: list[str] | None = strawberry.field(default=None, description="At most ten https addresses.")
    request_certification: bool | None = strawberry.field(
        default=False, description="Whether people are to certify it."
    )
    coverage_report: str | None = strawberry.field(
        default=None, description="How much its tests cover: LCOV, Cobertura, JaCoCo or OpenCover."
    )
    false_positive_explanation: str | None = strawberry.field(
        default=None, description="Why what the scan finds is harmless."
    )
    signature: Json | None = strawberry.field(
        default=None, description="The publisher's DSSE envelope. Required once it has a key."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)

    def wishes(self) -> Wishes:
        return Wishes(
            description=self.description,
            category=self.category.wire,
            tags=tuple(self.tags or ()),
            changelog=self.changelog or "",
            license=self.license or "",
            homepage=self.homepage or "",
            screenshots=tuple(self.screenshots or ()),
        )


@strawberry.type(description="The submission, in line for the automatic checks.")
class SubmitPackagePayload:
    submission: Submission | None = strawberry.field(default=None, description="The submission.")
    warnings: list[Problem] | None = strawberry.field(default=None, description="What is worth knowing about it.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
