"""What publishers send in: validation without effect, and submissions on their way to the automatic checks.

(installhub.md sections 10.4, 12 and 13; security.md, "wrong publisher")
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import uuid_utils

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.import_model import Importable, ImportPackage
from domain.limits import Installation
from domain.manifest_fields import is_tags
from domain.market.admitting import dependency_problems, signing_problems, standing_problems
from domain.market.examining import Examined, Examiner, may_be_shown, scan_findings
from domain.market.model import (
    Category,
    Listing,
    ListingId,
    Publisher,
    PublisherId,
    PublisherStatus,
    Submission,
    SubmissionId,
    SubmissionStatus,
    TrustLevel,
)
from domain.market.publisher_order import is_https
from domain.market.publishers import unknown_publisher
from domain.market.standing import is_within
from domain.model import BlobKey, name_key
from domain.ports import KeyTakenError, PlatformUnit, Ports
from domain.repeating import Once, made_before, once, remember
from domain.rows import Page, Slice
from domain.tenancy import active_tenant, entry_of

_DAY = timedelta(days=1)
_DESCRIPTION_MAX, _CHANGELOG_MAX, _LICENSE_MAX, _EXPLANATION_MAX, _SCREENSHOTS_MAX = 500, 5_000, 100, 5_000, 10


@dataclass(frozen=True, slots=True)
class Wishes:
    """A submission's own fields (installhub.md section 10.4). ``category`` is a word of :class:`Category`."""

    description: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    changelog: str = ""
    license: str = ""
    homepage: str = ""
    screenshots: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """As submissions keep it."""
        return {
            "description": self.description,
            "category": self.category,
            "tags": list(self.tags),
            "changelog": self.changelog,
            "license": self.license,
            "homepage": self.homepage,
            "screenshots": list(self.screenshots),
        }


