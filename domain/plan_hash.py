"""What a plan promises, as one hash, and the installed packages that it relies on (decisions R10, R11; pure).

The hash is over what will be done and why, and over the preconditions. Times are not in it, nor what may change
without the plan being another one: of an artifact that is left as it is only its id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from domain import strict_json
from domain.import_model import InstalledPackage
from domain.model import HASH_PREFIX, Manifest, name_key
from domain.options import ConflictStrategy, ImportOptions
from domain.plan_model import ActionKind, ExternalTarget, PlanAction

#: installed versions by package name: the name's key, and version and origin of each package that has it
Relied = Mapping[str, Sequence[str]]

#: what one of them does with an artifact, so does the other: nothing
_LEFT = (ActionKind.SKIP, ActionKind.UNCHANGED)


def plan_hash(
    options: ImportOptions,
    steps: Iterable[tuple[PlanAction, str]],
    relied: Relied,
    externals: Iterable[ExternalTarget] = (),
) -> str:
    """Each of ``steps`` is an action, in order, and the hash of the package's artifact; empty where there is none."""
    stated = [[_action_row(action, brought) for action, brought in steps], _wishes(options), sorted(relied.items())]
    stated.append(sorted((one.ordinal, one.artifact_id, one.target_id) for one in externals))
    return HASH_PREFIX + hashlib.sha256(strict_json.compact(stated)).hexdigest()


def relied_packages(manifests: Iterable[Manifest], installed: Iterable[InstalledPackage]) -> dict[str, list[str]]:
    """What a plan for these packages relies on: which versions of them, and of what they need, are installed."""
    return relied_now({key: () for manifest in manifests for key in _names(manifest)}, installed)


def relied_now(relied: Relied, installed: Iterable[InstalledPackage]) -> dict[str, list[str]]:
    """The same names with the versions that are installed now."""
    found: dict[str, set[str]] = {key: set() for key in relied}
    for package in installed:
        if (key := name_key(package.name)) in found:
            found[key].add(f"{package.version} {package.source}")
    return {key: sorted(versions) for key, versions in found.items()}


def _names(manifest: Manifest) -> Iterator[str]:
    yield name_key(manifest.name)
    yield from (name_key(needed.package_name) for needed in manifest.package_dependencies)


def _action_row(action: PlanAction, brought: str) -> list[Any]:
    is_left = action.kind in _LEFT and action.strategy is ConflictStrategy.SKIP
    kind = ActionKind.SKIP if is_left else action.kind
    existing = [] if is_left or action.existing is None else [action.existing.revision, action.existing.content_hash]
    return [
        *(action.ordinal, action.source_id, brought, kind.value if kind else "", action.target_id),
        *(action.strategy.value if action.strategy else "", action.status.value, existing),
        *("" if is_left else action.name, action.restores or "", action.merge_base_id or ""),
        sorted((pointer, side.value if side else "") for pointer, side in action.paths.items()),
    ]


def _wishes(options: ImportOptions) -> list[Any]:
    return [
        *(options.allow_version_downgrade, options.allow_major_version_upgrade, options.allow_security_warnings),
        *(options.is_migration, options.backup_before_replace, options.remove_dropped, options.activation.value),
        options.unresolved_bindings.value,
        sorted(options.bindings),
        sorted(options.endpoint_mapping.items()),
    ]
