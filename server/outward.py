"""The one way out: HTTP requests to addresses that others chose (security.md F20, F21).

Every address is looked at when its socket is made, so after resolution, for each connection and for each redirect,
and for addresses that were given as numbers: what was looked at is what is connected to. Only public addresses are
reached, and those the operator allows; without TLS only the latter. An answer has a deadline, a least speed and a
greatest size, and is never unpacked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from domain.errors import ErrorCode, refuse
from domain.notices.ports import UnreachableError
from server.names import SystemNames

Network = IPv4Network | IPv6Network

REDIRECTS_MAX = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WITHOUT_A_BODY = frozenset({"GET", "HEAD"})
_PLAIN = frozenset({"", "identity"})
_CHUNK = 64 << 10
_CONNECTIONS = 32
_RESOLVE_SECONDS = 3.0
#: what carries another address inside, or leads somewhere else by way of a gateway, and is not "private" by name
_FORBIDDEN: tuple[Network, ...] = tuple(
    ip_network(one)
    for one in (
        *("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
        *("fec0::/10", "100::/64", "5f00::/16", "3fff::/20", "2001:db8::/32"),
        *("192.0.0.0/24", "192.88.99.0/24", "100.64.0.0/10", "240.0.0.0/4"),
    )
)


#: how the guard of a socket says no; several tries for one name are told in one text
_NOT_PUBLIC, _NOT_PLAIN = "is not a public address", "is reached over https only"


class OutwardError(Exception):
    """Somebody else's server could not be asked, or its answer is of no use. The message says why, in a sentence."""


class AddressRefusedError(OutwardError):
    """Nobody here may be led to this address."""


class UnansweredError(OutwardError):
    """No answer, not in time, or not to its end."""


class AnswerRefusedError(OutwardError):
    """There is an answer, and it is not one that we take."""


class TooLargeError(AnswerRefusedError):
    """The answer goes on beyond the size it may have."""


class _ForbiddenAddressError(OSError):
    """Told by the guard of a socket; ``OSError`` because that is what the libraries between expect of it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an answer may cost. ``seconds`` bound all of it; ``rate_min`` is bytes a second, after a slow beginning."""

    bytes_max: int
    seconds: float
    silent_seconds: float = 10.0
    rate_min: int = 4096
    grace_seconds: float = 5.0


#: of a message that is sent, the answer's status counts alone
_POSTED = Bounds(bytes_max=64 << 10, seconds=10.0)