@dataclass(frozen=True, slots=True)
class SubmissionOrder:
    """A package to be offered. ``publisher_id`` may be empty where the caller has only one publisher.

    ``coverage`` are the numbers of a coverage report, 0 to 1: ``{"lineCoverage", "branchCoverage"}``.
    """

    publisher_id: str
    package: ImportPackage
    wishes: Wishes
    requests_certification: bool = False
    explanation: str = ""
    signature: Mapping[str, Any] | None = None
    coverage: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validation says; ``problems`` hold warnings too."""

    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What would refuse the package."""
        return tuple(problem for problem in self.problems if not problem.code.is_warning)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is worth knowing."""
        return tuple(problem for problem in self.problems if problem.code.is_warning)


class Submissions:
    """What publishers do with packages before they are offered."""

    def __init__(self, ports: Ports, installation: Installation, examiner: Examiner) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._daily = installation.limits.submissions_per_publisher_day
        self._examiner = examiner

    async def validate(self, caller: Caller, blob_key: BlobKey, reach: Reach) -> Verdict:
        """Read and scan a stored package, and say everything that a submission of it would meet. Writes nothing.

        Only what is sent beside the package, its signature too, is judged when it is submitted.

        Raises ``InsufficientPermission``.
        """
        require(caller, Right.PUBLISH)
        try:
            async with self._examiner.reading(blob_key) as package:
                async with self._store.platform_view() as unit:
                    standing = await _would_meet(unit, package, reach)
                text = "Screenshots are sent with the submission; pages with them are found more often."
                shots = Problem(ErrorCode.NO_SCREENSHOTS, text, "screenshots")
                return Verdict((*scan_findings(package.report), *standing, *package.warnings, shots))
        except Refusal as refusal:
            return Verdict(refusal.problems)

    async def uploaded(self, caller: Caller, publisher_id: str, upload_id: str, reach: Reach) -> Importable:
        """An upload of this caller for the publisher's tenant, as the package of a submission.

        Raises ``InsufficientPermission`` and ``NotFound``.
        """
        require(caller, Right.PUBLISH)
        publisher = await self._publisher(publisher_id, reach)
        return await self._upload(caller, [publisher], upload_id)

    async def validate_upload(self, caller: Caller, upload_id: str, reach: Reach) -> Verdict:
        """The same as :meth:`validate`, of an upload of this caller. Raises ``NotFound`` besides."""
        require(caller, Right.PUBLISH)
        async with self._store.platform_view() as unit:
            publishers = (await unit.publishing.publishers_of(reach, first=100)).items
        source = await self._upload(caller, publishers, upload_id)
        refuse_if(source.gone)
        return await self.validate(caller, source.package.blob_key, reach)

    async def _upload(self, caller: Caller, publishers: Sequence[Publisher], upload_id: str) -> Importable:
        async with self._store.platform_view() as unit:
            for tenant_id in dict.fromkeys(publisher.tenant_id for publisher in publishers):
                upload = await unit.of(tenant_id).uploads.find(upload_id)
                if upload is not None and upload.subject == caller.identity:
                    late = Problem(ErrorCode.UPLOAD_EXPIRED, "The upload waited too long; send it again.", "uploadId")
                    gone = (late,) if upload.expires_at <= self._clock.now() else ()
                    return Importable(ImportPackage(0, upload.blob_key, upload.sha256, upload.size_bytes), gone)
        raise refuse(ErrorCode.NOT_FOUND, "There is no such upload.", "uploadId", what="upload")

    async def submit(
        self, caller: Caller, order: SubmissionOrder, reach: Reach, *, key: str | None = None
    ) -> tuple[Submission, tuple[Problem, ...]]:
        """Put a package into the line of the automatic checks; the submission, and what is worth knowing.

        With a known idempotency key the first submission is the answer. Raises ``InsufficientPermission``,
        ``NotFound``, ``PublisherNotVerified``, ``RateLimitExceeded``, ``InvalidPackageFormat``,
        ``MissingRequiredField``, ``BadUserInput``, ``SignatureInvalid``, ``PackageBelongsToOtherPublisher``,
        ``VersionAlreadyPublished``, ``StateConflict``, ``MissingPackageDependency``,
        ``IncompatiblePackageDependency`` and ``IdempotencyKeyReused``.
        """
        require(caller, Right.PUBLISH)
        publisher = await self._publisher(order.publisher_id, reach)
        request = once(caller, key, "submitPackage", publisher.publisher_id, order.package.sha256, _asked(order))
        if first := await self._made_before(publisher, request):
            return first, ()
        await self._demand_place(publisher)
        wrong = [*wish_problems(order)]
        try:
            async with self._examiner.reading(order.package.blob_key) as package:
                refuse_if(wrong)
                return await self._submit(caller, publisher, order, package, request)
        except Refusal as refusal:
            if wrong and refusal.code is ErrorCode.INVALID_PACKAGE_FORMAT:
                raise Refusal([*wrong, *refusal.problems]) from refusal
            raise
        except KeyTakenError:
            if first := await self._made_before(publisher, request):
                return first, ()
            raise

    async def _publisher(self, publisher_id: str, reach: Reach) -> Publisher:
        """The publisher meant; one that is not named, when there is only one."""
        async with self._store.platform_view() as unit:
            if publisher_id:
                found = await unit.publishing.publisher(publisher_id)
                if found is None or not (reach is None or found.tenant_id in reach):
                    raise unknown_publisher()
                return found
            own = (await unit.publishing.publishers_of(reach, first=2)).items
        if len(own) != 1:
            raise refuse(ErrorCode.MISSING_REQUIRED_FIELD, "Say for which publisher.", "publisherId")
        return own[0]

    async def _made_before(self, publisher: Publisher, request: Once | None) -> Submission | None:
        if request is None:
            return None
        async with self._store.platform_view() as unit:
            made = await made_before(unit.of(publisher.tenant_id), request, self._clock.now())
            return await unit.publishing.submission(made["submissionId"]) if made else None

    async def _demand_place(self, publisher: Publisher) -> None:
        """Refuse early what would be refused at last: before a package is read."""
        async with self._store.platform_view() as unit:
            await active_tenant(unit.tenants, publisher.tenant_id)
            await self._refuse_unready(unit, publisher)

    async def _refuse_unready(self, unit: PlatformUnit, publisher: Publisher) -> None:
        if publisher.status is not PublisherStatus.VERIFIED:
            text = f"The publisher is {publisher.status.wire}; only a verified one submits packages."
            raise refuse(ErrorCode.PUBLISHER_NOT_VERIFIED, text, "publisherId", status=publisher.status.wire)
        now = self._clock.now()
        today = await unit.publishing.submitted_since(publisher.publisher_id, now - _DAY)
        if len(today) >= self._daily:
            wait = _seconds(today[self._daily - 1] + _DAY - now)
            text = f"A publisher submits at most {self._daily} packages a day. Wait {wait} s."
            raise refuse(ErrorCode.RATE_LIMIT_EXCEEDED, text, limit=f"{self._daily} a day", retryAfter=wait)

    async def _submit(
        self, caller: Caller, publisher: Publisher, order: SubmissionOrder, package: Examined, request: Once | None
    ) -> tuple[Submission, tuple[Problem, ...]]:
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            locked = await unit.publishing.locked(publisher.publisher_id)
            if locked is None:
                raise unknown_publisher()
            owner = unit.of(locked.tenant_id)
            if (made := await made_before(owner, request, now)) and (
                first := await unit.publishing.submission(made["submissionId"])
            ):
                return first, ()
            await self._refuse_unready(unit, locked)
            listing, hints = await self._admitted(unit, locked, order, package)
            last = await unit.publishing.last_of(locked.publisher_id, name_key(package.manifest.name))
            submission = _new(caller, locked, order, package, listing=listing, last=last, now=now)
            await unit.publishing.submit(submission)
            await remember(owner, request, {"submissionId": submission.submission_id}, now)
            details = {"submissionId": submission.submission_id, "package": submission.name}
            details |= {"version": submission.version, "publisherId": locked.publisher_id}
            await owner.imports.audit(entry_of(caller, locked.tenant_id, "package.submitted", details, at=now))
        return submission, tuple(hints)

    async def _admitted(
        self, unit: PlatformUnit, publisher: Publisher, order: SubmissionOrder, package: Examined
    ) -> tuple[Listing | None, list[Problem]]:
        """The listing that the package is a version of, and hints. Raises everything that is wrong with it."""
        manifest = package.manifest
        key = name_key(manifest.name)
        owner, name, version = publisher.publisher_id, manifest.name, manifest.version
        listing = await unit.publishing.listing_named(key)
        problems = await standing_problems(unit, owner, listing, name=name, version=version)
        if submission_id := await unit.publishing.under_way(owner, key, version):
            text, details = f"{name} {version} is being looked at already.", {"submissionId": submission_id}
            problems.append(Problem(ErrorCode.STATE_CONFLICT, text, "version", details=details))
        problems += await dependency_problems(unit, manifest.package_dependencies)
        problems += await signing_problems(unit, publisher, order.signature, package.tree)
        refuse_if(problems)
        return listing, [*problems, *_hints(order, package)]

    async def get(self, caller: Caller, submission_id: str, reach: Reach) -> Submission:
        """A submission of the caller's tenants; any for who runs the market.

        Raises ``InsufficientPermission`` and ``NotFound``.
        """
        runs_market = caller.has(Right.RUN_MARKET)
        if not runs_market:
            require(caller, Right.PUBLISH)
        async with self._store.platform_view() as unit:
            found = await unit.publishing.submission(submission_id)
        if found is None or not (runs_market or reach is None or found.tenant_id in reach):
            raise refuse(ErrorCode.NOT_FOUND, "There is no such submission.", "submissionId", what="submission")
        return found

    async def page(
        self, publisher: Publisher, statuses: Collection[SubmissionStatus], *, page: int, page_size: int
    ) -> Page[Submission]:
        """A publisher's submissions, newest first. A scan report that is there is empty."""
        async with self._store.platform_view() as unit:
            return await unit.publishing.submission_page(
                publisher.publisher_id, statuses, page=page, page_size=page_size
            )

    async def pages(
        self,
        publisher_ids: Collection[str],
        statuses: Collection[SubmissionStatus],
        *,
        first: int,
        after: str | None = None,
    ) -> dict[PublisherId, Slice[Submission]]:
        """The same list of several publishers at hand, by the last id seen."""
        async with self._store.platform_view() as unit:
            return await unit.publishing.submissions(publisher_ids, statuses, first=first, after=after)

    async def seen(
        self, caller: Caller, submission_ids: Collection[str], reach: Reach
    ) -> dict[SubmissionId, Submission]:
        """Those of these submissions that :meth:`get` would give."""
        runs_market = caller.has(Right.RUN_MARKET)
        if not (runs_market or caller.has(Right.PUBLISH)):
            return {}
        async with self._store.platform_view() as unit:
            found = await unit.publishing.submissions_named(submission_ids)
        return {key: one for key, one in found.items() if runs_market or reach is None or one.tenant_id in reach}


