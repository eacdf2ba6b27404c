"""Fixtures of the journeys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain import importing
from domain.model import Package
from tests.journeys.inside import ACME, ROOT, Inside, an_inside
from tests.makers import a_suite


@pytest.fixture(autouse=True)
def _told_at_any_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import takes as many transactions on a slow machine as on a fast one: tests find one by its number."""
    monkeypatch.setattr(importing, "TOLD_AFTER_SECONDS", 0)


@pytest.fixture
async def inside(database_url: str, tmp_path: Path) -> AsyncIterator[Inside]:
    """Once on SQLite and once on PostgreSQL."""
    async with an_inside(database_url, tmp_path) as made:
        yield made


@pytest.fixture
async def package(inside: Inside) -> Package:
    """Four artifacts over three levels, exported from acme."""
    await inside.save(ACME, *a_suite())
    return (await inside.export(ACME, ROOT)).package
