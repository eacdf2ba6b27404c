"""The strict front half of reading a bundle: which bytes are a ZIP archive that this project reads.

The rules, in the order in which they are checked (security, rules 1 to 5, sections 3.1 and 8):

1. The file ends with its end record: no comment, nothing behind it. Counts and sizes are believed only within the
   limits, before the directory is read. ZIP64 records are exact, at their place, and contradict nothing.
2. A directory entry is whole: stored or deflated, not encrypted, commented or split; its extra fields are exact,
   stand once, and none changes a name or the reading of the data. Sizes fit their limits, one by one and in sum.
3. Every byte is accounted for: ``[local, data, descriptor?]* [central]* [ZIP64 end, locator]? [end]`` from the first
   byte to the last, entries in the order of the directory. There is no room for a second story.
4. A local header says what the directory says: name, flags, method, checksum, sizes. A data descriptor follows
   deflated entries only and repeats all three values.
5. Names and types are those of a bundle (``entry_names``): twins end the reading, the rest is collected.

What breaks the rules 1 to 4 ends the reading too (R15).
Nothing is ever extracted to a path: a name is a label. Data is inflated to its declared size at most.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from domain import entry_names
from domain.entry_names import MANIFEST, README, SHOWN_NAME, is_folder
from domain.errors import ErrorCode, Problem, Refusal, refuse
from domain.strict_json import shown

try:
    from isal import isal_zlib as inflater
except ImportError:  # isal has wheels for the usual machines only
    import zlib as inflater  # type: ignore[no-redef]

MIB = 2**20
STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
#: without who made an entry, when, and what is said of its text
_CENTRAL = struct.Struct("<4s2x3H4x3I4H2x2I")
_LOCAL = struct.Struct("<4s3H4x3I2H")
_LOCAL_MARK, _NO_EXTRAS = b"PK\x03\x04", bytes(2)
#: where a directory entry says, in the same bytes, what its local header says between mark and extra fields
_TWICE_FROM, _TWICE_TO = 6, 30
_EXTRA = struct.Struct("<2H")
_DESCRIPTORS = {struct.calcsize(layout): struct.Struct(layout) for layout in ("<3I", "<4I", "<I2Q", "<2I2Q")}
_DESCRIPTOR_MARK = 0x08074B50
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
#: the version needed for ZIP64, the newest feature that is read; who says more, other readers would not open
_NEEDED_MAX = 45

#: flags that say nothing about reading but "a descriptor follows" (bit 3): how hard was pressed (1, 2), UTF-8 (11)
_HAS_DESCRIPTOR = 0x0008
_UNKNOWN_FLAGS = _FULL16 & ~(_HAS_DESCRIPTOR | 0x0006 | 0x0800)

_ZIP64 = 0x0001
#: extra fields that give an entry another name or comment, or its data another reading (AES, PKWARE encryption)
_MISLEADING_EXTRAS = frozenset({0x7075, 0x6375, 0x9901, 0x0017})
_EXTRA_BYTES = 1024
_ZIP64_LOCAL_BYTES, _ZIP64_DESCRIPTOR_BYTES = 16, 20

#: deflate at its worst, with a flush after every few bytes, is still smaller than this
_SWOLLEN_FACTOR, _SWOLLEN_BASE = 2, 1024

_ARCHIVE_MARKS = (
    b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ\x00", b"Rar!",
    b"\x28\xb5\x2f\xfd",
)  # fmt: skip

_INFLATE_ERRORS: tuple[type[Exception], ...] = (zlib.error, inflater.error)  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Budgets of one archive, in bytes where the name says so; the rest are counts (R27; security, section 3.1).

    ``entries_max`` is a bound for safety only: how many artifacts a plan allows is counted later.
    """

    bytes_max: int
    entries_max: int
    total_bytes_max: int
    entry_bytes_max: int = 8 * MIB
    manifest_bytes_max: int = 4 * MIB
    readme_bytes_max: int = 64 * 1024
    name_bytes_max: int = 255
    segments_max: int = 8

    def size_max(self, name: str) -> int:
        """How many bytes the entry of this name may hold: a folder none."""
        if name in (MANIFEST, README):
            return self.manifest_bytes_max if name == MANIFEST else self.readme_bytes_max
        return 0 if name.endswith("/") else self.entry_bytes_max


