"""What publishers send and are answered, described (installhub.md section 10.4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel, StringConstraints

from rest_compat.list_shapes import CountedPage
from rest_compat.questions import with_example
from rest_compat.shapes import (
    CheckRow,
    Count,
    FindingCounts,
    ScanVerdict,
    Shape,
    Time,
    Url,
    WarningRow,
    always,
    maybe,
    ours,
    ours_maybe,
)

PublisherWord = Literal["PendingVerification", "Verified", "Suspended"]
MethodWord = Literal["DNS", "File"]
TrustWord = Literal["Official", "Certified", "Community"]
SubmissionWord = Literal[
    "Queued", "SecurityScanning", "ManifestValidation", "AwaitingHumanReview", "Listed", "Rejected"
]
_Text = Annotated[str, StringConstraints(max_length=500)]
_Address = Annotated[str, StringConstraints(max_length=2048)]
_NAME = "The name that people see."
_SLUG = "Its short name in addresses: lower-case letters, digits and hyphens. No other publisher has it."
_WEBSITE = "Its website, https. Its domain is to be shown to be its own."
_EMAIL = "Whom users of its packages write to; it stands in every package that is offered."


class NewPublisherRequest(Shape):
    """Who wants to publish."""

    model_config = with_example(
        {
            "displayName": "Acme Packages",
            "slug": "acme-packages",
            "website": "https://packages.acme.example",
            "contactEmail": "packages@acme.example",
        }
    )

    display_name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = always(_NAME)
    slug: Annotated[str, StringConstraints(min_length=1, max_length=50)] = always(_SLUG)
    website: _Address = always(_WEBSITE)
    contact_email: Annotated[str, StringConstraints(max_length=254)] = always(_EMAIL)
    description: _Text = maybe("What it does.")
    logo_url: _Address = maybe("Where its logo is, https.")
    verification_method: MethodWord = ours_maybe("Where the record will be shown; `DNS` if not given.")
    tenant_id: str = ours_maybe("The tenant whose people act for it; else `X-Tenant-Id`, else the token's own.")


class NewKeyRequest(Shape):
    """A key to sign with."""

    model_config = with_example({"publicKey": "-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----\n"})

    public_key: str = ours("The public key: Ed25519, PEM.")


class OfficialRequest(Shape):
    """Whether a publisher is the marketplace's own house."""

    model_config = with_example({"isOfficial": True})

    is_official: bool = ours("Whether its packages are Official.")


class PublisherSuspensionRequest(Shape):
    """Why a publisher is stopped."""

    model_config = with_example({"reason": "It was taken over."})

    reason: _Text = ours("For the publisher's people.")


class VerificationRecord(Shape):
    """What the domain is to show."""

    type: Literal["TXT", "FILE"] = always("A TXT record, or a file.")
    host: str = always("`@` for the domain itself, or the file's path below the website's domain.")
    value: str = always("What the record or the file says.")


class NewPublisherAnswer(Shape):
    """The publisher waits to be verified."""

    publisher_id: str = always("Its id, `pub-…`.")
    status: PublisherWord = always("How it stands.")
    verification_method: MethodWord = always("Where the record is looked for.")
    verification_record: VerificationRecord = always("What to publish, so that a look finds it.")
    verification_expires_at: Time = always("Until when.")


class VerificationAnswer(Shape):
    """How the publisher stands after a look at its domain."""

    publisher_id: str = always("Its id.")
    status: PublisherWord = always("How it stands.")
    verified_at: Time = maybe("Since when it is verified.")
    domain: str = maybe("The domain that is its own.")
    message: str = maybe("Why it is not verified yet.")
    verification_method: MethodWord = ours_maybe("Where the record is looked for.")
    verification_record: VerificationRecord = ours_maybe("What the domain is to show; a new one when time was over.")
    verification_expires_at: Time = ours_maybe("Until when.")


class KeyRow(Shape):
    """A key that a publisher signs with, or signed with."""

    key_id: str = always("Its id, made of the key itself.")
    public_key: str = always("The public key, PEM.")
    added_at: Time = always("When it was added.")
    added_by: str = always("By whom.")
    revoked_at: Time = maybe("Since when it verifies nothing.")


class KeysAnswer(Shape):
    """Keys of a publisher, oldest first."""

    items: list[KeyRow] = always("The keys, revoked ones too.")


class PublisherAnswer(Shape):
    """A publisher, as its own people see it."""

    publisher_id: str = always("Its id.")
    display_name: str = always(_NAME)
    slug: str = always(_SLUG)
    website: str = always(_WEBSITE)
    contact_email: str = always(_EMAIL)
    description: str = maybe("What it does.")
    logo_url: str = maybe("Where its logo is.")
    status: PublisherWord = always("How it stands.")
    verification_method: MethodWord = always("Where the record is looked for.")
    verification_record: VerificationRecord = always("What the domain is to show, now and later.")
    verification_expires_at: Time = always("Until when to show it; once verified, until when that counts.")
    verified_at: Time = maybe("Since when it is verified.")
    domain: str = maybe("The domain that is its own.")
    tenant_id: str = ours("The tenant whose people act for it.")
    is_official: bool = ours("Whether it is the marketplace's own house, whose packages are Official.")
    created_at: Time = ours("When it was made.")
    keys: list[KeyRow] = ours("The keys that it signs with, revoked ones too.")


