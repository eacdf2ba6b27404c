"""A bundle's foreign bytes become a checked bundle, or all of its problems (decisions R9, R15, R23; section 4).

Each artifact is read once: inflated, hashed, parsed strictly, its references found, scanned, and its canonical
content appended to a spool that is private to the import. What stays in memory is one small head an artifact.
Nothing is ever extracted to a path taken from the archive.

The order of the checks: archive layout, manifest, number of artifacts, README, each artifact in install order,
the bundle's checksum, references between artifacts. The layout, a missing manifest and too many artifacts end
the reading; everything else is collected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from domain import graph, scanning, strict_json
from domain.archive import Archive, ArchiveLimits, open_archive, sound_file
from domain.artifact_types import FOLDERS, ArtifactType
from domain.aside import FEW
from domain.contents import SCHEMA_VERSION, Content, Template, content_of, is_faithful
from domain.entry_names import MANIFEST, README
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.manifest import known_manifest, read_manifest
from domain.mapping import NOTHING_MAPPED, MappedEndpoints
from domain.model import (
    HASH_PREFIX,
    ArtifactEntry,
    ArtifactId,
    ArtifactStatus,
    ImportId,
    Manifest,
    Reference,
    ReferenceKind,
    TenantId,
)
from domain.spool import Span, Spool

NAME_LENGTH_MAX = 200
#: references of all artifacts together: they are kept in memory
REFERENCES_MAX = 300_000
FINDINGS_MAX = scanning.FINDINGS_MAX
_PROBLEMS_MAX = 200

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BundleLimits:
    """What a tenant's plan lets in. ``plan`` is its name, for the refusal's text."""

    archive: ArchiveLimits
    artifacts_max: int
    plan: str
    #: of one attempt to scan it
    scan_seconds: float = 120


class BundleArtifact(NamedTuple):
    """The head of one checked artifact; ``span`` finds its content in the spool, ``hash`` is the manifest's.

    ``row`` is its place in the manifest's ``artifacts``. ``credentials`` are the JSON pointers whose values the target
    supplies: those that the manifest lists as bindings, and those where a foreign bundle carried a value, which is
    dropped (R22).
    """

    row: int
    source_id: ArtifactId
    artifact_type: ArtifactType
    name: str
    version: str
    status: ArtifactStatus
    references: tuple[Reference, ...]
    credentials: tuple[str, ...]
    hash: str
    marks: tuple[tuple[int, str], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Known:
    """The import that brought these very bytes to the tenant, and what the scan said of them then."""

    import_id: ImportId
    report: scanning.ScanReport


@dataclass(frozen=True, slots=True)
class CheckedBundle:
    """A bundle whose bytes have been believed. Heads stand in install order; contents are read from the spool."""

    manifest: Manifest
    artifacts: tuple[BundleArtifact, ...]
    warnings: tuple[Problem, ...]
    findings: tuple[scanning.Finding, ...]
    scan_ms: int
    spool: Spool
    #: why the scan came to no end; such a bundle is as good as a forbidden one
    scan_trouble: str = ""
    #: what an endpoint mapping changed in it (:mod:`domain.bundle_mapping`)
    mapped: MappedEndpoints = NOTHING_MAPPED
    #: if these very bytes were imported before; then only the manifest was read (:mod:`domain.known`)
    known: Known | None = None

    def template(self, artifact: BundleArtifact) -> Template:
        """The artifact's content with marks where ids stand (see ``contents``)."""
        return Template(self.spool.read(artifact.span), artifact.marks)

    @property
    def template_bytes(self) -> int:
        """All contents together."""
        return sum(artifact.span.length for artifact in self.artifacts)


@dataclass(slots=True)
class _Reading:
    """What has been found so far."""

    archive: Archive
    manifest: Manifest
    spool: Spool
    is_own: bool
    scan: scanning.ScanRun
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    artifacts: list[BundleArtifact] = field(default_factory=list)
    ids: frozenset[str] = frozenset()
    #: and what the manifest leaves to other packages
    known_ids: frozenset[str] = frozenset()
    bindings: dict[str, list[str]] = field(default_factory=dict)
    reference_count: int = 0


