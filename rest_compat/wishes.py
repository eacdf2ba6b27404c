"""What callers may send, and what it means to the domain (A1, A2; installhub.md sections 6.1, 8.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from domain.artifact_types import BY_WIRE_NAME
from domain.errors import ErrorCode, Problem
from domain.export_order import ExportOrder
from domain.import_model import ConflictStrategy, Importable, ImportOptions, UnresolvedBindings
from domain.model import PackageDependency, TenantId
from rest_compat.asking import Body

#: longer than any name that the domain lets in, so that the domain still says what is wrong with it
_JUDGED_LENGTH = 600
_VALUE_LENGTH_MAX = 64 * 1024
_BINDINGS_MAX = 10_000


def _cut(text: str) -> str:
    return text[:_JUDGED_LENGTH]


def _type_name(text: str) -> str:
    if text not in BY_WIRE_NAME:
        raise PydanticCustomError("artifact_type", "An artifact type is one of {names}", {"names": _TYPE_NAMES})
    return text


_TYPE_NAMES = ", ".join(BY_WIRE_NAME)
Judged = Annotated[str, AfterValidator(_cut)]
Name = Annotated[str, StringConstraints(max_length=128)]
Strategy = Annotated[ConflictStrategy, Field(strict=False)]


class DependencyBody(Body):
    package_name: Judged
    min_version: Judged
    max_version: Judged | None = None


class ExportBody(Body):
    """What is missing is judged with everything else, by the domain."""

    tenant_id: Name | None = None
    package_name: Judged = ""
    package_type: Judged = ""
    version: Judged = ""
    description: Judged | None = None
    author: Judged | None = None
    tags: list[Judged] | None = Field(None, max_length=100)
    artifact_ids: list[Name] = Field(default_factory=list, max_length=1000)
    package_dependencies: list[DependencyBody] | None = Field(None, max_length=100)

    def order(self, tenant_id: TenantId) -> ExportOrder:
        dependencies = [
            PackageDependency(needed.package_name, needed.min_version, needed.max_version)
            for needed in self.package_dependencies or []
        ]
        return ExportOrder(
            tenant_id=tenant_id,
            package_name=self.package_name,
            package_type=self.package_type,
            version=self.version,
            artifact_ids=tuple(self.artifact_ids),
            description=self.description or "",
            author=self.author or "",
            tags=tuple(self.tags or []),
            package_dependencies=tuple(dependencies),
        )


class PreviewBody(Body):
    tenant_id: Name | None = None
    artifact_ids: list[Name] = Field(default_factory=list, max_length=1000)


class OptionsBody(Body):
    """Every option that the documents name (installhub.md section 8.2), and the bindings (R22)."""

    target_tenant_id: Name | None = None
    default_conflict_strategy: Strategy | None = None
    conflict_strategy: Strategy | None = None
    conflict_strategy_overrides: dict[Annotated[str, AfterValidator(_type_name)], Strategy] | None = None
    merge_fallback_strategy: Literal["Replace", "Skip"] | None = None
    backup_before_replace: bool | None = None
    allow_version_downgrade: bool | None = None
    allow_major_version_upgrade: bool | None = None
    allow_security_warnings: bool | None = None
    dry_run: bool | None = None
    imported_by: Annotated[str, StringConstraints(min_length=1, max_length=320)] | None = None
    bindings: dict[str, Annotated[str, StringConstraints(max_length=_VALUE_LENGTH_MAX)]] | None = Field(
        None, max_length=_BINDINGS_MAX
    )
    unresolved_bindings: Annotated[UnresolvedBindings, Field(strict=False)] | None = None

    def problems(self) -> Iterator[Problem]:
        """What no type can say."""
        strategies = {self.default_conflict_strategy, self.conflict_strategy} - {None}
        if len(strategies) > 1:
            text = "conflictStrategy is another name of defaultConflictStrategy; they differ."
            yield Problem(ErrorCode.INVALID_OPTIONS, text, "options.conflictStrategy")

    def options(self, *, is_dry_run: bool) -> ImportOptions:
        overrides = self.conflict_strategy_overrides or {}
        return ImportOptions(
            default_strategy=self.default_conflict_strategy or self.conflict_strategy,
            strategy_by_type={BY_WIRE_NAME[name]: strategy for name, strategy in overrides.items()},
            merge_fallback=ConflictStrategy(self.merge_fallback_strategy or "Skip"),
            backup_before_replace=bool(self.backup_before_replace),
            allow_version_downgrade=bool(self.allow_version_downgrade),
            allow_major_version_upgrade=bool(self.allow_major_version_upgrade),
            allow_security_warnings=bool(self.allow_security_warnings),
            dry_run=is_dry_run or bool(self.dry_run),
            imported_by=self.imported_by,
            bindings=dict(self.bindings or {}),
            unresolved_bindings=self.unresolved_bindings or UnresolvedBindings.REFUSE,
        )


class ReferenceBody(Body):
    """An import of a package that is here already: exported (A1, URL reference) or uploaded (decisions 9.3)."""

    source_package_id: Name | None = None
    upload_id: Name | None = None
    options: dict[str, Any] | None = None

    def problems(self) -> Iterator[Problem]:
        """One package is meant."""
        if (self.source_package_id is None) == (self.upload_id is None):
            text = "Name either sourcePackageId or uploadId."
            yield Problem(ErrorCode.BAD_USER_INPUT, text, "sourcePackageId")


class ResolutionBody(Body):
    """``paths`` are decisions about places in an artifact; they are read, so that none is let pass unheard."""

    conflict_id: Name
    strategy: Strategy
    paths: Any = None


class ResumeBody(Body):
    resolutions: list[ResolutionBody] = Field(max_length=10_000)

    def problems(self) -> Iterator[Problem]:
        """A conflict takes one decision, about the whole artifact."""
        seen: set[str] = set()
        for place, row in enumerate(self.resolutions):
            if row.paths not in (None, []):
                text = "Decisions by path are not offered yet; decide about the whole artifact."
                yield Problem(ErrorCode.BAD_USER_INPUT, text, f"resolutions[{place}].paths")
            if row.conflict_id in seen:
                text = f"{row.conflict_id} is decided twice."
                yield Problem(ErrorCode.BAD_USER_INPUT, text, f"resolutions[{place}].conflictId")
            seen.add(row.conflict_id)

    def decisions(self) -> dict[str, ConflictStrategy]:
        return {row.conflict_id: row.strategy for row in self.resolutions}


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """How large a ZIP may be, and by which plan (R24)."""

    bytes_max: int
    plan: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A package as an import's request brings it. ``is_fresh``: stored by this very request, named by no row yet."""

    source: Importable
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class ImportWish:
    """An import's options, judged for their tenant. With ``problems`` it may not be carried out."""

    tenant_id: TenantId
    options: ImportOptions
    limit: SizeLimit
    problems: Sequence[Problem]
    warnings: Sequence[Problem]
