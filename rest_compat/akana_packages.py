"""Packages in and out of the Akana-compatible door (akana.md sections 2, 3, 5 and 6; decisions R38).

An import here is every other door's, with the options of a migration: what is there is replaced, only a bundle of the
same release comes in, and its success has nothing to say. An export is a snapshot of the tenant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Caller, Right, require
from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Refusal, refuse
from domain.import_model import ImportJob, ImportState
from domain.line import ImportOrder
from domain.model import Package, PackageType, TenantId
from domain.options import ConflictStrategy, ImportOptions, UnresolvedBindings
from domain.services import Services
from rest_compat import bodies
from rest_compat.akana_faults import BINARY, accomplished, answerable
from rest_compat.akana_session import signed_in, tenant_of_business
from rest_compat.akana_shapes import ImportForm, answers_of
from rest_compat.akana_switches import PARAMETERS, chosen_types, types_of
from rest_compat.asking import Asked
from rest_compat.dialect import media_type
from rest_compat.operations import MULTIPART, ZIP, Admits, Answer, Operation, Parameter
from rest_compat.packages import sent
from rest_compat.parameters import IDEMPOTENCY_KEY
from rest_compat.properties import PROPERTIES_BYTES_MAX, endpoint_mapping
from rest_compat.receiving import received_form
from rest_compat.submitting import in_line
from rest_compat.weighing import limit_of, plan_of

PACKAGE, MAPPING = "Package", "MappingProperties"
_DONE, _ACCEPTED, _PART, _UNCHANGED = 200, 202, 206, 304
_ANYTHING = tuple(ArtifactType)
_CALLABLE = types_of(PackageType.WORKFLOW_PACKAGE, PackageType.AGENT_PACKAGE)
_APPS = types_of(PackageType.APP_PACKAGE)


async def import_migration(request: Request) -> Response:
    """200 and no body when all is done; ``Location`` is the report, at the other doors.

    An import that takes longer than a caller waits is answered with 202 and goes on (R18).
    """
    tenant_id = TenantId(str(request.path_params["FedmemberID"]))
    asked = Asked(request, await signed_in(request, tenant_id, writes=True), request.state.services, None)
    require(asked.caller, Right.IMPORT)
    answerable(request)
    if media_type(request) != MULTIPART:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {MULTIPART} with the part {PACKAGE}.")
    await asked.services.freezing.refuse_frozen(tenant_id)
    job = await _waited_for(asked, await _submitted(asked, tenant_id))
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        raise await _given_up(asked, job)
    if job.state.is_final and job.state is not ImportState.SUCCEEDED:
        raise bodies.failure_of(job)
    done = accomplished(request, headers={"location": bodies.status_url(job)})
    done.status_code = _DONE if job.state.is_final else _ACCEPTED
    return done


async def _submitted(asked: Asked, tenant_id: TenantId) -> ImportJob:
    """The import in its tenant's line."""
    limit, blobs = limit_of(asked, await plan_of(asked, tenant_id)), asked.services.blobs
    texts, package = await received_form(
        asked.request, blobs, limit=limit, texts={MAPPING: PROPERTIES_BYTES_MAX}, package=PACKAGE
    )
    try:
        mapping = await asyncio.to_thread(endpoint_mapping, texts.get(MAPPING, b""), MAPPING)
    except Refusal:
        await blobs.delete(package.blob_key)
        raise
    options = ImportOptions(
        default_strategy=ConflictStrategy.REPLACE,
        # no credential travels, and this door has no words to supply one
        unresolved_bindings=UnresolvedBindings.IMPORT_SWITCHED_OFF,
        endpoint_mapping=mapping,
        is_migration=True,
    )
    return await in_line(asked, ImportOrder(tenant_id, package, options), is_fresh=True)


async def _waited_for(asked: Asked, job: ImportJob) -> ImportJob:
    """The import at its end or its pause, or as it was when the caller had waited long enough."""
    try:
        async with asyncio.timeout(asked.services.installation.limits.rest_wait):
            return await asked.services.records.settled(job)
    except TimeoutError:
        return job


async def _given_up(asked: Asked, job: ImportJob) -> Refusal:
    """What cannot be decided here does not stay in the tenant's line: the refusal of an import that is cancelled now.

    Nothing but an artifact that matches one by its origin and another by its name gets so far: all else is replaced.
    """
    await asked.services.line.cancel(asked.caller, job.import_id, asked.caller.reach)
    text = (
        "Artifacts of the package match one artifact by their origin and another by their name. Nothing was changed;"
        " import it at another door, where this can be decided."
    )
    return refuse(ErrorCode.CONFLICT_REQUIRES_RESOLUTION, text, importId=job.import_id)


