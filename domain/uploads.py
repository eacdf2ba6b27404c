"""Packages sent ahead of their import (decisions R13, section 9.3): for large files, and for callers without multipart.

An upload belongs to its tenant and its caller. Nothing is believed of its bytes until an import reads them.
"""

from __future__ import annotations

from datetime import timedelta

import uuid_utils

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, refuse
from domain.import_model import Importable, ImportPackage
from domain.model import TenantId, Upload, UploadId
from domain.ports import Ports
from domain.repeating import Once, made_before, once, remember, written_once
from domain.tenancy import active_tenant, entry_of, mark_platform_use

#: how long an upload waits to be used
LIFETIME = timedelta(hours=24)


class Uploads:
    """Stored packages that no import has read yet."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def keep(
        self, caller: Caller, tenant_id: TenantId, package: ImportPackage, *, key: str | None = None
    ) -> Upload:
        """Remember stored bytes for an import of this caller into this tenant.

        With a known idempotency key the first upload is the answer, and these bytes belong to nobody: the door
        that stored them drops them. Raises ``InsufficientPermission``, ``InvalidTenantId`` and
        ``IdempotencyKeyReused``.
        """
        require(caller, Right.UPLOAD)
        request = once(caller, key, "upload", package.sha256)
        return await written_once(lambda: self._keep(caller, tenant_id, package, request))

    async def _keep(self, caller: Caller, tenant_id: TenantId, package: ImportPackage, request: Once | None) -> Upload:
        now = self._clock.now()
        async with self._store.platform_unit() as platform:
            await active_tenant(platform.tenants, tenant_id)
            unit = platform.of(tenant_id)
            if made := await made_before(unit, request, now):
                first = await unit.uploads.find(made["uploadId"])
                if first is not None:
                    return first
                raise refuse(ErrorCode.UPLOAD_EXPIRED, "The upload of this idempotency key is no longer kept.")
            upload = Upload(
                upload_id=UploadId(f"upl-{uuid_utils.uuid7()}"),
                tenant_id=tenant_id,
                subject=caller.identity,
                blob_key=package.blob_key,
                sha256=package.sha256,
                size_bytes=package.size_bytes,
                uploaded_by=caller.actor,
                expires_at=now + LIFETIME,
            )
            await unit.uploads.add(upload)
            await remember(unit, request, {"uploadId": upload.upload_id}, now)
            details = {"uploadId": upload.upload_id, "sizeBytes": upload.size_bytes}
            await mark_platform_use(unit, caller, entry_of(caller, tenant_id, "upload.kept", details, at=now))
        return upload

    async def importable(self, caller: Caller, upload_id: str, target: TenantId) -> Importable:
        """An upload as the package of an import; another caller's and another tenant's are as unknown as none.

        Raises ``InsufficientPermission`` and ``NotFound``.
        """
        require(caller, Right.IMPORT)
        async with self._store.view(target) as unit:
            upload = await unit.uploads.find(upload_id)
        if upload is None or upload.subject != caller.identity:
            raise refuse(ErrorCode.NOT_FOUND, "There is no such upload.", "uploadId", what="upload")
        late = Problem(ErrorCode.UPLOAD_EXPIRED, "The upload waited too long; send it again.", "uploadId")
        gone = (late,) if upload.expires_at <= self._clock.now() else ()
        return Importable(ImportPackage(0, upload.blob_key, upload.sha256, upload.size_bytes), gone)
