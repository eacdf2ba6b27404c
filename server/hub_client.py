"""Another installation's hub (issue: "The hub elsewhere"; security.md F20).

Its index is believed as TUF says, and what was verified is kept in the database: so an older index is refused after a
restart too, and by every process. Content is fetched below a base address, which may be a CDN's, and counted here;
whether it has the right hash is seen by whoever keeps it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from domain.errors import ErrorCode, Refusal, refuse
from domain.market.index import (
    ROLES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    HubMetadata,
    Listed,
    content_path,
    expires_at,
    listed,
)
from domain.market.model import Offer
from domain.market.ports import HubUnreachableError
from domain.market.resolving import newest_first
from domain.ports import Clock, Store
from domain.strict_json import shown
from server.outward import AddressRefusedError, Answer, AnswerRefusedError, Bounds, Outward, OutwardError, TooLargeError
from server.settings import Settings, SettingsError

_log = logging.getLogger(__name__)
#: what the setting says when the first root is to be believed, whatever it is
FIRST_USE = "first-use"
_HASH_PREFIX = "sha256:"
_RETRY_SECONDS = 60
#: an index that was looked for so long ago is looked for again
_FRESH_SECONDS = 60.0
_SHOWN = 200
_OK, _PARTIAL = 200, 206
#: the hub's, or the CDN's, own trouble: another attempt may go well
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LIMITS = UpdaterConfig(targets_max_length=64 << 20, snapshot_max_length=1 << 20, root_max_length=256 << 10)
#: a bundle may take long, but never stands still
_CONTENT_SECONDS = 3600.0
_EXPIRED = "it is expired: somebody shows an index of the past, or the hub has stopped renewing it"
_FLAWS = (
    (ExpiredMetadataError, _EXPIRED),
    (BadVersionNumberError, "it is older than one seen before"),
    (UnsignedMetadataError, "it is not signed by the keys that count"),
    (LengthOrHashMismatchError, "its parts do not belong together"),
    (DownloadLengthMismatchError, "it is longer than it may be"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hub is, and what it is known by; see the settings ``INSTALLHUB_HUB_*``.

    ``root`` is trusted root metadata, the hash of the hub's first one, or :data:`FIRST_USE`.
    """

    url: str
    content_url: str
    root: bytes | str
    #: within so many seconds the index has to be there, and within so many anything has to come
    seconds: float = 30.0
    silent_seconds: float = 10.0

    @property
    def metadata_url(self) -> str:
        return f"{self.url}/hub/metadata/"

    def content_of(self, offer: Offer) -> str:
        return f"{self.content_url or f'{self.url}/hub/targets'}/{content_path(offer)}"


@dataclass(frozen=True, slots=True)
class _Known:
    """A verified index, read: of which versions of its roles, and until when it is good."""

    versions: Mapping[str, int]
    expires: datetime
    listed: Listed


