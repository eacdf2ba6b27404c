"""Small values with good defaults: artifacts, and bundles made of them by the project's own writers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain import strict_json
from domain.artifact_types import BY_WIRE_NAME
from domain.bundle import BundleLimits, CheckedBundle, read_bundle
from domain.bundle_writing import BundleWriter
from domain.limits import Limits
from domain.manifest import content_checksum
from domain.manifest_writing import manifest_bytes, manifest_of, readme_of
from domain.model import (
    Actor,
    ArtifactEntry,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    Binding,
    Manifest,
    PackageId,
    PackageType,
    RevisionId,
    TenantId,
    TenantPlan,
)
from domain.spool import Spool
from tests.clocks import NOON

EXPORTED_AT = "2026-05-25T09:00:00Z"
SOURCE, TARGET = TenantId("tenant-source"), TenantId("tenant-target")
_PREFIXES = {member.entry.prefix: member for member in BY_WIRE_NAME.values()}

Tree = dict[str, Any]


def an_artifact(artifact_id: str, name: str = "", *, version: str = "1.0.0", **members: Any) -> Tree:
    """An artifact file as a tree; its type follows from its id."""
    prefix, _, number = artifact_id.partition("-")
    kind = _PREFIXES[prefix].wire
    envelope = {"_type": kind, "_version": version, "_exportedAt": EXPORTED_AT, "_schemaVersion": "1.0"}
    return envelope | {"id": artifact_id, "name": name or f"{kind} {number}", "status": "Published"} | members


def an_entity(artifact_id: str = "ent-44", *fields: str, **members: Any) -> Tree:
    rows = [{"fieldName": field, "dataType": "string"} for field in fields or ("days",)]
    return an_artifact(artifact_id, **{"fields": rows, **members})


def a_rule_set(artifact_id: str = "rule-305", *entities: str, **members: Any) -> Tree:
    rules = [{"ruleId": f"r{place}", "condition": f"{entity}.days > 1"} for place, entity in enumerate(entities)]
    return an_artifact(artifact_id, **{"rules": rules, **members})


def a_form(artifact_id: str = "form-2005", *, entity: str = "", rules: str = "", **members: Any) -> Tree:
    fields = [{"fieldId": "f1", "dataSource": {"entityId": entity}}] if entity else []
    rules_used = [{"ruleSetId": rules}] if rules else []
    return an_artifact(artifact_id, **{"fields": fields, "validationRules": rules_used, **members})


def a_process(artifact_id: str = "proc-1001", *, form: str = "", **members: Any) -> Tree:
    nodes = [{"nodeId": "n1", "config": {"formId": form}}] if form else []
    return an_artifact(artifact_id, **{"nodes": nodes, **members})


def an_agent(artifact_id: str = "agent-1", **members: Any) -> Tree:
    return an_artifact(artifact_id, **members)


def a_suite() -> list[Tree]:
    """Four artifacts over three levels, in install order."""
    return [
        an_entity("ent-44"),
        a_rule_set("rule-305", "ent-44"),
        a_form("form-2005", entity="ent-44", rules="rule-305"),
        a_process("proc-1001", form="form-2005"),
    ]


def a_head(artifact_id: str, name: str = "", **changes: Any) -> ArtifactHead:
    """An artifact that a tenant has."""
    prefix, _, number = artifact_id.partition("-")
    made = ArtifactHead(
        tenant_id=TARGET,
        artifact_id=ArtifactId(artifact_id),
        artifact_type=_PREFIXES[prefix],
        name=name or f"{_PREFIXES[prefix].wire} {number}",
        version="1.0.0",
        status=ArtifactStatus.PUBLISHED,
        revision=3,
        revision_id=RevisionId(f"rev-of-{artifact_id}"),
        content_hash=sha256(artifact_id.encode()),
        changed_at=NOON,
        changed_by=Actor("ben", "ben@acme.example"),
    )
    return made._replace(**changes)


def sha256(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def a_manifest(trees: Sequence[Tree], files: Sequence[bytes], **changes: Any) -> Manifest:
    entries = tuple(
        ArtifactEntry(
            artifact_type=(kind := BY_WIRE_NAME[tree["_type"]]),
            artifact_id=ArtifactId(tree["id"]),
            name=tree["name"],
            version=tree["_version"],
            file=kind.file_of(tree["id"]),
            hash=sha256(file),
        )
        for tree, file in zip(trees, files, strict=True)
    )
    made = Manifest(
        package_id=PackageId("pkg-a3f9c821-4b2e-49d1-bc44-f7e2a1c09d33"),
        name="Starter",
        package_type=PackageType.WORKFLOW_PACKAGE,
        version="1.0.0",
        exported_at=EXPORTED_AT,
        exported_by="ana@example.com",
        tenant_id=SOURCE,
        platform_version="4.2.0",
        checksum=sha256(b"".join(files)),
        artifacts=entries,
        install_order=tuple(entry.artifact_id for entry in entries),
    )
    return replace(made, **changes)


def a_bundle(
    *trees: Tree,
    files: Mapping[str, bytes] | None = None,
    edit: Callable[[Tree], None] = lambda _tree: None,
    is_resealed: bool = True,
    readme: bytes | None = None,
    bindings: Sequence[tuple[str, str]] = (),
    **changes: Any,
) -> bytes:
    """A bundle as an export writes it.

    ``files`` replaces the bytes of an artifact without the manifest noticing; ``edit`` changes the manifest's tree,
    whose ``contentChecksum`` is made anew where ``is_resealed``; ``changes`` are fields of the manifest.
    """
    bodies = [strict_json.canonical(tree) for tree in trees]
    made = a_manifest(trees, bodies, **changes)
    made = replace(made, bindings=tuple(Binding(ArtifactId(one), path, "credential", "") for one, path in bindings))
    text = readme if readme is not None else readme_of(made).encode()
    tree = manifest_of(replace(made, readme_hash=sha256(text)), roots=[entry.artifact_id for entry in made.artifacts])
    edit(tree)
    if is_resealed:
        tree["contentChecksum"] = content_checksum(tree)
    out = io.BytesIO()
    writer = BundleWriter(out)
    for entry, body in zip(made.artifacts, bodies, strict=True):
        writer.add(entry.file, (files or {}).get(entry.artifact_id, body))
    writer.add("README.md", text)
    writer.add("manifest.json", manifest_bytes(tree), is_stored=True)
    writer.close()
    return out.getvalue()


def limits(plan: TenantPlan = TenantPlan.ENTERPRISE, **changes: Any) -> BundleLimits:
    return replace(Limits().bundle(plan), **changes)


class Checking:
    """Reads bundles strictly. The contents of a checked one can be read until ``close``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._count = 0

    def __call__(
        self, raw: bytes, *, target: TenantId = TARGET, bounds: BundleLimits | None = None, **how: Any
    ) -> CheckedBundle:
        self._count += 1
        spool = self._stack.enter_context(Spool(self._folder / f"spool-{self._count}"))
        return read_bundle(io.BytesIO(raw), spool, limits=bounds or limits(), target=target, **how)

    def close(self) -> None:
        self._stack.close()
