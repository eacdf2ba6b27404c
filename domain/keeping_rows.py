"""What is kept for a time, and given up after it: the protocol that a store implements (decisions R13, R25)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from domain.model import BlobKey, ImportId, TenantId


class PurgePlace(NamedTuple):
    """How far a purge has come: a table, and a row of it as its database names it."""

    table: int = 0
    after: Any = None


class KeepingRows(Protocol):
    """What is kept no longer, and which stored bytes are still named by a row (R13)."""

    async def secret(self, name: str) -> str:
        """A key of the installation: 64 hexadecimal digits, made by whoever asks first."""

    async def forget_expired(self, now: datetime, *, uploads_kept: timedelta) -> int:
        """Drop idempotency keys past their time, and uploads so much longer after theirs; how many."""

    async def unnamed(self, keys: Collection[BlobKey], *, now: datetime, kept_after_use: timedelta) -> set[BlobKey]:
        """Which of these blobs nothing needs any more.

        A blob is needed by an upload or package that has not expired, and by an import that has not ended, or
        ended less than ``kept_after_use`` ago; by a submission likewise, and by a published version for ever.
        """


class PurgeRows(Protocol):
    """Everything of a tenant, given up piece by piece (decisions R40)."""

    async def going_on(self, tenant_id: TenantId) -> list[ImportId]:
        """Imports of the tenant that have not ended, plans too."""

    async def some(self, tenant_id: TenantId, place: PurgePlace, *, most: int) -> PurgePlace | None:
        """Delete the next rows of the tenant, so many at most; where to go on, ``None`` at the end."""

    async def rest(self, tenant_id: TenantId) -> bool:
        """Delete what came meanwhile and the tenant itself; False when it stays, for what it published."""
