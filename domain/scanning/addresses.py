"""Addresses that lead inside: parsed and normalised as browsers and system libraries read them, never resolved.

(security.md section 3.3: decimal, octal, hexadecimal and mapped spellings, login parts.)
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from urllib.parse import unquote

from domain.scanning.windows import all_in, first_in

#: what cannot be the beginning of a comment: the whole number of a machine, or a known name before a path. Numbers and
#: dots may be of any script; in brackets only a number with colons is a host, all else is a class of a pattern
_NUMBER = r"(?:[0-9a-fx\x80-\u3001\u3003-\uff0d\uff0f-\uff60\uff62-\U0010ffff]|%(?!2e)){1,40}+"
_DOT = r"(?:[.\u3002\uff0e\uff61]|%2e)"
_HEX = r"0x[0-9a-f]{1,8}"
_UNMISTAKABLE = (
    rf"\[(?=[^\s/\]]{{0,60}}:)[^\s/\]]{{2,60}}\]|(?:{_NUMBER}{_DOT}){{3}}{_NUMBER}(?:\.|%2e)?|0x[0-9a-f]{{8}}|[0-9]{{9,10}}"
    rf"|{_HEX}(?:{_DOT}{_NUMBER}){{1,2}}|(?:{_NUMBER}{_DOT}){{1,2}}{_HEX}|metadata\.(?:google|azure)\.internal"
)
_NAME = r"(?:metadata|instance-data)(?=[:/\\])"
#: behind two slashes such a name may be a step of a path of XPath
_NO_STEP = r"metadata(?=:[0-9]|[/\\]{1,2}computeMetadata\b)|instance-data(?=[:/\\])"
_HOST_ENDS = r"(?::[0-9]{1,5})?(?=[\s/\\?#\"'`<>{})]|$)"
#: not the slash of a path as JSON inside of JSON may write it, nor the backslashes of a path behind a template
_NO_PATH = r"(?<![\w:/\\.])(?!\\/[^/\\]|(?<=\})\\)"
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}:[/\\]{2,99}+"
    # a browser needs no slash at all behind those schemes that it knows
    r"|(?P<short>\b(?:https?|wss?|ftp):[/\\]?(?![/\\]))"
    rf"|{_NO_PATH}(?:(?=/*+\\)[/\\]{{2,}}+(?P<back>(?:{_UNMISTAKABLE}|{_NAME}){_HOST_ENDS})"
    rf"|/{{2,}}+(?P<bare>(?:{_UNMISTAKABLE}|{_NO_STEP}){_HOST_ENDS}))",
    re.IGNORECASE,
)
_SLASHES = ("/", "\\")
_NO_SLASH = re.compile(r"[^/\\]")
#: what may stand before a host ends here, whatever it holds; a host ends at the signs around an address as well
_AUTHORITY_ENDS = re.compile(r"[\s/\\?#]")
_HOST = re.compile(r"[^\s/\\?#\"'`<>{}]{1,300}")
_SURE_HOST = re.compile(rf"(?:{_UNMISTAKABLE}|{_NAME}){_HOST_ENDS}", re.IGNORECASE)

#: how a canonical file writes a break, a slash of either kind, and what is in a host before anyone looks closer: a
#: number, a bracket, an escape, a foreign letter, a known name. Each row begins with what is sought fast
_BREAK, _SLASH = rb"(?:\\[tnr])", rb"(?:/|\\\\)"
_HOST_INSIDE = rb"(?:[0-9\[%\\\x80-\xff]|metadata|instance-data|[im][a-z-]{0,12}\\)"
#: behind a scheme; with a login, a break or hundreds of signs in it, it may be any
_BEHIND_SLASHES = (
    rb"(?:[0-9\[\x80-\xff]|metadata|instance-data|localhost"
    rb"|(?:[^/?#\"\\\s@%\x80-\xff]|\\[\"bfu]){0,1000}+(?![/?#\"\s]|\\\\))"
)
_BEHIND_A_COLON = rb"[0-9\[%im\x80-\xff]"


def _rows(*rows: bytes) -> tuple[re.Pattern[bytes], ...]:
    return tuple(re.compile(row, re.IGNORECASE) for row in rows)


_LOOKS = _rows(
    rb"/(?:(?<=:/)/*+" + _BEHIND_SLASHES + rb"|/(?<!://)" + _HOST_INSIDE + rb")",
    rb":" + _BEHIND_A_COLON + rb"(?<=[ps]:.)",
)
#: besides, in a file with a backslash: those in a spelling with a break or a backslash, which is two
_LOOKS_ESCAPED = _rows(
    rb":" + _BREAK + rb"*+" + _SLASH + rb"(?:" + _BREAK + rb"|" + _SLASH + rb")*+" + _BEHIND_SLASHES,
    rb":(?:(?<=[ps]:)|(?<=\\[tnr]:))" + _BREAK + rb"*+" + _BEHIND_A_COLON,
    rb"/\\\\" + _HOST_INSIDE,
    rb"\\\\" + _SLASH + _HOST_INSIDE,
    rb"/\\[tnr]",
    rb"\\\\\\[tnr]",
    # more slashes and breaks than a window may hold
    rb":(?:\\[tnr]|/|\\\\){41}",
)
#: besides, in a file with a login somewhere, which has no end that could be sought in time
_LOOKS_WITH_LOGIN = _rows(
    rb":(?:(?<=[ps]:)|(?<=\\[tnr]:))" + _BREAK + rb"*+" + _SLASH + rb"?" + _BREAK + rb"*+(?![/\s\"]|\\\\)"
)
#: a browser takes these out of an address before it reads it
_TAKEN_OUT = str.maketrans("", "", "\t\r\n")
#: where clouds tell a machine its own secrets
_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata", "metadata.azure.internal", "instance-data"})
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
#: what ends a sentence in Chinese and Japanese, and parts a host as a dot does; the first is the second made narrow
_FULL_STOPS = "\uff61\u3002"
_PARTS, _OCTET_BITS, _IPV4_BITS = 4, 8, 32
_LONGEST_NUMBER = 40

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class Inside(Enum):
    """How an address leads inside."""

    PRIVATE = "a private network, plainly written"
    HIDDEN = "where secrets of machines are, or inside in a spelling that hides it"


def may_lead_inside(raw: bytes) -> bool:
    """False if no address in a file has a host that could be a number or a known name of the inside."""
    looks = _LOOKS
    if b"\\" in raw:
        looks += _LOOKS_ESCAPED
    if b"@" in raw:
        looks += _LOOKS_WITH_LOGIN
    return any(first_in(look.search, raw) is not None for look in looks)


def leads_to_a_private_network(text: str) -> bool:
    """True if an address in the text names a host of a private network as people write it."""
    return Inside.PRIVATE in _found(text)


def leads_inside_hidden(text: str) -> bool:
    """True if an address names a machine's own secrets, or hides by its spelling that it leads inside."""
    return Inside.HIDDEN in _found(text)


