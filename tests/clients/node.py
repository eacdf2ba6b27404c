"""Programs for Node.js: what they need is installed by npm where it is not there yet."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.world import World

HERE = Path(__file__).parent
_NODE_MAJOR = 20
_SECONDS = 100


@dataclass(frozen=True, slots=True)
class Node:
    """A folder with a ``package.json`` whose packages are installed."""

    folder: Path

    def npm(self, *arguments: str) -> str:
        """What npm says. Raises ``AssertionError`` with all of it when it fails."""
        command = ("npm", *arguments)
        said = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    async def said(self, world: World, *arguments: str, **variables: str) -> str:
        """What a program prints that is told where the server is, and ends well."""
        process = await asyncio.create_subprocess_exec(
            *("node", *arguments),
            cwd=self.folder,
            env=variables | {"HUB": world.url, "PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_SECONDS):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode() + out.decode()
        return out.decode()

    async def lines(self, world: World, *arguments: str, **variables: str) -> list[dict[str, Any]]:
        """The lines of JSON that it prints."""
        return [json.loads(line) for line in (await self.said(world, *arguments, **variables)).splitlines()]


def installed(folder: Path) -> Node:
    """What the folder's lock file names is there; skips where there is no Node.js, and fails there in CI."""
    if not _is_there():
        if os.environ.get("CI"):
            pytest.fail(f"There is no Node.js {_NODE_MAJOR} or newer with npm here.")
        pytest.skip(f"there is no Node.js {_NODE_MAJOR} or newer with npm on this machine")
    made = Node(folder)
    # several processes may test at once
    with (folder / ".npmrc").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_older(folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"):
            made.npm("ci", "--no-progress")
    return made


def _is_there() -> bool:
    if shutil.which("npm") is None or (node := shutil.which("node")) is None:
        return False
    version = subprocess.run((node, "--version"), capture_output=True, text=True, check=True).stdout
    return int(version.removeprefix("v").partition(".")[0]) >= _NODE_MAJOR


def _is_older(made: Path, source: Path) -> bool:
    return not made.exists() or made.stat().st_mtime < source.stat().st_mtime