async def export_business(request: Request) -> Response:
    """The core of a business, and what the switches take along."""
    tenant_id = tenant_of_business(str(request.path_params["BusinessID"]))
    caller = await _exporting(request, tenant_id)
    types = chosen_types(request)
    services: Services = request.state.services
    return await _attached(request, await services.snapshots.of_types(caller, tenant_id, types), "business-export.zip")


async def export_resource(request: Request) -> Response:
    """One artifact, with all it needs."""
    return await _resource(request, "ResourceID", "resource-export.zip")


async def export_api(request: Request) -> Response:
    return await _resource(request, "APIID", "api-export.zip", _CALLABLE)


async def export_app(request: Request) -> Response:
    return await _resource(request, "AppID", "application-export.zip", _APPS)


async def _resource(request: Request, name: str, file: str, types: Collection[ArtifactType] = _ANYTHING) -> Response:
    artifact_id, _, tenant_id = str(request.path_params[name]).partition(".")
    if not tenant_id:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such resource.", name, what="artifact")
    caller = await _exporting(request, TenantId(tenant_id))
    services: Services = request.state.services
    package = await services.snapshots.of_artifact(caller, TenantId(tenant_id), artifact_id, types)
    return await _attached(request, package, file)


async def _exporting(request: Request, tenant_id: TenantId) -> Caller:
    caller = await signed_in(request, tenant_id, writes=False)
    require(caller, Right.EXPORT)
    answerable(request, also=(BINARY, ZIP))
    return caller


async def _attached(request: Request, package: Package, file: str) -> Response:
    named = {"content-type": BINARY, "content-disposition": f'attachment; filename="{file}"'}
    return await sent(request, package, named=named)


_FOR_PAGES = tuple(
    Parameter(name, "Taken and not used: an attachment is sent whatever it says.")
    for name in ("download", "wrapInHTML")
)
_VERSIONS = Parameter(
    "exportVersion",
    "Taken and not used: an artifact has one version, the current one.",
    schema={"type": "string", "enum": ["all", "current"]},
)


def _export_row(
    path: str,
    endpoint: Callable[[Request], Awaitable[Response]],
    summary: str,
    parameters: tuple[Parameter, ...] = (),
    description: str = "The artifact and all it needs, at any status.",
) -> Operation:
    headers = ("Content-Disposition", "ETag")
    return Operation(
        method="GET",
        path=path,
        endpoint=endpoint,
        summary=summary,
        right=Admits.SESSION,
        answers={
            **answers_of(None, 400, 401, 403, 404, 413),
            _DONE: Answer("The ZIP.", {BINARY: bytes}, headers),
            _PART: Answer("The range that was asked for.", {BINARY: bytes}, (*headers, "Content-Range")),
            _UNCHANGED: Answer("The caller has these bytes already.", headers=("ETag",)),
        },
        parameters=(*parameters, *_FOR_PAGES),
        description=description,
        answers_all=True,
        source="akana.md section 5",
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/tenants/{FedmemberID}/packages",
        endpoint=import_migration,
        summary="Import what was exported from this or another installation",
        right=Admits.SESSION,
        answers={
            **answers_of(
                None,
                *(400, 401, 403, 404, 413, 415, 429),
                headers=("Location",),
                text="All of it is in the tenant. `Location` is the import's report, for the bearer of a token.",
            ),
            _ACCEPTED: Answer("It takes longer than a caller waits, and goes on.", headers=("Location",)),
        },
        takes={MULTIPART: ImportForm},
        parameters=(IDEMPOTENCY_KEY,),
        description="What is there under the same name or from the same origin is replaced. The package must come from"
        " the tenant's platform version, or an earlier update of the same release.",
        answers_all=True,
        source="akana-import-package",
    ),
    _export_row(
        "/api/businesses/{BusinessID}/package",
        export_business,
        "Export a business",
        PARAMETERS,
        "Artifacts at any status. Without switches only the core; what the chosen artifacts need besides stays where it"
        " is.",
    ),
    _export_row("/api/tenants/{ResourceID}/package", export_resource, "Export a resource"),
    _export_row("/api/businesses/resources/{ResourceID}/package", export_resource, "Export a resource of a business"),
    _export_row("/api/apis/{APIID}/package", export_api, "Export an API", (_VERSIONS,)),
    _export_row("/api/apps/{AppID}/package", export_app, "Export an app", (_VERSIONS,)),
)