def read_bundle(
    source: BinaryIO,
    spool: Spool,
    *,
    limits: BundleLimits,
    target: TenantId,
    told: Told = lambda _d, _t: None,
    give_way: scanning.GiveWay = lambda: None,
) -> CheckedBundle:
    """Check a whole bundle, from its first byte to its last reference.

    ``spool`` takes the contents; ``told`` hears how many artifacts are done, of how many. Where these are more than a
    few, ``give_way`` is called between them, by the thread that reads or by the one that scans: it may keep it waiting.
    Raises :class:`Refusal` with every problem found.
    """
    archive = open_archive(source, limits.archive, folders=FOLDERS)
    manifest, warnings = _manifest(archive, limits)
    findings: list[scanning.Finding] = []
    between = give_way if len(manifest.artifacts) > FEW else lambda: None
    scan = scanning.ScanRun(partial(note_findings, findings), seconds=limits.scan_seconds, give_way=between)
    reading = _Reading(archive, manifest, spool, is_own=manifest.tenant_id == target, scan=scan)
    reading.ids = frozenset(manifest.install_order)
    reading.known_ids = manifest.known_ids
    for binding in manifest.bindings:
        reading.bindings.setdefault(binding.artifact_id, []).append(binding.path)
    reading.problems += archive.problems
    reading.warnings += warnings
    _read_readme(reading)
    scan.dependencies(manifest.package_dependencies)
    digest = hashlib.sha256()
    entries = {entry.artifact_id: (index, entry) for index, entry in enumerate(manifest.artifacts)}
    for done, artifact_id in enumerate(manifest.install_order, start=1):
        index, entry = entries[artifact_id]
        raw = _hashed(reading, index, entry)
        digest.update(raw)
        _read_artifact(reading, index, entry, raw)
        told(done, len(entries))
        between()
    reading.problems += _checksum_problems(manifest, HASH_PREFIX + digest.hexdigest())
    reading.problems += islice(_reference_problems(reading), _PROBLEMS_MAX)
    refuse_if(reading.problems[:_PROBLEMS_MAX])
    scan.finish()
    return CheckedBundle(
        manifest=manifest,
        artifacts=tuple(reading.artifacts),
        warnings=tuple(reading.warnings[:_PROBLEMS_MAX]),
        findings=tuple(findings),
        scan_ms=round(scan.seconds * 1000),
        spool=spool,
        scan_trouble=scan.trouble,
    )


def read_manifest_alone(source: BinaryIO, limits: BundleLimits) -> tuple[Manifest, list[Problem]]:
    """The manifest of a bundle whose layout is sound, and its warnings. Raises :class:`Refusal`."""
    return _manifest(open_archive(source, limits.archive, folders=FOLDERS), limits)


def read_known_manifest(source: BinaryIO, limits: BundleLimits) -> tuple[Manifest, list[Problem]]:
    """The manifest of a bundle that was read before, byte for byte, and its warnings.

    Raises :class:`Refusal` for one that the limits of today do not let in, or that is not what it was.
    """
    manifest, found = known_manifest(sound_file(source, limits.archive, MANIFEST))
    _refuse_too_many(len(manifest.artifacts), limits)
    refuse_if(found)
    return manifest, found


def _manifest(archive: Archive, limits: BundleLimits) -> tuple[Manifest, list[Problem]]:
    """The checked manifest and its warnings. Raises with what the archive's names got wrong as well."""
    entry = archive.entries.get(MANIFEST)
    if MANIFEST in archive.barred:
        raise Refusal(archive.problems)
    if entry is None:
        missing = Problem(ErrorCode.MANIFEST_MISSING, "manifest.json was not found at the root of the ZIP.", MANIFEST)
        others = [problem for problem in archive.problems if problem.code is not ErrorCode.MANIFEST_MISSING]
        raise Refusal([missing, *others])
    files = [name for name in archive.entries if name.startswith("artifacts/")]
    manifest, found = read_manifest(archive.read(entry), files=files, barred=archive.barred)
    _refuse_too_many(len(manifest.artifacts) if manifest else 0, limits)
    warnings = [problem for problem in found if problem.code.is_warning]
    is_unreadable = manifest is None or any(row.file in archive.barred for row in manifest.artifacts)
    if is_unreadable or len(warnings) < len(found):
        refuse_if([*archive.problems, *found])
    if manifest is None:
        raise refuse(ErrorCode.MANIFEST_INVALID, "The manifest cannot be read.", MANIFEST)
    return manifest, warnings


def _refuse_too_many(declared: int, limits: BundleLimits) -> None:
    if declared > limits.artifacts_max:
        raise refuse(
            ErrorCode.TOO_MANY_ARTIFACTS,
            f"The package holds {declared} artifacts; the {limits.plan} plan allows {limits.artifacts_max}.",
            "artifacts",
            limit=limits.artifacts_max,
            actual=declared,
            plan=limits.plan,
        )


