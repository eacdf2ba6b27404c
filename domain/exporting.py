"""Taking artifacts out of a tenant: preview, export, and the bundles that were made (A2; installhub.md section 6).

Everything wrong is found before anything is built. A bundle is streamed into the blob store while its artifacts
are read a few at a time; the package's row is written last, so a failed export leaves nothing but its history.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import uuid_utils

from domain.access import Caller, Right, require
from domain.advising import Advisor, bump_warnings
from domain.bundle_writing import BundleWriter
from domain.closure import Closure, closure
from domain.contents import is_registered_credential
from domain.deflating import Deflated
from domain.entry_names import MANIFEST, README
from domain.errors import ErrorCode, Problem, Refusal, problem_of, problem_row, refuse, refuse_if
from domain.export_forms import export_form, known_checksum
from domain.export_order import ExportOrder, export_record, order_problems, root_warnings, taken_problem
from domain.limits import Installation
from domain.manifest_fields import is_binding_path
from domain.manifest_writing import manifest_bytes, manifest_of, readme_of
from domain.model import (
    HASH_PREFIX,
    Actor,
    ArtifactEntry,
    ArtifactHead,
    Binding,
    BlobKey,
    Manifest,
    Package,
    PackageId,
    PackageType,
    TenantId,
    name_key,
    rfc3339,
)
from domain.portions import portions
from domain.ports import BlobWriter, KeyTakenError, Ports, VersionTakenError
from domain.referring import DependencyMode, Referring, references_to, with_needed
from domain.repeating import Once, made_before, once, remember
from domain.rows import ExportForm
from domain.scanning.walk import redacted
from domain.tenancy import active_tenant, entry_of, mark_platform_use

_NO_BLOB = BlobKey("")
_MINUTE, _HOUR = 60, 3600
#: as long as a manifest may say it
_HINT_MAX = 500


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export and what is worth knowing about it."""

    package: Package
    warnings: tuple[Problem, ...]


@dataclass(slots=True)
class _Build:
    """A bundle in the making."""

    order: ExportOrder
    gathered: Closure
    writer: BundleWriter
    buffer: io.BytesIO
    digest: Any = field(default_factory=hashlib.sha256)
    #: that of an earlier package of the very same files; empty where there is none
    checksum: str = ""
    #: what was not known before of how revisions leave their tenant
    forms: dict[str, ExportForm] = field(default_factory=dict)
    entries: list[ArtifactEntry] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


