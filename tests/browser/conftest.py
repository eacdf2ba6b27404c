"""A real browser without a window, for pages that call the server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@pytest.fixture
def chromium(tmp_path: Path) -> Chromium:
    """With a profile of its own, so that nothing is remembered."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None and os.environ.get("CI"):
        pytest.fail("There is no Chromium here; `make browser` says how to get one.")
    if program is None:
        pytest.skip("there is no Chromium on this machine; `make browser` installs it")
    return Chromium(program, tmp_path / "profile", tmp_path / "downloads")
