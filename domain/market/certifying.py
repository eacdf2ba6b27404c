"""What Certified means, and who stays so (installhub.md section 10.3; X22).

* A certified version has a README with every section, tests that cover at least 70 % of its lines, a publisher whose
  domain is proven, a scan that found nothing, and a person who looked at it.
* A patch of a certified version inherits its certification. A minor version is certified by rules alone when it
  meets them and can do nothing new; else a person looks. A major version is looked at like a first one.
* A certification ends when its next review is due, or is taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from domain import versions
from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.market.curation_rows import Standing
from domain.market.examining import Examiner
from domain.market.model import Certification, Listing, ListingState, PublisherStatus, TrustLevel
from domain.market.powers import Powers, new_powers, powers_from
from domain.market.standing import OFFERED, any_listing, audited, settled, text_problems, unknown_listing, version_of
from domain.model import Actor
from domain.ports import PlatformUnit, Ports
from domain.scanning import ScanResult

#: X22
LINE_COVERAGE_MIN = 0.7
README_LENGTH_MIN = 500
#: how long a certification lasts without another look
LASTS = timedelta(days=365)
_SENTENCES_MIN = 2


class Way(Enum):
    """How a version of a certified listing may become certified itself."""

    INHERITED = "a patch of a certified version"
    AUTOMATED = "a minor version, certified by rules if it can do nothing new"
    REVIEWED = "a person looks at it"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that is to be certified. ``coverage`` as submissions keep it."""

    version: str
    readme: str
    coverage: Mapping[str, Any] | None
    scan_result: str
    is_publisher_verified: bool


def way_of(certified: str | None, version: str) -> Way:
    """The way for a version after the newest certified one; ``None`` where there is none (pure)."""
    if certified is None or versions.is_prerelease(version) or versions.is_downgrade(certified, version):
        return Way.REVIEWED
    (major, minor), (new_major, new_minor) = _line(certified), _line(version)
    if new_major != major:
        return Way.REVIEWED
    return Way.INHERITED if new_minor == minor else Way.AUTOMATED


def carried_over(
    before: tuple[str, Certification, Powers] | None, candidate: Candidate, powers: Powers, at: datetime
) -> Certification | None:
    """The certification that a new version has without anybody's look, or ``None`` (pure).

    ``before`` is the newest certified version, what it stands on and what it can do.
    """
    if before is None:
        return None
    certified, certification, had = before
    way = way_of(certified, candidate.version)
    if way is Way.REVIEWED or certification.next_review <= at or not candidate.is_publisher_verified:
        return None
    if way is Way.INHERITED:
        return certification if candidate.scan_result == ScanResult.PASS.value else None
    if [*certification_problems(candidate)] or not new_powers(had, powers).is_empty:
        return None
    return replace(certification, **_covered(candidate))


def certification_problems(candidate: Candidate) -> Iterator[Problem]:
    """Everything that keeps a version from being certified (pure)."""
    if not candidate.is_publisher_verified:
        yield _lacking("publisher", "The publisher's domain is not proven.")
    if candidate.scan_result != ScanResult.PASS.value:
        yield _lacking("scan", f"The security scan says {candidate.scan_result}; only PASS is certified.")
    lines = (candidate.coverage or {}).get("lineCoverage")
    if lines is None:
        yield _lacking("coverageReport", "No coverage report came with the submission.")
    elif lines < LINE_COVERAGE_MIN:
        text = f"The tests cover {lines:.1%} of the lines; at least {LINE_COVERAGE_MIN:.0%} are needed."
        yield _lacking("coverageReport", text)
    yield from readme_problems(candidate.readme, candidate.version)


def readme_problems(readme: str, version: str) -> Iterator[Problem]:
    """What a README lacks that a certified package has (installhub.md section 7.5)."""
    if len(readme) < README_LENGTH_MIN:
        yield _lacking(
            "README.md", f"The README has {len(readme)} characters; at least {README_LENGTH_MIN} are needed."
        )
    sections = _sections(readme)
    overview = next((section.own for section in sections), "")
    if len(_SENTENCE_END.findall(overview)) < _SENTENCES_MIN:
        yield _lacking("README.md", "The README does not begin with an overview of at least two sentences.")
    for name, heading in _SECTIONS:
        if not any(heading.search(section.title) and section.whole.strip() for section in sections):
            yield _lacking("README.md", f"The README has no section about {name}.")
    changelog = next((section.whole for section in sections if _CHANGELOG.search(section.title)), None)
    if changelog is not None and version not in changelog:
        yield _lacking("README.md", f"The README's changelog has no entry for {version}.")


def certified(by: Actor, at: datetime, coverage: Mapping[str, Any] | None) -> Certification:
    """A new certification."""
    stated = coverage or {}
    return Certification(at, by, stated.get("lineCoverage"), stated.get("branchCoverage"), at + LASTS)


def newest_certified(standings: Sequence[Standing]) -> Standing | None:
    """The highest certified version, whatever became of it since."""
    newest: Standing | None = None
    for one in standings:
        if one.certification and (newest is None or versions.compare(one.version, newest.version) > 0):
            newest = one
    return newest


async def certified_before(unit: PlatformUnit, listing_id: str) -> tuple[str, Certification, Powers] | None:
    """The newest certified version of a listing, as :func:`carried_over` needs it."""
    newest = newest_certified(await unit.curation.standings(listing_id))
    if newest is None or newest.certification is None:
        return None
    version = await unit.publishing.version(listing_id, newest.version)
    return newest.version, newest.certification, powers_from(version.powers if version else {})


