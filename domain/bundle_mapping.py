"""A checked bundle whose artifacts call the target's addresses, and what is told of it (the rules: ``mapping``).

What comes out is a bundle like any other: what is planned, compared, merged and held is the mapped content (R7, R9).
A mapped artifact is scanned again, so that no address brings in what the scan forbids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from domain import scanning, strict_json
from domain.bundle import BundleArtifact, CheckedBundle, note_findings
from domain.contents import content_of
from domain.errors import ErrorCode, Problem, refuse
from domain.mapping import NOTHING_MAPPED, EndpointMapping, Mapped, MappedEndpoints, map_endpoints

#: so many addresses, sources and characters of each are told; they are for people
_ROWS_MAX, _SOURCES_MAX, _SHOWN_MAX = 100, 100, 300
#: what no content without an address can do without
_ADDRESS = b"://"
_OPTION = "options.endpointMapping"


def with_endpoints(
    bundle: CheckedBundle, targets: Mapping[str, str], *, bytes_max: int, scan_seconds: float = 120
) -> CheckedBundle:
    """The bundle with its endpoint addresses mapped; the same one where there are no ``targets``.

    Raises ``PayloadTooLarge`` when an artifact would grow beyond ``bytes_max``, or all of them together by more.
    """
    if not targets:
        return bundle
    mapping = EndpointMapping(targets)
    artifacts, found, told = [], list[scanning.Finding](), NOTHING_MAPPED
    scan = scanning.ScanRun(partial(note_findings, found), seconds=scan_seconds)
    room = bytes_max
    for artifact in bundle.artifacts:
        tree, done = _mapped(bundle, artifact, mapping)
        if done:
            room -= sum(len(one.after) - len(one.before) for one in done)
            _refuse_growth(artifact, bytes_max, is_too_large=room < 0)
            artifact = _rewritten(bundle, artifact, tree, bytes_max, scan)  # noqa: PLW2901 - its mapped self
            told = _told_more(told, artifact.source_id, done)
        artifacts.append(artifact)
    scan.finish()
    findings, known = [*bundle.findings], frozenset(bundle.findings)
    note_findings(findings, [one for one in found if one not in known])
    return replace(
        bundle,
        artifacts=tuple(artifacts),
        findings=tuple(findings),
        scan_trouble=bundle.scan_trouble or scan.trouble,
        mapped=told,
    )


def _mapped(
    bundle: CheckedBundle, artifact: BundleArtifact, mapping: EndpointMapping
) -> tuple[dict[str, Any], list[Mapped]]:
    if not artifact.artifact_type.entry.endpoints or _ADDRESS not in (body := bundle.spool.read(artifact.span)):
        return {}, []
    tree = strict_json.trusted(body)
    return tree, map_endpoints(tree, artifact.artifact_type, mapping)


def _rewritten(
    bundle: CheckedBundle,
    artifact: BundleArtifact,
    tree: dict[str, Any],
    bytes_max: int,
    scan: scanning.ScanRun,
) -> BundleArtifact:
    """The artifact with this tree as its content, in the spool and scanned."""
    content = content_of(
        tree,
        artifact_type=artifact.artifact_type,
        artifact_id=artifact.source_id,
        version=artifact.version,
        known_ids=bundle.manifest.known_ids,
    )
    body = content.template.plain
    _refuse_growth(artifact, bytes_max, is_too_large=len(body) > bytes_max)
    scan.artifact(artifact.artifact_type.wire, artifact.source_id, artifact.name, body)
    return artifact._replace(
        references=content.references, marks=content.template.marks, span=bundle.spool.append(body)
    )


def _refuse_growth(artifact: BundleArtifact, bytes_max: int, *, is_too_large: bool) -> None:
    if is_too_large:
        text = (
            f"The endpoint mapping makes {artifact.name} larger than the {bytes_max} bytes that an artifact may have."
        )
        raise refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, _OPTION, limit=bytes_max)


def _told_more(told: MappedEndpoints, source_id: str, done: Sequence[Mapped]) -> MappedEndpoints:
    room = max(0, _ROWS_MAX - len(told.shown))
    return MappedEndpoints(
        count=told.count + len(done),
        sources=told.sources | {one.source for one in done},
        shown=(*told.shown, *((source_id, one) for one in done[:room])),
    )


def endpoints_told(bundles: Sequence[CheckedBundle], targets: Mapping[str, str]) -> dict[str, Any]:
    """What a mapping did to an import's packages: members of its outcome; none without ``targets``."""
    if not targets:
        return {}
    unknown = sorted(targets.keys() - {source for bundle in bundles for source in bundle.mapped.sources})
    rows = [_row(source_id, one) for bundle in bundles for source_id, one in bundle.mapped.shown]
    found = {
        "count": sum(bundle.mapped.count for bundle in bundles),
        "endpoints": rows[:_ROWS_MAX],
        "unknownSourceCount": len(unknown),
        "unknownSources": [_shown(source) for source in unknown[:_SOURCES_MAX]],
    }
    return {"endpointsMapped": found}


def unknown_sources(told: Mapping[str, Any]) -> Iterator[Problem]:
    """A warning where sources of the mapping stand nowhere in the packages (akana.md section 7)."""
    found = told.get("endpointsMapped", {})
    if count := found.get("unknownSourceCount"):
        sources = found["unknownSources"]
        text = f"{count} sources of the endpoint mapping stand nowhere in the package, the first is {sources[0]}."
        details = {"unknownSources": sources, "unknownSourceCount": count}
        yield Problem(ErrorCode.ENDPOINT_SOURCE_UNKNOWN, text, _OPTION, details=details)


def endpoints_audited(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit keeps of it: how much was mapped, and which sources were not met."""
    found = outcome.get("endpointsMapped")
    return {"endpointsMapped": {n: v for n, v in found.items() if n != "endpoints"}} if found else {}


def _row(source_id: str, one: Mapped) -> dict[str, Any]:
    told = {"artifactId": source_id, "pointer": one.pointer, "source": _shown(one.source)}
    return told | {"before": _shown(one.before), "after": _shown(one.after)}


def _shown(address: str) -> str:
    return strict_json.shown(address, limit=_SHOWN_MAX)
