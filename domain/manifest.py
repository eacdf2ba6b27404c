"""Reading ``manifest.json``: foreign bytes become a checked :class:`Manifest`, or the list of what is wrong with it.

All problems are found at once, in the manifest's own order, and the first :data:`PROBLEMS_MAX` are told. The rules:

1. strict JSON, one object (decisions R27); null means absent, unknown keys are ignored (X31, security.md 3.2);
2. every field and row as the tables of ``manifest_fields`` say (installhub.md section 7.2);
3. artifact ids once in the bundle, type and name once, each file at the place of its type and id (R5);
4. ``installOrder`` names every artifact once, ``dependencies`` repeat rows of ``artifacts``, no package needs itself,
   and what ``externalReferences`` leave to other packages is brought by packages that this one needs;
5. the files of the bundle are exactly those declared (section 7.1);
6. a stated ``contentChecksum`` is that of the manifest; none is worth a warning (decisions section 4).

What needs an artifact's bytes (hashes, references, whether the order fits them) is checked with the artifacts.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from domain import strict_json
from domain.artifact_types import BY_WIRE_NAME
from domain.errors import ErrorCode, Problem
from domain.manifest_fields import DEPENDENCY_FIELDS, FIELDS, LISTS, Field, RowList, is_hash
from domain.model import (
    HASH_PREFIX,
    ArtifactEntry,
    ArtifactId,
    Binding,
    ExternalReference,
    Manifest,
    PackageDependency,
    PackageId,
    PackageType,
    name_key,
)

PROBLEMS_MAX = 200

_FILE = "manifest.json"
_ARTIFACTS_FOLDER = "artifacts/"
_SHOWN = 100
_LISTED_MAX = 20

Row = Mapping[str, Any]
#: rows of one list without a flaw of their own, with their places in it
_Rows = list[tuple[int, Row]]


def read_manifest(
    raw: bytes, *, files: Collection[str], barred: Collection[str] = ()
) -> tuple[Manifest | None, list[Problem]]:
    """The manifest, unless something blocks it, and the problems found, warnings included.

    Args:
        raw: the bytes of ``manifest.json``.
        files: names of the bundle's entries; only those under ``artifacts/`` count.
        barred: names of entries that have been refused: what was told of them is not told as missing again.
    """
    try:
        tree = strict_json.read(raw, max_values=strict_json.MANIFEST_VALUES)
    except strict_json.NotStrict as flaw:
        details = {"pointer": flaw.pointer} if flaw.pointer else {}
        text = f"The manifest is not strict JSON: {flaw.reason}."
        return None, [Problem(ErrorCode.MANIFEST_INVALID, text, _FILE, details=details)]
    if not isinstance(tree, dict):
        return None, [Problem(ErrorCode.MANIFEST_INVALID, "The manifest must be a JSON object.", _FILE)]
    problems = list(islice(_problems(tree, frozenset(files), frozenset(barred)), PROBLEMS_MAX))
    is_blocked = any(not problem.code.is_warning for problem in problems)
    return (None if is_blocked else _manifest(tree)), problems


def known_manifest(raw: bytes) -> tuple[Manifest, list[Problem]]:
    """The manifest of bytes that :func:`read_manifest` took before, with the problems that it found in them then.

    A blocking one means that they are not what they were.
    """
    tree = strict_json.trusted(raw)
    return _manifest(tree), list(_content_checksum_problems(tree))


def content_checksum(tree: Mapping[str, Any]) -> str:
    """What identifies one bundle: the hash of the manifest's RFC 8785 form without itself (decisions section 4).

    Raises:
        strict_json.NotStrict: that form cannot carry one of the values.
    """
    stated = {key: value for key, value in tree.items() if key != "contentChecksum"}
    return HASH_PREFIX + hashlib.sha256(strict_json.jcs(stated)).hexdigest()


def _problems(tree: Row, files: frozenset[str], barred: frozenset[str]) -> Iterator[Problem]:
    """Everything wrong, lazily: a flood of flaws costs no more than the part of it that is told."""
    yield from _field_problems(tree, FIELDS, "")
    sound: dict[str, _Rows] = {rows.name: [] for rows in LISTS}
    for rows in LISTS:
        yield from _row_problems(tree, rows, sound[rows.name])
    declared = _declared(tree)
    yield from _artifact_problems(sound["artifacts"])
    if declared:  # else there is nothing to compare the rest with
        by_id = {row["id"]: row for row in declared if isinstance(row.get("id"), str)}
        yield from _order_problems(tree, by_id.keys())
        yield from _dependency_problems(sound["dependencies"], by_id)
        yield from _binding_problems(sound["bindings"], by_id.keys())
        yield from _external_problems(tree, sound["externalReferences"], by_id.keys())
        yield from _file_problems(sound["artifacts"], declared, files, barred)
    yield from _package_dependency_problems(tree, sound["packageDependencies"])
    yield from _content_checksum_problems(tree)


def _declared(tree: Row) -> list[Row]:
    """The rows of ``artifacts``, flawed ones too, so that one flaw is not told twice."""
    rows = tree.get("artifacts")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _field_problems(row: Row, fields: tuple[Field, ...], place: str) -> Iterator[Problem]:
    for wanted in fields:
        value = row.get(wanted.name)
        if value is None:
            if wanted.is_required:
                where = place + wanted.name
                yield Problem(ErrorCode.MANIFEST_FIELD_MISSING, f"{where} is required.", where)
        elif not wanted.is_valid(value):
            where = place + wanted.name
            yield Problem(wanted.code, f"{where} must be {wanted.expected}.", where)


def _row_problems(tree: Row, rows: RowList, sound: _Rows) -> Iterator[Problem]:
    """What is wrong with the rows one by one. Those without a flaw are added to ``sound``."""
    value = tree.get(rows.name)
    if value is None:
        if rows.is_required:
            yield Problem(ErrorCode.MANIFEST_FIELD_MISSING, f"{rows.name} is required.", rows.name)
    elif not isinstance(value, list) or len(value) > rows.most:
        text = f"{rows.name} must be a list of at most {rows.most} objects."
        yield Problem(ErrorCode.MANIFEST_INVALID, text, rows.name, details={"limit": rows.most})
    elif not value and rows.name == "artifacts":
        yield Problem(ErrorCode.EMPTY_ARTIFACT_LIST, "A package holds at least one artifact.", rows.name)
    else:
        for index, row in enumerate(value):
            if rows.is_plain(row):
                sound.append((index, row))
                continue
            where = f"{rows.name}[{index}]"
            if not isinstance(row, dict):
                yield Problem(ErrorCode.MANIFEST_INVALID, f"{where} must be an object.", where)
                continue
            flaws = list(_field_problems(row, rows.fields, where + "."))
            if flaws:
                yield from flaws
            else:
                sound.append((index, row))


def _artifact_problems(artifacts: _Rows) -> Iterator[Problem]:
    ids: set[str] = set()
    names: set[tuple[str, str]] = set()
    for index, row in artifacts:
        artifact_id, named = row["id"], (row["type"], name_key(row["name"]))
        file = BY_WIRE_NAME[row["type"]].file_of(artifact_id)
        if row["file"] != file:
            where = f"artifacts[{index}].file"
            yield Problem(ErrorCode.MANIFEST_INVALID, f"{where} must be {file}.", where, artifact_id)
        if artifact_id in ids:
            text = f"artifacts[{index}]: the id {artifact_id} stands for two artifacts."
            yield Problem(ErrorCode.DUPLICATE_ARTIFACT, text, f"artifacts[{index}].id", artifact_id)
        elif named in names:
            text = f"artifacts[{index}]: the package holds two artifacts of type {row['type']} with this name."
            yield Problem(ErrorCode.DUPLICATE_ARTIFACT, text, f"artifacts[{index}].name", artifact_id)
        ids.add(artifact_id)
        names.add(named)


def _order_problems(tree: Row, ids: AbstractSet[str]) -> Iterator[Problem]:
    order = tree.get("installOrder")
    if not isinstance(order, list):
        return
    if len(order) == len(ids) and ids == {one for one in order if isinstance(one, str)}:
        return
    seen: set[str] = set()
    for index, artifact_id in enumerate(order):
        if not isinstance(artifact_id, str):
            where = f"installOrder[{index}]"
            yield Problem(ErrorCode.MANIFEST_INVALID, f"{where} must be the id of an artifact.", where)
        elif artifact_id not in ids or artifact_id in seen:
            where = f"installOrder[{index}]"
            flaw = "twice" if artifact_id in seen else "which is not in the package"
            text = f"{where} names {strict_json.shown(artifact_id, limit=_SHOWN)} {flaw}."
            yield Problem(ErrorCode.INSTALL_ORDER_INVALID, text, where)
        else:
            seen.add(artifact_id)
    if missing := sorted(ids - seen):
        text = f"installOrder lacks {len(missing)} of the package's artifacts."
        details = {"missing": [strict_json.shown(one, limit=_SHOWN) for one in missing[:_LISTED_MAX]]}
        yield Problem(ErrorCode.INCOMPLETE_INSTALL_ORDER, text, "installOrder", details=details)


def _dependency_problems(dependencies: _Rows, by_id: Mapping[str, Row]) -> Iterator[Problem]:
    names = [wanted.name for wanted in DEPENDENCY_FIELDS]
    for index, row in dependencies:
        artifact = by_id.get(row["id"], {})
        if row.items() <= artifact.items():  # nothing in it differs, known or not
            continue
        if any(row[name] != artifact.get(name) for name in names):
            where = f"dependencies[{index}]"
            text = f"{where} must repeat a row of artifacts."
            yield Problem(ErrorCode.DEPENDENCY_MISMATCH, text, where, row["id"])


def _binding_problems(bindings: _Rows, ids: AbstractSet[str]) -> Iterator[Problem]:
    for index, row in bindings:
        if row["artifactId"] not in ids:
            where = f"bindings[{index}].artifactId"
            yield Problem(ErrorCode.MANIFEST_INVALID, f"{where} must name an artifact of the package.", where)


def _external_problems(tree: Row, externals: _Rows, ids: AbstractSet[str]) -> Iterator[Problem]:
    """What is left to another package is not in this one, is named once, and that package is needed (rule 4)."""
    seen = set(ids)
    rows = tree.get("packageDependencies")
    names = [row.get("packageName") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    needed = {name_key(name) for name in names if isinstance(name, str)}
    for index, row in externals:
        where = f"externalReferences[{index}]"
        if row["artifactId"] in seen:
            text = f"{where}.artifactId must not name an artifact of the package, nor one that was named before."
            yield Problem(ErrorCode.MANIFEST_INVALID, text, f"{where}.artifactId", row["artifactId"])
        if name_key(row["packageName"]) not in needed:
            text = f"{where}.packageName must name one of packageDependencies."
            yield Problem(ErrorCode.MANIFEST_INVALID, text, f"{where}.packageName", row["artifactId"])
        seen.add(row["artifactId"])


def _file_problems(
    artifacts: _Rows, declared: list[Row], files: frozenset[str], barred: frozenset[str]
) -> Iterator[Problem]:
    known = {row["file"] for row in declared if isinstance(row.get("file"), str)}
    if known == files:
        return
    for index, row in artifacts:
        if row["file"] not in files and row["file"] not in barred:
            text = f"{strict_json.shown(row['file'], limit=2 * _SHOWN)} is declared and not in the bundle."
            yield Problem(ErrorCode.ARTIFACT_FILE_MISSING, text, f"artifacts[{index}].file", row["id"])
    for file in sorted(files - known):
        if file.startswith(_ARTIFACTS_FOLDER):
            shown = strict_json.shown(file, limit=2 * _SHOWN)
            yield Problem(ErrorCode.UNDECLARED_ARTIFACT, f"{shown} is in the bundle and not declared.", shown)


def _package_dependency_problems(tree: Row, dependencies: _Rows) -> Iterator[Problem]:
    own = name_key(tree["name"]) if isinstance(tree.get("name"), str) else None
    for index, row in dependencies:
        if name_key(row["packageName"]) == own:
            where = f"packageDependencies[{index}].packageName"
            yield Problem(ErrorCode.MANIFEST_INVALID, f"{where} must be another package: none needs itself.", where)


def _content_checksum_problems(tree: Row) -> Iterator[Problem]:
    expected = tree.get("contentChecksum")
    if expected is None:
        text = "The manifest states no contentChecksum: nothing protects its own lines and the README."
        yield Problem(ErrorCode.CONTENT_CHECKSUM_MISSING, text, "contentChecksum")
        return
    if not is_hash(expected):
        return
    try:
        actual = content_checksum(tree)
    except strict_json.NotStrict as flaw:
        text = f"The manifest has no RFC 8785 form: {flaw.reason}."
        yield Problem(ErrorCode.MANIFEST_INVALID, text, _FILE)
        return
    if not hmac.compare_digest(expected, actual):
        text = "The manifest is not the one its contentChecksum was made for."
        details = {"expected": expected, "actual": actual}
        yield Problem(ErrorCode.CONTENT_CHECKSUM_MISMATCH, text, "contentChecksum", details=details)


def _manifest(tree: Row) -> Manifest:
    """The manifest of a tree without a blocking problem."""
    return Manifest(
        package_id=PackageId(tree["packageId"]),
        name=tree["name"],
        package_type=PackageType(tree["packageType"]),
        version=tree["version"],
        exported_at=tree["exportedAt"],
        exported_by=tree["exportedBy"],
        tenant_id=tree["tenantId"],
        platform_version=tree["platformVersion"],
        checksum=tree["checksum"],
        artifacts=tuple([_entry(row) for row in tree["artifacts"]]),
        install_order=tuple(map(ArtifactId, tree["installOrder"])),
        package_dependencies=tuple(
            PackageDependency(row["packageName"], row["minVersion"], row.get("maxVersion"))
            for row in tree.get("packageDependencies") or ()
        ),
        bindings=tuple(
            Binding(ArtifactId(row["artifactId"]), row["path"], row["kind"], row.get("hint") or "")
            for row in tree.get("bindings") or ()
        ),
        description=tree.get("description") or "",
        author=tree.get("author") or "",
        tags=tuple(tree.get("tags") or ()),
        readme_hash=tree.get("readmeHash") or "",
        content_checksum=tree.get("contentChecksum") or "",
        external_references=tuple(_external(row) for row in tree.get("externalReferences") or ()),
    )


def _external(row: Row) -> ExternalReference:
    return ExternalReference(
        artifact_id=ArtifactId(row["artifactId"]),
        artifact_type=BY_WIRE_NAME[row["type"]],
        name=row["name"],
        package_name=row["packageName"],
        package_source=row["packageSource"],
        source_id=row["sourceId"],
    )


def _entry(row: Row) -> ArtifactEntry:
    return ArtifactEntry(
        BY_WIRE_NAME[row["type"]], ArtifactId(row["id"]), row["name"], row["version"], row["file"], row["hash"]
    )
