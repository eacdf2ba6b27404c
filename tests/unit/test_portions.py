"""Portions: as many things together as fit, all of them, in their order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from domain.portions import portions


def cut(*sizes: int, most_bytes: int = 10) -> list[list[int]]:
    return list(portions(sizes, lambda size: size, most_bytes=most_bytes))


def test_what_fits_is_together():
    assert cut(4, 6, 1, 9, 5) == [[4, 6], [1, 9], [5]]


def test_what_is_larger_than_a_portion_is_alone():
    assert cut(1, 11, 2, 30, 30) == [[1], [11], [2], [30], [30]]


def test_what_has_no_bytes_takes_no_room():
    assert cut(10, 0, 0) == [[10, 0, 0]]


def test_nothing_makes_no_portion():
    assert cut() == []


@given(some.lists(some.integers(0, 20)))
def test_everything_comes_once_in_its_order_and_no_portion_is_larger_than_it_has_to_be(sizes):
    made = cut(*sizes)

    assert [size for portion in made for size in portion] == sizes
    assert all(sum(portion) <= 10 or sum(1 for size in portion if size) == 1 for portion in made)
    assert all(sum(one) + after[0] > 10 for one, after in pairwise(made))