def wish_problems(order: SubmissionOrder) -> Iterator[Problem]:
    """Everything wrong with a submission's own fields."""
    wishes = order.wishes
    for where, text in (("description", wishes.description), ("category", wishes.category)):
        if not text.strip():
            yield Problem(ErrorCode.MISSING_REQUIRED_FIELD, f"{where} is required.", where)
    categories = {category.wire for category in Category}
    is_known = not wishes.category.strip() or wishes.category in categories
    for where, is_fit, expected in (
        ("description", len(wishes.description) <= _DESCRIPTION_MAX, f"at most {_DESCRIPTION_MAX} characters"),
        ("category", is_known, f"one of {', '.join(sorted(categories))}"),
        ("tags", is_tags(wishes.tags), "at most 10 tags of 1 to 30 lower-case letters, digits and hyphens"),
        ("changelog", len(wishes.changelog) <= _CHANGELOG_MAX, f"at most {_CHANGELOG_MAX} characters"),
        (
            "license",
            len(wishes.license) <= _LICENSE_MAX and wishes.license.isprintable(),
            f"one line of at most {_LICENSE_MAX} characters",
        ),
        ("homepage", not wishes.homepage or is_https(wishes.homepage), "an https address"),
        ("screenshots", are_screenshots(wishes.screenshots), f"at most {_SCREENSHOTS_MAX} https addresses"),
        (
            "falsePositiveExplanation",
            len(order.explanation) <= _EXPLANATION_MAX,
            f"at most {_EXPLANATION_MAX} characters",
        ),
    ):
        if not is_fit:
            yield Problem(ErrorCode.BAD_USER_INPUT, f"{where} must be {expected}.", where)


