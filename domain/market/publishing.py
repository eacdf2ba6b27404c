"""Publishing a version: the bundle re-stated and stored, then listing, version and audit in one transaction.

(installhub.md sections 10.3 and 10.4; decisions R4, X24.) Whoever decides that a submission may be offered, the
automatic checks or a person, publishes it here: first :meth:`Publication.prepared`, which may take long and changes
nothing that anybody sees, then :meth:`Publication.publish` in the transaction of the decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from domain import versions
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.import_model import AuditEntry
from domain.limits import Installation
from domain.market.admitting import dependency_problems, signing_problems, standing_problems
from domain.market.examining import Examined, Examiner, may_be_shown
from domain.market.model import (
    Category,
    Certification,
    Listing,
    ListingState,
    ListingVersion,
    Publisher,
    PublisherStatus,
    Submission,
    TrustLevel,
)
from domain.market.powers import powers_row
from domain.market.publishers import unknown_publisher
from domain.market.publishing_rows import LISTINGS
from domain.market.restating import Restating, restated, restated_portions
from domain.market.standing import followed
from domain.model import Actor, BlobKey, Manifest, name_key
from domain.ports import PlatformUnit, Ports
from domain.scanning import ScanReport, ScanResult
from domain.scanning.report import result_of


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission whose bundle stands ready under its new name; nobody sees it yet.

    ``tree`` is the manifest as it was submitted, which signatures are checked against.
    """

    submission: Submission
    manifest: Manifest
    tree: Mapping[str, Any]
    bundle: Restating
    blob_key: BlobKey
    report: ScanReport
    verdict: ScanResult


class Publication:
    """Makes versions of submissions."""

    def __init__(self, ports: Ports, installation: Installation, examiner: Examiner) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._limits = installation.limits.submission()
        self._examiner = examiner

    async def prepared(self, submission: Submission) -> Prepared:
        """Read and scan a submission by the rules of today, and store its bundle as the hub will offer it.

        Raises refusals: ``InvalidPackageFormat``, ``BundleExpired``, ``SecurityScanFailed``.
        """
        async with self._examiner.reading(submission.blob_key) as package:
            return await self.restated(submission, package)

    async def restated(self, submission: Submission, package: Examined) -> Prepared:
        """The same for a package that is being read. Raises ``SecurityScanFailed``; the scanner fails closed."""
        async with self._store.platform_view() as unit:
            publisher = await unit.publishing.publisher(submission.publisher_id)
            verdict = await judged(unit, submission, package)
        if publisher is None:
            raise unknown_publisher()
        if not may_be_shown(verdict):
            raise scan_refusal(package.report)
        bundle = restated(package.tree, package.readme, package.manifest, publisher)
        portions = restated_portions(package.path, self._limits, bundle)
        async with self._blobs.create() as blob:
            while portion := await asyncio.to_thread(next, portions, b""):
                await blob.write(portion)
            blob_key = await blob.finish()
        return Prepared(submission, package.manifest, package.tree, bundle, blob_key, package.report, verdict)

    async def publish(
        self,
        unit: PlatformUnit,
        prepared: Prepared,
        *,
        trust_level: TrustLevel,
        certification: Certification | None = None,
        decided_by: Actor | None = None,
    ) -> ListingVersion:
        """Make the version visible with the rest of this transaction; the caller moves the submission in it.

        Everything that may have changed since the submission is checked again. Raises refusals:
        ``PublisherNotVerified``, ``PackageBelongsToOtherPublisher``, ``VersionAlreadyPublished``,
        ``MissingPackageDependency``, ``IncompatiblePackageDependency``, ``SignatureInvalid``. A refused version's
        bytes are nobody's; the sweep takes them.
        """
        now, submission = self._clock.now(), prepared.submission
        publisher = await unit.publishing.locked(submission.publisher_id)
        if publisher is None:
            raise unknown_publisher()
        listing = await unit.publishing.listing_named(name_key(submission.name))
        if listing is not None:
            # as it is now, and nobody else changes it until this is done
            listing = await unit.curation.locked_listing(listing.listing_id)
        refuse_if(await _late_problems(unit, publisher, listing, prepared))
        made = _listing(publisher, listing, prepared, trust_level, now)
        version = _version(made, listing, prepared, certification, now)
        if listing is None and not await unit.publishing.add_listing(made):
            text = f"The name {submission.name} belongs to another publisher."
            raise refuse(ErrorCode.PACKAGE_BELONGS_TO_OTHER_PUBLISHER, text, "name")
        await unit.publishing.add_version(version)
        made = followed(made, await unit.curation.standings(made.listing_id))
        await unit.publishing.change_listing(made)
        await unit.catalogue.index(made)
        await self._told(unit, made, version, decided_by or submission.submitted_by)
        return version

    async def _told(self, unit: PlatformUnit, listing: Listing, version: ListingVersion, actor: Actor) -> None:
        """Subscribers hear of a version that became the latest; the publisher's records of every one."""
        if listing.latest_version == version.version:
            payload = {
                "listingId": listing.listing_id,
                "packageName": listing.name,
                "version": version.version,
                "isBreaking": version.is_breaking,
            }
            await unit.catalogue.tell("market.update", listing.listing_id, payload, installers=False)
        details = {"packageId": listing.listing_id, "package": listing.name, "version": version.version}
        details |= {"submissionId": version.submission_id, "trustLevel": listing.trust_level.wire}
        entry = AuditEntry(version.published_at, actor, "package.listed", None, details)
        await unit.of(listing.tenant_id).imports.audit(entry)
        unit.ring(LISTINGS)


