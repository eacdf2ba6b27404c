"""How much of a long walk a run takes: a share of it usually, all of it under ``make thorough``."""

from __future__ import annotations

import os

IS_THOROUGH = "THOROUGH" in os.environ


def often(usually: int, thoroughly: int) -> int:
    """How many times something is tried."""
    return thoroughly if IS_THOROUGH else usually


def is_taken(step: int, one_of: int) -> bool:
    """Whether this step of a walk is taken; usually one of so many, another each time that the walk is begun anew."""
    return IS_THOROUGH or step % one_of == 0