class PublishersPage(CountedPage):
    """Publishers of the caller's tenants, oldest first."""

    items: list[PublisherAnswer] = always("The publishers of this page.")


class CodeRow(Shape):
    """Something about a package."""

    code: str = always("What it is. Act on this.")
    message: str = always("A sentence to show.")
    field: str = ours_maybe("Where: a path in the manifest or an artifact.")


class ValidationAnswer(Shape):
    """What a submission of the package would meet."""

    valid: bool = always("Whether it would be taken.")
    errors: list[CodeRow] = always("What would refuse it.")
    warnings: list[CodeRow] = always("What is worth knowing.")


class SubmissionForm(Shape):
    """A package to be offered, and what its page will say."""

    model_config = with_example({"description": "First days at work.", "category": "hr", "tags": "people,onboarding"})

    package: Annotated[str, Field(json_schema_extra={"contentMediaType": "application/zip"})] = always("The ZIP.")
    description: _Text = always("What it is for.")
    category: Literal["hr", "finance", "operations", "compliance", "customer", "forms", "utilities"] = always(
        "What it belongs to."
    )
    tags: str = maybe("At most ten words to find it by, with commas between.")
    changelog: Annotated[str, StringConstraints(max_length=5000)] = maybe("What is new in this version.")
    request_certification: Literal["true", "false"] = maybe("Whether people are to certify it.")
    coverage_report: str = maybe("How much its tests cover: LCOV, Cobertura, JaCoCo or OpenCover.")
    false_positive_explanation: Annotated[str, StringConstraints(max_length=5000)] = maybe(
        "Why what the scan finds is harmless."
    )
    publisher_id: str = ours_maybe("The publisher; not needed by who has only one.")
    license: Annotated[str, StringConstraints(max_length=100)] = ours_maybe("Its license; else the manifest's.")
    homepage: _Address = ours_maybe("Its homepage, https; else the manifest's.")
    screenshots: str = ours_maybe("At most ten https addresses, with commas between.")
    signature: str = ours_maybe("The publisher's DSSE envelope, JSON. Required once it has a key.")


class SubmissionAccepted(Shape):
    """The package waits for the automatic checks."""

    submission_id: str = always("Its id, `sub-…`.")
    package_id: str = always("The id that the package has in the marketplace, or will have: `mkt-pkg-…`.")
    version: str = always("The package's version.")
    status: SubmissionWord = always("How it stands.")
    trust_level_target: TrustWord = always("What it is to become.")
    status_url: Url = always("Where to look how it stands.")
    estimated_minutes: Count = always("How long that usually takes.")
    warnings: list[WarningRow] = ours_maybe("What is worth knowing.")


class _AnySubmission(Shape):
    submission_id: str = ours("Its id.")
    package_id: str = ours("The package's id in the marketplace.")
    package_name: str = ours("The package's name.")
    version: str = ours("Its version.")
    publisher_id: str = ours("Who submitted it.")
    trust_level_target: TrustWord = ours("What it is to become.")
    submitted_at: Time = ours("When.")
    submitted_by: str = ours("By whom.")


class SubmissionGoing(_AnySubmission):
    """A submission that is looked at, or was taken."""

    status: Literal["Queued", "SecurityScanning", "ManifestValidation", "AwaitingHumanReview", "Listed"] = always(
        "How it stands."
    )
    details: str = ours_maybe("What it waits for.")
    scan_report: Url = ours_maybe("What the security scan found.")
    reviewed_by: str = ours_maybe("Who decided it.")
    reviewed_at: Time = ours_maybe("When it was decided.")


class SubmissionRejected(_AnySubmission):
    """A submission that was not taken."""

    status: Literal["Rejected"] = always("How it stands.")
    reason: str = always("Why. Act on this.")
    details: str = always("Why, for people.")
    scan_report: Url | None = always("What the security scan found; null when it was not looked for.")
    resubmit_after_fix: bool = always("Whether the same version may be submitted again.")
    reviewed_by: str = maybe("Who decided it; absent when no person did.")
    reviewed_at: Time = maybe("When it was decided.")
    fast_track_review: bool = maybe("Whether its next submission is looked at first.")


class SubmissionStatusAnswer(RootModel[SubmissionGoing | SubmissionRejected]):
    """How a submission stands."""


class SubmissionReportAnswer(Shape):
    """What the security scan found in a submitted package. Never changed."""

    package_id: str = always("The package's id, as its manifest says it.")
    version: str = always("The package's version.")
    overall_result: ScanVerdict = always("The verdict; the worst finding decides.")
    scanned_at: Time = always("When.")
    duration_ms: Count = always("How long it took.")
    check_results: list[CheckRow] = always("Family by family.")
    summary: FindingCounts = always("How many findings, by severity.")
    submission_id: str = ours("The submission that was scanned.")
    rules_version: str = ours("Which rules were looked for.")


class SubmissionsPage(CountedPage):
    """Submissions of a publisher, newest first."""

    items: list[SubmissionGoing | SubmissionRejected] = always("The submissions of this page.")
