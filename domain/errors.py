"""The one catalogue of everything that can be wrong, and the two ways to say it.

Rules (decisions R15, X9-X11; design: house, section 7):

* Every code has two faces: ``wire`` is what REST says, the member's own name is what GraphQL says. Both stand
  beside one HTTP status. A code with status 200 is a *warning*: it travels in ``warnings`` and refuses nothing.
* Checks return :class:`Problem` values, all of them; a :class:`Refusal` is raised and stops the request.
* Finer codes belong to a family. Problems of one family are answered by the family's code; several families
  by ``ValidationFailed``. The finest codes stay in ``errors[]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class ErrorCode(Enum):
    """One entry per kind of trouble: REST spelling, HTTP status and, for a finer code, its family."""

    # asking
    UNAUTHENTICATED = ("invalid_token", 401)
    INSUFFICIENT_PERMISSION = ("InsufficientPermission", 403)
    TENANT_MISMATCH = ("TenantMismatch", 403)
    INVALID_TENANT_ID = ("InvalidTenantId", 400)
    RATE_LIMIT_EXCEEDED = ("RateLimitExceeded", 429)
    NOT_FOUND = ("NotFound", 404)
    LINK_EXPIRED = ("LinkExpired", 403)
    METHOD_NOT_ALLOWED = ("MethodNotAllowed", 405)
    NOT_ACCEPTABLE = ("NotAcceptable", 406)
    UNSUPPORTED_MEDIA_TYPE = ("UnsupportedMediaType", 415)
    RANGE_NOT_SATISFIABLE = ("RangeNotSatisfiable", 416)
    BAD_USER_INPUT = ("BadUserInput", 400)
    INVALID_OPTIONS = ("InvalidOptions", 400)
    VALIDATION_FAILED = ("ValidationFailed", 400)
    QUERY_TOO_COMPLEX = ("QueryTooComplex", 400)
    PERSISTED_QUERY_NOT_FOUND = ("PersistedQueryNotFound", 400)
    PERSISTED_QUERY_NOT_SUPPORTED = ("PersistedQueryNotSupported", 400)
    INTERNAL_ERROR = ("InternalError", 500)
    SERVICE_UNAVAILABLE = ("ServiceUnavailable", 503)
    INSUFFICIENT_STORAGE = ("InsufficientStorage", 507)
    # tenants and artifacts
    TENANT_EXISTS = ("TenantExists", 409)
    TENANT_BUSY = ("TenantBusy", 409)
    REVISION_CONFLICT = ("RevisionConflict", 409)
    ARTIFACT_NAME_TAKEN = ("ArtifactNameTaken", 409)
    ARTIFACT_INVALID = ("ArtifactInvalid", 400)
    INSTALLED_ARTIFACT_PROTECTED = ("InstalledArtifactProtected", 409)
    CONTENT_DAMAGED = ("ContentDamaged", 409)
    # export
    INVALID_PACKAGE_NAME = ("InvalidPackageName", 400)
    INVALID_PACKAGE_TYPE = ("InvalidPackageType", 400)
    INVALID_VERSION = ("InvalidVersion", 400)
    ARTIFACT_IDS_MISSING = ("ArtifactIdsMissing", 400)
    TOO_MANY_ROOT_ARTIFACTS = ("TooManyRootArtifacts", 400)
    ARTIFACT_NOT_FOUND = ("ArtifactNotFound", 400)
    INCOMPLETE_ARTIFACT = ("IncompleteArtifact", 400)
    ARTIFACT_NOT_EXPORTABLE = ("ArtifactNotExportable", 400, "IncompleteArtifact")
    CIRCULAR_DEPENDENCY = ("CircularDependency", 400)
    CROSS_TENANT_REFERENCE = ("CrossTenantReference", 400)
    DEPENDENCY_DEPTH_EXCEEDED = ("DependencyDepthExceeded", 400)
    BUNDLE_SIZE_EXCEEDED = ("BundleSizeExceeded", 400)
    VERSION_CONFLICT = ("VersionConflict", 409)
    BUNDLE_EXPIRED = ("BundleExpired", 410)
    # bundle: the archive
    INVALID_ZIP = ("InvalidZip", 400)
    PAYLOAD_TOO_LARGE = ("PayloadTooLarge", 413)
    TOO_MANY_ARTIFACTS = ("TooManyArtifacts", 413)
    FORBIDDEN_CONTENT = ("ForbiddenContent", 400)
    PATH_TRAVERSAL_DETECTED = ("PathTraversalDetected", 400)
    NESTED_ARCHIVE_DETECTED = ("NestedArchiveDetected", 400)
    # bundle: the manifest
    MANIFEST_MISSING = ("ManifestMissing", 400)
    README_MISSING = ("ReadmeMissing", 400)
    MANIFEST_INVALID = ("ManifestInvalid", 400)
    MANIFEST_FIELD_MISSING = ("ManifestFieldMissing", 400)
    UNSUPPORTED_MANIFEST_VERSION = ("UnsupportedManifestVersion", 400)
    INVALID_DATETIME = ("InvalidDatetime", 400)
    EMPTY_ARTIFACT_LIST = ("EmptyArtifactList", 400)
    INCOMPLETE_INSTALL_ORDER = ("IncompleteInstallOrder", 400)
    INSTALL_ORDER_INVALID = ("InstallOrderInvalid", 400)
    UNKNOWN_ARTIFACT_TYPE = ("UnknownArtifactType", 400)
    DUPLICATE_ARTIFACT = ("DuplicateArtifact", 400)
    DEPENDENCY_MISMATCH = ("DependencyMismatch", 400)
    # bundle: integrity
    CHECKSUM_MISMATCH = ("ChecksumMismatch", 400)
    ARTIFACT_FILE_MISSING = ("ArtifactFileMissing", 400)
    UNDECLARED_ARTIFACT = ("UndeclaredArtifact", 400)
    ARTIFACT_HASH_MISMATCH = ("ArtifactHashMismatch", 400, "ChecksumMismatch")
    BUNDLE_CHECKSUM_MISMATCH = ("BundleChecksumMismatch", 400, "ChecksumMismatch")
    CONTENT_CHECKSUM_MISMATCH = ("ContentChecksumMismatch", 400, "ChecksumMismatch")
    # import
    MISSING_PACKAGE_DEPENDENCY = ("MissingPackageDependency", 400)
    INCOMPATIBLE_PACKAGE_DEPENDENCY = ("IncompatiblePackageDependency", 400)
    PLATFORM_VERSION_INCOMPATIBLE = ("PlatformVersionIncompatible", 400)
    MAJOR_VERSION_UPGRADE_NOT_ALLOWED = ("MajorVersionUpgradeNotAllowed", 400)
    VERSION_DOWNGRADE_NOT_ALLOWED = ("VersionDowngradeNotAllowed", 400)
    BINDING_UNRESOLVED = ("BindingUnresolved", 400)
    ARTIFACT_LOCKED = ("ArtifactLocked", 400)
    REMOVAL_BLOCKED = ("RemovalBlocked", 400)
    SECURITY_SCAN_FAILED = ("SecurityScanFailed", 403)
    SECURITY_WARNINGS_NOT_ALLOWED = ("SecurityWarningsNotAllowed", 403)
    SCAN_ERROR = ("ScanError", 503)
    CONFLICT_REQUIRES_RESOLUTION = ("ConflictRequiresResolution", 409)
    PLAN_STALE = ("PlanStale", 409)
    APPROVAL_REQUIRED = ("ApprovalRequired", 409)
    CANCEL_TOO_LATE = ("CancelTooLate", 409)
    UNDO_BLOCKED = ("UndoBlocked", 409)
    TENANT_FROZEN = ("TenantFrozen", 503)
    IMPORT_EXPIRED = ("ImportExpired", 410)
    PLAN_EXPIRED = ("PlanExpired", 410)
    UPLOAD_EXPIRED = ("UploadExpired", 410)
    IDEMPOTENCY_KEY_REUSED = ("IdempotencyKeyReused", 422)
    IMPORT_CANCELLED = ("ImportCancelled", 422)
    ARTIFACT_INSTALL_FAILED = ("ArtifactInstallFailed", 422)
    #: found while a bundle is validated; the same word found late (verification) is a 422 of the import itself
    BROKEN_REFERENCE = ("BrokenReference", 400)
    VERIFICATION_FAILED = ("VerificationFailed", 422)
    TRANSACTION_TIMEOUT = ("TransactionTimeout", 422)
    VERIFICATION_TIMEOUT = ("VerificationTimeout", 422)
    # marketplace: installing
    ACKNOWLEDGMENT_REQUIRED = ("AcknowledgmentRequired", 400)
    PACKAGE_SUSPENDED = ("PackageSuspended", 403)
    VERSION_DEPRECATED = ("VersionDeprecated", 409)
    VERSION_YANKED = ("VersionYanked", 409)
    RESCAN_PENDING = ("RescanPending", 503)
    HUB_UNAVAILABLE = ("HubUnavailable", 503)
    HUB_INDEX_REFUSED = ("HubIndexRefused", 503)
    HUB_CONTENT_REFUSED = ("HubContentRefused", 422)
    SIGNATURE_INVALID = ("SignatureInvalid", 422)
    ADDRESS_NOT_ALLOWED = ("AddressNotAllowed", 400)
    # marketplace: publishing and reviewing
    PUBLISHER_NOT_VERIFIED = ("PublisherNotVerified", 403)
    PUBLISHER_NAME_TAKEN = ("PublisherNameTaken", 409)
    PACKAGE_BELONGS_TO_OTHER_PUBLISHER = ("PackageBelongsToOtherPublisher", 403)
    VERSION_ALREADY_PUBLISHED = ("VersionAlreadyPublished", 400)
    INVALID_PACKAGE_FORMAT = ("InvalidPackageFormat", 400)
    MISSING_REQUIRED_FIELD = ("MissingRequiredField", 400)
    CERTIFICATION_REFUSED = ("CertificationRefused", 400)
    STATE_CONFLICT = ("StateConflict", 409)
    NOT_AN_INSTALLER = ("NotAnInstaller", 403)
    ALREADY_REVIEWED = ("AlreadyReviewed", 409)
    # warnings: never refuse
    INSTALLED_ARTIFACT_CHANGED = ("InstalledArtifactChanged", 200)
    MISSING_LICENSE = ("MissingLicense", 200)
    README_TOO_SHORT = ("ReadmeTooShort", 200)
    NO_SCREENSHOTS = ("NoScreenshots", 200)
    OLD_PLATFORM_VERSION = ("OldPlatformVersion", 200)
    SIGNATURE_MISSING = ("SignatureMissing", 200)
    PLATFORM_VERSION_MISMATCH = ("PlatformVersionMismatch", 200)
    VERSION_DOWNGRADE = ("VersionDowngrade", 200)
    MAJOR_VERSION_UPGRADE = ("MajorVersionUpgrade", 200)
    UNSTABLE_VERSION = ("UnstableVersion", 200)
    DYNAMIC_REFERENCE = ("DynamicReference", 200)
    CREDENTIAL_REMOVED = ("CredentialRemoved", 200)
    BINDING_MISSING = ("BindingMissing", 200)
    BINDING_UNUSED = ("BindingUnused", 200)
    LOCAL_CHANGE_NOT_EXPORTED = ("LocalChangeNotExported", 200)
    VERSION_BUMP_TOO_SMALL = ("VersionBumpTooSmall", 200)
    PACKAGE_ORIGIN_DIFFERS = ("PackageOriginDiffers", 200)
    PACKAGE_CONTENT_DIFFERS = ("PackageContentDiffers", 200)
    PACKAGE_TYPE_MISMATCH = ("PackageTypeMismatch", 200)
    CONTENT_CHECKSUM_MISSING = ("ContentChecksumMissing", 200)
    SCHEMA_VERSION_MISSING = ("SchemaVersionMissing", 200)
    IMPORTED_BY_IGNORED = ("ImportedByIgnored", 200)
    UNKNOWN_FIELD = ("UnknownField", 200)
    SECURITY_WARNING = ("SecurityWarning", 200)
    SCAN_EXCEPTION = ("ScanException", 200)
    DRAFT_REPLACED = ("DraftReplaced", 200)
    MERGE_FALLBACK = ("MergeFallback", 200)
    ENDPOINT_SOURCE_UNKNOWN = ("EndpointSourceUnknown", 200)
    AMBIGUOUS_MATCH = ("AmbiguousMatch", 200)
    MERGE_CONFLICT = ("MergeConflict", 200)
    CHANGED_MEANWHILE = ("ChangedMeanwhile", 200)
    CIRCULAR_DEPENDENCY_FOUND = ("CircularDependencyFound", 200)
    USER_RELATIONSHIP = ("UserRelationship", 200)

    def __init__(self, wire: str, status: int, family: str = "") -> None:
        self.wire = wire
        self.status = status
        self.family_wire = family or wire

    @property
    def family(self) -> ErrorCode:
        """The code that answers for this one when it stands alone."""
        return BY_WIRE[self.family_wire]

    @property
    def is_warning(self) -> bool:
        """True for a code that informs and never refuses."""
        return self.status == OK


OK = 200
BY_WIRE: Mapping[str, ErrorCode] = {code.wire: code for code in ErrorCode}

#: these end the reading of a bundle, so they answer alone whatever else is known (R15)
_ENDS_THE_READING = (ErrorCode.INVALID_ZIP, ErrorCode.MANIFEST_MISSING)
#: which status refuses first (R15); what the scan forbids comes behind what is malformed
_TURNS = {401: 0, 403: 1, 429: 2, 404: 3, 415: 4, 413: 5, 400: 6, 409: 8, 422: 9}
_FOUND_BY_THE_SCAN = frozenset(
    {ErrorCode.SECURITY_SCAN_FAILED, ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED, ErrorCode.SCAN_ERROR}
)
_SCAN_TURN, _LAST_TURN = 7, 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or worth a warning), and where.

    ``where`` is a path in the request, the manifest or an artifact: ``artifacts[2].hash``, ``manifest.json``.
    ``details`` are further documented fields, in their REST spelling: ``expected``, ``cycle``, ``limit``.
    """

    code: ErrorCode
    message: str
    where: str = ""
    artifact_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def problem_row(problem: Problem) -> dict[str, Any]:
    """A problem as records keep it; :func:`problem_of` is the way back."""
    row = {"code": problem.code.wire, "message": problem.message, "where": problem.where}
    return row | {"artifactId": problem.artifact_id, "details": dict(problem.details)}