@lru_cache(maxsize=1)
def _found(text: str) -> frozenset[Inside]:
    """What both rules ask of the same text, one after the other."""
    return frozenset(found for authority in _authorities(text) if (found := _judged(authority)) is not None)


def _authorities(text: str) -> Iterator[str]:
    """Those of the text as its rows are, and as it is where all of it is one address."""
    yield from _authorities_in(text)
    joined = text if text.isprintable() else text.translate(_TAKEN_OUT)
    if joined != text:
        yield from _authorities_in(joined)


def _authorities_in(text: str) -> Iterator[str]:
    """Hosts with their ports, behind an ``@`` if they have a login. What is sought behind a place is sought once."""
    has_logins = "@" in text
    known, end, last_at = 0, -1, -1
    for match in all_in(_ADDRESS.finditer, text):
        whole = match["back"] or match["bare"]
        if whole is not None:
            yield whole
            continue
        start = match.end()
        if text.startswith(_SLASHES, start):
            start = _place_of(_NO_SLASH, text, start)
        if has_logins and not known <= start <= end:
            known, end = start, _place_of(_AUTHORITY_ENDS, text, start)
            last_at = text.rfind("@", start, end)
            if last_at >= start and (host := _HOST.match(text, last_at + 1)) is not None:
                yield f"@{host[0]}"
        host = (_SURE_HOST if match["short"] else _HOST).match(text, start)
        # what seems to be a login may as well be the first in a row of texts
        if host is not None and (last_at < start or host.end() <= last_at):
            yield host[0]


