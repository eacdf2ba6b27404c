"""The OpenAPI 3.1 document of the REST door, made from the table that the routes come from (decisions R29).

What every operation shares is said once here: who may ask, the tenant's header, and the refusals that follow from an
operation's form. ``rest_compat/openapi.json`` is this document, printed; it is what the server serves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeGuard

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from domain.access import Right
from domain.errors import ErrorCode
from rest_compat.answers import ErrorAnswer, FailedImport
from rest_compat.market_questions import MARKET_DESCRIBED
from rest_compat.operations import (
    JSON,
    MULTIPART,
    OF_A_BUNDLE,
    OF_A_RUN,
    Admits,
    Answer,
    Form,
    Forms,
    Operation,
    Parameter,
)
from rest_compat.plan_questions import PLAN_DESCRIBED
from rest_compat.questions import DESCRIBED
from rest_compat.undo_questions import UNDO_DESCRIBED

OPENAPI_VERSION = "3.1.0"
#: of the interface; raised by whoever adds to it
VERSION = "0.2.0"
_METHODS_THAT_WRITE = ("POST", "PUT", "PATCH", "DELETE")
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_TOO_SLOW = 408
#: callers' words for each form that the doors read
DESCRIBED_FORMS = {**DESCRIBED, **PLAN_DESCRIBED, **UNDO_DESCRIBED, **MARKET_DESCRIBED}
_MODEL = "#/components/schemas/{model}"
#: how a row says that its route is an addition of ours
_OURS = "section 9.3"

_ABOUT = """\
Moves low-code artifacts between tenants as checked, versioned packages.

