"""Processes of the server, forked from one that has imported it: each start would cost seconds of imports else.

A start with all its imports is what the suites of ``tests/faults/`` begin with.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from tempfile import TemporaryFile

from server.cli import main

FORKS = multiprocessing.get_context("forkserver")
#: one list for all suites: the first fork of a test run settles what the others are forked from
FORKS.set_forkserver_preload(["__main__", "tests.forks", "tests.chaos.launcher", "tests.chaos.driving"])


@dataclass(frozen=True, slots=True)
class Forked:
    """A process, with the words of ``subprocess``."""

    process: BaseProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """Its exit status, minus the signal where one ended it; ``None`` while it lives."""
        return self.process.exitcode

    def wait(self, seconds: float | None = None) -> int:
        self.process.join(seconds)
        status = self.process.exitcode
        assert status is not None, f"it lives on after {seconds} seconds"
        return status

    def send_signal(self, number: signal.Signals) -> None:
        # whoever has ended already may have left its number to another
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait()


@dataclass(frozen=True, slots=True)
class Said:
    """What a command had to say."""

    returncode: int
    stdout: str
    stderr: str


def hub(environment: dict[str, str], *words: str, typed: str = "") -> Said:
    """Run a command that ends by itself."""
    with TemporaryFile("w+") as stdin, TemporaryFile("w+") as stdout, TemporaryFile("w+") as stderr:
        stdin.write(typed)
        stdin.seek(0)
        process = forked(words, environment, stdin=stdin.fileno(), stdout=stdout.fileno(), stderr=stderr.fileno())
        try:
            status = process.wait(100)
        finally:
            process.kill()
        for said in (stdout, stderr):
            said.seek(0)
        return Said(status, stdout.read(), stderr.read())


def forked(
    words: Sequence[str],
    environment: dict[str, str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> Forked:
    """``python -m server`` with these words; what it hears and says are open files, or nothing."""
    streams = [None if number is None else Connection(os.dup(number)) for number in (stdin, stdout, stderr)]
    process = FORKS.Process(target=_life, args=(words, environment, streams))
    process.start()
    return Forked(process)


def _life(words: Sequence[str], environment: dict[str, str], streams: list[Connection | None]) -> None:
    become(environment)
    for connection, stream in zip(streams, (sys.stdin, sys.stdout, sys.stderr), strict=True):
        if connection is not None:
            os.dup2(connection.fileno(), stream.fileno())
            connection.close()
    sys.exit(main(list(words)))


def become(environment: dict[str, str]) -> None:
    """Take over an environment, and say and hear nothing, as a process does that was started so."""
    os.environ.clear()
    os.environ.update(environment)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        os.dup2(silence, stream.fileno())