def problem_of(row: Mapping[str, Any]) -> Problem:
    """The problem that was recorded."""
    return Problem(BY_WIRE[row["code"]], row["message"], row["where"], row["artifactId"], row["details"])


class Refusal(Exception):  # noqa: N818 - the house's word: a request stops here, which is not an error of ours
    """The request stops here. Holds at least one problem; ``details`` are fields of the whole answer."""

    def __init__(
        self,
        problems: Iterable[Problem],
        *,
        code: ErrorCode | None = None,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        status: int | None = None,
    ) -> None:
        self.problems = tuple(problems)
        if not self.problems:
            msg = "a refusal needs at least one problem"
            raise ValueError(msg)
        self.code = code or answering_code(self.problems)
        self.message = message or _message(self.code, self.problems)
        self.status = status or self.code.status
        self.details: dict[str, Any] = _details(self.code, self.problems) | dict(details or {})
        super().__init__(f"{self.code.wire}: {self.message}")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuilt, (self.problems, self.code, self.message, self.details, self.status))


def _rebuilt(
    problems: tuple[Problem, ...], code: ErrorCode, message: str, details: Mapping[str, Any], status: int
) -> Refusal:
    return Refusal(problems, code=code, message=message, details=details, status=status)


def refuse(code: ErrorCode, message: str, where: str = "", **details: Any) -> Refusal:
    """A refusal with one problem, to be raised by the caller."""
    return Refusal([Problem(code, message, where, details=details)])


