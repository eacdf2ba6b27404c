"""Scans of what is kept, made again, as they are remembered (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.access import Reach
from domain.model import BlobKey, ImportId, TenantId, WireEnum
from domain.notices.model import Person
from domain.rows import Slice


class Keeping(WireEnum):
    """As what a package is kept."""

    EXPORTED = "Exported"
    INSTALLED = "Installed"


@dataclass(frozen=True, slots=True)
class Kept:
    """A package whose bytes may still be there. ``subject_id``: its own id, or that of the import that brought it.

    ``ordinal`` is its place in the import, ``scanned_by`` the version of the rules that it was scanned by last; empty
    if it never was.
    """

    tenant_id: TenantId
    keeping: Keeping
    subject_id: str
    ordinal: int
    package_id: str
    package_name: str
    package_version: str
    blob_key: BlobKey
    sha256: str
    scanned_by: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to scan something kept, for a time. ``attempt`` counts those who had it, and fences them."""

    rescan_id: str
    kept: Kept
    attempt: int


@dataclass(frozen=True, slots=True)
class Rescan:
    """One scan that was made again. ``report`` is as a scan report is stored; in lists it is left out."""

    rescan_id: str
    tenant_id: TenantId
    keeping: Keeping
    subject_id: str
    package_id: str
    package_name: str
    package_version: str
    rules_version: str
    result: str
    scanned_at: datetime
    report: Mapping[str, Any] | None = None

    @property
    def import_id(self) -> ImportId | None:
        """The import that brought it, where it is installed."""
        return ImportId(self.subject_id) if self.keeping is Keeping.INSTALLED else None


class RescanRows(Protocol):
    """Scans of all tenants' packages, made again. A report is written once and never changed."""

    async def due(self, rules_version: str, now: datetime, *, most: int) -> list[Kept]:
        """What is kept and was scanned by other rules last, and nobody is scanning: each tenant's in turn.

        Exported packages as long as they can be fetched, and the packages that tenants have installed now.
        """

    async def claim(self, kept: Kept, rules_version: str, rescan_id: str, *, lease_seconds: float) -> Claim | None:
        """Scan this now; nothing if somebody does, or did, or if it has gone meanwhile.

        Whoever claims it after a lease is over goes on.
        """

    async def let_go(self, claim: Claim) -> None:
        """It could not be tried: the attempt does not count, and somebody may claim it at once."""

    async def note(self, claim: Claim, result: str, report: Mapping[str, Any], at: datetime) -> bool:
        """Keep the report for good; false if somebody else claimed it since."""

    async def page(
        self,
        reach: Reach,
        keepings: Collection[Keeping],
        *,
        package_id: str | None = None,
        import_id: str | None = None,
        first: int,
        after: str | None = None,
    ) -> Slice[Rescan]:
        """Newest first, without their reports; of one package or import, if given. ``after`` is an id."""

    async def find(self, rescan_id: str, reach: Reach) -> Rescan | None:
        """One with its report."""

    async def concerned(self, rescan_ids: Collection[str]) -> dict[str, tuple[Rescan, tuple[Person, ...]]]:
        """These without their reports, and whom they concern: who exported or imported it, and the site admins."""
