"""How much of a package its tests cover, read from the reports that test runners write (installhub.md section 10.3).

LCOV, Cobertura, JaCoCo and OpenCover. A report is foreign: its size is bounded, and an XML one may neither declare
entities nor make anybody fetch something. Lines are counted where the report lists them; what it says of itself
counts only where it lists none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from domain.errors import ErrorCode, refuse

REPORT_BYTES_MAX = 16 << 20
_ELEMENTS_MAX = 2_000_000
_DEPTH_MAX = 64
_DIGITS_MAX = 12
_CONDITIONS = re.compile(r"\((\d{1,9})/(\d{1,9})\)", re.ASCII)
_WHERE = "coverageReport"

Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Parts of what the tests reached, 0 to 1; ``branches`` is ``None`` where the report knows of none."""

    lines: float
    branches: float | None

    def row(self) -> dict[str, Any]:
        """As submissions keep it."""
        return {"lineCoverage": self.lines, "branchCoverage": self.branches}


@dataclass(slots=True)
class _Tally:
    """Covered and countable lines and branches so far."""

    lines_hit: int = 0
    lines: int = 0
    branches_hit: int = 0
    branches: int = 0
    #: what the report says of itself, by the same names
    stated: dict[str, int] = field(default_factory=dict)

    def covered(self) -> Coverage:
        """Raises ``ValueError`` for a report that counts nothing, or more covered than there is."""
        counts = {name: getattr(self, name) for name in ("lines_hit", "lines", "branches_hit", "branches")}
        if not self.lines:
            counts |= self.stated
        if not counts["lines"] > 0 or counts["lines_hit"] > counts["lines"]:
            raise ValueError("it counts no lines")
        if counts["branches_hit"] > counts["branches"]:
            raise ValueError("it covers more branches than there are")
        branches = counts["branches_hit"] / counts["branches"] if counts["branches"] else None
        return Coverage(counts["lines_hit"] / counts["lines"], branches)


def read_coverage(raw: bytes) -> Coverage:
    """The coverage that a report states. Raises a refusal ``BadUserInput`` for what is no such report."""
    if len(raw) > REPORT_BYTES_MAX:
        text = f"A coverage report has at most {REPORT_BYTES_MAX >> 20} MiB."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, _WHERE, limit=REPORT_BYTES_MAX)
    try:
        tally = _from_xml(raw) if _is_xml(raw) else _from_lcov(raw)
        return tally.covered()
    except (ValueError, LookupError, expat.ExpatError) as flaw:  # LookupError: it names an encoding that nobody knows
        text = f"The coverage report is no LCOV, Cobertura, JaCoCo or OpenCover report that can be read: {flaw}."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, _WHERE) from flaw


def _is_xml(raw: bytes) -> bool:
    # a byte order mark of UTF-8 or UTF-16, or the first angle bracket
    return raw.lstrip()[:1] == b"<" or raw[:2] in {b"\xef\xbb", b"\xff\xfe", b"\xfe\xff"}


def _from_lcov(raw: bytes) -> _Tally:
    tally = _Tally()
    hits: dict[int, bool] = {}
    found: dict[str, int] = {}
    for line in raw.decode().splitlines():
        key, _, value = line.strip().partition(":")
        if key == "DA":
            number, _, rest = value.partition(",")
            hits[_whole(number)] = _whole(rest.partition(",")[0]) > 0 or hits.get(_whole(number), False)
        elif key in _LCOV_COUNTS:
            found[key] = _whole(value)
        elif key == "end_of_record":
            _add_file(tally, hits, found)
            hits, found = {}, {}
    _add_file(tally, hits, found)
    return tally


def _add_file(tally: _Tally, hits: Mapping[int, bool], found: Mapping[str, int]) -> None:
    tally.lines += len(hits) if hits else found.get("LF", 0)
    tally.lines_hit += sum(hits.values()) if hits else found.get("LH", 0)
    tally.branches += found.get("BRF", 0)
    tally.branches_hit += found.get("BRH", 0)