Every refusal is one body, `{ "error": code, "message": text, "errors": [ … ] }`, with every problem at once. Members \
marked *(ours)* are additions to the documented bodies; objects may get more members, never other ones under a known \
name. Query parameters and members of a request that nobody knows are ignored; those of a request's body come back in \
`warnings`, where an answer has them. Sizes are bytes, times are RFC 3339 in UTC. Every `GET` may be asked as `HEAD`. \
Every answer carries `X-Request-Id`: the caller's own, or one of ours."""

#: the first of these that fits an operation's method and path says what it is about
_TAGS = (
    (r" /api/((login|properties|businesses|tenants|apis)\b|apps/)", "Akana-compatible door"),
    (r"^PATCH /api/marketplace|/marketplace/.*/(deprecate|yank|unlist|relist|analytics)$", "Offered packages"),
    (r"/marketplace/(.*/submissions$|validate|submi|review-queue|manual-reviews|scan-exceptions)", "Submissions"),
    (r"/marketplace/publishers", "Publishers"),
    (r"/marketplace/.*reviews", "Reviews"),
    (r"/marketplace/.*(install|/preview$|subscribe$)", "Installs"),
    (r"/marketplace/.*(certif|/suspend$|/reinstate$|flagged|vulnerability)", "Trust"),
    (r"/marketplace/", "Catalogue"),
    (r"/uploads", "Uploads"),
    (r"/installhub/bindings", "Bindings"),
    (r"/plans", "Plans"),
    (r"/installed", "Installed packages"),
    (r"/import", "Imports"),
    (r"/conflicts", "Conflicts"),
    (r"/resume", "Imports"),
    (r"/audit", "Conflicts"),
    (r"/packages", "Packages"),
    (r"/api/", "Artifacts"),
)
_TAG_TEXTS = {
    "Packages": "Exporting, and what was exported.",
    "Uploads": "Packages sent ahead of their import.",
    "Imports": "Importing, and watching it.",
    "Plans": "What an import would do.",
    "Bindings": "Values that never travel, and what a tenant remembers of them.",
    "Conflicts": "What was there already, and what was decided about it.",
    "Installed packages": "What is installed where.",
    "Artifacts": "What there is to export.",
    "Catalogue": "The marketplace: which packages publishers offer.",
    "Installs": "Installing from the marketplace, and hearing of new versions.",
    "Reviews": "What those say who installed a package, and what moderators let others read.",
    "Publishers": "Who offers packages: verification, keys, and how the packages do.",
    "Submissions": "Offering a version: the checks, and the people who look where these are not enough.",
    "Offered packages": "What a publisher does with a package that it offers.",
    "Trust": "Certification, suspensions and reports of dangerous packages.",
    "Akana-compatible door": "Sessions with a cookie, imports and exports as Akana's API platform words them.",
}
_IN_PATHS = {
    "packageId": "The package's id, `pkg-…`.",
    "packageName": "The installed package's name, in any case.",
    "importId": "The import's id, `imp-…`.",
    "planId": "The plan's id, `plan-…`.",
    "fixId": "The fix's id, as the plan's problems and conflicts tell it.",
    "publisherId": "The publisher's id, `pub-…`.",
    "submissionId": "The submission's id, `sub-…`.",
    "keyId": "The key's id.",
    "installId": "The install's id, `mkt-install-…`.",
    "reviewId": "The review's id, `rev-…`.",
    "exceptionId": "The exception's id, `exc-…`.",
    "rescanId": "The scan's id, `rsc-…`.",
    "reportId": "The report's id, `vr-…`.",
    "version": "The version.",
    "conflictId": "The conflict's id, such as `conf-001`.",
    "BusinessID": "The business: `tenantbusiness.` and the tenant's id.",
    "FedmemberID": "The tenant's id.",
    "ResourceID": "The artifact's id, a dot, and the tenant's: `proc-1001.acme-dev`.",
    "APIID": "The same of a process, a thread or an agent.",
    "AppID": "The same of an app.",
}
_MARKET = "/marketplace/"
#: what the same name means there
_IN_MARKET_PATHS = {"packageId": "The package's id in the marketplace, `mkt-pkg-…`."}
_HEADERS = {
    "Accept-Ranges": "`bytes`: parts can be asked for.",
    "Content-Disposition": "The name to save it under.",
    "Content-Range": "Which part this is, and of how much.",
    "ETag": "The same tag means the same bytes.",
    "Link": "Where to go from here (RFC 8288).",
    "Location": "Where to look how it stands.",
    "Preference-Applied": "`respond-async`, when it was asked for.",
    "Set-Cookie": "The session's cookies.",
    "Retry-After": "Seconds to wait before asking again.",
    "WWW-Authenticate": "What is wrong with the token.",
    "X-Request-Id": "The request's number: quote it when something went wrong.",
}
#: by status
HEADERS_OF_REFUSALS = {
    401: ("WWW-Authenticate",),
    416: ("Content-Range",),
    429: ("Retry-After",),
    503: ("Retry-After",),
    507: ("Retry-After",),
}
_TENANT_HEADER = Parameter(
    "X-Tenant-Id", "The tenant that is meant, where the request does not name it; else the token's own.", "header"
)
_SIGNATURE = "signature"
#: parameters that change the answer at most, whatever they say
_NEVER_WRONG = {_SIGNATURE, "expires", "Prefer", "Range", "If-None-Match", "If-Range"}
#: an operation that may be refused with one of these runs an import
_RUNNING = {ErrorCode.INVALID_ZIP, ErrorCode.ARTIFACT_INSTALL_FAILED}
#: how an import may end
_ENDS = {*OF_A_BUNDLE, *OF_A_RUN}


def printed(operations: Sequence[Operation]) -> str:
    """The document as it stands in the repository: the same text every time."""
    return json.dumps(document(operations), indent=1, ensure_ascii=False) + "\n"


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation, name in zip(operations, operation_ids(operations), strict=True):
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, name)
    tags = {item["tags"][0] for path in paths.values() for item in path.values()}
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": "InstallHub", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/", "description": "This server."}],
        "tags": [{"name": tag, "description": text} for tag, text in _TAG_TEXTS.items() if tag in tags],
        "paths": paths,
        "components": {
            "securitySchemes": _schemes(operations),
            "parameters": {"TenantHeader": _parameter(_TENANT_HEADER)},
            "headers": {name: {"description": text, "schema": _text()} for name, text in _HEADERS.items()},
            "responses": _common_refusals(operations),
            "schemas": _schemas(operations),
        },
    }


def operation_ids(operations: Sequence[Operation]) -> list[str]:
    """A name for each operation: its endpoint's, and, at a second address, with that address."""
    names: list[str] = []
    for operation in operations:
        name = _camel(operation.endpoint.__name__.split("_"))
        if name in names:
            address = re.sub(r"[{}]", "", operation.path).split("/")[3:]
            name += "At" + "".join(part[:1].upper() + part[1:] for step in address for part in step.split("-"))
        names.append(name)
    return names


def codes_of(operation: Operation) -> dict[int, list[ErrorCode]]:
    """Which codes may refuse an operation, by status: what its form brings along, and its own."""
    found: dict[int, list[ErrorCode]] = {}
    if operation.answers_all:
        return found
    for code in dict.fromkeys([*_usual(operation), *operation.refuses]):
        found.setdefault(code.status, []).append(code)
    if ErrorCode.VERIFICATION_FAILED in operation.refuses:
        # found late, on held revisions, it is a 422 of the import
        found[ErrorCode.VERIFICATION_FAILED.status].append(ErrorCode.BROKEN_REFERENCE)
    if len(found.get(ErrorCode.VALIDATION_FAILED.status, ())) > 1:
        found[ErrorCode.VALIDATION_FAILED.status].append(ErrorCode.VALIDATION_FAILED)
    return found


