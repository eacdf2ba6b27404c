"""The scan of one package: within its time, tried again, and never passed by failing (security.md rule 7, F14).

The work is done in a thread of its own, a few artifacts at a time. One that does not come back is left to itself, and
the same part is tried again with another thread; after three attempts the scan has come to no end, and says why. What
a scanner gives back is looked at before it is believed.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from domain.model import PackageDependency
from domain.scanning.own import FINDINGS_MAX
from domain.scanning.report import Finding
from domain.scanning.scanner import Scanner, in_force

ATTEMPTS_MAX = 3
#: handed over together: with 64 an import of a thousand artifacts took 13 to 22 ms more of processor time
_PARTS_MAX, _BYTES_MAX = 256, 4 << 20
#: scanned between two looks whether somebody is to be given way
_AT_ONCE = 8
_FAREWELL = 1.0

#: what a scanner finds in it; where the report is full already, what is worse than a severity
Part = Callable[[Scanner, int], Sequence[Finding]]
Note = Callable[[list[Finding]], None]
GiveWay = Callable[[], None]


class _NonsenseError(Exception):
    """The scanner gave back what no scanner gives."""


@dataclass(frozen=True, slots=True)
class _Tally:
    """How much a package's report holds so far, and how bad the worst of it is."""

    count: int = 0
    worst: int = 0

    @property
    def above(self) -> int:
        """The severity that a full report can only be changed by exceeding; 0 while there is room."""
        return self.worst if self.count >= FINDINGS_MAX else 0

    def with_more(self, found: Sequence[Finding]) -> _Tally:
        """The tally with some more findings."""
        return _Tally(self.count + len(found), max(self.worst, *(finding.severity for finding in found), 0))


@dataclass(slots=True)
class _Answer:
    findings: list[Finding]
    tally: _Tally = _Tally()
    error: Exception | None = None


class _Hand:
    """A thread that scans. It lives as long as the process, and does not hold it back."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="scan", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def scan(self, work: Callable[[], _Answer], *, seconds: float) -> _Answer:
        """What the work comes to. Raises ``queue.Empty`` when the time is over; the hand is then of no use any more."""
        answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._work.put(lambda: answers.put(work()))
        return answers.get(timeout=max(0.0, seconds))

    def let_go(self) -> None:
        """End once the work at hand has ended, if it ever does."""
        self._work.put(None)

    def end(self) -> None:
        """The same, and wait a moment for it."""
        self.let_go()
        self._thread.join(_FAREWELL)


#: hands without work; taking and giving back are atomic
_IDLE: list[_Hand] = []


@atexit.register
def _end_idle() -> None:
    """A scanner of YARA must be given up by the thread that made it."""
    while _IDLE:
        _IDLE.pop().end()


class ScanRun:
    """The scan of one package. ``note`` hears the findings in the order in which the parts were added.

    ``give_way`` is called between some parts, in the thread that scans; what it waits is time of the scan.
    """

    def __init__(self, note: Note, *, seconds: float, give_way: GiveWay = lambda: None) -> None:
        self.seconds = 0.0
        #: why the scan came to no end; empty as long as all goes well
        self.trouble = ""
        self._scanner = in_force()
        self._note = note
        self._give_way = give_way
        self._budget = seconds
        self._left = seconds
        self._attempt = 1
        self._tally = _Tally()
        self._parts: list[Part] = []
        self._bytes = 0
        if self._scanner is None:
            self.trouble = "No scanner is configured."

    def artifact(self, artifact_type: str, artifact_id: str, name: str, raw: bytes) -> None:
        """Scan the canonical bytes of one artifact, now or with the next ones."""
        self._add(lambda scanner, above: scanner.artifact(artifact_type, artifact_id, name, raw, above), len(raw))

    def text(self, where: str, text: str) -> None:
        """Scan a text of the package itself."""
        self._add(partial(_text, where, text), len(text))

    def dependencies(self, needed: Sequence[PackageDependency]) -> None:
        """Look the packages up that this one needs."""
        if needed:
            self._add(lambda scanner, _above: scanner.dependencies(needed), 0)

    def finish(self) -> None:
        """Scan what still waits. Afterwards ``trouble`` and ``seconds`` are final."""
        self._flush()

    def _add(self, part: Part, size: int) -> None:
        self._parts.append(part)
        self._bytes += size
        if len(self._parts) >= _PARTS_MAX or self._bytes >= _BYTES_MAX:
            self._flush()

    def _flush(self) -> None:
        parts, self._parts, self._bytes = self._parts, [], 0
        began = time.perf_counter()
        while parts and not self.trouble and self._scanner is not None:
            answer = self._tried(self._scanner, parts)
            if answer is None:
                self._failed("The security scan took too long.")
            elif answer.error is not None:
                self._failed("The scanner failed.")
            else:
                self._tally = answer.tally
                self._note(answer.findings)
                break
        self.seconds += time.perf_counter() - began

    def _tried(self, scanner: Scanner, parts: Sequence[Part]) -> _Answer | None:
        hand = _IDLE.pop() if _IDLE else _Hand()
        began = time.monotonic()
        try:
            answer = hand.scan(partial(_scanned, scanner, parts, self._tally, self._give_way), seconds=self._left)
        except queue.Empty:
            hand.let_go()
            return None
        self._left -= time.monotonic() - began
        _IDLE.append(hand)
        return answer

    def _failed(self, why: str) -> None:
        if self._attempt >= ATTEMPTS_MAX:
            self.trouble = f"{why} It was tried {ATTEMPTS_MAX} times."
        self._attempt += 1
        self._left = self._budget


def _text(where: str, text: str, scanner: Scanner, _above: int) -> Sequence[Finding]:
    return scanner.text(where, text)


def _scanned(scanner: Scanner, parts: Sequence[Part], tally: _Tally, give_way: GiveWay) -> _Answer:
    findings: list[Finding] = []
    try:
        for number, part in enumerate(parts):
            if number % _AT_ONCE == 0:
                give_way()
            found = part(scanner, tally.above)
            if not isinstance(found, list) or not all(isinstance(one, Finding) for one in found):
                raise _NonsenseError
            if found:
                findings += found
                tally = tally.with_more(found)
    except Exception as error:  # noqa: BLE001 - whatever a scanner dies of, its package does not pass
        return _Answer([], error=error)
    return _Answer(findings, tally)
