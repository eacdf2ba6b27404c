"""A spool keeps a few small pieces in memory and the rest in a file; who reads cannot tell which."""

from __future__ import annotations

import pytest

from domain.spool import KEPT_BYTES, KEPT_PIECE_BYTES, Span, Spool


@pytest.fixture
def place(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def spool(place):
    with Spool(place) as opened:
        yield opened


def test_what_was_appended_is_read_from_its_span(spool):
    spans = [spool.append(piece) for piece in (b"one", b"", b"three")]

    assert spans == [Span(0, 3), Span(3, 0), Span(3, 5)]
    assert [spool.read(span) for span in spans] == [b"one", b"", b"three"]


def test_much_more_than_is_kept_in_memory_is_read_in_any_order(spool):
    pieces = [bytes([number]) * KEPT_PIECE_BYTES for number in range(2 * KEPT_BYTES // KEPT_PIECE_BYTES)]
    spans = [spool.append(piece) for piece in pieces]

    assert [spool.read(span) for span in reversed(spans)] == pieces[::-1]


def test_what_is_appended_after_reading_is_read_too(spool):
    first = spool.append(b"x" * (KEPT_PIECE_BYTES + 1))
    assert spool.read(first) == b"x" * (KEPT_PIECE_BYTES + 1)

    second = spool.append(b"second")

    assert spool.read(second) == b"second"


def test_memory_holds_no_more_than_its_share_and_the_file_the_rest(spool, place):
    pieces = [spool.append(b"x" * KEPT_PIECE_BYTES) for _ in range(KEPT_BYTES // KEPT_PIECE_BYTES + 3)]
    spool.read(pieces[-1])

    assert place.stat().st_size == 3 * KEPT_PIECE_BYTES


def test_a_large_piece_and_all_behind_it_are_found_in_the_file(spool, place):
    pieces = [b"first", b"l" * (KEPT_PIECE_BYTES + 1), b"small", b""]
    spans = [spool.append(piece) for piece in pieces]

    assert [spool.read(span) for span in spans] == pieces
    assert place.stat().st_size == KEPT_PIECE_BYTES + 1 + len("small")
