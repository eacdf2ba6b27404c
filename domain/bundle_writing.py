"""Writing a bundle: the ZIP profile that our own strict reader accepts, byte for byte the same from the same input.

Fixed times, order and attributes; sizes known before they are written, so no data descriptors; ZIP64 never needed
below the limits of a plan (decisions R14, R28; installhub.md section 7.1).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import BinaryIO

from domain.deflating import Deflated

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_STORED, _DEFLATED = 0, 8
_VERSION_NEEDED = 20
_MADE_BY_UNIX = (3 << 8) | _VERSION_NEEDED
#: 1980-01-01 00:00, the earliest time a ZIP can state
_DOS_TIME, _DOS_DATE = 0, 0x21
_UTF8_NAMES = 0x800
_REGULAR_FILE = 0o100644 << 16


class BundleWriter:
    """Appends entries to an open file and counts what it wrote. ``sha256`` is that of all bytes so far."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._central: list[bytes] = []
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Hex digest of the file, once closed."""
        return self._digest.hexdigest()

    def add(self, name: str, data: bytes, *, is_stored: bool = False) -> None:
        """Write one entry."""
        if is_stored:
            self._add(name, _STORED, data, zlib.crc32(data), len(data))
        else:
            self.add_deflated(name, Deflated.of(data))

    def add_deflated(self, name: str, content: Deflated) -> None:
        """The same of what is deflated already."""
        self._add(name, _DEFLATED, content.stream, content.crc, content.size)

    def _add(self, name: str, method: int, body: bytes, crc: int, size: int) -> None:
        encoded = name.encode()
        flags = 0 if name.isascii() else _UTF8_NAMES
        common = (_VERSION_NEEDED, flags, method, _DOS_TIME, _DOS_DATE, crc, len(body), size, len(encoded), 0)
        at = self.size
        self._write(b"".join((_LOCAL.pack(b"PK\3\4", *common), encoded, body)))
        self._central.append(_CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX, *common, 0, 0, 0, _REGULAR_FILE, at) + encoded)

    def close(self) -> None:
        """Write the directory and the end record."""
        at = self.size
        directory = b"".join(self._central)
        count = len(self._central)
        self._write(directory)
        self._write(_END.pack(b"PK\5\6", 0, 0, count, count, len(directory), at, 0))

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._digest.update(data)
        self.size += len(data)