def are_screenshots(addresses: Sequence[str]) -> bool:
    """At most ten https addresses."""
    return len(addresses) <= _SCREENSHOTS_MAX and all(is_https(address) for address in addresses)


def _hints(order: SubmissionOrder, package: Examined) -> Iterator[Problem]:
    for problem in package.warnings:
        if problem.code is not ErrorCode.MISSING_LICENSE or not order.wishes.license:
            yield problem
    if not order.wishes.screenshots:
        yield Problem(ErrorCode.NO_SCREENSHOTS, "No screenshots were sent.", "screenshots")
    if not may_be_shown(package.report.overall_result):
        text = "The security scan finds what must not be offered: the submission will be rejected."
        yield Problem(ErrorCode.SECURITY_WARNING, text, details={"scanResult": package.report.overall_result.value})


async def _would_meet(unit: PlatformUnit, package: Examined, reach: Reach) -> list[Problem]:
    """What keeps a package out besides its own flaws, whichever of these tenants' publishers submits it."""
    manifest = package.manifest
    listing = await unit.publishing.listing_named(name_key(manifest.name))
    owner = listing.publisher_id if listing and is_within(listing.tenant_id, reach) else ""
    standing = await standing_problems(unit, owner, listing, name=manifest.name, version=manifest.version)
    return [*standing, *await dependency_problems(unit, manifest.package_dependencies)]


def _new(
    caller: Caller,
    publisher: Publisher,
    order: SubmissionOrder,
    package: Examined,
    *,
    listing: Listing | None,
    last: Submission | None,
    now: datetime,
) -> Submission:
    """``last`` is the publisher's last one of this name: what it was told still holds."""
    known = listing or last
    return Submission(
        submission_id=SubmissionId(f"sub-{uuid_utils.uuid7()}"),
        tenant_id=publisher.tenant_id,
        publisher_id=publisher.publisher_id,
        listing_id=known.listing_id if known else ListingId(f"mkt-pkg-{uuid_utils.uuid7()}"),
        name=package.manifest.name,
        version=package.manifest.version,
        status=SubmissionStatus.QUEUED,
        trust_target=_target(publisher, listing, requests_certification=order.requests_certification),
        blob_key=order.package.blob_key,
        sha256=order.package.sha256,
        size_bytes=order.package.size_bytes,
        wishes=order.wishes.row(),
        submitted_at=now,
        submitted_by=caller.actor,
        signature=order.signature,
        coverage=order.coverage,
        explanation=order.explanation,
        is_fast_track=last is not None and last.status is SubmissionStatus.REJECTED and last.is_fast_track,
    )


def _target(publisher: Publisher, listing: Listing | None, *, requests_certification: bool) -> TrustLevel:
    """What the submission is to become (installhub.md section 10.3)."""
    if publisher.is_official:
        return TrustLevel.OFFICIAL
    is_certified = listing is not None and listing.trust_level is TrustLevel.CERTIFIED
    return TrustLevel.CERTIFIED if requests_certification or is_certified else TrustLevel.COMMUNITY


def _asked(order: SubmissionOrder) -> SubmissionOrder:
    """What of an order matters when it comes again: not where its bytes were put this time."""
    return replace(order, package=ImportPackage(0, BlobKey(""), order.package.sha256, order.package.size_bytes))


def _seconds(span: timedelta) -> int:
    return max(1, -int(-span.total_seconds() // 1))
