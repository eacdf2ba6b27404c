"""Fixtures of the faults."""

from __future__ import annotations

import pytest

from tests.faults.shim import Shim, a_shim


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    return a_shim(tmp_path_factory.mktemp("shim"))
