"""Endpoint mappings: what stands in the target for the addresses that a package calls (akana.md section 7; R34).

A mapping says *source address, target address*. Of an address in an artifact, in this order:

1. The source that is this very address: the target takes its place.
2. Else the longest source that the address goes on from at a ``/``, a ``?`` or a ``#``: what stands behind it is kept.
   Pairs with a query or a fragment on either side stand for whole addresses only.
3. Else the address stays.

A mapping is used once, never on what it made, and only where an artifact type registers an address
(``artifact_types``). Addresses are compared as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from domain.artifact_types import ArtifactType
from domain.contents import endpoints_of
from domain.errors import ErrorCode, Problem
from domain.strict_json import shown

PAIRS_MAX = 10_000
ADDRESS_LENGTH_MAX = 2_048
_SHOWN = 200
_BEGINNING = re.compile(r"https?://", re.IGNORECASE)
#: printable, but in no address (RFC 3986, section 2; other scripts are let in as RFC 3987 does)
_FOREIGN = frozenset(' "<>\\^`{|}')
_HOST = re.compile(r"[0-9a-f:.]+|[\w-]+(?:\.[\w-]+)*\.?")
_BOUNDARY = "/?#"
_USER = re.compile(r"//[^/?#]*@")


@dataclass(frozen=True, slots=True)
class Mapped:
    """An address that was mapped: where it stood in its artifact, which source it met, and both states of it."""

    pointer: str
    source: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class MappedEndpoints:
    """What a mapping did to a package: how many addresses, by which sources, and the first of them by artifact."""

    count: int = 0
    sources: frozenset[str] = frozenset()
    shown: tuple[tuple[str, Mapped], ...] = ()


NOTHING_MAPPED = MappedEndpoints()


class EndpointMapping:
    """Targets by source address. The sources are expected to be :func:`mapping_problems`' good ones."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = targets
        self._stems = {source for source, target in targets.items() if not {"?", "#"} & {*source, *target}}
        self._lengths = sorted({len(source) for source in self._stems}, reverse=True)

    def source_of(self, address: str) -> str | None:
        """The source that an address is mapped by; ``None`` where it stays."""
        if address in self._targets:
            return address
        if _BEGINNING.match(address) is None:
            return None
        fitting = (address[:length] for length in self._lengths if _ends_at(address, length))
        return next((stem for stem in fitting if stem in self._stems), None)

    def mapped(self, address: str, source: str) -> str:
        """The address with the target in the place of its source."""
        target = self._targets[source]
        if address == source:
            return target
        return target.removesuffix("/") + address[len(source.removesuffix("/")) :]


def map_endpoints(tree: dict[str, Any], artifact_type: ArtifactType, mapping: EndpointMapping) -> list[Mapped]:
    """Map the addresses of a parsed artifact, in place; tells each, in the order of their pointers."""
    done = []
    for members, name, pointer in endpoints_of(tree, artifact_type):
        before = members[name]
        if (source := mapping.source_of(before)) is not None:
            members[name] = mapping.mapped(before, source)
            done.append(Mapped(pointer, source, before, members[name]))
    return sorted(done, key=lambda one: one.pointer)


def mapping_problems(pairs: Iterable[tuple[str, str, str]]) -> Iterator[Problem]:
    """What is wrong with a mapping: of each pair its place in the request, its source and its target.

    How large a mapping may be, 1 MiB, is what a request may be; its members are counted here.
    """
    seen: set[str] = set()
    for count, (place, source, target) in enumerate(pairs, start=1):
        if count > PAIRS_MAX:
            text = f"An endpoint mapping has at most {PAIRS_MAX} pairs."
            yield Problem(ErrorCode.INVALID_OPTIONS, text, place)
            return
        for side, address in (("source", source), ("target", target)):
            if flaw := _flaw(address):
                text = f"The {side} {shown_address(address)!r} {flaw}."
                yield Problem(ErrorCode.INVALID_OPTIONS, text, place)
        if source in seen:
            text = f"The source {shown_address(source)!r} stands twice."
            yield Problem(ErrorCode.INVALID_OPTIONS, text, place)
        seen.add(source)


def shown_address(address: str) -> str:
    """What a caller gave as an address, fit for a message: short, printable, without a user's secret."""
    return shown(_USER.sub("//…@", address), limit=_SHOWN)


def _ends_at(address: str, length: int) -> bool:
    """Whether a step of the address ends there, and something follows."""
    return length < len(address) and (address[length - 1] == "/" or address[length] in _BOUNDARY)


def _flaw(address: str) -> str | None:
    """Why this is no address of an endpoint."""
    if len(address) > ADDRESS_LENGTH_MAX:
        return f"is longer than {ADDRESS_LENGTH_MAX} characters"
    if _BEGINNING.match(address) is None:
        return "does not begin with http:// or https://"
    if not address.isprintable() or not _FOREIGN.isdisjoint(address):
        return "holds characters that stand in no address"
    return _host_flaw(address)


def _host_flaw(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        is_callable = parts.port != 0 and _HOST.fullmatch(parts.hostname or "") is not None
    except ValueError:
        is_callable = False
    else:
        if "@" in parts.netloc:
            return "names a user"
    return None if is_callable else "names no host and port that can be called"