def _from_xml(raw: bytes) -> _Tally:
    tally, path, readers = _Tally(), list[str](), list[Callable[[_Tally, list[str], Attributes], None]]()
    elements = 0

    def begun(name: str, attributes: dict[str, str]) -> None:
        nonlocal elements
        elements += 1
        path.append(name)
        if len(path) > _DEPTH_MAX or elements > _ELEMENTS_MAX:
            raise ValueError("it is nested too deeply or has too many elements")
        if not readers:
            if name not in _READERS:
                raise ValueError("its root is not known")
            readers.append(_READERS[name])
        readers[0](tally, path, attributes)

    def ended(_name: str) -> None:
        path.pop()

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begun, ended
    parser.StartDoctypeDeclHandler = _doctype
    parser.EntityDeclHandler = _declared
    # nothing outside is ever read, whatever a document type names
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.Parse(raw, True)
    return tally


def _doctype(_name: str, _system: str | None, _public: str | None, has_internal_subset: int) -> None:
    """JaCoCo and Cobertura name a document type; one that declares things in place is somebody's attack."""
    if has_internal_subset:
        raise ValueError("it declares a document type of its own")


def _declared(*_entity: object) -> None:
    raise ValueError("it declares an entity")


def _cobertura(tally: _Tally, path: list[str], attributes: Attributes) -> None:
    if path == ["coverage"]:
        tally.stated = _cobertura_summary(attributes)
    elif path[-1] == "line" and path[-3:-1] == ["class", "lines"]:
        tally.lines += 1
        tally.lines_hit += _whole(attributes.get("hits", "0")) > 0
        conditions = _CONDITIONS.search(attributes.get("condition-coverage", ""))
        if conditions:
            tally.branches_hit += int(conditions[1])
            tally.branches += int(conditions[2])


def _cobertura_summary(attributes: Attributes) -> dict[str, int]:
    if "lines-valid" in attributes:
        names = {"lines": "lines-valid", "lines_hit": "lines-covered"}
        more = {"branches": "branches-valid", "branches_hit": "branches-covered"}
        return {name: _whole(attributes.get(key, "0")) for name, key in (names | more).items()}
    rates = {"lines": attributes.get("line-rate"), "branches": attributes.get("branch-rate")}
    return {
        key: count
        for name, rate in rates.items()
        if rate is not None
        for key, count in ((name, _FINE), (f"{name}_hit", round(_rate(rate) * _FINE)))
    }


def _jacoco(tally: _Tally, path: list[str], attributes: Attributes) -> None:
    """The counters that stand directly in the report are those of everything."""
    if path != ["report", "counter"]:
        return
    hit, missed = _whole(attributes.get("covered", "")), _whole(attributes.get("missed", ""))
    if attributes.get("type") == "LINE":
        tally.lines_hit, tally.lines = hit, hit + missed
    elif attributes.get("type") == "BRANCH":
        tally.branches_hit, tally.branches = hit, hit + missed


def _opencover(tally: _Tally, path: list[str], attributes: Attributes) -> None:
    if path != ["CoverageSession", "Summary"]:
        return
    tally.lines = _whole(attributes.get("numSequencePoints", ""))
    tally.lines_hit = _whole(attributes.get("visitedSequencePoints", ""))
    tally.branches = _whole(attributes.get("numBranchPoints", "0"))
    tally.branches_hit = _whole(attributes.get("visitedBranchPoints", "0"))


def _whole(text: str) -> int:
    """A count. Raises ``ValueError``."""
    text = text.strip()
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
        raise ValueError("a count is no whole number")
    return int(text)


def _rate(text: str) -> float:
    rate = float(text)
    if not math.isfinite(rate) or not 0 <= rate <= 1:
        raise ValueError("a rate is not between 0 and 1")
    return rate


#: a rate as so many parts of so many
_FINE = 1_000_000
_LCOV_COUNTS = ("LF", "LH", "BRF", "BRH")
_READERS: Mapping[str, Callable[[_Tally, list[str], Attributes], None]] = {
    "coverage": _cobertura,
    "report": _jacoco,
    "CoverageSession": _opencover,
}
