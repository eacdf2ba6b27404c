"""Installing from the marketplace: the importer's line, a download in front (source: marketplace-install; X19, R30).

What is asked for is checked against the hub's index at once: the package, everything that it needs, and whether the
caller may install all of that. The bytes come later, in the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log
from statistics import median

from domain import policy
from domain.access import Caller, Reach
from domain.errors import ErrorCode, Refusal, refuse, refuse_if
from domain.import_model import ImportJob, ImportKind, ImportPackage, InstalledPackage
from domain.line import ImportOrder, Line, admit
from domain.market.model import InstallId, InstallWish, Offer
from domain.market.own_hub import hub_of
from domain.market.resolving import NAMES_MAX, asked_offer, resolved, too_many, wanted_names
from domain.market.trust import require_install, require_permitted, require_trusted
from domain.model import BlobKey, ImportId, TenantId, name_key
from domain.options import ImportOptions
from domain.ports import Ports
from domain.records import Records
from domain.repeating import once
from domain.rows import PastRun
from domain.tenancy import active_tenant

_INSTALL, _IMPORT = "mkt-install-", "imp-"
#: past runs that an estimate looks at, and how many of them, the nearest in size, it is made of
_RUNS_SEEN, _RUNS_USED = 50, 5
#: what an installation without any past run goes by: the seconds of an empty install, and bytes a second after it
_FIRST_SECONDS, _FIRST_BYTES_A_SECOND = 1.0, 1 << 20


@dataclass(frozen=True, slots=True)
class InstallOrder:
    """What a door asks for: a listing, in a version or the latest, into a tenant, and how (A3; R30: A1's options)."""

    tenant_id: TenantId
    wish: InstallWish
    options: ImportOptions


def install_id(job: ImportJob) -> InstallId:
    """The id of an install: its import's, under its own name."""
    return InstallId(_INSTALL + job.import_id.removeprefix(_IMPORT))


def import_id_of(wanted: str) -> ImportId | None:
    """The import behind the id of an install; ``None`` for what is no such id."""
    return ImportId(_IMPORT + wanted.removeprefix(_INSTALL)) if wanted.startswith(_INSTALL) else None


class Installs:
    """Puts installs into their tenant's line, and finds them again."""

    def __init__(self, ports: Ports, line: Line, records: Records) -> None:
        self._store = ports.store
        self._hub = hub_of(ports)
        self._line = line
        self._records = records

    async def submit(self, caller: Caller, order: InstallOrder, *, key: str | None = None) -> ImportJob:
        """Begin an install, or answer with the one that this very request began before (R25).

        Raises ``InsufficientPermission``, ``InvalidTenantId``, ``NotFound``, ``PackageSuspended``,
        ``VersionDeprecated``, ``VersionYanked``, ``MissingPackageDependency`` or ``IncompatiblePackageDependency`` with
        chains, ``AcknowledgmentRequired``, ``VersionDowngradeNotAllowed``, ``IdempotencyKeyReused``,
        ``HubUnavailable`` and, when too many wait, ``RateLimitExceeded``.
        """
        admit(caller, order.options)
        require_install(caller)
        request = once(caller, key, "install", order.options, order.wish.asked, None)
        if made := await self._line.made(order.tenant_id, request):
            return made
        async with self._store.platform_view() as platform:
            await active_tenant(platform.tenants, order.tenant_id)
            installed = await platform.of(order.tenant_id).imports.installed()
        offers, index_version = await self._found(caller, order.wish, installed)
        asked = offers[-1]
        if order.options.dry_run:
            require_permitted(caller, offers)
        else:
            require_trusted(caller, offers, acknowledged=order.wish.acknowledged)
            refuse_if(policy.downgrade_problems(asked, asked.publisher_id, installed, order.options))
        *needed, last = (_package(ordinal, offer) for ordinal, offer in enumerate(offers))
        wish = replace(order.wish, index_version=index_version)
        placed = ImportOrder(order.tenant_id, last, order.options, needed=tuple(needed), install=wish)
        return await self._line.enter(caller, placed, request)

    async def get(self, caller: Caller, wanted: str, reach: Reach) -> ImportJob:
        """The import of an install. Raises ``InsufficientPermission`` and ``NotFound`` (what: ``install``)."""
        unknown = refuse(ErrorCode.NOT_FOUND, "There is no such install.", what="install")
        import_id = import_id_of(wanted)
        if import_id is None:
            raise unknown
        try:
            job = await self._records.get_import(caller, import_id, reach)
        except Refusal as refusal:
            raise unknown if refusal.code is ErrorCode.NOT_FOUND else refusal from None
        if job.kind is not ImportKind.INSTALL:
            raise unknown
        return job

    async def estimated_seconds(self, job: ImportJob) -> int:
        """How long such an install took: see :func:`estimate`."""
        return estimate(job, await self.past_runs())

    async def past_runs(self) -> list[PastRun]:
        """What estimates are made of: the installation's last imports and installs."""
        async with self._store.platform_view() as platform:
            return await platform.lookup.past_runs(_RUNS_SEEN)

    async def _found(
        self, caller: Caller, wish: InstallWish, installed: Sequence[InstalledPackage]
    ) -> tuple[tuple[Offer, ...], int]:
        """The offers of an install, the one that was asked for last, and the version of the index that has them all.

        Where the index is renewed in the middle, it is asked once more from the beginning.
        """
        while True:
            version = await self._hub.index_version()
            asked = asked_offer(await self._hub.offers_of(wish.listing_id), wish.version, installed)
            require_permitted(caller, [asked])
            offers = await self._resolved(asked, installed)
            if await self._hub.index_version() == version:
                return offers, version

    async def _resolved(self, asked: Offer, installed: Sequence[InstalledPackage]) -> tuple[Offer, ...]:
        """Everything that the install brings, what is needed first; decided by the index alone."""
        known = {name_key(package.name) for package in installed} | {name_key(asked.name)}
        offers: dict[str, list[Offer]] = {}
        wanted = wanted_names([asked]) - known
        while wanted:
            if len(offers) + len(wanted) > NAMES_MAX:
                raise too_many(asked, len(offers) + len(wanted))
            found = await self._hub.offers_named(wanted)
            offers |= {name: [] for name in wanted}
            for offer in found:
                offers[name_key(offer.name)].append(offer)
            wanted = wanted_names(found) - known - offers.keys()
        return await asyncio.to_thread(resolved, asked, offers, installed)


def estimate(job: ImportJob, past: Sequence[PastRun]) -> int:
    """Whole seconds, at least 1: the median of the past runs that are nearest to the job in size."""
    size = max(1, sum(package.size_bytes for package in job.packages))
    if not past:
        return ceil(_FIRST_SECONDS + size / _FIRST_BYTES_A_SECOND)
    nearest = sorted(past, key=lambda run: abs(log(max(1, run.size_bytes) / size)))[:_RUNS_USED]
    return max(1, ceil(median(run.seconds for run in nearest)))


def _package(ordinal: int, offer: Offer) -> ImportPackage:
    return ImportPackage(ordinal, BlobKey(""), offer.sha256, offer.size_bytes, offer=offer)
