"""Fixtures of the command line."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from server.cli import main
from tests.forks import Said
from tests.server.installation import Here, environment_of, prepare


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return environment_of(str(tmp_path / "data"))


@pytest.fixture
def here(environment: dict[str, str], monkeypatch, capsys) -> Here:
    """Runs a command in this process."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Said:
        status = main(list(arguments))
        told = capsys.readouterr()
        return Said(status, told.out, told.err)

    return run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the two example tenants, to be copied."""
    folder = tmp_path_factory.mktemp("prepared")
    asyncio.run(prepare(folder))
    return folder


@pytest.fixture
def tenants(prepared: Path, environment: dict[str, str]) -> None:
    """acme-dev and acme-prod are there, with the examples' artifacts."""
    shutil.copytree(prepared, environment["INSTALLHUB_DATA"])
