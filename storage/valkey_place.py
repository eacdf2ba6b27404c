"""Where a Valkey is: ``valkey://user:password@host:port/number``, or ``valkeys://…`` for TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from storage.addresses import split_address

_PORT = 6379
_NUMBER_MAX = 999


@dataclass(frozen=True, slots=True)
class ValkeyPlace:
    """A server, one of its numbered databases, and whom to trust: ``ca`` names a file, else whom the system trusts."""

    host: str
    port: int
    number: int
    user: str
    password: str = field(repr=False)
    is_tls: bool = False
    ca: str = ""


def valkey_place(url: str) -> ValkeyPlace:
    """Raises ``ValueError`` with what is wrong; the address itself is not repeated, since it may hold a password."""
    parts = split_address(url)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    number = parts.path.strip("/") or "0"
    if parts.scheme not in ("valkey", "valkeys") or not parts.hostname or parts.fragment:
        raise ValueError("give valkey://host:port or valkeys://user:password@host:port/number")
    if not (number.isascii() and number.isdigit() and int(number) <= _NUMBER_MAX):
        raise ValueError("behind the host stands the number of a database, such as 0")
    is_tls = parts.scheme == "valkeys"
    if asked.keys() - {"ca"} or (asked and not is_tls):
        raise ValueError("nothing but ca, with valkeys, can be asked for behind '?'")
    if (ca := asked.get("ca", "")) and not Path(ca).is_file():
        raise ValueError("ca names no file")
    try:
        port = parts.port or _PORT
    except ValueError:
        raise ValueError("the port is no number up to 65535") from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return ValkeyPlace(parts.hostname, port, int(number), user, password, is_tls, ca)
