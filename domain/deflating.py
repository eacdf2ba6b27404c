"""Contents deflated: as a tenant keeps them and as they stand in a bundle, so an export need not do it again.

The same content comes to the same bytes, as long as the deflater is the same one (decisions R14, R28).
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple, Self

try:
    from isal import isal_zlib as library
except ImportError:  # no wheel on this platform: the standard library deflates, only slower (decisions R28)
    import zlib as library  # type: ignore[no-redef]

_LEVEL = 1
_RAW = -zlib.MAX_WBITS
#: of a gzip file (RFC 1952): deflated, no name, no time, of an unknown system; behind the stream a checksum and a size
_HEAD, _TAIL = b"\x1f\x8b\x08\0\0\0\0\0\0\xff", struct.Struct("<2I")
_ERRORS: tuple[type[Exception], ...] = (zlib.error, library.error)  # type: ignore[assignment]


class Deflated(NamedTuple):
    """A raw deflate stream, and the CRC-32 and the size in bytes of the content that it inflates to."""

    stream: bytes
    crc: int
    size: int

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Deflate a content."""
        return cls(library.compress(content, _LEVEL, _RAW), library.crc32(content), len(content))

    @classmethod
    def of_gzip(cls, data: bytes) -> Self:
        """The way back from :attr:`gzip`. Raises ``ValueError`` for what that never gives."""
        if gzip_size(data) is None:
            raise ValueError("this is no content that was deflated here")
        return cls(data[len(_HEAD) : -_TAIL.size], *_TAIL.unpack_from(data, len(data) - _TAIL.size))

    @property
    def gzip(self) -> bytes:
        """The same as a gzip file: any tool can read it."""
        return b"".join((_HEAD, self.stream, _TAIL.pack(self.crc, self.size)))

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
    if len(data) < len(_HEAD) + _TAIL.size or not data.startswith(_HEAD):
        return None
    size: int = _TAIL.unpack_from(data, len(data) - _TAIL.size)[1]
    return size
