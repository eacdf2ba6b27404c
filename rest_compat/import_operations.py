"""The route table's rows about imports; what they do stands in ``imports``."""

from __future__ import annotations

from domain.access import Right
from domain.errors import ErrorCode
from rest_compat import imports
from rest_compat.answers import (
    AcceptedAnswer,
    AuditAnswer,
    ImportOutcome,
    ImportRecord,
    ImportsPage,
    PendingConflicts,
    ScanReportAnswer,
)
from rest_compat.bodies import PREFIX
from rest_compat.deciding import ResumeBody
from rest_compat.operations import (
    JSON,
    MULTIPART,
    OF_A_BUNDLE,
    OF_A_RUN,
    OF_A_SUBMISSION,
    Answer,
    Operation,
    Parameter,
)
from rest_compat.parameters import DATES, DRY_RUN, IDEMPOTENCY_KEY, PAGES, PREFER, TENANT_OR_ALL
from rest_compat.wishes import OptionsBody, ReferenceBody

_OURS = "decisions section 9.3"
_DONE, _ACCEPTED, _WAITS = 200, 202, 409
#: how every request is answered that brings an import on its way (R18)
_OUTCOMES = {
    _DONE: Answer("The import ended well; for a dry run, the plan.", {JSON: ImportOutcome}),
    _ACCEPTED: Answer("The import goes on.", {JSON: AcceptedAnswer}, ("Location", "Preference-Applied")),
    _WAITS: Answer("The import waits for decisions about its conflicts.", {JSON: PendingConflicts}),
}
_RESUME = Operation(
    method="POST",
    path=f"{PREFIX}/packages/import/{{importId}}/resume",
    endpoint=imports.resume,
    summary="Decide the conflicts of an import that waits",
    right=Right.IMPORT,
    answers=_OUTCOMES,
    takes={JSON: ResumeBody},
    parameters=(PREFER,),
    refuses=(*OF_A_RUN, ErrorCode.NOT_FOUND, ErrorCode.TENANT_FROZEN),
    source="installhub.md section 8.5",
)

IMPORT_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{PREFIX}/packages/import",
        endpoint=imports.import_package,
        summary="Import a package",
        right=Right.IMPORT,
        answers=_OUTCOMES,
        takes={MULTIPART: OptionsBody, JSON: ReferenceBody},
        parameters=(DRY_RUN, IDEMPOTENCY_KEY, PREFER),
        refuses=(
            *OF_A_SUBMISSION,
            *OF_A_RUN,
            ErrorCode.PLAN_EXPIRED,
            ErrorCode.APPROVAL_REQUIRED,
            ErrorCode.TENANT_FROZEN,
        ),
        source="import-endpoint",
    ),
    _RESUME,
    Operation(
        method="POST",
        path=f"{PREFIX}/packages/{{importId}}/resume",
        endpoint=imports.resume,
        summary="Decide the conflicts of an import that waits, at its other address",
        right=Right.IMPORT,
        answers=_OUTCOMES,
        takes=_RESUME.takes,
        parameters=_RESUME.parameters,
        refuses=_RESUME.refuses,
        source="installhub.md section 8.5",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/imports",
        endpoint=imports.imports,
        summary="List imports",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("Imports, newest first.", {JSON: ImportsPage})},
        parameters=(
            TENANT_OR_ALL,
            Parameter(
                "status",
                "Only imports that stand so, repeated or with commas between.",
                schema={"type": "array", "items": {"enum": list(imports.STATES)}},
            ),
            Parameter("kind", "Only these kinds.", schema={"type": "array", "items": {"enum": list(imports.KINDS)}}),
            Parameter("packageName", "Only of packages with this name, in any case."),
            Parameter("packageId", "Only of this package."),
            Parameter("submittedBy", "Only what this person asked for: the e-mail address, else the token's subject."),
            Parameter("importedBy", "Only by this person, as `importedBy` shows it."),
            *DATES,
            Parameter("idempotencyKey", "Only the one of a request with this key."),
            Parameter(
                "expiresBefore",
                "Only imports that wait for decisions and are given up before this day or time.",
                schema=DATES[0].schema,
            ),
            Parameter("includeDryRuns", "Dry runs too.", schema={"type": "boolean", "default": False}),
            *PAGES,
        ),
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/imports/{{importId}}",
        endpoint=imports.import_record,
        summary="Look at an import",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("The import as it now stands.", {JSON: ImportRecord})},
        refuses=(ErrorCode.NOT_FOUND,),
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/imports/{{importId}}/scan-report",
        endpoint=imports.scan_report,
        summary="Read what the security scan of an import found",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("The report.", {JSON: ScanReportAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source="installhub.md section 9.1",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/imports/{{importId}}/audit",
        endpoint=imports.import_audit,
        summary="Read who did what with an import",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("Entries, oldest first.", {JSON: AuditAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/imports/{{importId}}/cancel",
        endpoint=imports.cancel,
        summary="Stop an import before its activation",
        right=Right.UNDO,
        answers={_DONE: Answer("The import; one that runs stops at its next step.", {JSON: ImportRecord})},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.CANCEL_TOO_LATE),
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/imports/{{importId}}/retry",
        endpoint=imports.retry,
        summary="Try an import again that failed, was cancelled or expired",
        right=Right.UNDO,
        answers=_OUTCOMES,
        parameters=(IDEMPOTENCY_KEY, PREFER),
        refuses=(
            *OF_A_BUNDLE,
            *OF_A_RUN,
            ErrorCode.NOT_FOUND,
            ErrorCode.BUNDLE_EXPIRED,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            ErrorCode.TENANT_FROZEN,
            ErrorCode.RATE_LIMIT_EXCEEDED,
        ),
        description="The same bundle and the same options, as a new import that names the old one as `retryOf`.",
        source=_OURS,
    ),
)