class Entry(NamedTuple):
    """One file of an archive. ``offset`` is where its (perhaps compressed) data begins; sizes are bytes."""

    name: str
    size: int
    compressed_size: int
    crc: int
    method: int
    offset: int


@dataclass(frozen=True, slots=True)
class Archive:
    """A well laid out archive over its open source.

    ``entries`` are the files with allowed names, in the order in which they stand; ``problems`` are what is
    wrong with the other names, which are ``barred``. The source is read by seeking: one reader at a time.
    """

    entries: Mapping[str, Entry]
    problems: tuple[Problem, ...]
    barred: frozenset[str]
    source: BinaryIO = field(repr=False)

    def read(self, entry: Entry) -> bytes:
        """The content of an entry, exactly as long as declared and with the declared checksum.

        Raises:
            Refusal: InvalidZip for data that is not what the directory says; NestedArchiveDetected for an archive
                under a harmless name.
        """
        content = _content(self.source, entry)
        if content.startswith(_ARCHIVE_MARKS):
            raise refuse(ErrorCode.NESTED_ARCHIVE_DETECTED, "An archive stands under a harmless name.", entry.name)
        return content


class _Directory(NamedTuple):
    entry_count: int
    size: int
    offset: int


class _Header(NamedTuple):
    """What the directory says of one entry. ``attributes`` are the external ones, the UNIX mode in the upper half.

    ``local`` is the local header that says the same and no more; one beside a ZIP64 field cannot.
    """

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    offset: int
    attributes: int
    local: bytes


def open_archive(source: BinaryIO, limits: ArchiveLimits, *, folders: frozenset[str]) -> Archive:
    """Check the layout of a whole archive and list its files, without inflating any.

    Args:
        source: a seekable, buffered source; it is only read, and must stay open as long as the archive is used.
        limits: the budgets of the tenant's plan.
        folders: the names that may stand below ``artifacts/``.

    Raises:
        Refusal: InvalidZip for a broken rule 1 to 5 or budget, PayloadTooLarge for a longer file than allowed.
    """
    headers, end = _listed(source, limits)
    entries = [*_entries(source, headers, end)]
    names = [header.name for header in headers]
    attributes = [header.attributes for header in headers]
    files, problems = dict(zip(names, entries, strict=True)), dict[str, Problem]()
    if not entry_names.are_plain_files(names, attributes, folders=folders, segments_max=limits.segments_max):
        if twin := entry_names.twin_problem(names):
            raise Refusal([twin])
        problems = entry_names.name_problems(names, attributes, folders=folders, segments_max=limits.segments_max)
        files = {name: entry for name, entry in files.items() if name not in problems and not is_folder(name)}
    missing = entry_names.missing_problems(problems.keys() | files)
    return Archive(files, (*problems.values(), *missing), frozenset(problems), source)


def sound_file(source: BinaryIO, limits: ArchiveLimits, name: str) -> bytes:
    """One file of an archive that :func:`open_archive` found sound before, byte for byte: no other is looked at.

    Raises:
        Refusal: the archive is beyond the limits of today, or is not what it was.
    """
    headers, end = _listed(source, limits)
    for header, stop in zip(headers, [*(header.offset for header in headers[1:]), end], strict=True):
        if header.name == name:
            return _content(source, _entry(source, header, stop))
    raise _flaw("The archive lacks a file that it had.", name)


def _listed(source: BinaryIO, limits: ArchiveLimits) -> tuple[list[_Header], int]:
    """The entries as the directory lists them, within the limits, and where the last of them ends."""
    length = source.seek(0, os.SEEK_END)
    if length > limits.bytes_max:
        raise refuse(
            ErrorCode.PAYLOAD_TOO_LARGE,
            f"The archive has {length} bytes; at most {limits.bytes_max} are allowed.",
            limit=limits.bytes_max,
            actual=length,
        )
    directory = _directory(source, length, limits)
    headers = [*_headers(_at(source, directory.offset, directory.size), directory.entry_count, limits)]
    _refuse_sizes(headers, limits)
    return headers, directory.offset