def _read_readme(reading: _Reading) -> None:
    entry = reading.archive.entries.get(README)
    if entry is None:
        return
    raw = reading.archive.read(entry)
    actual = HASH_PREFIX + hashlib.sha256(raw).hexdigest()
    if reading.manifest.readme_hash and actual != reading.manifest.readme_hash:
        reading.problems.append(
            Problem(
                ErrorCode.CONTENT_CHECKSUM_MISMATCH,
                "README.md is not the one the manifest was made for.",
                README,
                details={"expected": reading.manifest.readme_hash, "actual": actual},
            )
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        reading.problems.append(Problem(ErrorCode.FORBIDDEN_CONTENT, "README.md is not UTF-8 text.", README))
        return
    reading.scan.text(README, text)
    reading.scan.text("manifest.description", reading.manifest.description)


def _hashed(reading: _Reading, index: int, entry: ArtifactEntry) -> bytes:
    raw = reading.archive.read(reading.archive.entries[entry.file])
    actual = HASH_PREFIX + hashlib.sha256(raw).hexdigest()
    if actual != entry.hash:
        reading.problems.append(
            Problem(
                ErrorCode.ARTIFACT_HASH_MISMATCH,
                f"{entry.file} does not have the hash that the manifest states.",
                f"artifacts[{index}].hash",
                entry.artifact_id,
                {"expected": entry.hash, "actual": actual},
            )
        )
    return raw


def _read_artifact(reading: _Reading, index: int, entry: ArtifactEntry, raw: bytes) -> None:
    """Parse, compare with the manifest, scan and spool one artifact."""
    try:
        content = _content(reading, entry, strict_json.glance(raw))
        if content is None or not is_faithful(content, raw):
            tree = strict_json.read_to_rewrite(raw)
            reading.problems += (
                Problem(ErrorCode.ARTIFACT_INVALID, text, entry.file, entry.artifact_id) for text in _flaws(tree, entry)
            )
            reading.warnings += _envelope_warnings(tree, entry)
            content = _content(reading, entry, tree)
            # the rules read what was written as we write it: no blank or escape of its own tells a key from a key
            raw = strict_json.canonical(tree)
    except strict_json.NotStrict as flaw:
        text = f"{entry.file}{'#' if flaw.pointer else ''}{flaw.pointer}: {flaw.reason}"
        reading.problems.append(Problem(ErrorCode.ARTIFACT_INVALID, text, entry.file, entry.artifact_id))
        return
    if content is not None:
        reading.scan.artifact(entry.artifact_type.wire, entry.artifact_id, entry.name, raw)
        _spool(reading, index, entry, content)


def _content(reading: _Reading, entry: ArtifactEntry, tree: Any) -> Content | None:
    """The content of a parsed file, if it is what the manifest says."""
    if next(_flaws(tree, entry), None) is not None:
        return None
    return content_of(
        tree,
        artifact_type=entry.artifact_type,
        artifact_id=entry.artifact_id,
        version=entry.version,
        known_ids=reading.known_ids,
    )


def _envelope_warnings(tree: Any, entry: ArtifactEntry) -> Iterator[Problem]:
    if isinstance(tree, dict) and tree.get("_schemaVersion") is None:
        text = f"{entry.file} states no _schemaVersion; {SCHEMA_VERSION} is assumed."
        yield Problem(ErrorCode.SCHEMA_VERSION_MISSING, text, entry.file, entry.artifact_id)


def _flaws(tree: Any, entry: ArtifactEntry) -> Iterator[str]:
    """Where an artifact's file and its row in the manifest disagree (security.md section 3.2)."""
    if not isinstance(tree, dict):
        yield f"{entry.file} does not hold a JSON object."
        return
    stated = (
        ("_type", entry.artifact_type.wire),
        ("_version", entry.version),
        ("id", entry.artifact_id),
        ("name", entry.name),
    )
    for key, expected in stated:
        if tree.get(key) != expected:
            yield f"{entry.file}: {key} is not {expected!r}, as the manifest states."
    if tree.get("_schemaVersion") not in (None, SCHEMA_VERSION):
        yield f"{entry.file}: _schemaVersion is not {SCHEMA_VERSION!r}."
    if tree.get("status") == ArtifactStatus.DELETED.wire:
        yield f"{entry.file}: a deleted artifact cannot be imported."
    if len(entry.name) > NAME_LENGTH_MAX:
        yield f"{entry.file}: the name is longer than {NAME_LENGTH_MAX} characters."


def note_findings(noted: list[scanning.Finding], found: list[scanning.Finding]) -> None:
    """Add an artifact's findings to those of its package, as far as a report is read."""
    if not found:
        return
    room = max(0, FINDINGS_MAX - len(noted))
    noted += found[:room]
    # beyond the bound only what is worse than everything before: the highest severity decides
    worst = max(found[room:], key=lambda finding: finding.severity, default=None)
    if worst and all(finding.severity < worst.severity for finding in noted):
        noted.append(worst)


def _spool(reading: _Reading, index: int, entry: ArtifactEntry, content: Content) -> None:
    reading.reference_count += len(content.references)
    if reading.reference_count > REFERENCES_MAX:
        text = f"The package's artifacts hold more than {REFERENCES_MAX} references."
        raise refuse(ErrorCode.ARTIFACT_INVALID, text, entry.file, limit=REFERENCES_MAX)
    found = [pointer for pointer, _ in content.credentials]
    bindings = reading.bindings.get(content.artifact_id, ())
    if bindings:
        reading.problems += _binding_problems(entry, content, bindings)
    reading.artifacts.append(
        BundleArtifact(
            row=index,
            source_id=content.artifact_id,
            artifact_type=content.artifact_type,
            name=content.name,
            version=content.version,
            status=content.status,
            references=content.references,
            credentials=tuple(dict.fromkeys([*bindings, *found])) if bindings or found else (),
            hash=entry.hash,
            marks=content.template.marks,
            span=reading.spool.append(content.template.plain),
        )
    )


def _binding_problems(entry: ArtifactEntry, content: Content, bindings: Collection[str]) -> Iterator[Problem]:
    """A binding supplies a value; it never overwrites a reference or the status, which others have judged."""
    kept = {"/status", *(r.pointer for r in content.references if r.kind is ReferenceKind.LITERAL)}
    around = {place for pointer in kept for place in _places_around(pointer)}
    for path in bindings:
        if path in around or not kept.isdisjoint(_places_around(path)):
            text = f"The binding of {entry.artifact_id} at {path} would overwrite a reference or the status."
            yield Problem(ErrorCode.MANIFEST_INVALID, text, "bindings", entry.artifact_id)


def _places_around(pointer: str) -> Iterator[str]:
    """The place of a JSON pointer, then what it is in, and so on."""
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]


