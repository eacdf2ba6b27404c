"""How the command line shows what a command tells: for eyes on a terminal, as lines of JSON anywhere else."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from domain.import_model import EventKind, ImportState
from server.errands import Said
from server.logs import printable

#: exit statuses that say how a followed import ended
ENDINGS = {ImportState.SUCCEEDED: 0, ImportState.FAILED: 3, ImportState.CANCELLED: 4, ImportState.EXPIRED: 5}
_BAR = 30
_GAP = "  "


class Teller:
    """Shows sentences as they are and records as lines of JSON."""

    def tell(self, said: Said) -> None:
        say(said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))

    def end(self) -> int:
        """Show what was kept back. Gives the exit status."""
        return 0

    def close(self) -> None:
        """Called in any case."""


class Columns(Teller):
    """Shows records as a table: their keys above, their values aligned."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []

    def tell(self, said: Said) -> None:
        if isinstance(said, str):
            say(said)
            return
        self._rows = self._rows or [[*said]]
        self._rows.append([_cell(value) for value in said.values()])

    def end(self) -> int:
        widths = [max(map(len, column)) for column in zip(*self._rows, strict=True)]
        for row in self._rows:
            say(_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return 0


class Card(Teller):
    """Shows a record one key a line, lists below theirs."""

    def tell(self, said: Said) -> None:
        if isinstance(said, str):
            say(said)
            return
        width = max(map(len, said))
        for key, value in said.items():
            for place, line in enumerate(_card_lines(value)):
                say(f"{key if place == 0 else '':<{width}}{_GAP}{line}".rstrip())


class Progress(Teller):
    """Shows the events of an import; ends with the status that says how the import ended."""

    def __init__(self, *, is_drawn: bool) -> None:
        self._is_drawn = is_drawn
        self._status = 1

    def tell(self, said: Said) -> None:
        if isinstance(said, str):
            # not among the lines of JSON
            sys.stderr.write(f"installhub: {said}\n")
            sys.stderr.flush()
        elif "ended" in said:
            self._status = ENDINGS[ImportState(said["ended"])]
        elif self._is_drawn:
            # the end, and a pause: who looks later should see that it waits
            draw(said["percent"], said["message"], stays=said["isFinal"] or said["kind"] == EventKind.WAITING.wire)
        else:
            super().tell(said)

    def end(self) -> int:
        return self._status


def draw(percent: float, message: str, *, stays: bool) -> None:
    """One state of the progress bar; on a terminal the next one covers it, unless it ``stays``."""
    done = round(_BAR * percent / 100)
    line = printable(f"[{'#' * done}{'.' * (_BAR - done)}] {percent:5.1f} %  {message}")
    if not sys.stdout.isatty():
        say(line)
        return
    width = shutil.get_terminal_size().columns - 1
    sys.stdout.write(f"\r{line[:width]:<{width}}" + ("\n" if stays else ""))
    sys.stdout.flush()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _cell(value: Any) -> str:
    return "-" if value is None else printable(str(value))


def _card_lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [_GAP.join(f"{key} {_cell(one)}" for key, one in value.items() if not _is_list(one))] + [
            line for one in value.values() if _is_list(one) for line in _card_lines(one)
        ]
    if _is_list(value):
        return [line for one in value for line in _card_lines(one)] or ["-"]
    return [_cell(value)]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
