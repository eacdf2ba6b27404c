"""What the server runs on is pinned, hashed, and holds what it was agreed to be built with."""

from __future__ import annotations

import re

import pytest

from tests.house.tree import ROOT

#: the packages the server was asked to be built with
AGREED = {
    "aiosqlite", "networkx", "python-multipart", "semver", "sqlalchemy", "starlette", "strawberry-graphql", "uvicorn",
}  # fmt: skip

_PIN = re.compile(r"(?P<name>[a-z0-9._-]+)(\[[a-z0-9,._-]+\])?==(?P<version>[^\s;\\]+)(?P<rest>.*)")


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_each_requirement_is_pinned_and_carries_hashes(lock):
    entries = _entries(lock)

    loose = [entry for entry in entries if not _PIN.match(entry) or " --hash=sha256:" not in entry]

    assert entries
    assert loose == []


def test_the_agreed_packages_are_asked_for_by_name():
    assert AGREED - _asked_for("requirements.in") == set()
    assert "pytest" in _asked_for("requirements-dev.in")


def test_everything_asked_for_is_locked():
    assert _asked_for("requirements.in") - set(_pins("requirements.txt")) == set()
    assert _asked_for("requirements-dev.in") - set(_pins("requirements-dev.txt")) == set()


def test_the_tests_run_on_the_versions_the_server_runs_on():
    locked, tested = _pins("requirements.txt"), _pins("requirements-dev.txt")

    assert {name: tested.get(name) for name in locked} == locked


def _entries(lock: str) -> list[str]:
    """The requirements of a lock file, each with its continued lines joined."""
    joined = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _pins(lock: str) -> dict[str, str]:
    return {match["name"]: match["version"] for entry in _entries(lock) if (match := _PIN.match(entry))}


def _asked_for(source: str) -> set[str]:
    lines = (ROOT / source).read_text(encoding="utf-8").splitlines()
    return {re.split(r"[\[=<>~!; ]", line)[0].lower() for line in lines if line and line[0].isalnum()}
