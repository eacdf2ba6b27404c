"""Which hosts a text of an artifact may call: addresses are parsed and normalised, never resolved.

Interpreters read one address differently (a backslash, a quote, a second ``@``), so every reading counts: what is
shown is what the package may reach, not what one parser thinks of it (security.md section 3.3).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from domain.scanning.trigger import plain

#: stands for a host, or a part of one, that is put together when the artifact runs
COMPUTED = "*"
HOST_LENGTH_MAX = 253

#: where an address begins: a known scheme (whose slashes browsers let one leave out), any scheme, or none at all
_BEGINNING = re.compile(
    r"(?:https?|wss?|ftp):[/\\]*(?=\S)|:[/\\]{2,}|(?:(?<=[\"'`(\s=,])|^)//(?=[\w%\[-]+[.:\]])|^\\\\(?=[\w%\[-]+[.:\\\]])",
    re.IGNORECASE,
)
#: where a host ends: as browsers read it inside a script, as they read a whole value, and as other clients do
_ENDS = (re.compile(r"[/?#\\\"'`<>\s,;)]"), re.compile(r"[/?#\\]"), re.compile(r"[/?#\"'`<>\s]"))
_TEMPLATE = re.compile(r"\{\{[^{}]{0,500}\}\}|\$\{[^{}]{0,500}\}|\{\w{0,100}\}")
_JOINED_BEHIND = re.compile(r"[\"'`]\s*\+")
_PORT = re.compile(r":[0-9]*$")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
#: a browser takes these out of an address before it reads it
_TAKEN_OUT = str.maketrans("", "", "\t\r\n")
_NO_SCHEME = re.compile(
    r"(?:[\w-]+\.)+[a-z]{2,63}(?::[0-9]+)?(?:/|$)|[0-9a-fx.]+\.[0-9a-fx]+(?::[0-9]+)?(?:/|$)", re.IGNORECASE
)
_READ_AT_MOST = 2_000
#: of one text; who writes more hides something
_ADDRESSES_MAX = 10_000
_IPV4_PARTS, _OCTETS = 4, 256


def hosts_in(text: str, *, is_address: bool = False) -> Iterator[str]:
    """Every host that an address in the text may lead to, as one of its readings has it.

    ``is_address``: the member's name asks for an address, so that a host without a scheme is one.
    """
    if "/" not in text and ":" not in text and "\\" not in text and not is_address:
        return
    text = _ESCAPE.sub(_character, plain(text).translate(_TAKEN_OUT))
    for template in _TEMPLATE.finditer(text):
        yield from _hosts_after_beginnings(template[0][2:])
    text = _TEMPLATE.sub(COMPUTED, text)
    yield from _hosts_after_beginnings(text)
    if is_address and _NO_SCHEME.match(text := text[:_READ_AT_MOST]):
        yield from _readings(text)


def _hosts_after_beginnings(text: str) -> Iterator[str]:
    for place, beginning in enumerate(_BEGINNING.finditer(text)):
        if place == _ADDRESSES_MAX:
            yield COMPUTED
            return
        yield from _readings(text[beginning.end() : beginning.end() + _READ_AT_MOST])


def host_of(authority: str) -> str:
    """The normalised host of what stands between the slashes of an address: lower case, addresses in one form.

    ``*`` where nothing of it is said.
    """
    host = unquote(authority.rpartition("@")[2])
    host = unicodedata.normalize("NFKC", plain(host)).replace("\u3002", ".").lower().strip()
    if host.startswith("["):
        return _ipv6(host[1:].partition("]")[0])
    host = _PORT.sub("", host).rstrip(".")
    if COMPUTED in host or not host:
        return host[:HOST_LENGTH_MAX] or COMPUTED
    return _ipv4(host) or _ascii(host)[:HOST_LENGTH_MAX]


def _readings(rest: str) -> Iterator[str]:
    seen: set[str] = set()
    for number, end in enumerate(_ENDS):
        found = end.search(rest)
        authority = rest[: found.start()] if found else rest
        # the other readings differ only in whose the part before the @ is
        if (number and "@" not in authority) or authority in seen:
            continue
        seen.add(authority)
        is_joined = found is not None and _JOINED_BEHIND.match(rest, found.start()) is not None
        yield host_of(f"{authority}{COMPUTED}" if is_joined else authority)


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2], 16))


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return text[:HOST_LENGTH_MAX] or COMPUTED
    return str(address.ipv4_mapped or address)


def _ipv4(host: str) -> str | None:
    """The dotted form of what browsers take for an IPv4 address: one to four numbers in base 10, 8 or 16."""
    parts = host.split(".")
    numbers = [_number(part) for part in parts]
    if len(parts) > _IPV4_PARTS or any(number is None for number in numbers):
        return None
    *heads, last = [number for number in numbers if number is not None]
    if any(head >= _OCTETS for head in heads) or last >= _OCTETS ** (_IPV4_PARTS - len(heads)):
        return None
    value = last + sum(head * _OCTETS ** (_IPV4_PARTS - 1 - place) for place, head in enumerate(heads))
    return str(ipaddress.IPv4Address(value))


def _number(part: str) -> int | None:
    if not part.isascii() or not part or len(part) > HOST_LENGTH_MAX:
        return None
    digits, base = (part[2:] or "0", 16) if part.startswith("0x") else (part, 8 if part[0] == "0" else 10)
    try:
        return int(digits, base) if digits.isalnum() else None
    except ValueError:
        return None


def _ascii(host: str) -> str:
    """A host outside of ASCII as the name system knows it; as it is where that is not possible."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
