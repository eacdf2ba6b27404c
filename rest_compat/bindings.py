"""Bindings over REST: the file that a tenant pair remembers, and what a plan still needs (section 9.3, R22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.binding_slots import BindingSlot
from domain.bindings import BindingFile
from domain.errors import ErrorCode, refuse
from domain.import_outcome import binding_row
from domain.model import TenantId, rfc3339
from domain.suggesting import Suggestion
from rest_compat.asking import Asked, admitted
from rest_compat.binding_files import binding_file, binding_values
from rest_compat.binding_shapes import BindingFile as SentFile
from rest_compat.binding_shapes import BindingFileAnswer, BindingsPage
from rest_compat.bodies import PREFIX
from rest_compat.dialect import JSON_BYTES_MAX, announced_bytes, answer, body_chunks, json_object, media_type
from rest_compat.operations import JSON, Answer, Operation, Parameter
from rest_compat.parameters import PAGES
from rest_compat.querying import Query, numbered

_DONE = 200
PROPERTIES = "text/x-java-properties"
_TEXTS = (PROPERTIES, "text/plain")
_FILE = "bindings"


async def remembered_bindings(request: Request) -> Response:
    asked = await admitted(request, Right.IMPORT)
    source, target = _pair(asked)
    return answer(_shown(await asked.services.bindings.file(asked.caller, source, target)))


async def save_bindings(request: Request) -> Response:
    asked = await admitted(request, Right.IMPORT)
    source, target = _pair(asked)
    values = await _sent(request)
    return answer(_shown(await asked.services.bindings.save(asked.caller, source, target, values)))


async def plan_bindings(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    query = Query(request)
    page = query.page()
    query.checked()
    made = await asked.services.records.plan(asked.caller, asked.id_in_path("planId"), asked.reach)
    if made is None:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such plan.", "planId", what="plan")
    slots = made.bindings[page.start : page.start + page.size]
    suggested = await asked.services.bindings.suggestions(asked.caller, made.tenant_id, slots)
    return answer(numbered([_suggested(slot, suggested.get(slot.key, ())) for slot in slots], len(made.bindings), page))


def _pair(asked: Asked) -> tuple[str, TenantId]:
    """The source is a name that packages bear; the target is a tenant of the caller's (R1)."""
    query = Query(asked.request)
    source, target = query.text("sourceTenantId"), query.stated("targetTenantId")
    tenant_id = asked.tenant({} if target is None else {"targetTenantId": target}, "targetTenantId", query.problems)
    query.checked()
    return source, tenant_id


async def _sent(request: Request) -> dict[str, str]:
    form = media_type(request)
    if form == JSON:
        return binding_values(await json_object(request), _FILE)
    if form not in _TEXTS:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON} or {PROPERTIES}.")
    gathered = bytearray()
    _refuse_large(announced_bytes(request) or 0)
    async for chunk in body_chunks(request):
        gathered += chunk
        _refuse_large(len(gathered))
    return binding_file(bytes(gathered), _FILE)


def _refuse_large(size: int) -> None:
    if size > JSON_BYTES_MAX:
        text = f"A binding file has at most {JSON_BYTES_MAX} bytes."
        raise refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, _FILE, limit=JSON_BYTES_MAX, actual=size)


def _shown(kept: BindingFile) -> dict[str, Any]:
    return {
        "sourceTenantId": kept.source,
        "targetTenantId": kept.target,
        "bindings": {one.key: one.value for one in kept.bindings},
        "remembered": [
            {"key": one.key, "keptAt": rfc3339(one.kept_at), "keptBy": one.kept_by.label} for one in kept.bindings
        ],
    }


def _suggested(slot: BindingSlot, suggestions: Sequence[Suggestion]) -> Mapping[str, Any]:
    return {**binding_row(slot), "suggestions": [one.shown for one in suggestions]}


_PAIR = (
    Parameter("sourceTenantId", "Where the packages come from, as their manifests name it.", is_required=True),
    Parameter("targetTenantId", "The tenant that remembers; else `X-Tenant-Id`, else the token's own."),
)

BINDING_OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/bindings",
        endpoint=remembered_bindings,
        summary="Look at the values that a tenant remembers for another one's packages",
        right=Right.IMPORT,
        answers={_DONE: Answer("The binding file, secrets masked.", {JSON: BindingFileAnswer})},
        parameters=_PAIR,
        refuses=(ErrorCode.INVALID_TENANT_ID,),
        source="decisions section 9.3",
    ),
    Operation(
        method="PUT",
        path=f"{PREFIX}/bindings",
        endpoint=save_bindings,
        summary="Replace the values that a tenant remembers for another one's packages",
        right=Right.IMPORT,
        answers={_DONE: Answer("The binding file as it is now, secrets masked.", {JSON: BindingFileAnswer})},
        takes={JSON: SentFile, PROPERTIES: bytes},
        parameters=_PAIR,
        refuses=(ErrorCode.INVALID_TENANT_ID, ErrorCode.INVALID_OPTIONS, ErrorCode.PAYLOAD_TOO_LARGE),
        description="The file as GET shows it can be sent back: what is masked stays what it is.",
        source="decisions section 9.3",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/plans/{{planId}}/bindings",
        endpoint=plan_bindings,
        summary="List the places of a plan that need a value of the tenant, with suggestions",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("Bindings, in install order.", {JSON: BindingsPage})},
        parameters=PAGES,
        refuses=(ErrorCode.NOT_FOUND,),
        description="Nothing is suggested to callers who may not import.",
        source="decisions section 9.3",
    ),
)