def _flaw(message: str, where: str = "") -> Refusal:
    return refuse(ErrorCode.INVALID_ZIP, message, shown(where, limit=SHOWN_NAME))


def _at(source: BinaryIO, offset: int, size: int) -> bytes:
    source.seek(offset)
    raw = source.read(size)
    if len(raw) != size:
        raise _flaw("The archive ends too early.")
    return raw


# ---- rule 1: the end


def _directory(source: BinaryIO, length: int, limits: ArchiveLimits) -> _Directory:
    """Where the directory is, as the end record says, within the limits and up against the records behind it."""
    position = length - _END.size
    if position < 0:
        raise _flaw("The file is too short to be a ZIP archive.")
    mark, *numbers, comment = _END.unpack(_at(source, position, _END.size))
    if mark != b"PK\x05\x06" or comment:
        raise _flaw("The file does not end with the end record of a ZIP archive without a comment.")
    if position >= _LOCATOR.size and _at(source, position - _LOCATOR.size, 4) == b"PK\x06\x07":
        position -= _LOCATOR.size + _END64.size
        numbers = _wide_numbers(source, position, numbers)
    disk, directory_disk, count_here, count, size, offset = numbers
    if disk or directory_disk or count_here != count:
        raise _flaw("The archive is split over several files.")
    if count > limits.entries_max:
        raise _flaw(f"The archive has {count} entries; at most {limits.entries_max} are allowed.")
    if size > count * (_CENTRAL.size + limits.name_bytes_max + _EXTRA_BYTES):
        raise _flaw(f"The directory of {count} entries is {size} bytes long.")
    if offset + size != position:
        raise _flaw("The directory does not stand between the entries and the end record.")
    return _Directory(count, size, offset)


def _wide_numbers(source: BinaryIO, position: int, numbers: Sequence[int]) -> list[int]:
    """The numbers of the ZIP64 end record, which must be where the locator says and agree with the end record."""
    if position < 0:
        raise _flaw("The ZIP64 end record is missing.")
    raw = _at(source, position, _END64.size + _LOCATOR.size)
    mark, length, _made_by, _needed, *wide = _END64.unpack_from(raw)
    if _LOCATOR.unpack_from(raw, _END64.size) != (b"PK\x06\x07", 0, position, 1):
        raise _flaw("The ZIP64 locator does not name the record before it.")
    if mark != b"PK\x06\x06" or length != _END64.size - 12:
        raise _flaw("The ZIP64 end record is malformed.")
    for narrow, number, full in zip(numbers, wide, (_FULL16,) * 4 + (_FULL32,) * 2, strict=True):
        if narrow not in (number, full):
            raise _flaw("The ZIP64 end record contradicts the end record.")
    return wide


# ---- rule 2: the directory


def _headers(raw: bytes, count: int, limits: ArchiveLimits) -> Iterator[_Header]:
    position = 0
    for _ in range(count):
        header, position = _header(raw, position, limits)
        yield header
    if position != len(raw):
        raise _flaw("The directory holds more than its entries.")


