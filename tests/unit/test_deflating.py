"""Contents deflated: the same bytes from the same content, readable by any tool, never taken for another one."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deflating import Deflated

CONTENTS = st.binary(max_size=2_000) | st.binary(max_size=50).map(lambda part: part * 900)


@given(CONTENTS)
def test_what_was_deflated_comes_back_and_any_tool_can_read_it(content):
    deflated = Deflated.of(content)

    assert deflated.inflated() == content == gzip.decompress(deflated.gzip)
    assert zlib.decompress(deflated.stream, -zlib.MAX_WBITS) == content
    assert Deflated.of_gzip(deflated.gzip) == deflated == Deflated.of(content)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_single_wrong_bit_is_noticed(content, data):
    damaged = bytearray(Deflated.of(content).gzip)
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))

    try:
        found = Deflated.of_gzip(bytes(damaged)).inflated()
    except ValueError:
        return

    # the last bits of a stream's last byte belong to nobody
    assert found == content
    assert gzip.decompress(bytes(damaged)) == content


@pytest.mark.parametrize("data", [b"", b"{}", gzip.compress(b"{}", mtime=7), Deflated.of(b"{}").gzip[:12]])
def test_what_was_not_deflated_here_is_told_apart(data):
    with pytest.raises(ValueError, match="no content that was deflated here"):
        Deflated.of_gzip(data)


@pytest.mark.parametrize("size", [0, 1, 3, 2_000])
def test_a_stream_inflates_to_its_size_and_no_other(size):
    right = Deflated.of(b"{}")

    with pytest.raises(ValueError, match="another one"):
        right._replace(size=size).inflated()