class Exporter:
    """Previews and exports."""

    def __init__(self, ports: Ports, installation: Installation) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._limiter = ports.limiter
        self._clock = ports.clock
        self._limits = installation.limits
        self._advisor = Advisor(ports, installation)

    async def preview(
        self,
        caller: Caller,
        tenant_id: TenantId,
        artifact_ids: Sequence[str],
        *,
        package_name: str = "",
        mode: DependencyMode = DependencyMode.INCLUDE,
    ) -> Closure:
        """What an export would hold, why, and in which order. Creates nothing and is never rate-limited.

        With the package's name it says too which version would tell of what changed since its last one. Raises a
        refusal with every absent, foreign or unfit artifact; a cycle is part of the answer (section 9.4).
        """
        require(caller, Right.EXPORT)
        async with self._store.platform_view() as platform:
            await active_tenant(platform.tenants, tenant_id)
        refuse_if(self._root_problems(artifact_ids))
        gathered = await self._gathered(caller, tenant_id, artifact_ids, package_name, mode)
        refuse_if(gathered.problems)
        if package_name:
            earlier = await self._advisor.earlier(tenant_id, package_name)
            gathered.advice = await self._advisor.advice(tenant_id, earlier, gathered)
        return gathered

    async def _gathered(
        self, caller: Caller, tenant_id: TenantId, roots: Sequence[str], package_name: str, mode: DependencyMode
    ) -> Closure:
        referring = Referring(package_name) if mode is DependencyMode.REFER else None
        return await closure(self._store, caller, tenant_id, roots, self._limits, referring=referring)

    async def export(self, caller: Caller, order: ExportOrder, *, key: str | None = None) -> Exported:
        """Make a package. Refusals come with every problem; failed exports take no version (R14).

        With an idempotency key that the same request came with before, its package is the answer, and nothing is
        counted (R25, R36). Raises ``IdempotencyKeyReused`` for another request.
        """
        require(caller, Right.EXPORT)
        request = once(caller, key, "export", order)
        if first := await self._made_before(order.tenant_id, request):
            return first
        await self._count(caller, order.tenant_id)
        try:
            return await self._export(caller, order, request)
        except (Refusal, KeyTakenError) as error:
            # a twin that was quicker has the key, and the version
            if first := await self._made_before(order.tenant_id, request):
                return first
            if not isinstance(error, Refusal):
                raise
            refusal = error
            await self._record(caller, order, None, f"{refusal.code.wire}: {refusal.message}")
            raise

    async def _count(self, caller: Caller, tenant_id: TenantId) -> None:
        """Ten a minute for a user, fifty an hour for a tenant; counted whether it succeeds or not (R36)."""
        windows = [
            (f"exports/user/{caller.issuer}/{caller.subject}", self._limits.exports_per_user_minute, _MINUTE),
            self._tenant_window(tenant_id),
        ]
        wait = await self._limiter.take(windows)
        if wait:
            names = f"{windows[0][1]} exports a minute for a user, {windows[1][1]} an hour for a tenant"
            raise refuse(
                ErrorCode.RATE_LIMIT_EXCEEDED, f"Too many exports. Wait {wait} s.", limit=names, retryAfter=wait
            )

    async def left_this_hour(self, tenant_id: TenantId) -> int:
        """How many more exports a tenant may make within the hour (R36)."""
        return await self._limiter.left(self._tenant_window(tenant_id))

    def _tenant_window(self, tenant_id: TenantId) -> tuple[str, int, int]:
        return f"exports/tenant/{tenant_id}", self._limits.exports_per_tenant_hour, _HOUR

    async def _made_before(self, tenant_id: TenantId, request: Once | None) -> Exported | None:
        if request is None:
            return None
        async with self._store.platform_view() as platform:
            made = await made_before(platform.of(tenant_id), request, self._clock.now())
            package = await platform.lookup.package(made["packageId"], frozenset({tenant_id})) if made else None
        if made is None or package is None:
            return None
        return Exported(package, tuple(problem_of(row) for row in made["warnings"]))

    async def _export(self, caller: Caller, order: ExportOrder, request: Once | None) -> Exported:
        async with self._store.platform_view() as platform:
            tenant = await active_tenant(platform.tenants, order.tenant_id)
        problems = [*order_problems(order), *self._root_problems(order.artifact_ids)]
        roots, mode = order.artifact_ids, order.dependency_mode
        gathered = await self._gathered(caller, order.tenant_id, roots, order.package_name, mode)
        problems += gathered.problems
        if gathered.cycle:
            text = "The artifacts refer to each other in a circle: " + " -> ".join(gathered.cycle) + "."
            problems.append(Problem(ErrorCode.CIRCULAR_DEPENDENCY, text, details={"cycle": gathered.cycle}))
        async with self._store.view(order.tenant_id) as unit:
            taken = await unit.packages.of_version(name_key(order.package_name), order.version)
        if problems:
            refuse_if([*problems, *([taken_problem(taken)] if taken else [])])
        earlier = await self._advisor.earlier(order.tenant_id, order.package_name, order.version)
        async with self._blobs.create() as blob:
            build = await self._built(order, gathered, blob, earlier)
            await self._remember(order.tenant_id, build.forms)
            package = await self._closed(caller.actor, build, blob, tenant.platform_version)
            if taken:
                raise Refusal([taken_problem(taken, package.checksum)])
            package = replace(package, blob_key=await blob.finish())
        heads = [gathered.heads[root] for root in gathered.roots]
        warnings = [*root_warnings(order, heads), *gathered.warnings, *build.warnings]
        hashes = {str(entry.artifact_id): entry.hash for entry in build.entries}
        advice = await self._advisor.advice(order.tenant_id, earlier, gathered, hashes)
        exported = Exported(package, (*warnings, *bump_warnings(advice, order.version)))
        await self._kept(caller, order, exported, request)
        return exported

    async def backup(
        self, actor: Actor, order: ExportOrder, gathered: Closure, platform_version: str, *, earlier: Package | None
    ) -> Package:
        """The stored bundle of exactly these artifacts, whatever their status; the caller writes its row (R38).

        It is the ``earlier`` one where that holds the same. Nothing is judged, counted or remembered.
        """
        async with self._blobs.create() as blob:
            build = await self._built(order, gathered, blob, earlier)
            package = await self._closed(actor, build, blob, platform_version)
            if earlier is not None and earlier.checksum == package.checksum:
                return earlier
            return replace(package, blob_key=await blob.finish())

    async def _built(self, order: ExportOrder, gathered: Closure, blob: BlobWriter, earlier: Package | None) -> _Build:
        buffer = io.BytesIO()
        build = _Build(order, gathered, BundleWriter(buffer), buffer)
        heads = [gathered.heads[key] for key in gathered.install_order]
        async with self._store.view(order.tenant_id) as unit:
            revisions = [head.revision_id for head in heads]
            known = await unit.artifacts.export_forms(revisions)
            sizes = await unit.artifacts.body_sizes(revisions)
        build.checksum = known_checksum(earlier, heads, known)
        for part in portions(heads, lambda head: sizes[head.revision_id]):
            async with self._store.view(order.tenant_id) as unit:
                bodies = await unit.artifacts.deflated_bodies([head.revision_id for head in part])
            build.forms |= await asyncio.to_thread(_add_part, build, part, bodies, known)
            await blob.write(_drained(buffer))
        return build

    async def _remember(self, tenant_id: TenantId, forms: dict[str, ExportForm]) -> None:
        if forms:
            async with self._store.unit(tenant_id) as unit:
                await unit.artifacts.remember_export_forms(forms)

    async def _closed(self, actor: Actor, build: _Build, blob: BlobWriter, platform_version: str) -> Package:
        now, days = self._clock.now(), self._limits.bundle_days
        package = await asyncio.to_thread(_end, build, actor, platform_version, now, days)
        await blob.write(_drained(build.buffer))
        return package

    async def _kept(self, caller: Caller, order: ExportOrder, exported: Exported, request: Once | None) -> None:
        package, now = exported.package, self._clock.now()
        try:
            async with self._store.unit(order.tenant_id) as unit:
                await unit.packages.add(package, identity=caller.identity)
                await unit.packages.record_export(export_record(caller.actor, order, package, "", now))
                warnings = [problem_row(warning) for warning in exported.warnings]
                await remember(unit, request, {"packageId": package.package_id, "warnings": warnings}, now)
                details = {"packageId": package.package_id, "package": package.name, "version": package.version}
                entry = entry_of(caller, order.tenant_id, "package.exported", details, at=now)
                await mark_platform_use(unit, caller, entry)
        except KeyTakenError:
            await self._blobs.delete(package.blob_key)
            raise
        except VersionTakenError as error:
            await self._blobs.delete(package.blob_key)
            async with self._store.view(order.tenant_id) as unit:
                taken = await unit.packages.of_version(name_key(order.package_name), order.version)
            if taken is None:
                raise
            raise Refusal([taken_problem(taken, package.checksum)]) from error

    async def _record(self, caller: Caller, order: ExportOrder, package: Package | None, failure: str) -> None:
        now, details = self._clock.now(), {"package": order.package_name, "version": order.version, "failure": failure}
        async with self._store.unit(order.tenant_id) as unit:
            await unit.packages.record_export(export_record(caller.actor, order, package, failure, now))
            entry = entry_of(caller, order.tenant_id, "package.refused", details, at=now)
            await mark_platform_use(unit, caller, entry)

    def _root_problems(self, artifact_ids: Sequence[str]) -> list[Problem]:
        if not artifact_ids:
            return [Problem(ErrorCode.ARTIFACT_IDS_MISSING, "Name at least one artifact.", "artifactIds")]
        if len(artifact_ids) > self._limits.export_roots:
            text = f"{len(artifact_ids)} roots were named; {self._limits.export_roots} are allowed."
            details = {"limit": self._limits.export_roots, "actual": len(artifact_ids)}
            return [Problem(ErrorCode.TOO_MANY_ROOT_ARTIFACTS, text, "artifactIds", details=details)]
        return []


