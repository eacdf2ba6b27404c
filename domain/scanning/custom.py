"""Rules that an operator adds: a folder of YARA files, compiled once when the process starts.

A rule's meta say how bad a match is (``severity``, one of Low, Medium, High, Critical; High where it is left out) and
what it means (``message``). It is tried on the canonical bytes of an artifact and on the package's own texts. What it
matched is never repeated: nobody knows whether it is a secret.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yara_x

from domain.scanning.report import Check, Finding, Severity
from domain.scanning.walk import path_of, shown_pointer_of, strings

SUFFIXES = (".yar", ".yara")
#: of one rule in one artifact; more are read by nobody
_PLACES_MAX = 20
_SECONDS = 30
_MASK = "****"
_MESSAGE_MAX = 300
_SEVERITIES = {severity.wire: severity for severity in Severity}
_USUAL = "A rule of this installation matches."


class CustomRulesError(ValueError):
    """A file of rules cannot be used. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    severity: Severity
    message: str


class _Scanners(threading.local):
    """One scanner a thread and rule set."""

    def __init__(self) -> None:
        self.known: dict[int, yara_x.Scanner] = {}

    def of(self, rules: yara_x.Rules) -> yara_x.Scanner:
        scanner = self.known.get(id(rules))
        if scanner is None:
            scanner = self.known[id(rules)] = yara_x.Scanner(rules)
            scanner.set_timeout(_SECONDS)
        return scanner


_SCANNERS = _Scanners()


@dataclass(frozen=True, slots=True)
class CustomRules:
    """The compiled rules of a folder; ``version`` is the hash of its files, empty where there are none."""

    version: str = ""
    rules: yara_x.Rules | None = None
    meanings: Mapping[str, _Meaning] = field(default_factory=dict)

    def in_artifact(self, owner: tuple[str, str, str], raw: bytes) -> list[Finding]:
        """The matches in one artifact (its type, id and name), each with its place where that is one string."""
        names = self._matching(raw)
        if not names:
            return []
        found = [
            self._finding(name, owner, path_of(place), shown_pointer_of(place))
            for name, place in self._places(orjson.loads(raw), names)
        ]
        placed = {finding.rule for finding in found}
        return [*found, *(self._finding(name, owner, "", "") for name in names if _rule(name) not in placed)]

    def in_text(self, owner: tuple[str, str, str], text: str) -> list[Finding]:
        """The matches in a text of the package."""
        return [self._finding(name, owner, owner[2], "") for name in self._matching(text.encode())]

    def _places(self, tree: Any, names: list[str]) -> Iterator[tuple[str, Any]]:
        left = dict.fromkeys(names, _PLACES_MAX)
        for text, place, _ in strings(tree):
            for name in self._matching(text.encode("utf-8", "replace")) if text else ():
                if left.get(name, 0):
                    left[name] -= 1
                    yield name, place

    def _matching(self, raw: bytes) -> list[str]:
        if self.rules is None:
            return []
        return [_name(rule) for rule in _SCANNERS.of(self.rules).scan(raw).matching_rules]

    def _finding(self, name: str, owner: tuple[str, str, str], path: str, pointer: str) -> Finding:
        meaning = self.meanings[name]
        return Finding(
            check=Check.CUSTOM,
            rule=_rule(name),
            severity=meaning.severity,
            artifact_type=owner[0],
            artifact_id=owner[1],
            artifact_name=owner[2],
            field=path,
            pointer=pointer,
            value=_MASK,
            message=meaning.message,
        )


NO_CUSTOM_RULES = CustomRules()


def read_rules(folder: Path) -> CustomRules:
    """The rules of a folder's files, in the order of their names.

    Raises :class:`CustomRulesError` for a folder that is not there, a file that does not compile, or a severity that
    does not exist.
    """
    if not folder.is_dir():
        raise CustomRulesError(f"there is no folder {folder}")
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    compiler, digest, meanings = yara_x.Compiler(), hashlib.sha256(), {}
    compiler.enable_includes(False)
    for path in files:
        source = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + source + b"\0")
        compiler.new_namespace(path.stem)
        _compile(compiler, path, source)
    rules = compiler.build()
    for rule in rules:
        meanings[_name(rule)] = _meaning(rule)
    return CustomRules(digest.hexdigest()[:12] if files else "", rules if files else None, meanings)


def _compile(compiler: yara_x.Compiler, path: Path, source: bytes) -> None:
    try:
        compiler.add_source(source.decode(), origin=path.name)
    except UnicodeDecodeError as error:
        raise CustomRulesError(f"{path} is not UTF-8 text") from error
    except yara_x.CompileError as error:
        flaw = compiler.errors()[-1]
        raise CustomRulesError(
            f"{path}, line {flaw.get('line', 1)}: {flaw.get('title', 'it does not compile')}"
        ) from error


def _meaning(rule: yara_x.Rule) -> _Meaning:
    meta = dict(rule.metadata)
    severity = _SEVERITIES.get(str(meta.get("severity", Severity.HIGH.wire)).capitalize())
    if severity is None:
        raise CustomRulesError(f"rule {rule.identifier} of {rule.namespace}: its severity is none of {[*_SEVERITIES]}")
    return _Meaning(severity, str(meta.get("message", _USUAL))[:_MESSAGE_MAX])


def _name(rule: yara_x.Rule) -> str:
    return f"{rule.namespace}.{rule.identifier}"


def _rule(name: str) -> str:
    return f"Custom.{name}"
