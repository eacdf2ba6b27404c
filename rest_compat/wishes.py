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
from domain.import_model import Importable
from domain.mapping import mapping_problems, shown_address
from domain.model import PackageDependency, TenantId
from domain.options import Activation, ConflictStrategy, ImportOptions, StrategyWish, UnresolvedBindings
from domain.referring import DependencyMode
from rest_compat.asking import Body
from rest_compat.deciding import DECISIONS_MAX, ArtifactDecisionBody, Strategy, decision_problems

#: longer than any name that the domain lets in, so that the domain still says what is wrong with it
_JUDGED_LENGTH = 600
_VALUE_LENGTH_MAX = 64 * 1024
_BINDINGS_MAX = 10_000
_REASON_LENGTH_MAX = 500


def _cut(text: str) -> str:
    return text[:_JUDGED_LENGTH]


def _pair_place(source: str) -> str:
    return f"options.endpointMapping.{shown_address(source)}"


def _type_name(text: str) -> str:
    if text not in BY_WIRE_NAME:
        raise PydanticCustomError("artifact_type", "An artifact type is one of {names}", {"names": _TYPE_NAMES})
    return text


_TYPE_NAMES = ", ".join(BY_WIRE_NAME)
Judged = Annotated[str, AfterValidator(_cut)]
Name = Annotated[str, StringConstraints(max_length=128)]
Mode = Annotated[DependencyMode, Field(strict=False)]
DefaultStrategy = Annotated[StrategyWish, Field(strict=False)]


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
    dependency_mode: Mode | None = None

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
            dependency_mode=self.dependency_mode or DependencyMode.INCLUDE,
        )


class PreviewBody(Body):
    """With the package's name, the preview says which version would tell of what changed since its last one."""

    tenant_id: Name | None = None
    artifact_ids: list[Name] = Field(default_factory=list, max_length=1000)
    package_name: Judged | None = None
    dependency_mode: Mode | None = None


class OptionsBody(Body):
    """Every option that the documents name (installhub.md section 8.2), and the bindings (R22)."""

    #: a plan that is to be applied as it was shown: then it has the options, and no other stands beside it
    plan_id: Name | None = None
    target_tenant_id: Name | None = None
    default_conflict_strategy: DefaultStrategy | None = None
    conflict_strategy: DefaultStrategy | None = None
    conflict_strategy_overrides: dict[Annotated[str, AfterValidator(_type_name)], Strategy] | None = None
    decisions: list[ArtifactDecisionBody] | None = Field(None, max_length=DECISIONS_MAX)
    merge_fallback_strategy: Literal["Replace", "Skip"] | None = None
    remove_dropped: bool | None = None
    backup_before_replace: bool | None = None
    allow_version_downgrade: bool | None = None
    allow_major_version_upgrade: bool | None = None
    allow_security_warnings: bool | None = None
    dry_run: bool | None = None
    imported_by: Annotated[str, StringConstraints(min_length=1, max_length=320)] | None = None
    bindings: dict[str, Annotated[str, StringConstraints(max_length=_VALUE_LENGTH_MAX)]] | None = Field(
        None, max_length=_BINDINGS_MAX
    )
    endpoint_mapping: dict[str, str] | None = None
    unresolved_bindings: Annotated[UnresolvedBindings, Field(strict=False)] | None = None
    activation: Annotated[Activation, Field(strict=False)] | None = None
    reason: Annotated[str, StringConstraints(max_length=_REASON_LENGTH_MAX)] | None = None

    def problems(self) -> Iterator[Problem]:
        """What no type can say."""
        strategies = {self.default_conflict_strategy, self.conflict_strategy} - {None}
        if len(strategies) > 1:
            text = "conflictStrategy is another name of defaultConflictStrategy; they differ."
            yield Problem(ErrorCode.INVALID_OPTIONS, text, "options.conflictStrategy")
        yield from decision_problems(self.decisions or [])
        pairs = (self.endpoint_mapping or {}).items()
        yield from mapping_problems((_pair_place(source), source, target) for source, target in pairs)

    def options(self, *, is_dry_run: bool) -> ImportOptions:
        overrides = self.conflict_strategy_overrides or {}
        default = self.default_conflict_strategy or self.conflict_strategy
        return ImportOptions(
            default_strategy=default.strategy if default else None,
            strategy_by_type={BY_WIRE_NAME[name]: strategy for name, strategy in overrides.items()},
            decisions={row.artifact_id: row.decision() for row in self.decisions or ()},
            merge_fallback=ConflictStrategy(self.merge_fallback_strategy or "Skip"),
            remove_dropped=default is StrategyWish.MIRROR or bool(self.remove_dropped),
            backup_before_replace=bool(self.backup_before_replace),
            allow_version_downgrade=bool(self.allow_version_downgrade),
            allow_major_version_upgrade=bool(self.allow_major_version_upgrade),
            allow_security_warnings=bool(self.allow_security_warnings),
            dry_run=is_dry_run or bool(self.dry_run),
            imported_by=self.imported_by,
            bindings=dict(self.bindings or {}),
            endpoint_mapping=dict(self.endpoint_mapping or {}),
            unresolved_bindings=self.unresolved_bindings or UnresolvedBindings.REFUSE,
            activation=self.activation or Activation.AUTOMATIC,
            reason=(self.reason or "").strip(),
        )


class ReferenceBody(Body):
    """An import of a package that is here already: exported (A1, URL reference) or uploaded (decisions 9.3)."""

    source_package_id: Name | None = None
    upload_id: Name | None = None
    #: or a plan, which has its package
    plan_id: Name | None = None
    options: dict[str, Any] | None = None

    def problems(self) -> Iterator[Problem]:
        """One package is meant."""
        planned = self.plan_id or (self.options or {}).get("planId")
        if sum(one is not None for one in (self.source_package_id, self.upload_id, planned)) != 1:
            text = "Name either sourcePackageId, uploadId or planId."
            yield Problem(ErrorCode.BAD_USER_INPUT, text, "sourcePackageId")


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
    #: the plan that is to be applied: what else is wished stands there
    plan_id: str | None = None
