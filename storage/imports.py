"""Everything about a tenant's imports: its line, journals, plans, held revisions, activation, and the records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select

from domain.import_model import AuditEntry
from domain.market.model import ListingId
from domain.model import ImportId, TenantId
from domain.ports import OUTBOX
from storage.activation import Activation
from storage.catalogue import SqlCatalogue
from storage.conflicts import Conflicts
from storage.holding import Holding
from storage.journal import Journal
from storage.line import Line
from storage.plans import Plans
from storage.session import Session
from storage.tables import audit, outbox

#: in the order of :class:`domain.import_model.AuditEntry`
ENTRY = [audit.c[name] for name in ("at", "actor", "action", "import_id", "details")]
_ADD_AUDIT = insert(audit)
_POST = insert(outbox)
_AUDIT_OF = (
    select(*ENTRY)
    .where(audit.c.tenant_id == bindparam("tenant"), audit.c.import_id == bindparam("id"))
    .order_by(audit.c.audit_id)
)


class SqlImports(Line, Journal, Plans, Holding, Activation, Conflicts):
    """:class:`domain.ports.ImportRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def audit(self, entry: AuditEntry) -> None:
        row = {column.name: getattr(entry, column.name) for column in ENTRY}
        self._session.later(_ADD_AUDIT, row | {"tenant_id": self._tenant})

    async def audit_of(self, import_id: ImportId) -> list[AuditEntry]:
        rows = await self._session.rows(_AUDIT_OF, {"tenant": self._tenant, "id": import_id})
        return [AuditEntry(*row) for row in rows]

    async def count_install(self, listing_id: ListingId, version: str, at: datetime) -> None:
        await SqlCatalogue(self._session).count_install(listing_id, self._tenant, version, at)

    async def post(self, kind: str, payload: Mapping[str, Any]) -> None:
        row = {"tenant_id": self._tenant, "at": self._session.clock.now(), "kind": kind, "payload": payload}
        self._session.later(_POST, row)
        self._session.ring(OUTBOX)
