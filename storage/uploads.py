"""Uploads that wait for their import, and requests that may come again (decisions R13, R25)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from domain.model import TenantId, Upload
from domain.rows import Remembered
from storage.session import Session
from storage.tables import idempotency, upload

#: in the order of :class:`domain.model.Upload`
_UPLOAD = [
    upload.c[name]
    for name in (
        *("upload_id", "tenant_id", "subject", "blob_key", "sha256", "size_bytes", "uploaded_by", "expires_at"),
    )
]
_FIND_UPLOAD = select(*_UPLOAD).where(upload.c.tenant_id == bindparam("tenant"), upload.c.upload_id == bindparam("id"))

_ADD_UPLOAD = insert(upload)

_THIS_KEY = (
    idempotency.c.tenant_id == bindparam("tenant"),
    idempotency.c.subject == bindparam("by"),
    idempotency.c.idempotency_key == bindparam("key"),
)
_FIND_REPEAT = select(idempotency.c.request_hash, idempotency.c.effect).where(
    *_THIS_KEY, idempotency.c.expires_at > bindparam("now", type_=idempotency.c.expires_at.type)
)
_FORGET_EXPIRED = delete(idempotency).where(
    *_THIS_KEY, idempotency.c.expires_at <= bindparam("now", type_=idempotency.c.expires_at.type)
)
_ADD_REPEAT = insert(idempotency)


class SqlUploads:
    """:class:`domain.rows.UploadRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def add(self, upload: Upload) -> None:
        row = {column.name: getattr(upload, column.name) for column in _UPLOAD}
        await self._session.run(_ADD_UPLOAD, row | {"tenant_id": self._tenant})

    async def find(self, upload_id: str) -> Upload | None:
        row = await self._session.row(_FIND_UPLOAD, {"tenant": self._tenant, "id": upload_id})
        return Upload(*row) if row else None


class SqlRepeats:
    """:class:`domain.rows.RepeatRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def find(self, subject: str, key: str, now: datetime) -> Remembered | None:
        values = {"tenant": self._tenant, "by": subject, "key": key, "now": now}
        row = await self._session.row(_FIND_REPEAT, values)
        return Remembered(row[0], row[1]) if row else None

    async def remember(self, subject: str, key: str, made: Remembered, *, expires_at: datetime) -> None:
        # what is past its time must not stand in the way
        values = {"tenant": self._tenant, "by": subject, "key": key, "now": self._session.clock.now()}
        await self._session.run(_FORGET_EXPIRED, values)
        row = {"tenant_id": self._tenant, "subject": subject, "idempotency_key": key, "expires_at": expires_at}
        await self._session.run(_ADD_REPEAT, row | {"request_hash": made.request_hash, "effect": dict(made.effect)})
