"""Fuzzes one target until its time is over: ``python -m tests.fuzz.one TARGET [options of libFuzzer] CORPUS``."""

from __future__ import annotations

import logging
import sys

import atheris

with atheris.instrument_imports(include=["domain", "rest_compat", "python_multipart", "javaproperties"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    logging.disable()  # the multipart library tells of every flaw
    _, target, *options = sys.argv
    atheris.Setup([target, *options], TARGETS[target])
    atheris.Fuzz()
