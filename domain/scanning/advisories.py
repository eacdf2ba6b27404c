"""What is known against other packages: a folder of advisories in the OSV format, read once when the process starts.

Judged are the packages that a package needs (ecosystem ``InstallHub``), and those that artifacts name with their
version: as a package address (``pkg:npm/left-pad@1.3.0``), or as an object of ``ecosystem``, ``name`` and ``version``.
Nothing is fetched (installhub section 9.4).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from domain.model import PackageDependency
from domain.scanning.cvss import severity_of
from domain.scanning.ecosystems import INSTALLHUB, Key, key_of, semver_key
from domain.scanning.report import Check, Finding, Severity
from domain.scanning.walk import Place, path_of, redacted, shown_pointer_of, strings

DEPENDENCY = "PackageDependency"
_FIELD = "packageDependencies"
_PURL = re.compile(r"pkg:([a-z][a-z0-9.+-]{0,30})/([^\s@?#\"']{1,200})@([^\s?#\"']{1,100})", re.IGNORECASE)
#: the ecosystems of package addresses
_OF_PURL = {"cargo": "crates.io", "golang": "go", "gem": "rubygems", "composer": "packagist"}
_WITH_COLON = frozenset({"maven"})
_OPERATOR = re.compile(r"^[\s^~>=v]+")
_SHOWN_MAX, _MESSAGE_MAX = 200, 300
_PLACES_MAX = 500


class AdvisoriesError(ValueError):
    """A file of advisories cannot be used. The message names it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """One advisory, as far as it speaks of one package."""

    names: frozenset[str]
    severity: Severity
    summary: str
    versions: frozenset[str]
    #: type of the range, then its events in order: a kind and a version
    ranges: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

    @property
    def rule(self) -> str:
        """Its CVE number where it has one (installhub section 9.4)."""
        return min(self.names, key=lambda name: (not name.startswith("CVE-"), name))

    def affects(self, ecosystem: str, version: str) -> bool:
        return version in self.versions or any(
            _is_within(version, kind, events, ecosystem) for kind, events in self.ranges
        )


@dataclass(frozen=True, slots=True)
class Advisories:
    """The advisories of a folder by package; ``version`` is the hash of its files, empty where there are none."""

    version: str = ""
    known: Mapping[tuple[str, str], tuple[_Known, ...]] = field(default_factory=dict)

    def in_dependencies(self, needed: Sequence[PackageDependency]) -> list[Finding]:
        """What is known against the lowest versions that a package accepts."""
        owner = (DEPENDENCY, "", "")
        return [
            finding
            for one in needed
            for finding in self._findings(owner, (INSTALLHUB, one.package_name, one.min_version), _FIELD, "")
        ]

    def in_artifact(self, owner: tuple[str, str, str], raw: bytes) -> list[Finding]:
        """What is known against the packages that one artifact (its type, id and name) names."""
        if not self.known or not (b"pkg:" in raw or b'"ecosystem"' in raw):
            return []
        found: list[Finding] = []
        for package, place in _named(orjson.loads(raw)):
            found += self._findings(owner, package, path_of(place), shown_pointer_of(place))
            if len(found) >= _PLACES_MAX:
                break
        return found

    def _findings(
        self, owner: tuple[str, str, str], package: tuple[str, str, str], path: str, pointer: str
    ) -> Iterator[Finding]:
        ecosystem, name, version = package
        lowest = _OPERATOR.sub("", version)
        shown = redacted(f"{name}@{version}")[:_SHOWN_MAX]
        told: set[str] = set()
        for known in self.known.get(_key(ecosystem, name), ()):
            # one flaw under several names is told once
            if not told.isdisjoint(known.names) or not known.affects(ecosystem, lowest):
                continue
            told |= known.names
            yield Finding(
                check=Check.DEPENDENCY,
                rule=known.rule,
                severity=known.severity,
                artifact_type=owner[0],
                artifact_id=owner[1],
                artifact_name=owner[2] or name[:_SHOWN_MAX],
                field=path,
                pointer=pointer,
                value=shown,
                message=known.summary,
            )


