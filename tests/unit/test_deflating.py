"""Contents deflated: the same bytes from the same content, readable by any tool, never taken for another one."""

from __future__ import annotations

import gzip
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import deflating
from domain.deflating import Deflated, gzip_size

CONTENTS = st.binary(max_size=2_000) | st.binary(max_size=50).map(lambda part: part * 900)


@given(CONTENTS)
def test_what_was_deflated_comes_back_and_any_tool_can_read_it(content):
    deflated = Deflated.of(content)

    assert deflated.inflated() == content == gzip.decompress(deflated.gzip)
    assert zlib.decompress(deflated.stream, -zlib.MAX_WBITS) == content
    assert (deflated.crc, deflated.size, gzip_size(deflated.gzip)) == (zlib.crc32(content), len(content), len(content))
    assert deflated == Deflated.of(content) == (deflated.gzip, hashlib.sha256(deflated.gzip).digest())


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_single_wrong_bit_is_noticed(content, data):
    damaged = bytearray(Deflated.of(content).gzip)
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))

    try:
        found = Deflated(bytes(damaged), b"").inflated() if gzip_size(bytes(damaged)) is not None else None
    except ValueError:
        return

    # nobody's are the last bits of a stream's last byte, and in the head what says how well it was deflated, and where
    assert found in (None, content)
    assert found is None or gzip.decompress(bytes(damaged)) == content


@pytest.mark.parametrize("data", [b"", b"{}", gzip.compress(b"{}", mtime=7), Deflated.of(b"{}").gzip[:12]])
def test_what_was_not_deflated_here_is_told_apart(data):
    assert gzip_size(data) is None


def test_either_library_s_file_is_known_and_inflated(monkeypatch):
    monkeypatch.setattr(deflating, "library", zlib)

    deflated = Deflated.of(b"{}")

    monkeypatch.undo()
    assert (gzip_size(deflated.gzip), deflated.inflated()) == (2, b"{}")


@pytest.mark.parametrize("size", [0, 1, 3, 2_000])
def test_a_stream_inflates_to_its_size_and_no_other(size):
    right = Deflated.of(b"{}")
    damaged = right._replace(gzip=right.gzip[:-4] + size.to_bytes(4, "little"))

    with pytest.raises(ValueError, match="another one"):
        damaged.inflated()
