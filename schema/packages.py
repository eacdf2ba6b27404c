"""Packages: exported, installed, and looked at before they are made."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import import_model, model
from domain.closure import Closure
from domain.model import PackageType
from domain.referring import references_to
from schema.bindings import BindingTemplate
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.opaque import sealed
from schema.scalars import Json, Long
from schema.values import Actor, ArtifactName, Problem


@strawberry.type(description="A named, versioned set of artifacts, exported from a tenant.")
class Package(Node):
    name: str = strawberry.field(description="Its name.")
    version: str = strawberry.field(description="Its semantic version.")
    package_type: PackageType = strawberry.field(description="What it is mainly made of.")
    description: str | None = strawberry.field(description="What its maker says about it.")
    author: str | None = strawberry.field(description="Who its maker says wrote it.")
    tags: list[str] = strawberry.field(description="Words to find it by.")
    checksum: str = strawberry.field(description="SHA-256 of its artifact files, in install order.")
    content_checksum: str = strawberry.field(description="SHA-256 of its manifest in the form of RFC 8785.")
    size_bytes: Long = strawberry.field(description="The size of the ZIP.")
    artifact_count: int = strawberry.field(description="How many artifacts it holds.")
    install_order: list[str] = strawberry.field(description="The ids of its artifacts; what others need comes first.")
    manifest: Json = strawberry.field(description="The bundle's own statement of what it holds.")
    exported_at: datetime = strawberry.field(description="When it was made.")
    exported_by: Actor = strawberry.field(description="Who made it.")
    expires_at: datetime = strawberry.field(description="Until when its bytes are kept.")
    deleted_at: datetime | None = strawberry.field(description="When somebody deleted it; its bytes are gone then.")
    package: strawberry.Private[model.Package]

    @described("The tenant it was exported from.", upward("Tenant", "tenants"))
    async def tenant(self, info: Info) -> Node:
        return await info.context.tenant(self.package.tenant_id)

    @described("Where the ZIP is: an address that needs no token and is good for five minutes; null once it is gone.")
    async def download_url(self, info: Info) -> str | None:
        services = info.context.services
        is_kept = services.clock.now() < self.expires_at and await services.records.is_stored(self.package.blob_key)
        return await services.links.download_url(self.package) if is_kept else None

    @described("The binding file that a target fills in.")
    def binding_template(self) -> BindingTemplate:
        return BindingTemplate.of(self.package.manifest.get("bindings", ()))

    @classmethod
    def of(cls, package: model.Package) -> Package:
        return cls(
            id=strawberry.ID(package.package_id),
            name=package.name,
            version=package.version,
            package_type=package.package_type,
            description=package.description or None,
            author=package.author or None,
            tags=list(package.tags),
            checksum=package.checksum,
            content_checksum=package.content_checksum,
            size_bytes=Long(package.size_bytes),
            artifact_count=package.artifact_count,
            install_order=list(package.install_order),
            manifest=Json(package.manifest),
            exported_at=package.exported_at,
            exported_by=Actor.of(package.exported_by),
            expires_at=package.expires_at,
            deleted_at=package.deleted_at,
            package=package,
        )


@strawberry.type(description="A package that another one needs.")
class PackageDependency:
    package_name: str = strawberry.field(description="Its name.")
    min_version: str = strawberry.field(description="The lowest version that will do.")
    max_version: str | None = strawberry.field(description="The lowest version that will not do.")

    @classmethod
    def of(cls, needed: model.PackageDependency) -> PackageDependency:
        return cls(package_name=needed.package_name, min_version=needed.min_version, max_version=needed.max_version)


@strawberry.type(description="Which version of a package a tenant has.")
class InstalledPackage:
    key: strawberry.ID = strawberry.field(description="Unique in its tenant.")
    package_name: str = strawberry.field(description="The package.")
    version: str = strawberry.field(description="The version that is active.")
    source: str = strawberry.field(description="Where it came from: the tenant that exported it. Part of its identity.")
    checksum: str = strawberry.field(description="SHA-256 of its artifact files.")
    installed_at: datetime = strawberry.field(description="When it became active.")
    package: strawberry.Private[import_model.InstalledPackage]

    @described("The tenant that has it.", upward("Tenant", "tenants"))
    async def tenant(self, info: Info) -> Node:
        return await info.context.tenant(self.package.tenant_id)

    @described("The import that brought it.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.package.import_id)

    @described("A higher version that the marketplace offers; null for none, and for what does not come from it.")
    async def available_version(self, info: Info) -> str | None:
        return await info.context.catalogue.available(self.package)

    @described("The packages that it needs there.")
    def package_dependencies(self) -> list[PackageDependency]:
        return [PackageDependency.of(one) for one in self.package.dependencies]

    @described("How many of its artifacts were changed here since.")
    async def changed_artifact_count(self, info: Info) -> int:
        return await info.context.changed_count(self.package)

    @classmethod
    def of(cls, package: import_model.InstalledPackage) -> InstalledPackage:
        return cls(
            key=strawberry.ID(sealed(*installed_key(package))),
            package_name=package.name,
            version=package.version,
            source=package.source,
            checksum=package.checksum,
            installed_at=package.installed_at,
            package=package,
        )


def installed_key(package: import_model.InstalledPackage) -> tuple[str, str]:
    """What lists of installed packages are ordered by: their identity (decisions R4)."""
    return model.name_key(package.name), package.source


@strawberry.type(description="An artifact that an export brings along, and why.")
class ResolvedDependency:
    artifact: ArtifactName = strawberry.field(description="What is brought along.")
    resolved_from: str = strawberry.field(description="The id of the nearest artifact that needs it.")
    depth: int = strawberry.field(description="How many references away from the nearest root.")


@strawberry.type(description="An artifact that another package is to bring.")
class ExternalReference:
    artifact: ArtifactName = strawberry.field(description="The artifact, by its id here.")
    package_name: str = strawberry.field(description="The package.")
    package_source: str = strawberry.field(description="Where that package comes from.")
    source_id: str = strawberry.field(description="The artifact's id in that package.")

    @classmethod
    def of(cls, reference: model.ExternalReference) -> ExternalReference:
        named = ArtifactName(
            artifact_type=reference.artifact_type, artifact_id=reference.artifact_id, name=reference.name
        )
        return cls(
            artifact=named,
            package_name=reference.package_name,
            package_source=reference.package_source,
            source_id=reference.source_id,
        )


@strawberry.type(description="What an export would hold, why, and in which order.")
class ExportPreview:
    roots: list[ArtifactName] = strawberry.field(description="What was asked for.")
    dependencies: list[ResolvedDependency] = strawberry.field(description="What comes along, in order of discovery.")
    install_order: list[str] = strawberry.field(description="Ids; what others need comes first. Empty with a cycle.")
    cycle: list[str] | None = strawberry.field(description="Artifacts that refer to each other in a circle.")
    problems: list[Problem] = strawberry.field(description="Warnings.")
    external_references: list[ExternalReference] = strawberry.field(
        description="What other packages would be left to bring."
    )
    suggested_version: str | None = strawberry.field(
        description="The lowest version that tells of what changed since the package's last one; null without one."
    )

    @classmethod
    def of(cls, gathered: Closure) -> ExportPreview:
        heads = gathered.heads
        return cls(
            roots=[ArtifactName.of(heads[root]) for root in gathered.roots],
            dependencies=[
                ResolvedDependency(
                    artifact=ArtifactName.of(heads[found.artifact_id]),
                    resolved_from=found.resolved_from,
                    depth=found.depth,
                )
                for found in gathered.found
                if found.resolved_from is not None
            ],
            install_order=list(gathered.install_order),
            cycle=list(gathered.cycle) or None,
            problems=[Problem.of(problem) for problem in gathered.warnings],
            external_references=[ExternalReference.of(one) for one in references_to(gathered.externals.values())],
            suggested_version=gathered.advice.suggested if gathered.advice else None,
        )
