"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.makers import Checking


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Checking]:
    with closing(Checking(tmp_path)) as checking:
        yield checking