async def judged(unit: PlatformUnit, submission: Submission, package: Examined) -> ScanResult:
    """The scan's result without the findings that approved exceptions let pass (R6)."""
    if package.report.overall_result is ScanResult.ERROR:
        return ScanResult.ERROR
    granted = await unit.curation.granted(submission.publisher_id, name_key(submission.name))
    hashes: dict[str, str] = {entry.artifact_id: entry.hash for entry in package.manifest.artifacts}
    return result_of(
        finding
        for finding in package.report.findings
        if (finding.rule, finding.pointer, hashes.get(finding.artifact_id, "")) not in granted
    )


def scan_refusal(report: ScanReport) -> Exception:
    """What is said where the scan forbids a package, or came to no end."""
    if report.overall_result is ScanResult.ERROR:
        return refuse(ErrorCode.SCAN_ERROR, report.error, scanResult=report.overall_result.value)
    summary = report.summary
    text = f"The security scan found {summary.critical} critical and {summary.high} high findings."
    return refuse(ErrorCode.SECURITY_SCAN_FAILED, text, scanResult=report.overall_result.value)


async def _late_problems(
    unit: PlatformUnit, publisher: Publisher, listing: Listing | None, prepared: Prepared
) -> list[Problem]:
    submission, manifest = prepared.submission, prepared.manifest
    owner, name, version = publisher.publisher_id, manifest.name, manifest.version
    problems = await standing_problems(unit, owner, listing, name=name, version=version)
    if publisher.status is not PublisherStatus.VERIFIED:
        text = f"The publisher is {publisher.status.wire}; only a verified one publishes."
        problems.append(Problem(ErrorCode.PUBLISHER_NOT_VERIFIED, text, "publisherId"))
    problems += await dependency_problems(unit, manifest.package_dependencies)
    problems += await signing_problems(unit, publisher, submission.signature, prepared.tree)
    return problems


def _listing(
    publisher: Publisher, before: Listing | None, prepared: Prepared, trust_level: TrustLevel, now: datetime
) -> Listing:
    """The listing as it will be but for its latest version. What its page says is what that one says."""
    submission, manifest, wishes = prepared.submission, prepared.manifest, prepared.submission.wishes
    if before is not None and not _is_newest(before, manifest.version):
        return replace(before, updated_at=now)
    said = {
        "package_type": manifest.package_type,
        "category": Category(wishes["category"]),
        "tags": tuple(wishes["tags"] or manifest.tags),
        "description": wishes["description"],
        "long_description": prepared.bundle.readme,
        "license": wishes["license"] or str(prepared.tree.get("license") or ""),
        "homepage": wishes["homepage"] or str(prepared.tree.get("homepage") or ""),
        "screenshots": tuple(wishes["screenshots"]),
        "trust_level": trust_level,
        "updated_at": now,
    }
    if before is not None:
        return replace(before, **said)
    return Listing(
        listing_id=submission.listing_id,
        tenant_id=publisher.tenant_id,
        publisher_id=publisher.publisher_id,
        name=manifest.name,
        state=ListingState.LISTED,
        state_reason="",
        latest_version="",
        install_count=0,
        rating_sum=0,
        review_count=0,
        needs_review=False,
        created_at=now,
        **said,
    )


def _is_newest(before: Listing, version: str) -> bool:
    known = before.latest_version
    return not versions.is_prerelease(version) and (not known or versions.compare(version, known) > 0)


def _version(
    listing: Listing, before: Listing | None, prepared: Prepared, certification: Certification | None, now: datetime
) -> ListingVersion:
    submission, bundle, manifest, report = prepared.submission, prepared.bundle, prepared.manifest, prepared.report
    latest_before = before.latest_version if before is not None else ""
    return ListingVersion(
        listing_id=listing.listing_id,
        tenant_id=listing.tenant_id,
        version=manifest.version,
        state=ListingState.LISTED,
        state_reason="",
        replaced_by="",
        changelog=submission.wishes["changelog"],
        published_at=now,
        is_breaking=bool(latest_before) and versions.is_major_upgrade(latest_before, manifest.version),
        manifest=bundle.tree,
        checksum=manifest.checksum,
        content_checksum=bundle.tree["contentChecksum"],
        blob_key=prepared.blob_key,
        sha256=bundle.sha256,
        size_bytes=bundle.size_bytes,
        artifact_count=len(manifest.artifacts),
        platform_version=manifest.platform_version,
        dependencies=manifest.package_dependencies,
        scan_result=prepared.verdict.value,
        scan_report=report.to_stored(),
        scanned_at=report.scanned_at,
        rules_version=report.rules_version,
        powers=powers_row(bundle.powers),
        submission_id=submission.submission_id,
        signature=submission.signature,
        certification=certification,
    )
