"""Deleting exported packages: their bytes go, their records stay (decisions R13, R14, R40)."""

from __future__ import annotations

from dataclasses import replace

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, refuse
from domain.model import Package
from domain.ports import Ports
from domain.tenancy import entry_of


class Deleting:
    """What callers do with packages that nobody is to have any more."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def package(self, caller: Caller, package_id: str, reach: Reach) -> Package:
        """Delete a package; one that was deleted before stays as it is.

        Nobody looks it up, fetches or imports it from now on: ``BundleExpired`` with ``deletedAt``. Imports and plans
        that have its bytes already, and what was published of it, go on (R13). Its version stays taken, and the
        history of exports tells of it. Raises ``InsufficientPermission`` and ``NotFound``.
        """
        require(caller, Right.EXPORT)
        now = self._clock.now()
        async with self._store.platform_unit() as platform:
            package = await platform.lookup.package(package_id, reach)
            if package is None:
                raise refuse(ErrorCode.NOT_FOUND, "There is no such package.", "packageId", what="package")
            if package.deleted_at is not None:
                return package
            unit = platform.of(package.tenant_id)
            await unit.packages.delete(package.package_id, now)
            told = {"packageId": package.package_id, "package": package.name, "version": package.version}
            await unit.imports.audit(entry_of(caller, package.tenant_id, "package.deleted", told, at=now))
        return replace(package, deleted_at=now, expires_at=now)