def _checksum_problems(manifest: Manifest, actual: str) -> Iterator[Problem]:
    if actual != manifest.checksum:
        yield Problem(
            ErrorCode.BUNDLE_CHECKSUM_MISMATCH,
            "The artifact files, in install order, do not have the checksum that the manifest states.",
            "checksum",
            details={"expected": manifest.checksum, "actual": actual},
        )


def _reference_problems(reading: _Reading) -> Iterator[Problem]:
    """Literal references that leave the bundle, cycles, and an install order that puts a user before its need."""
    places: dict[str, int] = {artifact.source_id: place for place, artifact in enumerate(reading.artifacts)}
    edges: dict[str, list[str]] = {}
    for artifact in reading.artifacts:
        for reference in artifact.references:
            if reference.kind is not ReferenceKind.LITERAL:
                continue
            if reference.target_id in reading.ids:
                edges.setdefault(artifact.source_id, []).append(reference.target_id)
            elif not reading.is_own and reference.target_id not in reading.known_ids:
                yield Problem(
                    ErrorCode.BROKEN_REFERENCE,
                    f"{artifact.source_id}{reference.pointer} refers to {reference.target_id}, "
                    "which is not in the package.",
                    f"artifacts[{artifact.row}]{reference.pointer}",
                    artifact.source_id,
                )
    if cycle := graph.find_cycle(list(places), edges):
        text = "The package's artifacts refer to each other in a circle: " + " -> ".join(cycle) + "."
        yield Problem(ErrorCode.CIRCULAR_DEPENDENCY, text, "artifacts", details={"cycle": cycle})
        return
    for source, targets in edges.items():
        late = [target for target in targets if places.get(target, -1) > places[source]]
        if late:
            text = f"installOrder puts {source} before {late[0]}, which it needs."
            yield Problem(ErrorCode.INSTALL_ORDER_INVALID, text, "installOrder", source)


def dynamic_references(artifacts: tuple[BundleArtifact, ...]) -> Iterator[Problem]:
    """Warnings for strings at reference paths that name no artifact: they stay as they are (R23)."""
    for artifact in artifacts:
        for reference in artifact.references:
            if reference.kind is ReferenceKind.DYNAMIC:
                yield Problem(
                    ErrorCode.DYNAMIC_REFERENCE,
                    f"{artifact.name}: the reference at {reference.pointer} is computed; it is not followed.",
                    f"artifacts[{artifact.row}]{reference.pointer}",
                    artifact.source_id,
                )