def _add_part(
    build: _Build, heads: Sequence[ArtifactHead], bodies: dict[str, Deflated], known: dict[str, ExportForm]
) -> dict[str, ExportForm]:
    """Append artifacts to the bundle; gives the export forms that were not known yet. Runs in a thread."""
    made: dict[str, ExportForm] = {}
    for head in heads:
        form = known.get(head.revision_id)
        kept = bodies[head.revision_id]
        if form is None or not build.checksum:
            body = kept.inflated()
            if form is None or form.bindings:
                body, form = export_form(head, body)
                made[head.revision_id] = form
                kept = Deflated.of(body) if form.bindings else kept
            build.digest.update(body)
        _add_artifact(build, head, kept, form)
    return made


def _add_artifact(build: _Build, head: ArtifactHead, content: Deflated, form: ExportForm) -> None:
    file = head.artifact_type.file_of(head.artifact_id)
    build.writer.add_deflated(file, content)
    build.entries.append(
        ArtifactEntry(head.artifact_type, head.artifact_id, head.name, head.version, file, form.file_hash)
    )
    for pointer, kind in form.bindings:
        shown = redacted(pointer)
        # a member whose very name is a secret went as a whole, and nobody is to supply it
        if shown == pointer and is_binding_path(pointer):
            hint = f"{head.name}: {pointer.rpartition('/')[2]}"[:_HINT_MAX]
            build.bindings.append(Binding(head.artifact_id, pointer, kind, hint))
        if not is_registered_credential(pointer, head.artifact_type):
            text = f"A value that looks like a secret was left out of {head.artifact_id}{shown}."
            build.warnings.append(Problem(ErrorCode.CREDENTIAL_REMOVED, text, shown, head.artifact_id))


