"""What is kept, and how long: secrets, uploads, idempotency keys, stored bytes (decisions R13)."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Select, bindparam, delete, or_, select

from domain.market.curation_rows import Judgement
from domain.model import BlobKey
from storage.market_tables import listing_version, submission
from storage.plan_tables import import_exception
from storage.session import Session
from storage.sql import chunks, on_both
from storage.tables import idempotency, import_job, import_package, package, secret, upload

_SECRET_BYTES = 32
_SECRET = select(secret.c.value).where(secret.c.name == bindparam("name"))
_KEEP_SECRET = on_both(lambda made: made(secret).on_conflict_do_nothing())
_FORGET_KEYS, _FORGET_UPLOADS = (
    delete(table).where(table.c.expires_at <= bindparam("since", type_=table.c.expires_at.type))
    for table in (idempotency, upload)
)


class SqlKeeping:
    """:class:`domain.keeping_rows.KeepingRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def secret(self, name: str) -> str:
        row = await self._session.row(_SECRET, {"name": name})
        if row is None:
            made = {"name": name, "value": secrets.token_hex(_SECRET_BYTES)}
            await self._session.run(_KEEP_SECRET, made)
            row = await self._session.row(_SECRET, {"name": name})
        if row is None:
            msg = f"the secret {name} was written and is not there"
            raise RuntimeError(msg)
        return str(row[0])

    async def forget_expired(self, now: datetime, *, uploads_kept: timedelta) -> int:
        keys = await self._session.run(_FORGET_KEYS, {"since": now})
        uploads = await self._session.run(_FORGET_UPLOADS, {"since": now - uploads_kept})
        return keys.rowcount + uploads.rowcount

    async def unnamed(self, keys: Collection[BlobKey], *, now: datetime, kept_after_use: timedelta) -> set[BlobKey]:
        left = set(keys)
        for some in chunks(sorted(keys)):
            for naming in _naming(some, now, now - kept_after_use):
                left -= {BlobKey(row[0]) for row in await self._session.rows(naming)}
        return left


def _naming(keys: Collection[BlobKey], now: datetime, used_since: datetime) -> tuple[Select[tuple[str]], ...]:
    """Rows that need these blobs, by table."""
    in_use = or_(import_job.c.ended_at.is_(None), import_job.c.ended_at > used_since)
    is_open = or_(submission.c.reviewed_at.is_(None), submission.c.reviewed_at > used_since)
    is_asked = import_exception.c.status == Judgement.UNDER_REVIEW.wire
    is_excepted = or_(is_asked, import_exception.c.valid_until > used_since)
    return (
        select(upload.c.blob_key).where(upload.c.blob_key.in_(keys), upload.c.expires_at > now),
        select(package.c.blob_key).where(package.c.blob_key.in_(keys), package.c.expires_at > now),
        select(import_package.c.blob_key)
        .join(import_job, import_job.c.import_id == import_package.c.import_id)
        .where(import_package.c.blob_key.in_(keys), in_use),
        select(import_package.c.blob_key)
        .join(import_exception, import_exception.c.import_id == import_package.c.import_id)
        .where(import_package.c.blob_key.in_(keys), is_excepted),
        select(listing_version.c.blob_key).where(listing_version.c.blob_key.in_(keys)),
        select(submission.c.blob_key).where(submission.c.blob_key.in_(keys), is_open),
    )
