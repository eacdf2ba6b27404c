"""What the house tests leave to those after them: nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.house.tree import syntax


@pytest.fixture(scope="package", autouse=True)
def forgetting() -> Iterator[None]:
    """The project's syntax is some 800,000 objects: whatever runs later would pay for each look at them."""
    yield
    syntax.cache_clear()