class Answer:
    """A status, headers, and a body that is read within its bounds."""

    def __init__(self, found: aiohttp.ClientResponse, bounds: Bounds) -> None:
        self.status = found.status
        self.headers: Mapping[str, str] = found.headers
        self._found = found
        self._bounds = bounds

    @property
    def length(self) -> int | None:
        """How long the body is, if the server said so."""
        return self._found.content_length

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes. Raises :class:`UnansweredError`, :class:`TooLargeError`, and for a compressed one."""
        if self.headers.get("Content-Encoding", "").strip().lower() not in _PLAIN:
            raise AnswerRefusedError("The answer is compressed, which nobody asked for.")
        if (self.length or 0) > self._bounds.bytes_max:
            raise _too_large(self._bounds)
        began, size = monotonic(), 0
        with _translated():
            async for chunk in self._found.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > self._bounds.bytes_max:
                    raise _too_large(self._bounds)
                yield chunk
                past = monotonic() - began
                if past > self._bounds.grace_seconds and size < past * self._bounds.rate_min:
                    raise UnansweredError("The answer comes too slowly.")

    async def whole(self) -> bytes:
        """The whole body. Raises as :meth:`chunks`."""
        return b"".join([chunk async for chunk in self.chunks()])


class Outward:
    """Asks servers that others chose. ``allowed`` are private networks that may be reached, with TLS or without.

    ``resolver`` and ``tls`` say where names lead and who vouches for them, instead of the system.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolver = resolver or SystemNames()
        self._secure, self._plain = (
            _session(
                aiohttp.TCPConnector(
                    limit=_CONNECTIONS,
                    socket_factory=partial(self._guarded, is_secure=is_secure),
                    resolver=self._resolver,
                    use_dns_cache=False,
                    force_close=True,
                    ssl=tls or True,
                )
            )
            for is_secure in (True, False)
        )

    async def aclose(self) -> None:
        await self._secure.close()
        await self._plain.close()
        await self._resolver.close()

    async def check(self, url: str) -> None:
        """Raise a refusal ``AddressNotAllowed`` for an address that would not be asked, as far as is known now."""
        try:
            place = _sound(url)
            for address in await self._addresses(place):
                self._demand_allowed(address, is_secure=place.scheme == "https")
        except (AddressRefusedError, _ForbiddenAddressError) as error:
            text = "Only public addresses over https are asked, and those that the operator allows."
            raise refuse(ErrorCode.ADDRESS_NOT_ALLOWED, text, "url") from error

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """:meth:`domain.notices.ports.Outward.post`."""
        try:
            async with self.asked(url, _POSTED, method="POST", headers=headers, body=body) as answer:
                return answer.status
        except OutwardError as error:
            raise UnreachableError(str(error)) from error

    @asynccontextmanager
    async def asked(
        self,
        url: str,
        bounds: Bounds,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[Answer]:
        """The answer to one request; of GET and HEAD, at the end of at most :data:`REDIRECTS_MAX` redirects.

        Raises one of the :class:`OutwardError` for what cannot be asked, for no answer, and for one we do not take.
        Any status is an answer.
        """
        ends, place = monotonic() + bounds.seconds, _sound(url)
        sent = {"Accept-Encoding": "identity", "User-Agent": "InstallHub"} | dict(headers or {})
        for _ in range(REDIRECTS_MAX + 1):
            session = self._secure if place.scheme == "https" else self._plain
            timeout = _timeout(bounds, left=ends - monotonic())
            with _translated():
                found = await session.request(
                    method, place, headers=sent, data=body, allow_redirects=False, timeout=timeout
                )
            try:
                led_to = _led_to(found, place) if method in _WITHOUT_A_BODY else None
                if led_to is None:
                    yield Answer(found, bounds)
                    return
                place = led_to
            finally:
                # what was not read to its end is of no use for another request
                found.close()
        raise AnswerRefusedError(f"The address leads to more than {REDIRECTS_MAX} others in a row.")

    def _guarded(self, address: aiohttp.AddrInfoType, *, is_secure: bool) -> socket.socket:
        """The socket of one connection, made only when it leads where it may."""
        self._demand_allowed(str(address[4][0]), is_secure=is_secure)
        return socket.socket(address[0], address[1], address[2])

    def _demand_allowed(self, address: str, *, is_secure: bool) -> None:
        found = ip_address(address)
        if self._is_allowed(found):
            return
        if not is_secure:
            raise _ForbiddenAddressError(f"{found} {_NOT_PLAIN}")
        if not is_public(found):
            raise _ForbiddenAddressError(f"{found} {_NOT_PUBLIC}")

    async def _addresses(self, place: URL) -> list[str]:
        """What a host leads to now; nothing when that cannot be found out."""
        host = place.host or ""
        with suppress(ValueError):
            return [str(ip_address(host))]
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                return [found["host"] for found in await self._resolver.resolve(host, place.port or 0)]
        except (OSError, TimeoutError):
            return []

    def _is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address.version == network.version and address in network for network in self._allowed)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public internet, and not to a gateway into somewhere else."""
    if any(address.version == network.version and address in network for network in _FORBIDDEN):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    )


def _timeout(bounds: Bounds, *, left: float) -> aiohttp.ClientTimeout:
    """All the time there is ``left``; to aiohttp none at all would mean for ever."""
    return aiohttp.ClientTimeout(
        total=max(left, 0.001), sock_connect=bounds.silent_seconds, sock_read=bounds.silent_seconds
    )


def _led_to(found: aiohttp.ClientResponse, place: URL) -> URL | None:
    """Where an answer sends the asker, if it does."""
    if found.status not in _REDIRECTS or "Location" not in found.headers:
        return None
    return _sound(found.headers["Location"], place)


def _sound(url: str, base: URL | None = None) -> URL:
    """An address that may be asked, as far as its text says. Raises :class:`AddressRefusedError`."""
    try:
        place = base.join(URL(url)) if base is not None else URL(url)
        # names that cannot be looked up say so here, and not where they are
        host = (place.host or "").encode("idna")
    except ValueError as error:
        raise AddressRefusedError("This is no address of a server.") from error
    if place.scheme not in {"https", "http"} or not host:
        raise AddressRefusedError("An address begins with https:// and names a host.")
    if place.user is not None or place.password is not None:
        raise AddressRefusedError("An address names no user.")
    if base is not None and base.scheme == "https" and place.scheme == "http":
        raise AddressRefusedError("An https address leads to one without TLS.")
    return place.with_fragment(None)


def _too_large(bounds: Bounds) -> TooLargeError:
    return TooLargeError(f"The answer is larger than {bounds.bytes_max} bytes.")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiohttp.InvalidURL as error:
        raise AddressRefusedError("This is no address of a server.") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise UnansweredError("The server's certificate is not good for its name.") from error
    except aiohttp.ClientConnectorError as error:
        if _NOT_PUBLIC in str(error.os_error):
            raise AddressRefusedError("The address leads into a network that is not public.") from error
        if _NOT_PLAIN in str(error.os_error):
            raise AddressRefusedError("The address is not protected by TLS: it must begin with https://.") from error
        raise UnansweredError("The server cannot be reached.") from error
    except TimeoutError as error:
        raise UnansweredError("The server did not answer in time.") from error
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise UnansweredError("The answer broke off.") from error
    except aiohttp.ClientError as error:
        raise AnswerRefusedError("The answer is not HTTP as it should be.") from error