def _usual(operation: Operation) -> Iterator[ErrorCode]:
    if operation.right:
        yield ErrorCode.UNAUTHENTICATED
    if isinstance(operation.right, Right):
        yield ErrorCode.INSUFFICIENT_PERMISSION
    if _knows_tenants(operation):
        yield ErrorCode.TENANT_MISMATCH
    if "{" in operation.path:
        yield ErrorCode.NOT_FOUND
    if _is_signed(operation):
        yield ErrorCode.LINK_EXPIRED
    named = {parameter.name for parameter in operation.parameters}
    if operation.takes or named - _NEVER_WRONG:
        yield ErrorCode.BAD_USER_INPUT
    if operation.takes or "tenantId" in named:
        yield ErrorCode.INVALID_TENANT_ID
    if operation.takes:
        yield from (ErrorCode.UNSUPPORTED_MEDIA_TYPE, ErrorCode.PAYLOAD_TOO_LARGE)
    if operation.method in _METHODS_THAT_WRITE:
        yield ErrorCode.INSUFFICIENT_STORAGE
    yield from (ErrorCode.INTERNAL_ERROR, ErrorCode.SERVICE_UNAVAILABLE)


def _described(operation: Operation, name: str) -> dict[str, Any]:
    added = "An addition to the documented routes." if _OURS in operation.source else ""
    found: dict[str, Any] = {
        "operationId": name,
        "tags": [_tag(operation)],
        "summary": operation.summary,
    }
    if text := " ".join(filter(None, [operation.description, added])):
        found["description"] = text
    found["security"] = list(_security(operation))
    if parameters := list(_parameters(operation)):
        found["parameters"] = parameters
    if operation.takes:
        found["requestBody"] = {"required": True, "content": dict(_taken(operation.takes))}
    found["responses"] = _responses(operation)
    return found


def _tag(operation: Operation) -> str:
    asked = f"{operation.method} {operation.path}"
    return next(tag for pattern, tag in _TAGS if re.search(pattern, asked))


def _security(operation: Operation) -> Iterator[dict[str, list[str]]]:
    """Any one of these is enough; the words beside a token are the permissions it must hold."""
    if operation.right is Admits.ANYBODY or (operation.right is None and operation.answers_all):
        yield {}
    if operation.right is Admits.SESSION:
        yield {"session": []}
    elif isinstance(operation.right, Admits):
        yield {"token": []}
    else:
        enough = [right for right in (operation.right, operation.or_right) if right]
        yield from ({"token": [scope]} for right in enough for scope in right.scopes)
    if _is_signed(operation):
        yield {"signedAddress": []}


def _knows_tenants(operation: Operation) -> bool:
    """Whether the caller's tenants play a part: what everybody may see belongs to none."""
    return operation.right not in (None, Admits.ANYBODY, Admits.SESSION)


def _is_signed(operation: Operation) -> bool:
    return _SIGNATURE in {parameter.name for parameter in operation.parameters}


def _schemes(operations: Sequence[Operation]) -> dict[str, Any]:
    text = "A token of the platform's identity provider; its `scope`, `permissions` or `roles` hold the permissions."
    schemes: dict[str, Any] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": text}
    }
    if any(_is_signed(operation) for operation in operations):
        text = "Part of the address that `downloadUrl` gives; good for a few minutes and for that address alone."
        schemes["signedAddress"] = {"type": "apiKey", "in": "query", "name": _SIGNATURE, "description": text}
    if any(operation.right is Admits.SESSION for operation in operations):
        text = "The cookie that `POST /api/login` sets; its name ends with the tenant's id."
        schemes["session"] = {"type": "apiKey", "in": "cookie", "name": "AtmoAuthToken_{tenant}", "description": text}
    return schemes


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in _PATH_PARAMETER.findall(operation.path):
        text = _IN_MARKET_PATHS.get(name, _IN_PATHS[name]) if _MARKET in operation.path else _IN_PATHS[name]
        yield {"name": name, "in": "path", "required": True, "description": text, "schema": _text()}
    said_elsewhere = set() if operation.answers_all else {_TENANT_HEADER.name, _SIGNATURE}
    yield from (_parameter(one) for one in operation.parameters if one.name not in said_elsewhere)
    if _knows_tenants(operation):
        yield {"$ref": "#/components/parameters/TenantHeader"}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        **({"required": True} if parameter.is_required else {}),
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _taken(forms: Forms) -> Iterator[tuple[str, dict[str, Any]]]:
    for media, form in forms.items():
        if media == MULTIPART:
            yield media, _parts(form)
        else:
            yield media, {"schema": _schema_of(form)} if _is_model(form) else {}