def _header(raw: bytes, position: int, limits: ArchiveLimits) -> tuple[_Header, int]:
    """The directory entry at a position, and the position behind it."""
    start = position + _CENTRAL.size
    if start > len(raw):
        raise _flaw("The directory ends within an entry.")
    (
        mark, needed, flags, method, crc, compressed_size, size,
        name_length, extra_length, comment_length, disk, attributes, offset,
    ) = _CENTRAL.unpack_from(raw, position)  # fmt: skip
    extra_start = start + name_length
    stop = extra_start + extra_length
    if mark != b"PK\x01\x02" or stop > len(raw):
        raise _flaw("The directory holds something that is not an entry.")
    raw_name = raw[start:extra_start]
    name = raw_name.decode("utf-8", "surrogateescape")
    if not 0 < name_length <= limits.name_bytes_max:
        raise _flaw(f"A name has {name_length} bytes; 1 to {limits.name_bytes_max} are allowed.", name)
    if comment_length:
        raise _flaw("An entry has a comment.", name)
    if flags & _UNKNOWN_FLAGS:
        raise _flaw("An entry is encrypted or uses an unknown feature.", name)
    _refuse_needs(needed, name)
    if method not in (STORED, DEFLATED):
        raise _flaw(f"An entry uses compression method {method}; only stored (0) and deflate (8) are read.", name)
    local = _LOCAL_MARK + raw[position + _TWICE_FROM : position + _TWICE_TO] + _NO_EXTRAS + raw_name
    wide = _extras(raw[extra_start:stop], name).get(_ZIP64) if extra_length else None
    if disk == _FULL16 and wide is not None and wide.endswith(bytes(4)):
        wide, disk = wide[:-4], 0
    if disk:
        raise _flaw("An entry is said to be in another file.", name)
    if wide is not None or _FULL32 in (size, compressed_size, offset):
        local, (size, compressed_size, offset) = b"", _widened((size, compressed_size, offset), wide, name)
    return _Header._make((raw_name, name, flags, method, crc, compressed_size, size, offset, attributes, local)), stop


def _refuse_needs(needed: int, name: str) -> None:
    if needed & 0xFF > _NEEDED_MAX:  # the upper byte names a system
        raise _flaw(f"An entry needs version {needed & 0xFF} of the format; {_NEEDED_MAX} is the newest read.", name)


def _extras(raw: bytes, name: str) -> dict[int, bytes]:
    """The extra fields of one header by their number; each whole, each once, none that misleads."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(raw):
        start = position + _EXTRA.size
        if len(raw) > _EXTRA_BYTES or start > len(raw):
            raise _flaw("The extra fields of an entry are malformed or too long.", name)
        number, size = _EXTRA.unpack_from(raw, position)
        value = raw[start : start + size]
        if len(value) != size or number in found:
            raise _flaw("The extra fields of an entry are malformed or stand twice.", name)
        if number in _MISLEADING_EXTRAS:
            raise _flaw(f"Extra field 0x{number:04x} would change an entry's name or reading.", name)
        found[number] = value
        position = start + size
    return found


def _widened(numbers: tuple[int, ...], wide: bytes | None, name: str) -> tuple[int, ...]:
    """The numbers with those that are full replaced from the ZIP64 field, which holds exactly these."""
    full = numbers.count(_FULL32)
    if wide is None and not full:
        return numbers
    if wide is None or not full or len(wide) != 8 * full:
        raise _flaw("The ZIP64 field of an entry does not fit its header.", name)
    replacements = iter(struct.unpack(f"<{full}Q", wide))
    return tuple(next(replacements) if number == _FULL32 else number for number in numbers)


def _refuse_sizes(headers: Sequence[_Header], limits: ArchiveLimits) -> None:
    for header in headers:
        size, most = header.size, limits.size_max(header.name)
        if size > most:
            raise _flaw(f"An entry has {size} bytes; at most {most} are allowed.", header.name)
        if header.method == STORED and header.compressed_size != size:
            raise _flaw("A stored entry has two sizes.", header.name)
        if header.compressed_size > _SWOLLEN_FACTOR * size + _SWOLLEN_BASE:
            raise _flaw("An entry is far larger compressed than it is.", header.name)
    total = sum(header.size for header in headers)
    if total > limits.total_bytes_max:
        raise _flaw(f"The entries have {total} bytes together; at most {limits.total_bytes_max} are allowed.")


# ---- rules 3 and 4: every byte, and the local headers


def _entries(source: BinaryIO, headers: Sequence[_Header], directory_offset: int) -> Iterator[Entry]:
    """The entries where their data is. Each reaches from the end of the one before to the begin of the next."""
    position = 0
    for header, stop in zip(headers, [*(header.offset for header in headers[1:]), directory_offset], strict=False):
        if header.offset != position or not position < stop <= directory_offset:
            raise _flaw("Entries do not follow each other from the first byte on as in the directory.", header.name)
        entry = _entry(source, header, stop)
        if not header.size and is_folder(header.name) and (entry.compressed_size or entry.crc):
            _content(source, entry)
        yield entry
        position = stop
    if position != directory_offset:
        raise _flaw("There is something before the directory that no entry accounts for.")


def _entry(source: BinaryIO, header: _Header, stop: int) -> Entry:
    raw_name, name, flags, method, crc, compressed_size, size, offset, _, local = header
    raw = _at(source, offset, _LOCAL.size + len(raw_name))
    start = offset + len(raw)
    # most local headers repeat the directory byte for byte, and the next entry follows: nothing is left to compare
    if raw != local or start + compressed_size != stop or flags & _HAS_DESCRIPTOR:
        start = _data_start(source, header, raw, stop)
    return Entry._make((name, size, compressed_size, crc, method, start))


def _data_start(source: BinaryIO, header: _Header, raw: bytes, stop: int) -> int:
    """Where the data begins, behind a local header that is compared with the directory's word for word."""
    raw_name, name = header.raw_name, header.name
    mark, needed, flags, method, crc, compressed_size, size, name_length, extra_length = _LOCAL.unpack_from(raw)
    _refuse_needs(needed, name)
    if mark != _LOCAL_MARK:
        raise _flaw("The directory points to something that is not an entry.", name)
    if (flags, method, name_length) != (header.flags, header.method, len(raw_name)) or not raw.endswith(raw_name):
        raise _flaw("An entry and the directory differ in name, flags or method.", name)
    wide = _extras(source.read(extra_length), name).get(_ZIP64) if extra_length else None
    size, compressed_size = _widened((size, compressed_size), wide, name)
    start: int = header.offset + len(raw) + extra_length
    trailer = stop - start - header.compressed_size
    if trailer < 0 or (wide is not None and len(wide) != _ZIP64_LOCAL_BYTES):
        raise _flaw("An entry overlaps the next one, or its ZIP64 field is not exact.", name)
    known = (header.crc, header.compressed_size, header.size)
    stated = (crc, compressed_size, size)
    if flags & _HAS_DESCRIPTOR:
        stated = (crc or known[0], compressed_size or known[1], size or known[2])  # zero: told afterwards
        _refuse_descriptor(_at(source, stop - trailer, min(trailer, 25)), header, wide=wide is not None)
    elif trailer:
        raise _flaw("There are bytes between an entry and the next one.", name)
    if stated != known:
        raise _flaw("An entry and the directory differ in checksum or size.", name)
    return start


