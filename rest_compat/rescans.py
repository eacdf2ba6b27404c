"""Scans of what is kept, made again when the rules changed, over REST (security.md section 3.3)."""

from __future__ import annotations

from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode, refuse
from domain.model import rfc3339
from domain.rescan_rows import Rescan
from rest_compat.answers import ScanReportAnswer
from rest_compat.asking import admitted
from rest_compat.bodies import PREFIX
from rest_compat.dialect import answer
from rest_compat.managing import AFTER
from rest_compat.operations import JSON, Answer, Operation, Parameter
from rest_compat.parameters import TENANT_OR_ALL
from rest_compat.querying import Query, reach_in
from rest_compat.shapes import ScanVerdict, Shape, Time, ours, ours_maybe

_DONE = 200
_OURS = "decisions section 9.3"


class RescanRow(Shape):
    """One scan that was made again."""

    rescan_id: str = ours("Its id.")
    tenant_id: str = ours("Whose package it is.")
    kept_as: Literal["Exported", "Installed"] = ours("Whether it was exported from the tenant or is installed there.")
    package_id: str = ours("The package's id.")
    package_name: str = ours("Its name.")
    package_version: str = ours("Its version.")
    import_id: str = ours_maybe("The import that brought it, where it is installed.")
    overall_result: ScanVerdict = ours("The verdict; the worst finding decides.")
    rules_version: str = ours("Which rules were looked for.")
    scanned_at: Time = ours("When.")


class RescansAnswer(Shape):
    """Scans that were made again."""

    items: list[RescanRow] = ours("The scans, newest first.")
    has_next: bool = ours("Whether more follow; ask again with `after`.")


class RescanReportAnswer(ScanReportAnswer):
    """What a scan found that was made again. Never changed."""

    rescan_id: str = ours("Its id.")
    import_id: str = ours_maybe("The import that brought the package, where it is installed.")


async def rescans(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    query = Query(request)
    size, after, reach = query.page().size, query.stated("after"), reach_in(asked, query)
    package_id, import_id = query.stated("packageId"), query.stated("importId")
    query.checked()
    found = await asked.services.rescans.page(
        asked.caller, reach=reach, package_id=package_id, import_id=import_id, first=size, after=after
    )
    return answer({"items": [_row(one) for one in found.items], "hasNext": found.has_next})


async def rescan_report(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    found = await asked.services.rescans.find(asked.caller, asked.id_in_path("rescanId"), asked.reach)
    if found is None or found.report is None:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such scan.", "rescanId", what="rescan")
    return answer({**found.report, "rescanId": found.rescan_id, **_import(found)})


def _row(made: Rescan) -> dict[str, Any]:
    return {
        "rescanId": made.rescan_id,
        "tenantId": made.tenant_id,
        "keptAs": made.keeping.wire,
        "packageId": made.package_id,
        "packageName": made.package_name,
        "packageVersion": made.package_version,
        **_import(made),
        "overallResult": made.result,
        "rulesVersion": made.rules_version,
        "scannedAt": rfc3339(made.scanned_at),
    }


def _import(made: Rescan) -> dict[str, str]:
    return {"importId": made.import_id} if made.import_id else {}


RESCAN_OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/rescans",
        endpoint=rescans,
        summary="List the scans that were made again when the rules changed",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("Scans, newest first.", {JSON: RescansAnswer})},
        parameters=(
            TENANT_OR_ALL,
            Parameter("packageId", "Only of this package."),
            Parameter("importId", "Only of what this import brought."),
            *AFTER,
        ),
        description="Of what is installed; for who may export, of exported packages too.",
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/rescans/{{rescanId}}",
        endpoint=rescan_report,
        summary="Read what a scan found that was made again",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("The report.", {JSON: RescanReportAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source=_OURS,
    ),
)