def _end(build: _Build, actor: Actor, platform_version: str, now: datetime, bundle_days: int) -> Package:
    """README, manifest and directory, and the package they make. Runs in a thread."""
    order = build.order
    manifest = Manifest(
        package_id=PackageId(f"pkg-{uuid_utils.uuid7()}"),
        name=order.package_name,
        package_type=PackageType(order.package_type),
        version=order.version,
        exported_at=rfc3339(now),
        exported_by=actor.label,
        tenant_id=order.tenant_id,
        platform_version=platform_version,
        checksum=build.checksum or HASH_PREFIX + build.digest.hexdigest(),
        artifacts=tuple(build.entries),
        install_order=tuple(entry.artifact_id for entry in build.entries),
        package_dependencies=with_needed(order.package_dependencies, build.gathered.externals),
        bindings=tuple(build.bindings),
        description=order.description,
        author=order.author,
        tags=order.tags,
        external_references=references_to(build.gathered.externals.values()),
    )
    readme = readme_of(manifest).encode()
    manifest = replace(manifest, readme_hash=HASH_PREFIX + hashlib.sha256(readme).hexdigest())
    tree = manifest_of(manifest, roots=build.gathered.roots)
    build.writer.add(README, readme)
    build.writer.add(MANIFEST, manifest_bytes(tree), is_stored=True)
    build.writer.close()
    return _package(manifest, tree, build, actor, now, bundle_days)


def _drained(buffer: io.BytesIO) -> bytes:
    data = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return data


def _package(
    manifest: Manifest, tree: dict[str, Any], build: _Build, actor: Actor, now: datetime, bundle_days: int
) -> Package:
    return Package(
        package_id=manifest.package_id,
        tenant_id=TenantId(manifest.tenant_id),
        name=manifest.name,
        version=manifest.version,
        package_type=manifest.package_type,
        description=manifest.description,
        author=manifest.author,
        tags=manifest.tags,
        checksum=manifest.checksum,
        content_checksum=tree["contentChecksum"],
        artifact_count=len(manifest.artifacts),
        install_order=tuple(manifest.install_order),
        manifest=tree,
        blob_key=_NO_BLOB,
        bundle_sha256=build.writer.sha256,
        size_bytes=build.writer.size,
        exported_at=now,
        exported_by=actor,
        expires_at=now + timedelta(days=bundle_days),
    )
