"""Fuzzes one target until its time is over: ``python -m tests.fuzz.one TARGET [options of libFuzzer] CORPUS``."""

from __future__ import annotations

import logging
import shlex
import sys
import time

import atheris

with atheris.instrument_imports(include=["domain", "rest_compat", "python_multipart", "javaproperties"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    logging.disable()  # the multipart library tells of every flaw
    _, target, *options = sys.argv
    # with -merge, libFuzzer gives this command to a shell
    atheris.Setup([shlex.join([sys.executable, "-m", "tests.fuzz.one", target]), *options], TARGETS[target])
    # beside libFuzzer's own figures; most of it is instrumenting
    print(f"stat::seconds_to_begin: {time.process_time():.1f}", file=sys.stderr, flush=True)
    atheris.Fuzz()
