"""Addresses that are their own permission: whoever has one may fetch one package, for five minutes.

A browser that follows a link sends no ``Authorization``. What is signed is the use, the method, the package and the
end, so a signature is good for nothing else; its key belongs to the installation and is never shown (decisions
section 9.5).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from datetime import timedelta

from domain.errors import ErrorCode, refuse
from domain.model import Package
from domain.ports import Ports

#: how long an address is good
LIFETIME = timedelta(minutes=5)
_SECRET = "download-links"  # noqa: S105 - the secret's name
_USE = b"installhub package download, 1"
_SECONDS = re.compile(r"[1-9]\d{0,11}", re.ASCII)


class Links:
    """Signed addresses of package downloads. ``GET`` and ``HEAD`` are one method here."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._key: bytes | None = None

    async def download_url(self, package: Package) -> str:
        """The path under which the ZIP can be fetched without a token, for :data:`LIFETIME`."""
        expires = str(int((self._clock.now() + LIFETIME).timestamp()))
        signature = await self._signature(package.package_id, expires)
        return f"/api/installhub/packages/{package.package_id}/download?expires={expires}&signature={signature}"

    async def package(self, package_id: str, *, expires: str, signature: str) -> Package:
        """The package that such an address gives: ``expires`` and ``signature`` as they stand in it.

        Raises ``LinkExpired`` when the address is too old or was not made here, ``NotFound`` when the package is gone.
        """
        expected = await self._signature(package_id, expires)
        is_ours = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
        if not is_ours or not _SECONDS.fullmatch(expires) or int(expires) <= self._clock.now().timestamp():
            text = "This address is no longer good. The package's record has a new one."
            raise refuse(ErrorCode.LINK_EXPIRED, text)
        async with self._store.platform_view() as unit:
            package = await unit.lookup.package(package_id, None)
        if package is None:
            raise refuse(ErrorCode.NOT_FOUND, "There is no such package.", "packageId", what="package")
        return package

    async def _signature(self, package_id: str, expires: str) -> str:
        """Base64url of an HMAC-SHA256. Our parts hold no NUL, so the signed text is read in one way only."""
        parts = (_USE, b"GET", package_id.encode(errors="replace"), expires.encode(errors="replace"))
        signed = hmac.new(await self._secret(), b"\0".join(parts), hashlib.sha256).digest()
        return urlsafe_b64encode(signed).rstrip(b"=").decode()

    async def _secret(self) -> bytes:
        if self._key is None:
            async with self._store.platform_unit() as unit:
                self._key = bytes.fromhex(await unit.keeping.secret(_SECRET))
        return self._key
