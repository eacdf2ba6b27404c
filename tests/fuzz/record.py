"""How long each target was fuzzed with its readers as they stand now, and what is owed of it before a release.

``record.json`` stands beside this file and is committed. A target's count begins anew when the code of one of its
readers changes, or the version of a library that one of them imports: what was fuzzed before is not what is released.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

from tests.house.tree import MAY_IMPORT, ROOT, imported

RECORD = Path(__file__).with_name("record.json")
#: seconds of processor time that a release asks of each target (security.md section 6)
ENOUGH = 24 * 3600

#: what an archive holds is scanned, in a thread of its own
_SCAN = tuple(
    f"domain.scanning.{name}"
    for name in (
        "active_rules", "addresses", "advisories", "content_rules", "custom", "judges", "own", "patterns", "repeats",
        "report", "rule", "rules", "running", "scanner", "trigger", "walk", "windows",
    )
)  # fmt: skip
_ARCHIVE = (
    *_SCAN, "domain.archive", "domain.artifact_types", "domain.bundle", "domain.contents", "domain.entry_names",
    "domain.graph", "domain.manifest", "domain.manifest_fields", "domain.needles", "domain.spool",
    "domain.strict_json", "domain.versions",
)  # fmt: skip
#: the modules that a target runs, but for WORDS
READERS: dict[str, tuple[str, ...]] = {
    "bundle": _ARCHIVE,
    "manifest": _ARCHIVE,
    "artifact": _ARCHIVE,
    "strict_json": ("domain.needles", "domain.strict_json"),
    "java_properties": ("domain.mapping", "domain.needles", "domain.strict_json", "rest_compat.properties"),
    "multipart": ("rest_compat.multipart",),
}
#: what only names things and reads no foreign bytes: a new code of an error makes no day of fuzzing worthless
WORDS = ("domain.errors", "domain.model")


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What a target was given since its readers last changed."""

    #: tells these readers from others
    digest: str
    #: of processor time, without the start
    seconds: int = 0
    inputs: int = 0
    #: inputs that broke a promise; open until a reader changes
    findings: int = 0

    @property
    def owed(self) -> int:
        return max(0, ENOUGH - self.seconds)

    @property
    def is_enough(self) -> bool:
        return not self.owed and not self.findings


def readers_digest(target: str, root: Path = ROOT) -> str:
    """A digest of what the target's readers do: their code without comments, docstrings and layout, their libraries."""
    trees = [_code(root / f"{name.replace('.', '/')}.py") for name in READERS[target]]
    foreign = set[str]().union(*map(imported, trees)) - {*sys.stdlib_module_names, *MAY_IMPORT}
    libraries = sorted({f"{owner}=={version(owner)}" for name in foreign for owner in _owners()[name]})
    return hashlib.sha256("\n".join([*libraries, *map(ast.dump, trees)]).encode()).hexdigest()[:32]


@cache
def _owners() -> Mapping[str, list[str]]:
    return packages_distributions()


def _code(path: Path) -> ast.Module:
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            is_documented = ast.get_docstring(node, clean=False) is not None
            node.body = node.body[is_documented:]
    return tree


def as_it_stands(target: str, path: Path = RECORD) -> Fuzzed:
    """How long a target was fuzzed with the readers of this moment."""
    digest = readers_digest(target)
    kept = _record(path).get(target)
    return kept if kept and kept.digest == digest else Fuzzed(digest)


def add(target: str, run: Fuzzed, path: Path = RECORD) -> None:
    """Count a run; one of readers that have changed meanwhile counts for nothing.

    Several processes may add at once.
    """
    with _alone(path):
        known = as_it_stands(target, path)
        if run.digest != known.digest:
            return
        seconds, inputs = known.seconds + run.seconds, known.inputs + run.inputs
        added = Fuzzed(run.digest, seconds, inputs, known.findings + run.findings)
        rows = {name: asdict(row) for name, row in (_record(path) | {target: added}).items()}
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(rows, indent=2, sort_keys=True) + "\n")
        beside.replace(path)


def _record(path: Path) -> dict[str, Fuzzed]:
    if not path.exists():
        return {}
    return {target: Fuzzed(**row) for target, row in json.loads(path.read_bytes()).items()}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    # the folder is what stays the same when the file is replaced
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
