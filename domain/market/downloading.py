"""The first stage of an install: its packages' bytes, by hash and never more than the index says (security.md, TUF).

What was downloaded stays, so an install that is begun again, or tried again, goes on after it; within one run a
connection that broke is taken up where it ended.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from domain.errors import ErrorCode, Refusal, refuse
from domain.import_model import ImportPackage, Stage
from domain.import_run import Run
from domain.limits import Limits
from domain.market.model import ListingState, Offer, TrustLevel
from domain.market.ports import Hub, HubUnreachableError
from domain.market.resolving import state_problem
from domain.model import BlobKey
from domain.ports import Blobs, CancelRequestedError

_MIB = 1 << 20
#: bytes between two lines of progress
_TOLD_EVERY = 4 * _MIB
#: how often a broken connection is taken up again, and how long to wait before that, in seconds
_TRIES = 5
_PAUSE = 0.5
#: how often a download looks whether somebody wants it to stop, in seconds
_LOOKED_EVERY = 1.0


@dataclass(slots=True)
class _Account:
    """How much of an install's bytes is here."""

    total: int
    done: int = 0
    told: int = 0


class Downloads:
    """Fetches what installs need."""

    def __init__(self, hub: Hub, blobs: Blobs, limits: Limits) -> None:
        self._hub = hub
        self._blobs = blobs
        self._limits = limits

    async def fetch(self, run: Run) -> None:
        """Bring the bytes of every package of the install here; nothing to do for an import.

        Raises ``HubUnavailable``, ``HubIndexRefused``, ``HubContentRefused``, why a package is not installed any more
        when the hub changed its mind since the submission, and :class:`domain.ports.CancelRequestedError`.
        """
        offers = [package.offer for package in run.job.packages if package.offer]
        if not offers:
            return
        run.total = sum(offer.artifact_count for offer in offers)
        run.begin(Stage.DOWNLOAD)
        if not all(package.blob_key for package in run.job.packages):
            async with run.writing():
                pass  # the hub may take its time, and callers look
        await _unless_cancelled(run, self._all_fetched(run))
        run.end(f"{_counted(len(offers))} here: {_mib(sum(offer.size_bytes for offer in offers))} MiB.")

    async def drop(self, run: Run, package: ImportPackage) -> None:
        """Do not keep what was downloaded and is no good."""
        async with run.writing() as unit:
            await unit.imports.keep_download(run.job.import_id, package.ordinal, BlobKey(""))
        await self._blobs.delete(package.blob_key)

    async def _all_fetched(self, run: Run) -> None:
        await self._renewed(is_needed=any(not package.blob_key for package in run.job.packages))
        packages = [replace(package, offer=await self._confirmed(package.offer)) for package in run.job.packages]
        run.job = replace(run.job, packages=tuple(packages))
        waiting = [package for package in packages if not package.blob_key]
        self._refuse_large(run, waiting)
        account = _Account(sum(package.size_bytes for package in waiting))
        for package in waiting:
            await self._fetched(run, package, account)

    def _refuse_large(self, run: Run, packages: Sequence[ImportPackage]) -> None:
        most = self._limits.zip_bytes(run.tenant.plan)
        for package in packages:
            if package.size_bytes > most:
                text = f"A package has {package.size_bytes} bytes; at most {most} are allowed."
                raise refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, limit=most, actual=package.size_bytes)

    async def _renewed(self, *, is_needed: bool) -> None:
        """Where all bytes are here, the last good index is good enough: a hub that is away stops nothing then."""
        try:
            await self._hub.renew()
        except Refusal:
            if is_needed:
                raise

    async def _confirmed(self, offer: Offer | None) -> Offer | None:
        """The offer as it is now, with the keys that count now.

        It has to be what the caller consented to, and trusted no less; a deprecation since then stops nothing.
        """
        if offer is None:
            return None
        found = await self._hub.offers_of(offer.listing_id)
        now = next((one for one in found if one.version == offer.version), None)
        if now is None or _consented(now) != _consented(offer) or _is_less_trusted(now, offer):
            text = (
                f"The hub's index does not offer {offer.full_name} any more as it was when the install was asked for."
            )
            raise refuse(ErrorCode.HUB_CONTENT_REFUSED, text, "version")
        problem = state_problem(now)
        if problem is not None and now.state is not ListingState.DEPRECATED:
            raise Refusal([problem])
        return now

    async def _fetched(self, run: Run, package: ImportPackage, account: _Account) -> None:
        offer = package.offer
        if offer is None:
            return
        try:
            async with asyncio.timeout(self._limits.download_seconds):
                key = await self._kept(run, offer, account)
        except TimeoutError as error:
            text = f"The hub did not send {offer.full_name} within {self._limits.download_seconds} seconds."
            raise refuse(ErrorCode.HUB_UNAVAILABLE, text, retryAfter=60) from error
        async with run.writing() as unit:
            await unit.imports.keep_download(run.job.import_id, package.ordinal, key)
        run.job = replace(run.job, packages=_with_blob(run.job.packages, package.ordinal, key))

    async def _kept(self, run: Run, offer: Offer, account: _Account) -> BlobKey:
        """The whole bundle in a blob of its own; what is not as it should be is dropped with the blob."""
        digest, came = hashlib.sha256(), 0
        async with self._blobs.create() as blob:
            for left in reversed(range(_TRIES)):
                try:
                    async with aclosing(self._hub.read(offer, start=came)) as chunks:
                        async for chunk in chunks:
                            came += len(chunk)
                            if came > offer.size_bytes:
                                raise _wrong(offer, "it is longer than the index says")
                            digest.update(chunk)
                            await blob.write(chunk)
                            await self._told(run, offer, account, len(chunk))
                    if came == offer.size_bytes:
                        break
                except HubUnreachableError as trouble:
                    if not left:
                        text = f"The hub broke off while sending {offer.full_name}: {trouble}"
                        raise refuse(ErrorCode.HUB_UNAVAILABLE, text, retryAfter=60) from trouble
                    await asyncio.sleep(_PAUSE)
                    continue
                raise _wrong(offer, "it is shorter than the index says")
            if digest.hexdigest() != offer.sha256:
                raise _wrong(offer, "its hash is another")
            return await blob.finish()

    async def _told(self, run: Run, offer: Offer, account: _Account, count: int) -> None:
        account.done += count
        if account.done - account.told < _TOLD_EVERY:
            return
        account.told = account.done
        share = account.done / account.total
        text = f"{_mib(account.done)} of {_mib(account.total)} MiB were downloaded."
        run.progress(0, text, offer.name, share=share)
        async with run.writing():
            pass


