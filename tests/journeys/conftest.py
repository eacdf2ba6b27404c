"""Fixtures of the journeys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.journeys.inside import Inside, an_inside


@pytest.fixture
async def inside(database_url: str, tmp_path: Path) -> AsyncIterator[Inside]:
    """Once on SQLite and once on PostgreSQL."""
    async with an_inside(database_url, tmp_path) as made:
        yield made
