"""What of a business an export takes along, by the documented switches (akana.md section 5).

A switch is a query parameter or a request header. Without any, the core is exported: what no switch is about.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Problem, refuse_if
from domain.model import PackageType
from rest_compat.operations import Parameter
from rest_compat.querying import SWITCHES as WORDS

_PREFIX = "migration.export.include"
#: of which kind of package the artifacts are that a switch takes along; where none stands, there is nothing of it here
SWITCHES: Mapping[str, tuple[PackageType, ...]] = {
    f"{_PREFIX}.apis": (PackageType.WORKFLOW_PACKAGE, PackageType.AGENT_PACKAGE),
    "migration.pki.export": (),
    f"{_PREFIX}.resources": (),
    f"{_PREFIX}.api.connections": (),
    f"{_PREFIX}.api.admins": (),
    f"{_PREFIX}.policies": (),
    "migration.operationalpolicy.export": (),
    "migration.qospolicy.export": (),
    "migration.compliancepolicy.export": (),
    f"{_PREFIX}.scopes": (),
    f"{_PREFIX}.licenses": (),
    f"{_PREFIX}.apps": (PackageType.APP_PACKAGE,),
    "migration.app.pki.export": (),
    f"{_PREFIX}.app.team": (),
    f"{_PREFIX}.feature.customization.settings": (),
    f"{_PREFIX}.workflow.definitions": (PackageType.WORKFLOW_PACKAGE,),
    f"{_PREFIX}.custom.styles": (),
    f"{_PREFIX}.security.domains": (),
    f"{_PREFIX}.login.domains": (),
    f"{_PREFIX}.message.templates": (),
}
_GOVERNED = frozenset(kind for kinds in SWITCHES.values() for kind in kinds)


def types_of(*kinds: PackageType) -> tuple[ArtifactType, ...]:
    """The artifact types whose packages are of these kinds."""
    return tuple(member for member in ArtifactType if PackageType(member.entry.package_type) in kinds)


#: what no switch is about
CORE = types_of(*(kind for kind in PackageType if kind not in _GOVERNED))


def chosen_types(request: Request) -> tuple[ArtifactType, ...]:
    """The core, and what the request's switches take along. Refuses with every switch that says neither yes nor no."""
    said = {name: _said(request, name) for name in SWITCHES}
    refuse_if(
        Problem(ErrorCode.BAD_USER_INPUT, f"{name} is true or false.", name)
        for name, words in said.items()
        if not WORDS.keys() >= words
    )
    on = [kind for name, words in said.items() if any(WORDS[word] for word in words) for kind in SWITCHES[name]]
    return (*CORE, *types_of(*on))


def _said(request: Request, name: str) -> set[str]:
    stated = (*request.query_params.getlist(name), *request.headers.getlist(name))
    return {word.strip().lower() for word in stated}


#: the table's rows in OpenAPI
PARAMETERS = tuple(
    Parameter(
        name,
        f"True: {', '.join(member.wire for member in types_of(*kinds))} too. May be a header."
        if kinds
        else "Taken; there is nothing of it here. May be a header.",
        schema={"type": "boolean", "default": False},
    )
    for name, kinds in SWITCHES.items()
)
