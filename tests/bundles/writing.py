"""A ZIP writer that can be told to be wrong anywhere, and gives the same bytes on every machine."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

STORED, DEFLATED = 0, 8
DESCRIPTOR, UTF8 = 0x0008, 0x0800
FULL = 0xFFFFFFFF
FIRST_OF_JANUARY = (1 << 5) | 1  # 1980, the first day that the format knows


@dataclass(frozen=True, slots=True)
class Member:
    """One entry. ``local`` and ``central`` replace header fields by name; ``pressed`` replaces the compressed data."""

    name: bytes
    content: bytes = b""
    method: int = DEFLATED
    flags: int = 0
    mode: int = 0o100644
    pressed: bytes | None = None
    before: bytes = b""
    descriptor: bytes = b""
    local_extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    local: Mapping[str, Any] = field(default_factory=dict)
    central: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        if self.pressed is not None:
            return self.pressed
        return deflated(self.content) if self.method == DEFLATED else self.content

    def header(self) -> dict[str, Any]:
        return {
            "need": 20,
            "flags": self.flags,
            "method": self.method,
            "time": 0,
            "date": FIRST_OF_JANUARY,
            "crc": crc32(self.content),
            "compressed": len(self.data),
            "size": len(self.content),
            "name": self.name,
        }


def deflated(content: bytes) -> bytes:
    """The content as one stored block of deflate: right on every machine, and not smaller."""
    return b"\x01" + struct.pack("<2H", len(content), 0xFFFF ^ len(content)) + content


def deflated_zeros(count: int) -> bytes:
    """``count`` zero bytes by fixed Huffman codes: one literal, runs of 258 bytes, the end. ``count`` = 1 + 258 n."""
    bits = "1" + "10" + "00110000" + "1100010100000" * ((count - 1) // 258) + "0000000"
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


def zipped(
    members: list[Member],
    *,
    prefix: bytes = b"",
    gap: bytes = b"",
    behind_directory: bytes = b"",
    suffix: bytes = b"",
    comment: bytes = b"",
    order: list[int] | None = None,
    end: Mapping[str, int] | None = None,
    end64: Mapping[str, int] | None = None,
) -> bytes:
    """An archive of these members; every other argument is a way to get it wrong."""
    body, offsets = bytearray(prefix), []
    for member in members:
        body += member.before
        offsets.append(len(body))
        body += local_header(member) + member.data + member.descriptor
    body += gap
    places = [*zip(members, offsets, strict=True)]
    directory = b"".join(central_header(*places[index]) for index in order or range(len(places))) + behind_directory
    return b"".join((body, directory, ending(len(places), len(directory), len(body), comment, end, end64), suffix))


def ending(
    count: int,
    size: int,
    offset: int,
    comment: bytes = b"",
    end: Mapping[str, int] | None = None,
    end64: Mapping[str, int] | None = None,
) -> bytes:
    """The end record, with the ZIP64 records before it when ``end64`` is given."""
    true: dict[str, int] = {
        "disk": 0,
        "directory_disk": 0,
        "here": count,
        "count": count,
        "size": size,
        "offset": offset,
    }
    wide = b""
    if end64 is not None:
        big = true | {"length": 44, "at": offset + size, "disks": 1} | dict(end64)
        numbers = [big[key] for key in true]
        wide = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", big["length"], 45, 45, *numbers)
        wide += struct.pack("<4sIQI", b"PK\x06\x07", 0, big["at"], big["disks"])
    narrow = true | dict(end or {})
    return wide + struct.pack("<4s4H2IH", b"PK\x05\x06", *(narrow[key] for key in true), len(comment)) + comment


def local_header(member: Member) -> bytes:
    told_afterwards = {"crc": 0, "compressed": 0, "size": 0} if member.flags & DESCRIPTOR else {}
    it = member.header() | told_afterwards | dict(member.local)
    numbers = [it[key] for key in ("need", "flags", "method", "time", "date", "crc", "compressed", "size")]
    lengths = len(it["name"]), len(member.local_extra)
    packed = struct.pack("<4s5H3I2H", b"PK\x03\x04", *numbers, *lengths)
    return b"".join((packed, it["name"], member.local_extra))


def central_header(member: Member, offset: int) -> bytes:
    usual = {"made": 0x0314, "disk": 0, "text": 0, "attributes": member.mode << 16, "offset": offset}
    it = member.header() | usual | dict(member.central)
    first = [it[key] for key in ("made", "need", "flags", "method", "time", "date", "crc", "compressed", "size")]
    lengths = len(it["name"]), len(member.central_extra), len(member.comment)
    last = [it[key] for key in ("disk", "text", "attributes", "offset")]
    packed = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *first, *lengths, *last)
    return b"".join((packed, it["name"], member.central_extra, member.comment))


def descriptor(member: Member, *, marked: bool = True, wide: bool = False, **wrong: int) -> bytes:
    it = member.header() | wrong
    sizes = struct.pack("<2Q" if wide else "<2I", it["compressed"], it["size"])
    return (b"PK\x07\x08" if marked else b"") + struct.pack("<I", it["crc"]) + sizes


def extra(number: int, value: bytes) -> bytes:
    return struct.pack("<2H", number, len(value)) + value


def followed(member: Member, **how: Any) -> Member:
    """The member as a stream writes it: sizes and checksum behind the data."""
    return replace(member, flags=member.flags | DESCRIPTOR, descriptor=descriptor(member, **how))