async def _unless_cancelled(run: Run, work: Coroutine[Any, Any, None]) -> None:
    """Do it; a hub that stands still keeps nobody waiting who asks to stop."""
    doing = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({doing}, timeout=_LOOKED_EVERY))[0]:
            if await run.is_to_stop():
                raise CancelRequestedError
        doing.result()
    finally:
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)


def _consented(offer: Offer) -> tuple[str, str, int]:
    """What the caller's consent is bound to (R6)."""
    return offer.checksum, offer.sha256, offer.size_bytes


def _is_less_trusted(now: Offer, then: Offer) -> bool:
    """Nobody was asked for the permission and the acknowledgement that a Community package needs."""
    return now.trust_level is TrustLevel.COMMUNITY and then.trust_level is not TrustLevel.COMMUNITY


def _wrong(offer: Offer, why: str) -> Refusal:
    text = f"What the hub sent for {offer.full_name} is not what its index states: {why}. It was not kept."
    return refuse(ErrorCode.HUB_CONTENT_REFUSED, text)


def _with_blob(packages: Sequence[ImportPackage], ordinal: int, key: BlobKey) -> tuple[ImportPackage, ...]:
    return tuple(replace(package, blob_key=key) if package.ordinal == ordinal else package for package in packages)


def _counted(count: int) -> str:
    return "1 package is" if count == 1 else f"{count} packages are"


def _mib(count: int) -> str:
    return f"{count / _MIB:.1f}"
