"""Faults that only the C library can make, for a server process (see ``shim.c``)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Shim:
    """``environment`` is for the process; what :meth:`asked` says holds inside of it, from the next call on."""

    library: Path
    wishes: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "INSTALLHUB_TEST_FAULTS": str(self.wishes)}

    @contextmanager
    def asked(self, wish: str) -> Iterator[None]:
        self.wishes.write_text(f"{wish}\n")
        try:
            yield
        finally:
            self.wishes.write_text("")


def a_shim(folder: Path) -> Shim:
    """Compiled into the folder; where there is no compiler, or no Linux, the test is skipped."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not Path("/proc/self/fd").is_dir():
        pytest.skip("the shim needs a C compiler and Linux")
    library, source = folder / "shim.so", Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    (folder / "wishes").touch()
    return Shim(library, folder / "wishes")