def refuse_if(problems: Iterable[Problem]) -> None:
    """Raise a :class:`Refusal` when there is a problem that is not a mere warning."""
    blocking = [problem for problem in problems if not problem.code.is_warning]
    if blocking:
        raise Refusal(blocking)


def answering_code(problems: Iterable[Problem]) -> ErrorCode:
    """The one code that answers for all these problems (R15): the status that refuses first, then its family."""
    codes = {problem.code for problem in problems}
    first = min(_turn(code) for code in codes)
    families = {code.family for code in codes if _turn(code) == first}
    for fatal in _ENDS_THE_READING:
        if fatal in families:
            return fatal
    if ErrorCode.MISSING_PACKAGE_DEPENDENCY in families:
        families.discard(ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY)
    return families.pop() if len(families) == 1 else ErrorCode.VALIDATION_FAILED


def _turn(code: ErrorCode) -> int:
    return _SCAN_TURN if code in _FOUND_BY_THE_SCAN else _TURNS.get(code.status, _LAST_TURN)


def _message(code: ErrorCode, problems: tuple[Problem, ...]) -> str:
    own = [problem for problem in problems if problem.code.family is code]
    if own:
        return own[0].message
    return f"{len(problems)} problems were found. Each is listed in errors."


def _details(code: ErrorCode, problems: tuple[Problem, ...]) -> dict[str, Any]:
    """The documented extra fields of the first problem that the answering code speaks for."""
    return next((dict(problem.details) for problem in problems if problem.code.family is code), {})
