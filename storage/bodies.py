"""Contents of one tenant: kept as gzip files, each beside the SHA-256 of that file (design: security, F22).

What older versions wrote is the content itself, and where it is older still it has no hash; both stay as they are.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, func, select

from domain.aside import aside
from domain.deflating import Deflated, gzip_size
from domain.errors import ErrorCode, Refusal, refuse
from domain.model import TenantId
from storage.session import Session
from storage.sql import chunks
from storage.tables import revision_body

_log = logging.getLogger(__name__)

T = TypeVar("T")

_B = revision_body.c
_MINE = (
    _B.tenant_id == bindparam("tenant"),
    _B.body_id.in_(bindparam("ids", expanding=True, type_=_B.body_id.type)),
)
_BODIES = select(_B.body_id, _B.body, _B.sha256, _B.content_size).where(*_MINE)
_SIZES = select(_B.body_id, func.coalesce(_B.content_size, func.length(_B.body))).where(*_MINE)
#: bytes that are inflated in about the time of an artifact's other work
_ARTIFACT_BYTES = 16 << 10


class _Stored(dict[str, T]):
    """By body id. What is not there was lost: whoever takes it all the same is refused, as with a damaged one."""

    def __missing__(self, body_id: str) -> T:
        raise _damaged(body_id)


class SqlBodies:
    """:class:`domain.body_rows.BodyRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def body_sizes(self, revision_ids: Sequence[str]) -> dict[str, int]:
        return _Stored((row[0], row[1]) for row in await self._among(_SIZES, revision_ids))

    async def bodies(self, revision_ids: Sequence[str]) -> dict[str, bytes]:
        rows = await self._among(_BODIES, revision_ids)
        size = sum(row[3] or 0 for row in rows) // _ARTIFACT_BYTES
        return await aside(size, lambda: _Stored((row[0], _content(*row)) for row in rows))

    async def deflated_bodies(self, revision_ids: Sequence[str]) -> dict[str, Deflated]:
        rows = await self._among(_BODIES, revision_ids)
        return await aside(len(rows), lambda: _Stored((row[0], _deflated(*row)) for row in rows))

    async def _among(self, statement: Select[Any], ids: Collection[str], **values: Any) -> list[Any]:
        rows: list[Any] = []
        for some in chunks(list(ids)):
            rows += await self._session.rows(statement, {"tenant": self._tenant, "ids": some, **values})
        return rows


def body_columns(tenant_id: TenantId, bodies: Mapping[str, Deflated]) -> dict[str, Sequence[Any]]:
    """Bodies that are about to be written, by column; there may be none."""
    return {
        "body_id": list(bodies),
        "tenant_id": [tenant_id] * len(bodies),
        "body": [body.gzip for body in bodies.values()],
        "sha256": [body.sha256 for body in bodies.values()],
        "content_size": [body.size for body in bodies.values()],
    }


def _content(body_id: str, body: bytes, sha256: bytes | None, size: int | None) -> bytes:
    """The content of a body. Raises a refusal ``ContentDamaged`` if it is another than was written."""
    intact = _intact(body_id, body, sha256, size)
    try:
        return intact.inflated() if isinstance(intact, Deflated) else intact
    except ValueError as error:
        raise _damaged(body_id) from error


def _deflated(body_id: str, body: bytes, sha256: bytes | None, size: int | None) -> Deflated:
    """The same as it is kept."""
    intact = _intact(body_id, body, sha256, size)
    return intact if isinstance(intact, Deflated) else Deflated.of(intact)


def _intact(body_id: str, body: bytes, sha256: bytes | None, size: int | None) -> Deflated | bytes:
    """The body as it was written: what says nothing of its size is no gzip file, for no artifact begins like one."""
    kept = Deflated(body, hashlib.sha256(body).digest())
    is_another = sha256 is not None and kept.sha256 != bytes(sha256)
    if is_another or gzip_size(body) != size:
        raise _damaged(body_id)
    return body if size is None else kept


def _damaged(body_id: str) -> Refusal:
    _log.error("The stored content %s is damaged", body_id, extra={"fields": {"damaged": body_id}})
    return refuse(ErrorCode.CONTENT_DAMAGED, f"The stored content {body_id} is damaged, so nobody is given it.")
