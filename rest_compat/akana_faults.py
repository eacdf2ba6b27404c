"""How the Akana-compatible door answers and refuses: bodies by ``Accept``, faults, and its own statuses (akana.md).

JSON, XML or plain text (sections 3 and 8): a type of the list is answered under its own name, ``*/*`` and no
``Accept`` mean JSON. A browser, which would rather have ``text/html``, gets a fault as plain text. What asks for
nothing of the list is refused with 404, as documented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from domain.errors import ErrorCode, Refusal, refuse
from rest_compat.accepting import preferred
from rest_compat.dialect import RefusalResponse, error_rows
from rest_compat.operations import JSON

TEXT, XML, BINARY = "text/plain", "text/xml", "application/octet-stream"
_VERSIONED = tuple(
    f"application/vnd.soa.{version}+{form}" for version in ("v71", "v72", "v80", "v81") for form in ("json", "xml")
)
#: what may be asked for, as documented; the first is what a caller gets who does not mind
OFFERED = (JSON, XML, "application/xml", *_VERSIONED)
_READ_BY_PEOPLE = ("text/html", TEXT)
_NO_STORE: Mapping[str, str] = {"cache-control": "no-store"}
_ASK_AGAIN_SECONDS = 30
_SERVER_FAULT = 500
#: no XML 1.0 document may hold these
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_E = ErrorCode
_SAID: Mapping[int, Sequence[ErrorCode]] = {
    400: (
        *(_E.INVALID_TENANT_ID, _E.BAD_USER_INPUT, _E.INVALID_OPTIONS, _E.VALIDATION_FAILED, _E.QUERY_TOO_COMPLEX),
        *(_E.PERSISTED_QUERY_NOT_FOUND, _E.PERSISTED_QUERY_NOT_SUPPORTED),
        *(_E.RANGE_NOT_SATISFIABLE, _E.ADDRESS_NOT_ALLOWED),
        # a caller's own slip, whatever 422 else means here
        _E.IDEMPOTENCY_KEY_REUSED,
        # what cannot be exported
        *(_E.INVALID_PACKAGE_NAME, _E.INVALID_PACKAGE_TYPE, _E.INVALID_VERSION, _E.ARTIFACT_IDS_MISSING),
        *(_E.TOO_MANY_ROOT_ARTIFACTS, _E.ARTIFACT_NOT_FOUND, _E.INCOMPLETE_ARTIFACT, _E.ARTIFACT_NOT_EXPORTABLE),
        *(_E.CIRCULAR_DEPENDENCY, _E.CROSS_TENANT_REFERENCE, _E.DEPENDENCY_DEPTH_EXCEEDED),
        # refused content
        *(_E.INVALID_ZIP, _E.FORBIDDEN_CONTENT, _E.PATH_TRAVERSAL_DETECTED, _E.NESTED_ARCHIVE_DETECTED),
        *(_E.MANIFEST_MISSING, _E.README_MISSING, _E.MANIFEST_INVALID, _E.MANIFEST_FIELD_MISSING),
        *(_E.UNSUPPORTED_MANIFEST_VERSION, _E.INVALID_DATETIME, _E.EMPTY_ARTIFACT_LIST, _E.INCOMPLETE_INSTALL_ORDER),
        *(_E.INSTALL_ORDER_INVALID, _E.UNKNOWN_ARTIFACT_TYPE, _E.DUPLICATE_ARTIFACT, _E.DEPENDENCY_MISMATCH),
        *(_E.CHECKSUM_MISMATCH, _E.ARTIFACT_FILE_MISSING, _E.UNDECLARED_ARTIFACT, _E.ARTIFACT_HASH_MISMATCH),
        *(_E.BUNDLE_CHECKSUM_MISMATCH, _E.CONTENT_CHECKSUM_MISMATCH, _E.ARTIFACT_INVALID, _E.BROKEN_REFERENCE),
        *(_E.SECURITY_SCAN_FAILED, _E.SECURITY_WARNINGS_NOT_ALLOWED, _E.BINDING_UNRESOLVED, _E.ARTIFACT_LOCKED),
        *(_E.INVALID_PACKAGE_FORMAT, _E.MISSING_REQUIRED_FIELD, _E.CERTIFICATION_REFUSED),
        # versions
        *(_E.MISSING_PACKAGE_DEPENDENCY, _E.INCOMPATIBLE_PACKAGE_DEPENDENCY, _E.PLATFORM_VERSION_INCOMPATIBLE),
        *(_E.MAJOR_VERSION_UPGRADE_NOT_ALLOWED, _E.VERSION_DOWNGRADE_NOT_ALLOWED, _E.VERSION_ALREADY_PUBLISHED),
        *(_E.VERSION_CONFLICT, _E.VERSION_DEPRECATED, _E.VERSION_YANKED),
        # what stands against what is there: 409 is not among the documented statuses
        *(_E.TENANT_BUSY, _E.INSTALLED_ARTIFACT_PROTECTED, _E.CONTENT_DAMAGED),
        *(_E.TENANT_EXISTS, _E.REVISION_CONFLICT, _E.ARTIFACT_NAME_TAKEN, _E.CONFLICT_REQUIRES_RESOLUTION),
        *(_E.PLAN_STALE, _E.CANCEL_TOO_LATE, _E.PUBLISHER_NAME_TAKEN, _E.STATE_CONFLICT, _E.ALREADY_REVIEWED),
        *(_E.ACKNOWLEDGMENT_REQUIRED, _E.APPROVAL_REQUIRED, _E.UNDO_BLOCKED, _E.REMOVAL_BLOCKED),
    ),
    401: (_E.UNAUTHENTICATED,),
    403: (
        *(_E.INSUFFICIENT_PERMISSION, _E.TENANT_MISMATCH, _E.LINK_EXPIRED, _E.PACKAGE_SUSPENDED),
        *(_E.PUBLISHER_NOT_VERIFIED, _E.PACKAGE_BELONGS_TO_OTHER_PUBLISHER, _E.NOT_AN_INSTALLER),
    ),
    # the documented answer to an Accept that cannot be met; what is past its time is not there any more
    404: (_E.NOT_FOUND, _E.NOT_ACCEPTABLE, _E.BUNDLE_EXPIRED, _E.IMPORT_EXPIRED, _E.PLAN_EXPIRED, _E.UPLOAD_EXPIRED),
    405: (_E.METHOD_NOT_ALLOWED,),
    413: (_E.PAYLOAD_TOO_LARGE, _E.TOO_MANY_ARTIFACTS, _E.BUNDLE_SIZE_EXCEEDED),
    415: (_E.UNSUPPORTED_MEDIA_TYPE,),
    429: (_E.RATE_LIMIT_EXCEEDED,),
    500: (
        *(_E.INTERNAL_ERROR, _E.IMPORT_CANCELLED, _E.ARTIFACT_INSTALL_FAILED, _E.VERIFICATION_FAILED),
        *(_E.TRANSACTION_TIMEOUT, _E.VERIFICATION_TIMEOUT, _E.HUB_CONTENT_REFUSED, _E.SIGNATURE_INVALID),
    ),
    503: (
        *(_E.SERVICE_UNAVAILABLE, _E.INSUFFICIENT_STORAGE, _E.SCAN_ERROR, _E.HUB_UNAVAILABLE, _E.HUB_INDEX_REFUSED),
        *(_E.RESCAN_PENDING, _E.TENANT_FROZEN),
    ),
}
#: this dialect's status of every code that refuses
STATUSES: Mapping[ErrorCode, int] = {code: status for status, codes in _SAID.items() for code in codes}
#: a status that one refusal has for itself: a failed import's 422, and a body that came too slowly
_OWN_STATUSES: Mapping[int, int] = {422: 500, 408: 400}
_ASK_AGAIN = (429, 503)


def answerable(request: Request, *, also: Sequence[str] = ()) -> str:
    """The media type that the caller's ``Accept`` chooses out of the documented list, and ``also``.

    Raises ``NotAcceptable``, which is 404 here, when it names none of them.
    """
    chosen = preferred(request, (*OFFERED, *also))
    if chosen is None:
        text = f"There is no such answer. Accept one of {', '.join((*OFFERED, *also))} or */*."
        raise refuse(ErrorCode.NOT_ACCEPTABLE, text, "Accept")
    return chosen


def answered(
    request: Request, name: str, members: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
) -> Response:
    """200 with an object: JSON, or XML with ``name`` as its root, as the caller accepts it."""
    media = answerable(request)
    return Response(_written(media, name, members), 200, {**_NO_STORE, **(headers or {})}, _stated(media))


def accomplished(request: Request, *, headers: Mapping[str, str] | None = None) -> Response:
    """The documented success that has nothing to say: 200 and no body."""
    return Response(b"", 200, {**_NO_STORE, **(headers or {})}, _stated(answerable(request)))


def render_fault(request: Request, refusal: Refusal) -> Response:
    """A refusal in this dialect: ``faultcode``, ``faultstring``, our ``code``, ``importId`` where there is one."""
    status = status_of(refusal)
    headers = dict(_NO_STORE)
    if status in _ASK_AGAIN:
        headers["retry-after"] = str(refusal.details.get("retryAfter", _ASK_AGAIN_SECONDS))
    media = preferred(request, (*OFFERED, *_READ_BY_PEOPLE))
    if media is None or media in _READ_BY_PEOPLE:
        return RefusalResponse(_phrase(refusal), status, headers, TEXT)
    return RefusalResponse(_written(media, "Fault", _fault(refusal, status)), status, headers, _stated(media))


def status_of(refusal: Refusal) -> int:
    """The status of a refusal here."""
    if refusal.status != refusal.code.status:
        return _OWN_STATUSES.get(refusal.status, refusal.status)
    return STATUSES[refusal.code]


def _fault(refusal: Refusal, status: int) -> dict[str, Any]:
    return {
        "faultcode": "server" if status >= _SERVER_FAULT else "client",
        "faultstring": refusal.message,
        "code": refusal.code.wire,
        **{name: refusal.details[name] for name in ("importId", "scanReportUrl") if name in refusal.details},
        "errors": [
            {name: row[name] for name in ("code", "field", "message", "artifactId") if name in row}
            for row in error_rows(refusal.problems)
        ],
    }


def _phrase(refusal: Refusal) -> str:
    import_id = refusal.details.get("importId")
    return f"{refusal.code.wire}: {refusal.message}\n" + (f"importId: {import_id}\n" if import_id else "")


def _stated(media: str) -> str:
    return media if media.endswith("json") else f"{media}; charset=utf-8"


def _written(media: str, name: str, members: Mapping[str, Any]) -> bytes:
    if media.endswith("xml"):
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(name, members)}\n'.encode()
    return json.dumps(members, ensure_ascii=False).encode("utf-8", "replace")


def _element(name: str, value: Any) -> str:
    """An object's members are elements; a list is an element with one ``item`` for each of its members."""
    if isinstance(value, Mapping):
        inside = "".join(_element(member, content) for member, content in value.items())
    elif isinstance(value, list | tuple):
        inside = "".join(_element("item", content) for content in value)
    elif isinstance(value, bool):
        inside = str(value).lower()
    else:
        inside = escape(_NOT_IN_XML.sub("\ufffd", str(value)))
    return f"<{name}>{inside}</{name}>"