def _refuse_descriptor(raw: bytes, header: _Header, *, wide: bool) -> None:
    """A descriptor repeats the directory; its mark is optional, its sizes are wide where the local header is ZIP64."""
    layout = _DESCRIPTORS.get(len(raw))
    if header.method != DEFLATED or layout is None or wide != (layout.size >= _ZIP64_DESCRIPTOR_BYTES):
        raise _flaw("A data descriptor is missing, malformed or not allowed.", header.name)
    *mark, crc, compressed_size, size = layout.unpack(raw)
    if mark not in ([], [_DESCRIPTOR_MARK]) or (not mark and crc == _DESCRIPTOR_MARK):
        raise _flaw("A data descriptor is malformed.", header.name)
    if (crc, compressed_size, size) != (header.crc, header.compressed_size, header.size):
        raise _flaw("A data descriptor and the directory differ.", header.name)


def _content(source: BinaryIO, entry: Entry) -> bytes:
    raw = _at(source, entry.offset, entry.compressed_size)
    content = raw if entry.method == STORED else _inflated(raw, entry)
    if inflater.crc32(content) != entry.crc:
        raise _flaw("An entry does not have the checksum that the directory states.", entry.name)
    return content


def _inflated(raw: bytes, entry: Entry) -> bytes:
    stream = inflater.decompressobj(-15)
    try:
        content = stream.decompress(raw, entry.size + 1)
    except _INFLATE_ERRORS as error:
        raise _flaw("An entry's compressed data is broken.", entry.name) from error
    if len(content) != entry.size or not stream.eof or stream.unused_data:
        raise _flaw("An entry's compressed data does not end at its stated size.", entry.name)
    return content
