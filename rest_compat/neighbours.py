"""What a tenant has, for callers who look for ids: its artifacts by type (installhub.md section 4.4), its packages."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.artifact_types import BY_WIRE_NAME
from domain.errors import ErrorCode, Problem
from domain.import_model import InstalledPackage
from domain.model import EXPORTABLE, ArtifactFilter, ArtifactHead, TenantId, name_key
from rest_compat import bodies
from rest_compat.answers import InstalledPage, NeighboursPage
from rest_compat.asking import Asked, admitted
from rest_compat.dialect import answer
from rest_compat.operations import JSON, Answer, Operation, Parameter
from rest_compat.parameters import PAGES, TENANT, TENANT_OR_ALL
from rest_compat.querying import Numbered, Query, numbered, reach_in, tenant_in

_DONE = 200
_READ_AT_ONCE = 500
#: pages are found by going through those before; nobody looks for an id so far back
_DEPTH_MAX = 10_000


async def processes(request: Request) -> Response:
    return await _neighbours(request, "ProcessDefinition")


async def forms(request: Request) -> Response:
    return await _neighbours(request, "AtlasForm")


async def apps(request: Request) -> Response:
    return await _neighbours(request, "AppDefinition")


async def installed(request: Request) -> Response:
    """Which tenant has which version of which package."""
    asked = await admitted(request, Right.READ_ARTIFACTS)
    query = Query(request)
    page, name, reach = query.page(), query.text("packageName"), reach_in(asked, query)
    query.checked()
    found = [one async for one in _installed(asked, reach, name)]
    rows = [bodies.installed_package(one) for one in found[page.start : page.start + page.size]]
    return answer(numbered(rows, len(found), page))


async def _neighbours(request: Request, type_name: str) -> Response:
    """A tenant's artifacts of a type that can be exported, by name."""
    asked = await admitted(request, Right.READ_ARTIFACTS)
    query = Query(request)
    page = _shallow(query)
    tenant_id = tenant_in(asked, query)
    query.checked()
    wanted = ArtifactFilter(artifact_types=(BY_WIRE_NAME[type_name],), statuses=tuple(EXPORTABLE))
    found = _heads(asked, tenant_id, wanted, page)
    return answer({"items": [bodies.neighbour(head) async for head in found]})


def _shallow(query: Query) -> Numbered:
    page = query.page()
    if page.start + page.size > _DEPTH_MAX:
        text = f"Only the first {_DEPTH_MAX} artifacts are listed."
        query.problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, "page"))
    return page


async def _heads(
    asked: Asked, tenant_id: TenantId, wanted: ArtifactFilter, page: Numbered
) -> AsyncIterator[ArtifactHead]:
    passed, after = 0, None
    while True:
        first = min(_READ_AT_ONCE, page.start + page.size - passed)
        part = await asked.services.authoring.page(asked.caller, tenant_id, wanted, first=first, after=after)
        for place, head in enumerate(part.items, passed):
            if place >= page.start:
                yield head
        passed += len(part.items)
        if not part.has_next or passed >= page.start + page.size:
            return
        after = (name_key(part.items[-1].name), part.items[-1].artifact_id)


async def _installed(asked: Asked, reach: frozenset[TenantId] | None, name: str) -> AsyncIterator[InstalledPackage]:
    after = None
    while True:
        part = await asked.services.records.installed_packages(
            asked.caller, reach, package_name=name, first=_READ_AT_ONCE, after=after
        )
        for found in part.items:
            yield found
        if not part.has_next:
            return
        after = (part.items[-1].tenant_id, name_key(part.items[-1].name), part.items[-1].source)


NEIGHBOUR_OPERATIONS = (
    Operation(
        method="GET",
        path=f"{bodies.PREFIX}/installed",
        endpoint=installed,
        summary="List which packages are installed, where, and in which version",
        right=Right.READ_ARTIFACTS,
        answers={_DONE: Answer("Packages, by tenant and name.", {JSON: InstalledPage})},
        parameters=(TENANT_OR_ALL, Parameter("packageName", "Only packages with this name, in any case."), *PAGES),
        source="decisions section 9.3",
    ),
    *(
        Operation(
            method="GET",
            path=f"/api/{word}",
            endpoint=endpoint,
            summary=f"List a tenant's {word} that can be exported",
            right=Right.READ_ARTIFACTS,
            answers={_DONE: Answer("Artifacts, by name.", {JSON: NeighboursPage})},
            parameters=(TENANT, *PAGES),
            source="installhub.md section 4.4",
        )
        for word, endpoint in (("processes", processes), ("forms", forms), ("apps", apps))
    ),
)
