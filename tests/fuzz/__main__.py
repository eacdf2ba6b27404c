"""Fuzzes every target in turn: ``make fuzz``, ``make fuzz ARGS="600 strict_json"`` for 600 seconds of one.

What is found stands in ``data/fuzz/`` as the input that shows it; the corpus stays there too, so that the next run
goes on where this one ended. Atheris has wheels for Linux on x86-64 only.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.seeds import seeds

FOLDER = Path("data/fuzz")
#: what one input may cost: seconds, MiB
INPUT_SECONDS, INPUT_MIB = 10, 2048
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def fuzzed(target: str, seconds: int, first: list[bytes]) -> tuple[int, bool]:
    """How many inputs a target was given in that time, and whether one broke a promise."""
    corpus = FOLDER / target
    corpus.mkdir(parents=True, exist_ok=True)
    for raw in first:
        (corpus / hashlib.sha256(raw).hexdigest()[:20]).write_bytes(raw)
    options = [f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={INPUT_MIB}"]
    options += ["-print_final_stats=1", "-max_len=65536", f"-artifact_prefix={FOLDER}/{target}-"]
    command = [sys.executable, "-m", "tests.fuzz.one", target, *options, str(corpus)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    executed = _EXECUTED.search(ended.stderr)
    if ended.returncode:
        print(ended.stdout[-4000:], ended.stderr[-4000:], sep="\n", file=sys.stderr)
    return int(executed[1]) if executed else 0, ended.returncode == 0


def main(arguments: list[str]) -> int:
    """Fuzz each target for a number of seconds; 1 where one of them broke a promise."""
    every = seeds()
    seconds = int(arguments[0]) if arguments else 60
    is_whole = True
    for target in arguments[1:] or every:
        executed, is_sound = fuzzed(target, seconds, every[target])
        print(
            f"{target:16} {executed:>10,} inputs   {'no finding' if is_sound else 'FOUND, see data/fuzz'}", flush=True
        )
        is_whole = is_whole and is_sound
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