class Certifying:
    """What operators do with certifications, and what everybody may know of one."""

    def __init__(self, ports: Ports, examiner: Examiner) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._examiner = examiner

    async def certify(self, caller: Caller, listing_id: str, version: str) -> Listing:
        """Certify a published version after a person's look at it.

        Raises ``InsufficientPermission``, ``NotFound``, ``StateConflict`` for an Official package, and
        ``CertificationRefused`` with everything that is lacking.
        """
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            published = await unit.publishing.version(listing_id, version)
        if published is None:
            raise unknown_listing()
        async with self._examiner.reading(published.blob_key) as package:
            readme = package.readme
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            listing = await any_listing(unit, listing_id)
            standing = await version_of(unit, listing, version)
            if listing.trust_level is TrustLevel.OFFICIAL or standing.state is not ListingState.LISTED:
                text = "Only a listed version is certified, and no Official one."
                raise refuse(ErrorCode.STATE_CONFLICT, text, "version", state=standing.state.wire)
            submission = await unit.publishing.submission(standing.submission_id)
            coverage = submission.coverage if submission else None
            publisher = await unit.publishing.publisher(listing.publisher_id)
            is_verified = publisher is not None and publisher.status is PublisherStatus.VERIFIED
            candidate = Candidate(version, readme, coverage, standing.scan_result, is_publisher_verified=is_verified)
            refuse_if(certification_problems(candidate))
            await unit.curation.certify(listing_id, version, certified(caller.actor, now, coverage))
            details = {"listingId": listing_id, "version": version}
            await audited(unit, caller, listing.tenant_id, "version.certified", details, at=now)
            return await settled(unit, listing, now)

    async def revoke(self, caller: Caller, listing_id: str, *, reason: str) -> Listing:
        """Take the certification of every version of a listing; it is Community from then on.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and
        ``StateConflict`` where there is none.
        """
        require(caller, Right.RUN_MARKET)
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            listing = await any_listing(unit, listing_id)
            refuse_if(text_problems("reason", reason))
            if not await taken(unit, listing):
                raise refuse(ErrorCode.STATE_CONFLICT, "No version of the package is certified.", "packageId")
            details = {"listingId": listing_id, "reason": reason}
            await audited(unit, caller, listing.tenant_id, "listing.certificationRevoked", details, at=now)
            return await settled(unit, listing, now)

    async def shown(self, listing_id: str) -> tuple[Listing, Certification | None]:
        """How far a listing is trusted and what that stands on; everybody may ask (section 4.3).

        Raises ``NotFound``, for what is not listed too.
        """
        async with self._store.platform_view() as unit:
            listing = await unit.publishing.listing(listing_id)
            if listing is None or listing.state not in OFFERED:
                raise unknown_listing()
            standings = await unit.curation.standings(listing_id)
        latest = next((one for one in standings if one.version == listing.latest_version), None)
        return listing, latest.certification if latest else None


async def taken(unit: PlatformUnit, listing: Listing) -> bool:
    """Take the certifications of a listing's versions; whether there were any."""
    had = [one for one in await unit.curation.standings(listing.listing_id) if one.certification]
    for one in had:
        await unit.curation.certify(listing.listing_id, one.version, None)
    return bool(had)


def _covered(candidate: Candidate) -> dict[str, Any]:
    stated = candidate.coverage or {}
    return {"line_coverage": stated.get("lineCoverage"), "branch_coverage": stated.get("branchCoverage")}


def _lacking(where: str, text: str) -> Problem:
    return Problem(ErrorCode.CERTIFICATION_REFUSED, text, where)


def _line(version: str) -> tuple[int, int]:
    major, minor, _ = version.split(".", 2)
    return int(major), int(minor)


@dataclass(slots=True)
class _Section:
    """A heading, the text up to the next one, and that of the headings below it too."""

    title: str
    level: int
    own: str = ""
    whole: str = ""


def _sections(readme: str) -> list[_Section]:
    """The sections of a Markdown text in their order; what stands before the first heading is one of its own."""
    sections = [_Section("", 0)]
    around: list[_Section] = []
    is_code = False
    for line in readme.splitlines():
        is_code ^= line.lstrip().startswith("```")
        heading = None if is_code else _HEADING.fullmatch(line.rstrip())
        if heading:
            sections.append(_Section(heading[2].casefold(), len(heading[1])))
            around = [*(one for one in around if one.level < sections[-1].level), sections[-1]]
        else:
            sections[-1].own += f"{line}\n"
        for one in around[:-1] if heading else around:
            one.whole += f"{line}\n"
    return [section for section in sections if section.level or section.own.strip()]


_HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_CHANGELOG = re.compile(r"change ?log|release notes|what.s new")
#: what a section is about, and the headings that say so (installhub.md section 7.5 names them in two ways)
_SECTIONS = (
    ("what is installed", re.compile(r"what.s included|what is (?:included|installed)|contents|artifacts")),
    ("prerequisites", re.compile(r"prerequisites|requirements")),
    ("installation and configuration", re.compile(r"configuration|installation notes|post.install|set.?up")),
    ("the changelog", _CHANGELOG),
    ("support", re.compile(r"support|contact|help")),
    ("the license", re.compile(r"licen[cs]e")),
)
