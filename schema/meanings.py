"""What each value of an enum means to callers, by the names of the schema.

``ErrorCode`` is not here: ``docs/errors.md`` says what its values mean, and a test keeps that page complete.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphql import GraphQLEnumType, GraphQLSchema

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "ArtifactType": {
        "ENTITY_SCHEMA": "What records of one kind hold.",
        "FIELD_LIBRARY": "Fields that several forms share.",
        "RULE_SET": "Rules that decide by the values of records.",
        "FORM_GROUP": "Forms that belong together.",
        "ATLAS_FORM": "A form that people fill in.",
        "THREAD_DEFINITION": "A thread of work that processes run.",
        "PROCESS_DEFINITION": "A process from its begin to its end.",
        "APP_DEFINITION": "An app made of pages and what stands on them.",
        "AGENT_DEFINITION": "An agent with its tools.",
    },
    "ArtifactStatus": {
        "DRAFT": "Being worked on; not exported.",
        "PUBLISHED": "Finished; can be exported.",
        "ACTIVE": "In use; can be exported.",
        "LOCKED": "Not to be changed, by imports neither.",
        "ARCHIVED": "Put away; not exported.",
        "DELETED": "Gone.",
    },
    "ImportKind": {
        "IMPORT": "Of a package or an uploaded bundle.",
        "INSTALL": "Of a listing of the marketplace.",
        "ROLLBACK": "The undo of an earlier import.",
        "UNINSTALL": "Takes a package out again.",
    },
    "ImportMode": {"APPLY": "Brings artifacts in.", "PLAN": "Stops when the plan is made: a dry run."},
    "ImportState": {
        "QUEUED": "In line.",
        "RUNNING": "A worker is at it.",
        "CANCELLING": "Somebody asked for its end; it stops at the next safe point.",
        "WAITING_FOR_DECISIONS": "Open conflicts: send `resolveConflicts`.",
        "WAITING_FOR_ACTIVATION": "All is held and verified: send `activateImport`.",
        "SUCCEEDED": "Done. Final.",
        "FAILED": "Came to nothing, and the tenant is as it was. Final.",
        "CANCELLED": "Stopped before anything was to be seen. Final.",
        "EXPIRED": "Waited too long. Final.",
    },
    "ProblemSeverity": {"BLOCKER": "Stops what was asked.", "WARNING": "Stops nothing."},
    "Stage": {
        "DOWNLOAD": "The bundle is fetched from the marketplace.",
        "UPLOAD": "The bundle is taken in.",
        "VALIDATION": "The bundle is read, and its manifest and hashes are checked.",
        "SECURITY_SCAN": "Its artifacts are scanned.",
        "DEPENDENCY_CHECK": "The packages that it needs are looked for.",
        "PLANNING": "What will be done with each artifact is decided.",
        "INSTALLATION": "New revisions are written, and held: nobody sees them yet.",
        "VERIFICATION": "What is held is read again and checked.",
        "ACTIVATION": "All that is held becomes visible at once.",
    },
    "TenantPlan": {"STANDARD": "Smaller bundles, fewer artifacts.", "ENTERPRISE": "Larger bundles, more artifacts."},
    "TenantStatus": {"ACTIVE": "Can be read and changed.", "SUSPENDED": "Can be read only."},
    "Protection": {
        "OFF": "Edits are as free as any.",
        "WARN": "Edits are made, with a warning.",
        "BLOCK": "Edits are refused.",
    },
    "Permission": {
        "EXPORT": "Make packages.",
        "IMPORT": "Plan and begin imports, decide, cancel.",
        "UNDO": "Undo imports, and uninstall.",
        "OVERRIDE_SECURITY": "Import in spite of security warnings.",
        "OVERRIDE_MAJOR": "Import a new major version.",
        "APPROVE": "Agree to the plans of others.",
        "READ_IMPORTS": "See imports, plans and their reports.",
        "READ_ARTIFACTS": "See artifacts and packages.",
        "EDIT_ARTIFACTS": "Save, publish, archive and remove artifacts.",
        "ADMINISTER": "Change the tenant's own settings.",
        "MAKE_TENANTS": "Make tenants, and act in all of them.",
        "UPLOAD": "Send bundles ahead.",
        "INSTALL": "Install packages of the marketplace.",
        "INSTALL_COMMUNITY": "Install those that nobody looked at, too.",
        "PUBLISH": "Be a publisher and offer packages.",
        "REPORT": "Another installation's: tell of its installs and reviews.",
        "RUN_MARKET": "Review, certify, suspend: run the marketplace.",
    },
    "PackageType": {
        "WORKFLOW_PACKAGE": "Processes and what they need.",
        "FORM_PACKAGE": "Forms and what they need.",
        "APP_PACKAGE": "Apps and what they need.",
        "AGENT_PACKAGE": "Agents and what they need.",
        "CONFIG_PACKAGE": "Rules, schemas and field libraries.",
    },
    "ConflictStrategy": {
        "REPLACE": "The package's content under the id that is there.",
        "MERGE": "What only the package changed is taken, what only the tenant changed stays; both: decide by place.",
        "SKIP": "Nothing.",
        "COPY": "The package's artifact beside it, under a new id and a free name.",
        "MIRROR": "As a default only: REPLACE, and what the package dropped is removed.",
    },
    "TrustLevel": {
        "OFFICIAL": "From a publisher that whoever runs the marketplace vouches for.",
        "CERTIFIED": "A person reviewed and certified it.",
        "COMMUNITY": "Scanned, and reviewed by nobody: installing it has to be acknowledged.",
    },
    "ListingCategory": {
        "HR": "People and their work.",
        "FINANCE": "Money and books.",
        "OPERATIONS": "Running the business.",
        "COMPLIANCE": "Rules, audits and evidence.",
        "CUSTOMER": "Customers and service.",
        "FORMS": "Forms of any kind.",
        "UTILITIES": "Parts for other packages.",
    },
    "ListingState": {
        "LISTED": "Found and installed.",
        "DEPRECATED": "Found; not installed anew.",
        "UNLISTED": "Neither found by a search nor installed anew.",
        "SUSPENDED": "Stopped by whoever runs the marketplace.",
        "YANKED": "Taken back by its publisher.",
    },
    "PackageKeeping": {
        "EXPORTED": "It was exported from the tenant and can be fetched.",
        "INSTALLED": "It is installed in the tenant.",
    },
    "ScanResult": {
        "PASS": "Nothing was found.",
        "WARN": "Findings that a caller with the permission may accept.",
        "FAIL": "Findings that stop it.",
        "ERROR": "The scan itself failed; that blocks, too.",
    },
    "ReviewState": {
        "PENDING_MODERATION": "Written; shown to others when a moderator approves.",
        "PUBLISHED": "Shown to all.",
        "HIDDEN": "Flagged, and not shown until a moderator decides.",
        "REJECTED": "Not shown.",
    },
    "ReviewSort": {"HELPFUL": "Those that helped most come first.", "NEWEST": "The newest come first."},
    "QueueReason": {
        "TENANT_BUSY": "Another import runs in the tenant.",
        "TENANT_FROZEN": "The tenant takes no imports now.",
        "NO_FREE_WORKER": "All workers are at other imports.",
        "RETRY_DELAY": "Its worker died more than once, so it rests a little.",
    },
    "PlanState": {
        "APPLIED": "It was carried out.",
        "EXPIRED": "It is too old to be carried out.",
        "BLOCKED": "It has problems that stop it.",
        "NEEDS_DECISIONS": "It has open conflicts.",
        "STALE": "The tenant is not as it was when the plan was made.",
        "NEEDS_APPROVAL": "More people have to agree.",
        "READY": "It can be carried out.",
    },
    "BindingSource": {
        "SUPPLIED": "Sent with this import.",
        "ACTIVE": "The value that the tenant's artifact has now.",
        "REMEMBERED": "Saved for this pair of tenants.",
    },
    "ActionKind": {
        "CREATE": "A new artifact.",
        "UPDATE": "The package's content in place of the tenant's.",
        "MERGE": "Both contents in one.",
        "COPY": "A new artifact beside the tenant's.",
        "SKIP": "Nothing: the tenant's stays.",
        "REMOVE": "The tenant's artifact goes.",
        "UNCHANGED": "Nothing: it is there already.",
    },
    "MatchedBy": {
        "ORIGIN": "It came from the same artifact by an earlier import.",
        "NAME": "It has the same type and name.",
    },
    "DecisionSource": {
        "DEFAULT": "The default strategy.",
        "BY_TYPE": "The strategy for its type.",
        "BY_ARTIFACT": "A decision about this artifact.",
        "BY_PATH": "Decisions about places in it.",
        "NO_CONFLICT": "Nobody had to.",
    },
    "ChangeKind": {"ADDED": "New here.", "CHANGED": "Another value.", "REMOVED": "Gone."},
    "Side": {"EXISTING": "The tenant's.", "PACKAGE": "The package's."},
    "FindingSeverity": {
        "LOW": "Good to know.",
        "MEDIUM": "Look at it.",
        "HIGH": "Probably harmful.",
        "CRITICAL": "Harmful.",
    },
    "ConflictOutcome": {
        "APPLIED": "What was decided was done.",
        "SKIPPED": "The tenant's artifact stayed.",
        "FAILED": "The import came to nothing.",
    },
    "EventKind": {
        "QUEUED": "The import is in line.",
        "STAGE_STARTED": "A stage began.",
        "PROGRESS": "Some more of a stage is done.",
        "PROBLEM_FOUND": "Something is wrong, or a warning: see `problem`.",
        "WAITING": "It waits for somebody.",
        "RESUMED": "It goes on.",
        "STAGE_ENDED": "A stage is through.",
        "ENDED": "The import is over: the last event.",
    },
    "NotificationKind": {
        "IMPORT_SUCCEEDED": "An import is done.",
        "IMPORT_FAILED": "An import came to nothing.",
        "IMPORT_EXPIRES": "An import that waits for somebody will soon be given up.",
        "PACKAGE_FORBIDDEN": "Newer rules of the scan forbid a package that was let pass.",
        "INSTALL_SUCCEEDED": "An install is done.",
        "INSTALL_FAILED": "An install came to nothing.",
        "MARKET_UPDATE": "There is a new version of a package that is installed or followed.",
        "MARKET_DEPRECATED": "A version that is installed should no longer be used.",
        "ADVISORY": "Something harmful became known about a version that is installed.",
        "WEBHOOK_TEST": "Somebody tried a webhook.",
    },
    "PublisherStatus": {
        "PENDING_VERIFICATION": "Has not shown yet that its website is its own.",
        "VERIFIED": "May submit packages.",
        "SUSPENDED": "May submit nothing.",
    },
    "VerificationMethod": {"DNS": "By a record of its domain.", "FILE": "By a file of its website."},
    "SubmissionStatus": {
        "QUEUED": "In line.",
        "SECURITY_SCANNING": "Being scanned.",
        "MANIFEST_VALIDATION": "Being read and checked.",
        "AWAITING_HUMAN_REVIEW": "A person decides.",
        "LISTED": "Offered to all. Final.",
        "REJECTED": "Not offered; `reason` says why. Final.",
    },
    "DependencyMode": {
        "INCLUDE": "They go into the package.",
        "REFER": "The package names the packages that brought them.",
    },
    "ListingSort": {
        "INSTALLS": "The most installed come first.",
        "RATING": "The best rated come first.",
        "NEWEST": "The newest come first.",
        "NAME": "By name.",
        "RELEVANCE": "What fits the search best comes first.",
    },
    "DeliveryState": {
        "WAITING": "To be sent, or to be sent again.",
        "SENT": "Taken by its receiver.",
        "DEAD": "Given up after the last attempt.",
    },
    "Judgement": {
        "UNDER_REVIEW": "Nobody has decided yet.",
        "APPROVED": "A person agreed.",
        "REJECTED": "A person did not agree.",
    },
    "VulnerabilityReportStatus": {
        "RECEIVED": "Nobody has decided yet.",
        "CONFIRMED": "It is so, and there is an advisory.",
        "DISMISSED": "It is not so.",
    },
    "UnresolvedBindings": {
        "REFUSE": "The import is refused.",
        "IMPORT_SWITCHED_OFF": "The artifact is imported, and switched off.",
    },
    "Activation": {
        "AUTOMATIC": "As soon as all is held and verified.",
        "MANUAL": "When somebody sends `activateImport`.",
    },
    "BlockerChoice": {
        "REFUSE": "Nothing is undone.",
        "DETACH": "They stay as they are, with their package.",
        "KEEP_AS_LOCAL": "They stay, and are no package's any more.",
        "UNDO_THOSE_TOO": "They are taken back as well.",
    },
    "ReviewVerdict": {
        "APPROVE": "Show it.",
        "REJECT": "Do not show it.",
        "RESTORE": "Show it again.",
    },
    "Decision": {"APPROVE": "Yes.", "REJECT": "No."},
}


def explain(schema: GraphQLSchema) -> None:
    """Put the meanings into a schema, where tools show them."""
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLEnumType):
            for key, value in kind.values.items():
                value.description = MEANINGS.get(name, {}).get(key)
