"""Fuzzes every target in turn: ``make fuzz``, ``make fuzz ARGS="600 strict_json"`` for 600 seconds of one.

As many targets as the machine has processors run side by side, in slices, so that long runs give every target its
share from the beginning. What is found stands in ``data/fuzz/`` as the input that shows it; the corpus stays there
too, so that the next run goes on where this one ended. Each slice is counted in ``record.json``, one that is
interrupted too, and ``make fuzz ARGS=--owed`` tells what a release still asks for. Atheris has wheels for Linux on
x86-64 only.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.record import READERS, RECORD, Fuzzed, add, as_it_stands, readers_digest
from tests.fuzz.seeds import seeds

FOLDER = Path("data/fuzz")
#: what one input may cost: seconds, MiB
INPUT_SECONDS, INPUT_MIB = 10, 2048
#: seconds a target is fuzzed before the next one has its turn
SLICE = 600
#: inputs of a corpus that are too many: those that show nothing of their own go
MANY = 4_000
#: what libFuzzer ends with when an input took too long, and when it was told to end
_LATE, _TOLD = 70, 72
_FIGURE = re.compile(r"^stat::(\w+):\s*([\d.]+)", re.MULTILINE)
_FOUND = re.compile(r"Test unit written to (\S+)")
_SHOWN = 4_000


class Fuzzing:
    """Processes that fuzz; once stopped, those that go on end and none begins."""

    def __init__(self) -> None:
        self.is_stopped = False
        self._going = set[subprocess.Popen[bytes]]()

    def stop(self, *_signal: object) -> None:
        self.is_stopped = True
        for process in tuple(self._going):
            process.terminate()

    def slice(self, target: str, seconds: int, first: list[bytes]) -> Fuzzed | None:
        """Fuzz a target for that time, unless it is stopped earlier, and count it; nothing if it came to no end."""
        corpus = FOLDER / target
        corpus.mkdir(parents=True, exist_ok=True)
        found = [path.read_bytes() for path in FOLDER.glob(f"{target}-*")]
        for raw in first + found:
            (corpus / hashlib.sha256(raw).hexdigest()[:20]).write_bytes(raw)

        digest = readers_digest(target)
        options = [f"-max_total_time={seconds}", "-print_final_stats=1", "-max_len=65536"]
        ended, spent, said = self._ran(target, *options, str(corpus))
        figures = {name: float(figure) for name, figure in _FIGURE.findall(said)}
        fuzzing = max(0, round(spent - figures.get("seconds_to_begin", spent)))
        findings = 0 if ended == _LATE and self._is_in_time(target, said) else findings_of(ended, said)
        if findings != 0:
            print(said[-_SHOWN:], file=sys.stderr)
        if findings is None:
            return None
        run = Fuzzed(digest, fuzzing, int(figures.get("number_of_executed_units", 0)), findings)
        add(target, run)
        if not findings and not self.is_stopped:
            self._thin(target, corpus)
        return run

    def _ran(self, target: str, *options: str) -> tuple[int, float, str]:
        """How libFuzzer ended, its seconds of processor time, and what it said."""
        every = [f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={INPUT_MIB}", f"-artifact_prefix={FOLDER}/{target}-"]
        with tempfile.TemporaryFile() as told:
            command = [sys.executable, "-m", "tests.fuzz.one", target, *every, *options]
            # in a group of its own, what interrupts the terminal reaches it as our word alone
            process = subprocess.Popen(command, stdout=told, stderr=told, process_group=0)
            self._going.add(process)
            if self.is_stopped:
                process.terminate()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self._going.discard(process)
            told.seek(0)
            return process.returncode, usage.ru_utime + usage.ru_stime, told.read().decode(errors="replace")

    def _is_in_time(self, target: str, said: str) -> bool:
        """Whether a late input is not late by itself: libFuzzer's clock runs while others have the processor."""
        late = _FOUND.search(said)
        if late is None or self._ran(target, late[1])[0]:
            return False
        Path(late[1]).unlink()
        return True

    def _thin(self, target: str, corpus: Path) -> None:
        before = {path.name for path in corpus.iterdir()}
        if len(before) <= MANY:
            return
        with tempfile.TemporaryDirectory(dir=FOLDER) as fewer:
            ended, _, said = self._ran(target, "-merge=1", fewer, str(corpus))
            if ended:
                print(said[-_SHOWN:], file=sys.stderr)
                return
            kept = {path.name for path in Path(fewer).iterdir()}
            for name in kept:
                (Path(fewer) / name).replace(corpus / name)
        for name in before - kept:
            (corpus / name).unlink(missing_ok=True)


def findings_of(ended: int, said: str) -> int | None:
    """How many inputs broke a promise; ``None`` if not libFuzzer ended it: it never began, or was killed."""
    if ended in (0, _TOLD):
        return 0
    return 1 if _FOUND.search(said) else None


def slices(seconds: int) -> Iterator[int]:
    while seconds > 0:
        yield min(SLICE, seconds)
        seconds -= SLICE


def fuzz(targets: list[str], seconds: int) -> int:
    """Fuzz each target for a number of seconds; 1 where one of them broke a promise, or came to no end."""
    every = seeds()
    fuzzing = Fuzzing()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, fuzzing.stop)
    broken = set[str]()

    def told(target: str, length: int) -> None:
        if fuzzing.is_stopped or target in broken:
            return
        run = fuzzing.slice(target, length, every[target])
        if run is None:
            broken.add(target)
            print(f"{target:16} came to no end, and counts for nothing", flush=True)
            return
        broken.update([target] if run.findings else [])
        said = "FOUND, see data/fuzz" if run.findings else "no finding"
        print(f"{target:16} {run.seconds:>7,} s {run.inputs:>10,} inputs   {said}", flush=True)

    with ThreadPoolExecutor(os.cpu_count()) as side_by_side:
        for length in slices(seconds):
            list(side_by_side.map(told, targets, [length] * len(targets)))
    return 1 if broken else 0


def owed(path: Path = RECORD) -> int:
    """Tell how long each target was fuzzed as it stands now, and what is owed; 1 while anything is."""
    rows = {target: as_it_stands(target, path) for target in READERS}
    for target, row in rows.items():
        left = [f"{row.owed / 3600:.1f} h owed"] if row.owed else []
        left += [f"findings open: {row.findings}"] if row.findings else []
        print(f"{target:16} {row.seconds / 3600:>5.1f} h {row.inputs:>13,} inputs   {', '.join(left) or 'enough'}")
    return 0 if all(row.is_enough for row in rows.values()) else 1


def main(arguments: list[str]) -> int:
    """Fuzz, or tell what is owed."""
    if arguments == ["--owed"]:
        return owed()
    return fuzz(arguments[1:] or [*READERS], int(arguments[0]) if arguments else 60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