def _parts(form: Form) -> dict[str, Any]:
    """A form with the ZIP, and, where there is a model, with the options; or a model of the whole form."""
    if _is_model(form) and (stated := form.model_fields.get("package")):
        name = stated.alias or "package"
        return {"schema": _schema_of(form), "encoding": {name: {"contentType": "application/zip"}}}
    package = {"description": "The ZIP.", "type": "string", "contentMediaType": "application/zip"}
    parts: dict[str, Any] = {"package": package}
    encoding = {"package": {"contentType": "application/zip"}}
    if _is_model(form):
        parts["options"] = _schema_of(form)
        encoding["options"] = {"contentType": JSON}
        parts["bindings"] = {"description": "A binding file: a JSON object, or Java properties.", "type": "string"}
        encoding["bindings"] = {"contentType": f"{JSON}, text/x-java-properties"}
    schema = {"type": "object", "required": ["package"], "properties": parts}
    return {"schema": schema, "encoding": encoding}


def _responses(operation: Operation) -> dict[str, Any]:
    codes = codes_of(operation)
    slow = [_TOO_SLOW] if operation.takes and not operation.answers_all else []
    return {
        str(status): _response(operation, status, codes.get(status, []))
        for status in sorted({*operation.answers, *codes, *slow})
    }


def _response(operation: Operation, status: int, codes: Sequence[ErrorCode]) -> dict[str, Any]:
    said = operation.answers.get(status)
    if status == _TOO_SLOW:
        return {"$ref": "#/components/responses/TooSlow"}
    if _is_common(operation, status, codes):
        return {"$ref": f"#/components/responses/{_common_name(codes[0])}"}
    return _written(said or Answer(""), status, codes, ends=_may_end(operation, codes))


def _is_common(operation: Operation, status: int, codes: Sequence[ErrorCode]) -> bool:
    """Whether this status is one code and nothing else, so that it can be said once for all operations."""
    return status not in operation.answers and len(codes) == 1 and not _may_end(operation, codes)


def _may_end(operation: Operation, codes: Iterable[ErrorCode]) -> bool:
    """Whether these codes may also be how an import ended, which then is told with its id."""
    return bool(_RUNNING & set(operation.refuses)) and bool(_ENDS & set(codes))


def _written(said: Answer, status: int, codes: Sequence[ErrorCode], *, ends: bool) -> dict[str, Any]:
    """One status: what it answers, and which codes it refuses with."""
    texts = [said.description] if said.description else []
    forms: dict[str, list[Form]] = {media: [form] for media, form in said.forms.items()}
    if codes:
        texts.append(f"Refused: {', '.join(f'`{code.wire}`' for code in codes)}.")
        refused = forms.setdefault(JSON, [])
        refused += [form for form in ([FailedImport] if ends else []) + [ErrorAnswer] if form not in refused]
    headers = dict.fromkeys([*said.headers, *(HEADERS_OF_REFUSALS.get(status, ()) if codes else ()), "X-Request-Id"])
    found: dict[str, Any] = {
        "description": " ".join(texts),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
    }
    if forms:
        found["content"] = {media: _one_of(models) for media, models in forms.items()}
    return found


def _one_of(models: Sequence[Form]) -> dict[str, Any]:
    schemas = [_schema_of(model) for model in models if _is_model(model)]
    if not schemas:
        return {}
    return {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}


def _common_refusals(operations: Sequence[Operation]) -> dict[str, Any]:
    """Statuses with one code, said once."""
    alone = {
        codes[0]
        for operation in operations
        for status, codes in codes_of(operation).items()
        if _is_common(operation, status, codes)
    }
    found = {_common_name(code): _written(Answer(""), code.status, [code], ends=False) for code in alone}
    if any(operation.takes for operation in operations):
        slow = Answer("The body came too slowly.", {JSON: ErrorAnswer})
        found["TooSlow"] = _written(slow, _TOO_SLOW, [], ends=False)
    return dict(sorted(found.items()))


def _common_name(code: ErrorCode) -> str:
    return "".join(word.capitalize() for word in code.name.split("_"))


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    forms = [form for operation in operations for form in operation.takes.values()]
    forms += [form for operation in operations for said in operation.answers.values() for form in said.forms.values()]
    models: set[type[BaseModel]] = {DESCRIBED_FORMS.get(form, form) for form in forms if _is_model(form)} | {
        ErrorAnswer,
        FailedImport,
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    _, found = models_json_schema([(model, "validation") for model in ordered], ref_template=_MODEL)
    return {name: _untitled(schema) for name, schema in sorted(found["$defs"].items())}


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "title"}


def _schema_of(form: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _MODEL.format(model=DESCRIBED_FORMS.get(form, form).__name__)}


def _is_model(form: Form) -> TypeGuard[type[BaseModel]]:
    return issubclass(form, BaseModel)


def _text() -> dict[str, str]:
    return {"type": "string"}


def _camel(words: Sequence[str]) -> str:
    return words[0] + "".join(word.capitalize() for word in words[1:])
