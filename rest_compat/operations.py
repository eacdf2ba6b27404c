"""The route table's rows: what the server routes by is what OpenAPI tells (issue step 2; decisions R29)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from domain.access import Right
from domain.errors import ErrorCode

JSON = "application/json"
ZIP = "application/zip"
MULTIPART = "multipart/form-data"
NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"

#: what a body is: a model, or ``bytes`` for what is no JSON
Form = type[BaseModel | bytes]
#: the forms of a body, by media type
Forms = Mapping[str, Form]


#: what may be wrong with the artifacts of an export or a preview
OF_ROOTS = (
    ErrorCode.ARTIFACT_IDS_MISSING,
    ErrorCode.TOO_MANY_ROOT_ARTIFACTS,
    ErrorCode.ARTIFACT_NOT_FOUND,
    ErrorCode.DEPENDENCY_DEPTH_EXCEEDED,
    ErrorCode.BUNDLE_SIZE_EXCEEDED,
)
#: what may be wrong with an export besides
OF_AN_EXPORT = (
    *OF_ROOTS,
    ErrorCode.INVALID_PACKAGE_NAME,
    ErrorCode.INVALID_PACKAGE_TYPE,
    ErrorCode.INVALID_VERSION,
    ErrorCode.INCOMPLETE_ARTIFACT,
    ErrorCode.CIRCULAR_DEPENDENCY,
    ErrorCode.CROSS_TENANT_REFERENCE,
    ErrorCode.RATE_LIMIT_EXCEEDED,
    ErrorCode.VERSION_CONFLICT,
    ErrorCode.CONTENT_DAMAGED,
)
#: what may be wrong with a bundle, so that nothing can be planned from it
OF_A_BUNDLE = (
    ErrorCode.INVALID_ZIP,
    ErrorCode.FORBIDDEN_CONTENT,
    ErrorCode.PATH_TRAVERSAL_DETECTED,
    ErrorCode.NESTED_ARCHIVE_DETECTED,
    ErrorCode.MANIFEST_MISSING,
    ErrorCode.README_MISSING,
    ErrorCode.MANIFEST_INVALID,
    ErrorCode.MANIFEST_FIELD_MISSING,
    ErrorCode.UNSUPPORTED_MANIFEST_VERSION,
    ErrorCode.INVALID_DATETIME,
    ErrorCode.INVALID_VERSION,
    ErrorCode.INVALID_PACKAGE_TYPE,
    ErrorCode.EMPTY_ARTIFACT_LIST,
    ErrorCode.INCOMPLETE_INSTALL_ORDER,
    ErrorCode.INSTALL_ORDER_INVALID,
    ErrorCode.UNKNOWN_ARTIFACT_TYPE,
    ErrorCode.DUPLICATE_ARTIFACT,
    ErrorCode.DEPENDENCY_MISMATCH,
    ErrorCode.CHECKSUM_MISMATCH,
    ErrorCode.ARTIFACT_FILE_MISSING,
    ErrorCode.UNDECLARED_ARTIFACT,
    ErrorCode.ARTIFACT_INVALID,
    ErrorCode.BROKEN_REFERENCE,
    ErrorCode.TOO_MANY_ARTIFACTS,
)
#: what may be wrong with a request that brings a bundle on its way
OF_A_SUBMISSION = (
    *OF_A_BUNDLE,
    ErrorCode.NOT_FOUND,
    ErrorCode.PAYLOAD_TOO_LARGE,
    ErrorCode.INVALID_OPTIONS,
    ErrorCode.BUNDLE_EXPIRED,
    ErrorCode.UPLOAD_EXPIRED,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    ErrorCode.RATE_LIMIT_EXCEEDED,
)
#: what may keep a plan from being carried out, or ends it on its way
OF_A_RUN = (
    ErrorCode.MISSING_PACKAGE_DEPENDENCY,
    ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY,
    ErrorCode.PLATFORM_VERSION_INCOMPATIBLE,
    ErrorCode.MAJOR_VERSION_UPGRADE_NOT_ALLOWED,
    ErrorCode.VERSION_DOWNGRADE_NOT_ALLOWED,
    ErrorCode.BINDING_UNRESOLVED,
    ErrorCode.ARTIFACT_LOCKED,
    ErrorCode.REMOVAL_BLOCKED,
    ErrorCode.SECURITY_SCAN_FAILED,
    ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED,
    ErrorCode.SCAN_ERROR,
    ErrorCode.PLAN_STALE,
    ErrorCode.IMPORT_EXPIRED,
    ErrorCode.IMPORT_CANCELLED,
    ErrorCode.ARTIFACT_INSTALL_FAILED,
    ErrorCode.VERIFICATION_FAILED,
    ErrorCode.TRANSACTION_TIMEOUT,
    ErrorCode.VERIFICATION_TIMEOUT,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or a request header."""

    name: str
    description: str
    place: str = "query"
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What one status means, and its body's forms."""

    description: str
    forms: Forms = field(default_factory=dict)
    headers: tuple[str, ...] = ()


class Admits(Enum):
    """Whom an operation admits without a permission."""

    #: whoever shows a good token
    SIGNED_IN = "signed in"
    #: everybody, where the marketplace is public; else as above
    ANYBODY = "anybody"
    #: whoever shows the cookie of a session; the user's power decides
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``answers`` lists what is not a refusal; refusals follow from the catalogue."""

    method: str
    path: str
    endpoint: Callable[[Request], Awaitable[Response]]
    summary: str
    #: what a caller must hold; ``None``: the address itself is signed
    right: Right | Admits | None
    answers: Mapping[int, Answer]
    takes: Forms = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    #: the refusals of this operation's own, besides those that its form brings along
    refuses: tuple[ErrorCode, ...] = ()
    description: str = ""
    #: a second permission that is enough by itself: those who run the market look at what publishers have
    or_right: Right | None = None
    #: a documented route of the source documents, or an addition of ours (decisions section 9.3)
    source: str = ""
    #: a dialect with statuses of its own: ``answers`` lists its refusals too, and ``refuses`` says nothing
    answers_all: bool = False


class _Path(Route):
    """All methods of one path. Where it fits no other path is asked, so a wrong method is told as such."""

    def __init__(self, path: str, operations: Sequence[Operation]) -> None:
        asked = {operation.method: operation.endpoint for operation in operations}

        async def answered(request: Request) -> Response:
            return await asked["GET" if request.method == "HEAD" else request.method](request)

        super().__init__(path, answered, methods=list(asked), name=path)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), found


def routes_of(operations: Iterable[Operation]) -> tuple[Route, ...]:
    """The routes, one a path: fixed paths first, else as they first stand in the table."""
    found: dict[str, list[Operation]] = {}
    for operation in operations:
        found.setdefault(operation.path, []).append(operation)
    return tuple(_Path(path, found[path]) for path in sorted(found, key=lambda path: "{" in path))