class RemoteHub:
    """:class:`domain.market.ports.Hub` of another installation."""

    def __init__(self, place: Place, outward: Outward, store: Store, clock: Clock) -> None:
        self._place = place
        self._outward = outward
        self._store = store
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._known: _Known | None = None
        # who names another root begins to believe anew
        self._name = f"{place.url} {_identity(place.root)}"

    async def aclose(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def renew(self) -> None:
        await asyncio.shield(self._look())

    async def index_version(self) -> int:
        return (await self._index()).version

    async def offers_of(self, listing_id: str) -> Sequence[Offer]:
        return newest_first((await self._index()).by_listing.get(listing_id, ()))

    async def offers_named(self, name_keys: Collection[str]) -> Sequence[Offer]:
        by_name = (await self._index()).by_name
        return newest_first([offer for key in dict.fromkeys(name_keys) for offer in by_name.get(key, ())])

    async def read(self, offer: Offer, *, start: int = 0) -> AsyncGenerator[bytes]:
        left = offer.size_bytes - start
        if left <= 0:
            return
        silent = self._place.silent_seconds
        bounds = Bounds(bytes_max=offer.size_bytes, seconds=_CONTENT_SECONDS, silent_seconds=silent)
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            async with self._outward.asked(self._place.content_of(offer), bounds, headers=headers) as answer:
                skipped = _skipped(answer, offer, start)
                async with aclosing(answer.chunks()) as chunks:
                    async for chunk in chunks:
                        sent, skipped = chunk[skipped:], max(0, skipped - len(chunk))
                        left -= len(sent)
                        if left < 0:
                            raise _content_refused(offer, "it is longer than the index says")
                        if sent:
                            yield sent
        except (AnswerRefusedError, AddressRefusedError) as trouble:
            raise _content_refused(offer, str(trouble)) from trouble
        except OutwardError as trouble:
            raise HubUnreachableError(str(trouble)) from trouble
        if left:
            raise HubUnreachableError("The answer broke off.")

    def _look(self) -> asyncio.Task[None]:
        """The look at the hub that is under way, or a new one: those who ask at once are answered by one."""
        if self._looking is None or self._looking.done():
            self._looked_at = monotonic()
            self._looking = asyncio.create_task(self._renewed())
            # whoever waited for it may have gone
            self._looking.add_done_callback(_note_trouble)
        return self._looking

    async def _index(self) -> Listed:
        """The offers of the last good index, which is renewed meanwhile when nobody looked lately.

        Raises what :meth:`renew` does when there is no good one.
        """
        known = await self._last_good()
        if known is None:
            await self.renew()
            known = await self._last_good()
        elif monotonic() - self._looked_at > _FRESH_SECONDS:
            self._look()
        if known is None:
            raise _index_refused(_EXPIRED)
        return known.listed

    async def _last_good(self) -> _Known | None:
        """The index that was verified last, by whichever process; ``None`` when there is none, or it is over."""
        async with self._store.platform_view() as unit:
            versions = await unit.hub_rows.trusted_versions(self._name)
            if self._known is None or self._known.versions != versions:
                self._known = await _known(await unit.hub_rows.trusted(self._name))
        return self._known if self._known and self._known.expires > self._clock.now() else None

    async def _renewed(self) -> None:
        async with self._store.platform_view() as unit:
            trusted = await unit.hub_rows.trusted(self._name)
        fetcher = _Fetcher(self._outward, asyncio.get_running_loop(), self._place.seconds)
        with TemporaryDirectory(prefix="installhub-hub-") as folder:
            try:
                await asyncio.to_thread(self._refresh, Path(folder), trusted, fetcher)
            finally:
                # what was verified before something was refused stays verified: a next attempt begins there
                verified = await asyncio.to_thread(_verified, Path(folder), trusted)
                if verified:
                    known = {role: metadata.version for role, metadata in trusted.items()}
                    async with self._store.platform_unit() as unit:
                        await unit.hub_rows.trust(self._name, verified, known=known)

    def _refresh(self, folder: Path, trusted: Mapping[str, HubMetadata], fetcher: _Fetcher) -> None:
        """Run TUF's client over what is trusted, in a folder of its own. Raises a refusal."""
        for role, metadata in trusted.items():
            (folder / f"{role}.json").write_text(metadata.body, encoding="utf-8")
        try:
            root = trusted[ROOT].body.encode() if ROOT in trusted else self._first_root(fetcher)
            Updater(str(folder), self._place.metadata_url, fetcher=fetcher, config=_LIMITS, bootstrap=root).refresh()
        except DownloadLengthMismatchError as error:
            raise _index_refused(_why(error)) from error
        except DownloadHTTPError as error:
            raise _unavailable(f"it answered {error.status_code}") from error
        except DownloadError as error:
            raise _unavailable(str(error.__cause__ or error)) from error
        except RepositoryError as error:
            raise _index_refused(_why(error)) from error

    def _first_root(self, fetcher: _Fetcher) -> bytes:
        """What everything begins with. Raises a refusal when it is not what the operator named."""
        if isinstance(self._place.root, bytes):
            return self._place.root
        found = fetcher.download_bytes(f"{self._place.metadata_url}1.root.json", _LIMITS.root_max_length)
        if self._place.root not in {FIRST_USE, _identity(found)}:
            raise _index_refused("its first root is not the one that INSTALLHUB_HUB_ROOT names")
        return found


class _Fetcher(FetcherInterface):
    """What TUF's client downloads with, in its thread, over the guarded way out of the event loop."""

    def __init__(self, outward: Outward, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._outward = outward
        self._loop = loop
        self._ends = monotonic() + seconds

    def download_bytes(self, url: str, max_length: int) -> bytes:
        bounds = Bounds(bytes_max=max_length, seconds=max(self._ends - monotonic(), 0.001))
        return asyncio.run_coroutine_threadsafe(self._fetched(url, bounds), self._loop).result()

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self.download_bytes(url, _LIMITS.targets_max_length)

    async def _fetched(self, url: str, bounds: Bounds) -> bytes:
        try:
            async with self._outward.asked(url, bounds) as answer:
                if answer.status != _OK:
                    raise DownloadHTTPError("no metadata", answer.status)
                return await answer.whole()
        except TooLargeError as error:
            raise DownloadLengthMismatchError(str(error)) from error
        except OutwardError as error:
            raise DownloadError(str(error)) from error


def hub_place(settings: Settings) -> Place | None:
    """The hub that packages are installed from; ``None`` for this server's own. Raises :class:`SettingsError`."""
    if not settings.hub_url:
        return None
    try:
        return Place(settings.hub_url, settings.hub_content_url, trusted_root(settings.hub_root))
    except ValueError as error:
        raise SettingsError(f"INSTALLHUB_HUB_ROOT: {error}") from error
    except OSError as error:
        raise SettingsError(f"INSTALLHUB_HUB_ROOT: {error.filename}: {error.strerror}") from error


def trusted_root(setting: str) -> bytes | str:
    """What the setting ``INSTALLHUB_HUB_ROOT`` means. Raises ``ValueError`` and ``OSError``."""
    named = setting.removeprefix(_HASH_PREFIX)
    if setting == FIRST_USE or (setting != named and len(named) == 64 and set(named) <= set("0123456789abcdef")):  # noqa: PLR2004 - hexadecimal digits of SHA-256
        return setting
    if not setting or setting != named:
        raise ValueError(
            "name the hub's root metadata: a file, sha256: and its hash, or first-use to believe what comes first"
        )
    content = Path(setting).read_bytes()
    try:
        Metadata.from_bytes(content)
    except RepositoryError as error:
        raise ValueError(f"{setting} is no root metadata") from error
    return content


def _verified(folder: Path, trusted: Mapping[str, HubMetadata]) -> list[HubMetadata]:
    """What TUF's client has put there besides what was there, each after it had verified it."""
    found = []
    for role in ROLES:
        with suppress(FileNotFoundError):
            body = (folder / f"{role}.json").read_text(encoding="utf-8")
            if role not in trusted or trusted[role].body != body:
                found.append(HubMetadata(role, Metadata.from_bytes(body.encode()).signed.version, body))
    return found


async def _known(trusted: Mapping[str, HubMetadata]) -> _Known | None:
    """The index that verified metadata states; ``None`` while some of it is missing."""
    if any(role not in trusted for role in ROLES):
        return None
    found = await asyncio.to_thread(listed, trusted[TARGETS].body)
    if found.unread:
        _log.warning("%s entries of the hub's index were not understood", found.unread)
    expires = min(expires_at(trusted[role].body) for role in (TIMESTAMP, SNAPSHOT))
    return _Known({role: metadata.version for role, metadata in trusted.items()}, expires, found)


def _skipped(answer: Answer, offer: Offer, start: int) -> int:
    """How many bytes of the answer come before those that were asked for. Raises what the status means."""
    if answer.status in _BUSY:
        raise HubUnreachableError(f"The hub answered {answer.status}.")
    whole = offer.size_bytes
    if answer.status == _PARTIAL and answer.headers.get("Content-Range") == f"bytes {start}-{whole - 1}/{whole}":
        return 0
    if answer.status != _OK:
        raise _content_refused(offer, f"the hub answered {answer.status}")
    if answer.length not in {None, whole}:
        raise _content_refused(offer, f"the hub has {answer.length} bytes of it, the index says {whole}")
    return start


def _why(error: RepositoryError | DownloadError) -> str:
    told = next((text for kind, text in _FLAWS if isinstance(error, kind)), "it cannot be read")
    return f"{told} ({shown(str(error), limit=_SHOWN)})"


def _identity(root: bytes | str) -> str:
    """What tells the trust that begins with this root from every other."""
    return root if isinstance(root, str) else f"{_HASH_PREFIX}{hashlib.sha256(root).hexdigest()}"


def _note_trouble(look: asyncio.Task[None]) -> None:
    """A look in between has no caller who would be told."""
    if not look.cancelled() and (trouble := look.exception()):
        _log.warning("%s", trouble)


def _index_refused(why: str) -> Refusal:
    return refuse(ErrorCode.HUB_INDEX_REFUSED, f"The hub's index cannot be believed: {why}.")


def _unavailable(why: str) -> Refusal:
    text = f"The hub cannot be asked now: {why.rstrip('.')}."
    return refuse(ErrorCode.HUB_UNAVAILABLE, text, retryAfter=_RETRY_SECONDS)


def _content_refused(offer: Offer, why: str) -> Refusal:
    text = f"The hub's bytes of {offer.full_name} were refused: {why.rstrip('.')}."
    return refuse(ErrorCode.HUB_CONTENT_REFUSED, text)
