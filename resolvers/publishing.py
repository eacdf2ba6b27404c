"""Becoming a publisher, and submitting packages."""

from __future__ import annotations

import asyncio

import strawberry

from domain.errors import ErrorCode, refuse, refuse_if
from domain.market.coverage import read_coverage
from domain.market.submitting import SubmissionOrder
from resolvers.context import Operation
from resolvers.mutations import Input
from resolvers.queries import Id, Info, named_tenant
from resolvers.refusals import refusable
from schema.fields import described
from schema.publishers import PackageValidation, Publisher, PublisherKey, Submission
from schema.publishing_inputs import (
    AddPublisherKeyInput,
    AddPublisherKeyPayload,
    CreatePublisherInput,
    CreatePublisherPayload,
    MarkPublisherOfficialInput,
    MarkPublisherOfficialPayload,
    ReinstatePublisherInput,
    ReinstatePublisherPayload,
    RevokePublisherKeyInput,
    RevokePublisherKeyPayload,
    SubmitPackageInput,
    SubmitPackagePayload,
    SuspendPublisherInput,
    SuspendPublisherPayload,
    ValidatePackageInput,
    ValidatePackagePayload,
    VerifyPublisherInput,
    VerifyPublisherPayload,
)
from schema.values import Problem


@strawberry.type
class PublishingQuery:
    @described("A publisher; null for what is unknown, and for one of others that was never verified.")
    async def publisher(self, info: Info, id: Id) -> Publisher | None:
        return await info.context.publishing.publisher(id)

    @described("A submission; null for what is unknown or foreign.")
    async def submission(self, info: Info, id: Id) -> Submission | None:
        return await info.context.publishing.submission(id)


@strawberry.type
class PublishingMutation:
    @described("Makes a publisher. It may submit packages once its domain shows the record of its verification.")
    @refusable(CreatePublisherPayload)
    async def create_publisher(self, info: Info, input: Input[CreatePublisherInput]) -> CreatePublisherPayload:
        asked = info.context
        order = input.order(named_tenant(asked, input.tenant_id))
        made = await asked.services.publishers.create(asked.caller, order, key=input.idempotency_key)
        return CreatePublisherPayload(publisher=Publisher.of(made))

    @described("Looks whether a publisher's domain shows its record. The publisher's status says what was found.")
    @refusable(VerifyPublisherPayload)
    async def verify_publisher(self, info: Info, input: Input[VerifyPublisherInput]) -> VerifyPublisherPayload:
        asked, method = info.context, input.verification_method
        looked = await asked.services.publishers.verify(asked.caller, input.publisher_id, asked.reach, method=method)
        return VerifyPublisherPayload(publisher=Publisher.of(looked))

    @described("Makes a publisher the marketplace's own house, or takes that back. For those who run the market.")
    @refusable(MarkPublisherOfficialPayload)
    async def mark_publisher_official(
        self, info: Info, input: Input[MarkPublisherOfficialInput]
    ) -> MarkPublisherOfficialPayload:
        asked, is_official = info.context, input.is_official
        marked = await asked.services.publishers.mark_official(
            asked.caller, input.publisher_id, is_official=is_official
        )
        return MarkPublisherOfficialPayload(publisher=Publisher.of(marked))

    @described(
        "Stops a publisher: it submits nothing, and nothing of it is installed anew. For those who run the market."
    )
    @refusable(SuspendPublisherPayload)
    async def suspend_publisher(self, info: Info, input: Input[SuspendPublisherInput]) -> SuspendPublisherPayload:
        asked = info.context
        stopped = await asked.services.publishers.suspend(asked.caller, input.publisher_id, reason=input.reason)
        return SuspendPublisherPayload(publisher=Publisher.of(stopped))

    @described("Lets a suspended publisher go on. For those who run the market.")
    @refusable(ReinstatePublisherPayload)
    async def reinstate_publisher(self, info: Info, input: Input[ReinstatePublisherInput]) -> ReinstatePublisherPayload:
        asked = info.context
        back = await asked.services.publishers.reinstate(asked.caller, input.publisher_id)
        return ReinstatePublisherPayload(publisher=Publisher.of(back))

    @described("Lets a key sign for a publisher, beside those that do. One that is there already is the answer.")
    @refusable(AddPublisherKeyPayload)
    async def add_publisher_key(self, info: Info, input: Input[AddPublisherKeyInput]) -> AddPublisherKeyPayload:
        asked = info.context
        key = await asked.services.publishers.add_key(asked.caller, input.publisher_id, asked.reach, input.public_key)
        return AddPublisherKeyPayload(publisher_key=PublisherKey.of(key))

    @described("Lets a key verify nothing any more.")
    @refusable(RevokePublisherKeyPayload)
    async def revoke_publisher_key(
        self, info: Info, input: Input[RevokePublisherKeyInput]
    ) -> RevokePublisherKeyPayload:
        asked = info.context
        key = await asked.services.publishers.revoke_key(asked.caller, input.publisher_id, asked.reach, input.key)
        return RevokePublisherKeyPayload(publisher_key=PublisherKey.of(key))

    @described("Says what a submission of an uploaded package would meet. Writes nothing.")
    @refusable(ValidatePackagePayload)
    async def validate_package(self, info: Info, input: Input[ValidatePackageInput]) -> ValidatePackagePayload:
        asked = info.context
        verdict = await asked.services.submissions.validate_upload(asked.caller, input.upload_id, asked.reach)
        return ValidatePackagePayload(validation=PackageValidation.of(verdict))

    @described("Submits an uploaded package, to be offered once the checks have passed.")
    @refusable(SubmitPackagePayload)
    async def submit_package(self, info: Info, input: Input[SubmitPackageInput]) -> SubmitPackagePayload:
        asked = info.context
        order = await _order(asked, input)
        key = input.idempotency_key
        made, hints = await asked.services.submissions.submit(asked.caller, order, asked.reach, key=key)
        warnings = [Problem.of(problem) for problem in hints]
        return SubmitPackagePayload(submission=Submission.of(made), warnings=warnings)


async def _order(asked: Operation, given: SubmitPackageInput) -> SubmissionOrder:
    source = await asked.services.submissions.uploaded(asked.caller, given.publisher_id, given.upload_id, asked.reach)
    refuse_if(source.gone)
    if given.signature is not None and not isinstance(given.signature, dict):
        raise refuse(ErrorCode.BAD_USER_INPUT, "The signature is a JSON object.", "signature")
    raw = (given.coverage_report or "").encode()
    coverage = await asyncio.to_thread(read_coverage, raw) if raw else None
    return SubmissionOrder(
        publisher_id=given.publisher_id,
        package=source.package,
        wishes=given.wishes(),
        requests_certification=bool(given.request_certification),
        explanation=given.false_positive_explanation or "",
        signature=given.signature,
        coverage=coverage.row() if coverage else None,
    )
