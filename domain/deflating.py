"""Contents deflated: as a tenant keeps them and as they stand in a bundle, so an export need not do it again.

The same content comes to the same bytes, as long as the deflater is the same one (decisions R14, R28).
"""

from __future__ import annotations

import hashlib
import zlib
from typing import NamedTuple, Self

try:
    from isal import isal_zlib as library
except ImportError:  # no wheel on this platform: the standard library deflates, only slower (decisions R28)
    import zlib as library  # type: ignore[no-redef]

_LEVEL = 1
_RAW, _GZIP = -zlib.MAX_WBITS, 16 + zlib.MAX_WBITS
#: how a gzip file begins (RFC 1952): deflated, no name, no time; two more bytes of its head differ between deflaters
_HEAD, _HEAD_LENGTH = b"\x1f\x8b\x08\0\0\0\0\0", 10
#: behind the stream a checksum and a size, the lowest byte first
_CRC, _SIZE, _TAIL_LENGTH = slice(-8, -4), slice(-4, None), 8
_ERRORS: tuple[type[Exception], ...] = (zlib.error, library.error)  # type: ignore[assignment]


class Deflated(NamedTuple):
    """A content as a gzip file, which any tool can read, and the SHA-256 of that file."""

    gzip: bytes
    sha256: bytes

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Deflate a content."""
        file = library.compress(content, _LEVEL, _GZIP)
        return cls(file, hashlib.sha256(file).digest())

    @property
    def stream(self) -> bytes:
        """The raw deflate stream in it."""
        return self.gzip[_HEAD_LENGTH:-_TAIL_LENGTH]

    @property
    def crc(self) -> int:
        """The CRC-32 of the content."""
        return int.from_bytes(self.gzip[_CRC], "little")

    @property
    def size(self) -> int:
        """How many bytes the content has."""
        return int.from_bytes(self.gzip[_SIZE], "little")

    def inflated(self) -> bytes:
        """The content. Raises ``ValueError`` where the stream is that of another one."""
        try:
            inflater = library.decompressobj(_RAW)
            content: bytes = inflater.decompress(self.stream, self.size + 1)
        except _ERRORS as error:
            raise ValueError("the deflated content is broken") from error
        if not inflater.eof or len(content) != self.size or library.crc32(content) != self.crc:
            raise ValueError("the deflated content is another one")
        return content


def gzip_size(data: bytes) -> int | None:
    """How long the content of a :attr:`Deflated.gzip` says it is; ``None`` for what is none."""
    if len(data) < _HEAD_LENGTH + _TAIL_LENGTH or not data.startswith(_HEAD):
        return None
    return int.from_bytes(data[_SIZE], "little")
