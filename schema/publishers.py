"""Publishers, and what they submit (installhub.md section 10.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry

from domain.market import model
from domain.market.model import PublisherStatus, SubmissionStatus, TrustLevel, VerificationMethod
from domain.market.publishers import record_value
from domain.market.submitting import Verdict
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.scalars import Long
from schema.scans import ScanReport
from schema.values import Actor, Problem

Statuses = Annotated[
    list[SubmissionStatus] | None, strawberry.argument(description="Only those that stand so; left out: all.")
]
_OWN = "null for whom it does not belong to."


@strawberry.type(description="What a publisher's domain is to show.")
class DomainVerification:
    method: VerificationMethod = strawberry.field(description="Where it is looked for.")
    record: str = strawberry.field(description="What the TXT record of the domain, or the well-known file, is to say.")
    expires_at: datetime = strawberry.field(
        description="Until when it must be shown; once verified, until when the last look counts."
    )


@strawberry.type(description="A key that a publisher signs with, or signed with.")
class PublisherKey:
    key: strawberry.ID = strawberry.field(description="Its id, made of the key itself.")
    public_key: str = strawberry.field(description="Ed25519, PEM.")
    added_at: datetime = strawberry.field(description="When it was added.")
    revoked_at: datetime | None = strawberry.field(description="Since when it verifies nothing.")

    @classmethod
    def of(cls, key: model.PublisherKey) -> PublisherKey:
        return cls(
            key=strawberry.ID(key.key_id), public_key=key.public_key, added_at=key.added_at, revoked_at=key.revoked_at
        )


@strawberry.type(description="Who offers packages.")
class Publisher(Node):
    display_name: str = strawberry.field(description="The name that people see.")
    slug: str = strawberry.field(description="Its short name, which no other publisher has.")
    website: str = strawberry.field(description="Its website.")
    contact_email: str = strawberry.field(description="Whom users of its packages write to.")
    description: str | None = strawberry.field(description="What it does.")
    logo_url: str | None = strawberry.field(description="Where its logo is.")
    status: PublisherStatus = strawberry.field(description="Whether it may submit packages.")
    is_official: bool = strawberry.field(description="Whether it is the marketplace's own house.")
    domain: str | None = strawberry.field(description="The domain that it has shown to be its own.")
    verified_at: datetime | None = strawberry.field(description="Since when it is verified.")
    created_at: datetime = strawberry.field(description="When it was made.")
    publisher: strawberry.Private[model.Publisher]

    @described("The keys that it signs with, revoked ones too, oldest first.")
    async def keys(self, info: Info) -> list[PublisherKey]:
        return [PublisherKey.of(key) for key in await info.context.publishing.keys(self.publisher)]

    @described(f"What its domain is to show; {_OWN}")
    def verification(self, info: Info) -> DomainVerification | None:
        if not self._is_own(info):
            return None
        found = self.publisher
        return DomainVerification(
            method=found.verification_method, record=record_value(found), expires_at=found.verification_expires_at
        )

    @described(f"The tenant whose people act for it; {_OWN}", upward("Tenant", "tenants") | None)
    async def tenant(self, info: Info) -> Node | None:
        return await info.context.tenant(self.publisher.tenant_id) if self._is_own(info) else None

    @described(f"What it submitted, newest first; {_OWN}")
    async def submissions(
        self, info: Info, statuses: Statuses = None, first: First = 20, after: After = None
    ) -> Connection[Submission] | None:
        if not self._is_own(info):
            return None
        asked, cursors = info.context, Cursors("submissions", self.id)
        wanted = tuple(sorted(set(statuses or ()), key=lambda status: status.name))
        page = await asked.publishing.submissions(
            self.publisher, wanted, first=page_size(first), after=cursors.text(after)
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Submission.of, key=lambda one: (one.submission_id,))

    def _is_own(self, info: Info) -> bool:
        return info.context.services.publishers.is_own(info.context.caller, self.publisher)

    @classmethod
    def of(cls, publisher: model.Publisher) -> Publisher:
        return cls(
            id=strawberry.ID(publisher.publisher_id),
            display_name=publisher.display_name,
            slug=publisher.slug,
            website=publisher.website,
            contact_email=publisher.contact_email,
            description=publisher.description or None,
            logo_url=publisher.logo_url or None,
            status=publisher.status,
            is_official=publisher.is_official,
            domain=publisher.domain or None,
            verified_at=publisher.verified_at,
            created_at=publisher.created_at,
            publisher=publisher,
        )


@strawberry.type(description="A package that a publisher wants to offer, on its way through the checks.")
class Submission(Node):
    package_name: str = strawberry.field(description="The package's name.")
    version: str = strawberry.field(description="Its version.")
    status: SubmissionStatus = strawberry.field(description="How far it has come.")
    trust_target: TrustLevel = strawberry.field(description="What it is to become.")
    size_bytes: Long = strawberry.field(description="The size of the ZIP.")
    submitted_at: datetime = strawberry.field(description="When it was submitted.")
    submitted_by: Actor = strawberry.field(description="By whom.")
    reason: str | None = strawberry.field(description="Why it was rejected. Act on this.")
    details: str | None = strawberry.field(description="Why it was rejected, or what it waits for.")
    reviewed_at: datetime | None = strawberry.field(description="When it was decided.")
    reviewed_by: Actor | None = strawberry.field(description="Who decided it; null when no person did.")
    submission: strawberry.Private[model.Submission]

    @described("Who submitted it.", upward("Publisher", "publishers") | None)
    async def publisher(self, info: Info) -> Node | None:
        return await info.context.publishing.publisher(self.submission.publisher_id)

    @described("What it is a version of; null while nothing of it is listed.", upward("Listing", "listings") | None)
    async def listing(self, info: Info) -> Node | None:
        return await info.context.find(self.submission.listing_id)

    @described("What the security scan found; null before the scan.")
    async def scan_report(self, info: Info) -> ScanReport | None:
        stored: Any = self.submission.scan_report
        if stored == {}:
            stored = await info.context.publishing.scan_report(self.submission)
        return ScanReport.of(stored) if stored else None

    @classmethod
    def of(cls, submission: model.Submission) -> Submission:
        by = submission.reviewed_by
        return cls(
            id=strawberry.ID(submission.submission_id),
            package_name=submission.name,
            version=submission.version,
            status=submission.status,
            trust_target=submission.trust_target,
            size_bytes=Long(submission.size_bytes),
            submitted_at=submission.submitted_at,
            submitted_by=Actor.of(submission.submitted_by),
            reason=submission.reason or None,
            details=submission.details or None,
            reviewed_at=submission.reviewed_at,
            reviewed_by=Actor.of(by) if by else None,
            submission=submission,
        )


@strawberry.type(description="What a submission of a package would meet.")
class PackageValidation:
    is_valid: bool = strawberry.field(description="Whether it would be taken.")
    errors: list[Problem] = strawberry.field(description="What would refuse it.")
    warnings: list[Problem] = strawberry.field(description="What is worth knowing.")

    @classmethod
    def of(cls, verdict: Verdict) -> PackageValidation:
        return cls(
            is_valid=not verdict.errors,
            errors=[Problem.of(problem) for problem in verdict.errors],
            warnings=[Problem.of(problem) for problem in verdict.warnings],
        )


@strawberry.type
class PublishingViewer:
    """What publishers' people see of themselves."""

    @described("The publishers of the caller's tenants, oldest first.")
    async def publishers(self, info: Info, first: First = 20, after: After = None) -> Connection[Publisher]:
        asked, cursors = info.context, Cursors("publishers")
        page = await asked.services.publishers.page(
            asked.caller, asked.reach, first=page_size(first), after=cursors.text(after)
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Publisher.of, key=lambda one: (one.publisher_id,))