NO_ADVISORIES = Advisories()


def read_advisories(folder: Path) -> Advisories:
    """The advisories of a folder and its folders; withdrawn ones count for nothing.

    Raises :class:`AdvisoriesError` for a folder that is not there, or a file that is no advisory.
    """
    if not folder.is_dir():
        raise AdvisoriesError(f"there is no folder {folder}")
    digest, known = hashlib.sha256(), dict[tuple[str, str], list[_Known]]()
    files = sorted(folder.rglob("*.json"))
    for path in files:
        content = path.read_bytes()
        digest.update(content + b"\0")
        try:
            for key, one in _read(orjson.loads(content)):
                known.setdefault(key, []).append(one)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise AdvisoriesError(f"{path} is no advisory in the OSV format") from error
    return Advisories(digest.hexdigest()[:12] if files else "", {key: tuple(rows) for key, rows in known.items()})


def _read(tree: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], _Known]]:
    names = frozenset({str(tree["id"]), *map(str, tree.get("aliases") or ())})
    if tree.get("withdrawn"):
        return
    summary = str(tree.get("summary") or tree.get("details") or tree["id"])[:_MESSAGE_MAX]
    for affected in tree.get("affected") or ():
        package = affected["package"]
        rated = affected if affected.get("severity") else tree
        yield (
            _key(package["ecosystem"], package["name"]),
            _Known(
                names,
                severity_of(rated),
                f"A known flaw: {summary}",
                frozenset(map(str, affected.get("versions") or ())),
                tuple(_range(row) for row in affected.get("ranges") or () if row["type"] != "GIT"),
            ),
        )


def _range(row: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
    return str(row["type"]), tuple((str(kind), str(value)) for event in row["events"] for kind, value in event.items())


def _is_within(version: str, kind: str, events: Sequence[tuple[str, str]], ecosystem: str) -> bool:
    """Whether the events of a range, in the order of their versions, leave a version affected (OSV, evaluation)."""

    def key(text: str) -> Key | None:
        return semver_key(text) if kind == "SEMVER" else key_of(ecosystem, text)

    own = key(version)
    if own is None:
        return False
    is_affected = False
    placed = [(() if value == "0" else key(value), name) for name, value in events if name != "limit"]
    for place, name in sorted((place, name) for place, name in placed if place is not None):
        if name == "introduced" and own >= place:
            is_affected = True
        elif (name == "fixed" and own >= place) or (name == "last_affected" and own > place):
            is_affected = False
    return is_affected


def _named(tree: Any) -> Iterator[tuple[tuple[str, str, str], Place]]:
    """Packages with their versions, and where they stand."""
    for text, place, _ in strings(tree):
        for match in _PURL.finditer(text) if "pkg:" in text else ():
            yield _of_purl(match), place
    waiting: list[tuple[Any, Place]] = [(tree, None)]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, dict):
            stated = (value.get("ecosystem"), value.get("name", value.get("package")), value.get("version"))
            if all(isinstance(one, str) for one in stated):
                yield (str(stated[0]), str(stated[1]), str(stated[2])), place
            waiting += [(inner, (place, name)) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(inner, (place, index)) for index, inner in enumerate(value)]


def _of_purl(match: re.Match[str]) -> tuple[str, str, str]:
    kind = match[1].lower()
    name = unquote(match[2])
    if kind in _WITH_COLON:
        name = name.replace("/", ":")
    return _OF_PURL.get(kind, kind), name, unquote(match[3])


def _key(ecosystem: str, name: str) -> tuple[str, str]:
    """Ecosystems and names without regard to case; in PyPI all separators are one."""
    world = str(ecosystem).partition(":")[0].lower()
    plain = str(name).lower()
    return world, re.sub(r"[-_.]+", "-", plain) if world == "pypi" else plain