def _place_of(sign: re.Pattern[str], text: str, start: int) -> int:
    """Where the next such sign stands, or the end of the text."""
    found = first_in(sign.search, text, start)
    return len(text) if found is None else found.start()


@lru_cache(maxsize=4096)
def _judged(authority: str) -> Inside | None:
    """What one authority (``@host:port``) leads to; this machine by its plain name is a matter of the target."""
    has_login = "@" in authority
    # an address is often the end of a sentence
    written = authority.rpartition("@")[2].rstrip(_FULL_STOPS)
    name = unicodedata.normalize("NFKC", unquote(written)).replace(_FULL_STOPS[1], ".")
    host = name[1 : name.find("]")] if name.startswith("[") else name.partition(":")[0]
    host = host.rstrip(".").lower()
    if host in _METADATA_NAMES:
        return Inside.HIDDEN
    ip = _ip(host)
    is_local_name = host == "localhost" or host.endswith(".localhost")
    if (ip is None and not is_local_name) or (ip is not None and _is_public(ip)):
        return None
    if has_login or name != written or (ip is not None and (_is_link_local(ip) or str(ip) != host)):
        return Inside.HIDDEN
    return None if ip is None or ip.is_loopback else Inside.PRIVATE


def _is_public(ip: _Ip) -> bool:
    inner = _carried(ip)
    return (ip.is_global and not ip.is_multicast) if inner is None else _is_public(inner)


def _is_link_local(ip: _Ip) -> bool:
    inner = _carried(ip)
    return ip.is_link_local or ip.is_unspecified or ip in _METADATA if inner is None else True


def _carried(ip: _Ip) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4, NAT64, or with nothing before it as once was done."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64 or 1 < int(ip) < 1 << _IPV4_BITS:
        return ipaddress.IPv4Address(int(ip) & (2**_IPV4_BITS - 1))
    return ip.ipv4_mapped or ip.sixtofour


def _ip(host: str) -> _Ip | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _loose_ipv4(host)


def _loose_ipv4(host: str) -> ipaddress.IPv4Address | None:
    """One to four numbers, each decimal, octal or hexadecimal; the last fills what is left (WHATWG URL)."""
    parts = host.split(".")
    numbers = [_number(part) for part in parts]
    if len(parts) > _PARTS or None in numbers:
        return None
    *heads, last = (number for number in numbers if number is not None)
    bits_left = _IPV4_BITS - _OCTET_BITS * len(heads)
    if any(head >= 1 << _OCTET_BITS for head in heads) or last >= 1 << bits_left:
        return None
    value = last
    for place, head in enumerate(heads):
        value |= head << (_IPV4_BITS - _OCTET_BITS * (place + 1))
    return ipaddress.IPv4Address(value)


def _number(part: str) -> int | None:
    if not part or len(part) > _LONGEST_NUMBER or not part.isascii():
        return None
    try:
        if part.startswith("0x"):
            return int(part[2:] or "0", 16) if "_" not in part else None
        if not part.isdigit():
            return None
        return int(part, 8) if part.startswith("0") and part != "0" else int(part)
    except ValueError:
        return None


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
