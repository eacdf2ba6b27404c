"""What a caller wants to export, what is wrong with the wish itself, and its line in the history (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uuid_utils

from domain import versions
from domain.artifact_types import PACKAGE_TYPES
from domain.errors import ErrorCode, Problem
from domain.manifest_fields import PACKAGE_DEPENDENCIES_MAX, is_package_name, is_tags
from domain.model import Actor, ArtifactHead, Package, PackageDependency, TenantId, name_key, rfc3339
from domain.referring import DependencyMode

_DESCRIPTION_MAX = 500
_AUTHOR_MAX = 100
#: what our own strict reader would not take back: NUL and other control characters, lone surrogates
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """One wish to export. Values are as they were sent; :func:`order_problems` judges them."""

    tenant_id: TenantId
    package_name: str
    package_type: str
    version: str
    artifact_ids: tuple[str, ...]
    description: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    package_dependencies: tuple[PackageDependency, ...] = ()
    dependency_mode: DependencyMode = DependencyMode.INCLUDE


def order_problems(order: ExportOrder) -> Iterator[Problem]:
    """What is wrong with the request itself (installhub.md sections 6.2 and 7.2; decisions section 9.4)."""
    if not is_package_name(order.package_name):
        text = "packageName has 1 to 100 printable characters and no slashes."
        yield Problem(ErrorCode.INVALID_PACKAGE_NAME, text, "packageName")
    if order.package_type not in PACKAGE_TYPES:
        text = f"packageType is one of {', '.join(PACKAGE_TYPES)}."
        yield Problem(ErrorCode.INVALID_PACKAGE_TYPE, text, "packageType")
    if not versions.is_semver(order.version):
        text = "version is not a semantic version such as 2.1.0."
        yield Problem(ErrorCode.INVALID_VERSION, text, "version")
    if len(order.description) > _DESCRIPTION_MAX or _UNWRITABLE.search(order.description):
        text = f"description has at most {_DESCRIPTION_MAX} characters, all of them printable or blank."
        yield Problem(ErrorCode.BAD_USER_INPUT, text, "description")
    if len(order.author) > _AUTHOR_MAX or not order.author.isprintable():
        yield Problem(ErrorCode.BAD_USER_INPUT, f"author is one line of at most {_AUTHOR_MAX} characters.", "author")
    if not is_tags(order.tags):
        text = "At most 10 tags, each of 1 to 30 lower-case letters, digits and hyphens."
        yield Problem(ErrorCode.BAD_USER_INPUT, text, "tags")
    yield from _dependency_problems(order)


def _dependency_problems(order: ExportOrder) -> Iterator[Problem]:
    if len(order.package_dependencies) > PACKAGE_DEPENDENCIES_MAX:
        text = f"A package needs at most {PACKAGE_DEPENDENCIES_MAX} others."
        yield Problem(
            ErrorCode.BAD_USER_INPUT, text, "packageDependencies", details={"limit": PACKAGE_DEPENDENCIES_MAX}
        )
        return
    for index, needed in enumerate(order.package_dependencies):
        where = f"packageDependencies[{index}]"
        if not is_package_name(needed.package_name) or name_key(needed.package_name) == name_key(order.package_name):
            text = "packageName names another package, in 1 to 100 printable characters."
            yield Problem(ErrorCode.INVALID_PACKAGE_NAME, text, f"{where}.packageName")
        for field, version in (("minVersion", needed.min_version), ("maxVersion", needed.max_version)):
            if version is not None and not versions.is_semver(version):
                text = f"{field} is not a semantic version such as 2.1.0."
                yield Problem(ErrorCode.INVALID_VERSION, text, f"{where}.{field}")


def taken_problem(taken: Package, checksum: str | None = None) -> Problem:
    """The name and version are taken; ``identical`` says whether by the very same contents (R14, section 9.2)."""
    details: dict[str, Any] = {"existingPackageId": taken.package_id}
    if checksum is not None:
        details["identical"] = checksum == taken.checksum
    text = f"{taken.name} {taken.version} was already exported from this tenant."
    return Problem(ErrorCode.VERSION_CONFLICT, text, "version", details=details)


def root_warnings(order: ExportOrder, roots: Sequence[ArtifactHead]) -> Iterator[Problem]:
    """Roots of another kind than the package type says are worth a warning (decisions section 9.4)."""
    for index, head in enumerate(roots):
        if head.artifact_type.entry.package_type != order.package_type:
            text = f"{head.name} is a {head.artifact_type.wire}: unusual as a root of a {order.package_type}."
            yield Problem(ErrorCode.PACKAGE_TYPE_MISMATCH, text, f"artifactIds[{index}]", head.artifact_id)


def export_record(
    actor: Actor, order: ExportOrder, package: Package | None, failure: str, now: datetime
) -> dict[str, Any]:
    """A line of the export history, failed exports included (installhub.md section 6.8)."""
    return {
        "exportId": f"exp-{uuid_utils.uuid7()}",
        "packageId": package.package_id if package else None,
        "packageName": order.package_name,
        "version": order.version,
        "tenantId": order.tenant_id,
        "exportedBy": actor.label,
        "exportedAt": rfc3339(now),
        "artifactCount": package.artifact_count if package else 0,
        "rootArtifactIds": list(order.artifact_ids),
        "checksum": package.checksum if package else None,
        "status": "Success" if package else "Failure",
        "errorMessage": failure or None,
        "bundleSize": package.size_bytes if package else 0,
    }
