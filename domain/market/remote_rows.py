"""What a platform unit remembers of another installation: of its hub, or, where the hub is ours, of its installs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.access import Reach
from domain.market.catalogue_rows import Subscription
from domain.market.model import ListingId
from domain.model import TenantId

#: what begins so is no tenant of this installation: another one's, whose installs our hub counts
ELSEWHERE = "~"
#: the bell that is rung when the hub is to be told of an install
HUB_REPORTS = "hub-reports"


@dataclass(frozen=True, slots=True)
class NewReport:
    """An install here that the hub elsewhere is to count."""

    tenant_id: TenantId
    listing_id: ListingId
    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HubReport:
    """The same on its way; ``attempts`` counts this one, too."""

    number: int
    tenant_id: TenantId
    listing_id: ListingId
    version: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A tenant that hears of new versions of a listing elsewhere, and the one that it heard of last."""

    listing_id: ListingId
    tenant_id: TenantId
    name: str
    told_version: str


class ReportLineRows(Protocol):
    """Installs that the hub elsewhere is to be told of, one by one in their order. Time is the database's."""

    async def line_up(self, reports: Sequence[NewReport]) -> None:
        """Put reports at the end of the line."""

    async def is_report_due(self) -> bool:
        """Whether the first in line could be claimed now."""

    async def claim_report(self, *, lease_seconds: float) -> HubReport | None:
        """The first in line, with one more attempt counted, for so many seconds; ``None`` while it rests."""

    async def report_told(self, report: HubReport) -> None:
        """The hub has it; nothing if another attempt was begun since."""

    async def report_not_told(self, report: HubReport, error: str, *, again_in: float | None) -> None:
        """The hub has it not, and the whole line rests so many seconds. ``None``: it is given up."""

    async def take_reports_back(self) -> None:
        """Let the first in line be due now: nobody is telling anything."""

    async def forget_reports(self, before: datetime) -> int:
        """Drop those of installs before this time, told or not; how many."""


class RemoteSubscriptionRows(Protocol):
    """Who hears of new versions of listings elsewhere."""

    async def subscribe(self, wanted: Subscription, name: str, told_version: str) -> Subscription:
        """Keep a subscription; the one that is there stays as it is, and is the answer."""

    async def unsubscribe(self, listing_id: str, tenant_id: TenantId) -> None:
        """Forget one; what is not there is no error."""

    async def subscriptions(self, listing_ids: Collection[str], reach: Reach) -> dict[ListingId, list[Subscription]]:
        """Those of these listings, of tenants in reach."""

    async def watched(self, after: tuple[str, str], *, most: int) -> list[Watched]:
        """Some of all, by listing and tenant, behind the pair that was seen last."""

    async def note_told(self, watched: Watched, version: str) -> bool:
        """A tenant is told of this version now; False when somebody else told it meanwhile."""


class ReporterRows(Protocol):
    """Other installations that tell our hub of their installs."""

    async def admit_tenant(self, identity: str, tenant_id: TenantId, *, most: int) -> bool:
        """Count a tenant of another installation, once; False when so many of its tenants are counted already.

        ``identity`` is the installation's; ``tenant_id`` is no tenant here, and the only name the hub has for it.
        """


class RemoteRows(ReportLineRows, RemoteSubscriptionRows, ReporterRows, Protocol):
    """All of it."""
