"""What a tenant does about edits of what packages put there (``Tenant.protect_installed``).

Imports and undos are no edits: they go their own way, and conflicts tell of what was edited before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from domain.errors import ErrorCode, Problem
from domain.model import ArtifactHead, Protection

_CODES = {
    Protection.WARN: ErrorCode.INSTALLED_ARTIFACT_CHANGED,
    Protection.BLOCK: ErrorCode.INSTALLED_ARTIFACT_PROTECTED,
}
_TEXTS = {
    Protection.WARN: "{name} came with the package {package}: its next version meets a conflict here.",
    Protection.BLOCK: "{name} came with the package {package}, and this tenant lets nobody change what packages bring.",
}


def protection_problems(
    protection: Protection, edited: Iterable[tuple[str, str]], heads: Mapping[str, ArtifactHead]
) -> Iterator[Problem]:
    """A warning, or what blocks, for each installed artifact among those that are edited: (place, artifact id)."""
    for place, artifact_id in edited if protection in _CODES else ():
        head = heads.get(artifact_id)
        if head is not None and head.is_there and head.origin is not None:
            text = _TEXTS[protection].format(name=head.name, package=head.origin.package_name)
            package = {"packageName": head.origin.package_name, "packageVersion": head.origin.package_version}
            yield Problem(_CODES[protection], text, place, artifact_id, package)
