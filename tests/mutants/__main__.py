"""Tries whether the tests notice seeded faults: ``make mutants``, or ``make mutants ARGS="upload lease"`` for some.

Each fault is put into a copy of the tree, the tests that are expected to notice it are run there, and the copy is
mended again. First they are all run without a fault, because a test that fails anyway notices nothing. The databases
are SQLite's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.mutants.table import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
_NOT_COPIED = shutil.ignore_patterns(".*", "data", "__pycache__", "bench")
#: what pytest says where tests failed; other numbers mean that it could not even run them
_PASSED, _FAILED = 0, 1
_PYTEST = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "-m", "not postgres"]
_SHOWN = 4_000
_seconds = count(1_000_000_000)


def ran(folder: Path, tests: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """The tests, run in a copy of the tree."""
    return subprocess.run([*_PYTEST, *tests], cwd=folder, check=False, capture_output=True, text=True)


@contextmanager
def seeded(folder: Path, mutant: Mutant) -> Any:
    """The fault, as long as this lasts."""
    file = folder / mutant.file
    right = file.read_text(encoding="utf-8")
    if right.count(mutant.before) != 1:
        raise SystemExit(f"{mutant.name}: its text does not stand once in {mutant.file}")
    try:
        _write(file, right.replace(mutant.before, mutant.after))
        yield
    finally:
        _write(file, right)


def _write(file: Path, text: str) -> None:
    """Compiled modules are known by the second and the size of their source: no two of ours share a second."""
    file.write_text(text, encoding="utf-8")
    second = next(_seconds)
    os.utime(file, (second, second))


def main(words: list[str]) -> int:
    """Try the faults whose names hold one of the words, or all; 1 where one of them goes unnoticed."""
    chosen = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="installhub-mutants-") as place:
        folder = Path(place) / "tree"
        shutil.copytree(ROOT, folder, ignore=_NOT_COPIED)
        sound = ran(folder, sorted({test for one in chosen for test in one.tests}))
        if sound.returncode != _PASSED:
            print(sound.stdout[-_SHOWN:], "Without a fault these tests do not pass.", sep="\n")
            return 1
        survivors = 0
        for mutant in chosen:
            with seeded(folder, mutant):
                told = ran(folder, mutant.tests)
            word = {_FAILED: "noticed", _PASSED: "SURVIVED"}.get(told.returncode, "NOT RUN")
            survivors += word != "noticed"
            print(f"{word:9} {mutant.name} ({mutant.file})", flush=True)
            if word == "NOT RUN":
                print(told.stdout[-_SHOWN:], told.stderr[-_SHOWN:])
    print(f"{len(chosen) - survivors} of {len(chosen)} seeded faults were noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
