"""A tenant's artifacts by type, for callers who look for ids (installhub.md section 4.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.artifact_types import BY_WIRE_NAME
from domain.errors import ErrorCode, Problem
from domain.model import EXPORTABLE, ArtifactFilter, ArtifactHead, TenantId, name_key
from rest_compat import bodies
from rest_compat.answers import NeighboursPage
from rest_compat.asking import Asked, admitted
from rest_compat.dialect import answer
from rest_compat.operations import JSON, Answer, Operation
from rest_compat.parameters import PAGES, TENANT
from rest_compat.querying import Numbered, Query, tenant_in

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


NEIGHBOUR_OPERATIONS = tuple(
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
)
