"""Which tenant has which version of which package (decisions section 9.3)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from rest_compat import bodies
from rest_compat.answers import InstalledPage
from rest_compat.asking import admitted
from rest_compat.dialect import answer
from rest_compat.operations import JSON, Answer, Operation, Parameter
from rest_compat.parameters import PAGES, TENANT_OR_ALL
from rest_compat.querying import Query, numbered, reach_in

_DONE = 200


async def installed(request: Request) -> Response:
    """Packages of all tenants of the token, by tenant and name."""
    asked = await admitted(request, Right.READ_ARTIFACTS)
    query = Query(request)
    page, name, reach = query.page(), query.text("packageName"), reach_in(asked, query)
    query.checked()
    found = await asked.services.records.installed_page(
        asked.caller, reach, package_name=name, page=page.number, page_size=page.size
    )
    return answer(numbered([bodies.installed_package(one) for one in found.items], found.total_count, page))


INSTALLED_OPERATIONS = (
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
)
