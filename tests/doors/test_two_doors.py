"""What is done about packages and the marketplace can be done through both doors (decisions R34, section 9.3)."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLInputObjectType, get_named_type
from pydantic import BaseModel

from resolvers.api import API
from rest_compat import installhub, marketplace
from rest_compat.install_shapes import InstallRequest
from rest_compat.list_shapes import ConflictAuditRow, HistoryRow, TouchRow
from rest_compat.operations import Operation
from rest_compat.wishes import OptionsBody

HUB, MARKET = "/api/installhub", "/api/marketplace"
#: the Akana-compatible door asks for nothing that these do not do; its sessions are its own (R34)
BY_ROUTE = {
    (operation.method, operation.path): operation for operation in (*installhub.OPERATIONS, *marketplace.OPERATIONS)
}

#: each mutation, and the requests that do the same
TWINS = {
    "exportPackage": [("POST", f"{HUB}/packages/export")],
    "deletePackage": [("DELETE", f"{HUB}/packages/{{packageId}}")],
    "planImport": [("POST", f"{HUB}/plans"), ("POST", f"{MARKET}/packages/{{packageId}}/preview")],
    "importPackage": [("POST", f"{HUB}/packages/import"), ("POST", f"{HUB}/plans/{{planId}}/apply")],
    "applyFix": [("POST", f"{HUB}/plans/{{planId}}/fixes/{{fixId}}")],
    "approvePlan": [("POST", f"{HUB}/plans/{{planId}}/approve")],
    "resolveConflicts": [
        ("POST", f"{HUB}/packages/{{importId}}/resume"),
        ("POST", f"{HUB}/packages/import/{{importId}}/resume"),
    ],
    "saveBindings": [("PUT", f"{HUB}/bindings")],
    "cancelImport": [("POST", f"{HUB}/imports/{{importId}}/cancel")],
    "retryImport": [("POST", f"{HUB}/imports/{{importId}}/retry")],
    "activateImport": [("POST", f"{HUB}/imports/{{importId}}/activate")],
    "rollbackImport": [("POST", f"{HUB}/imports/{{importId}}/rollback")],
    "uninstallPackage": [("POST", f"{HUB}/installed/{{packageName}}/uninstall")],
    "installPackage": [("POST", f"{MARKET}/packages/{{packageId}}/install")],
    "reviewListing": [("POST", f"{MARKET}/packages/{{packageId}}/reviews")],
    "markReviewHelpful": [("POST", f"{MARKET}/reviews/{{reviewId}}/helpful")],
    "flagReview": [("POST", f"{MARKET}/reviews/{{reviewId}}/flag")],
    "moderateReview": [("POST", f"{MARKET}/reviews/{{reviewId}}/moderate")],
    "subscribeToListing": [("POST", f"{MARKET}/packages/{{packageId}}/subscribe")],
    "unsubscribeFromListing": [("POST", f"{MARKET}/packages/{{packageId}}/unsubscribe")],
    "createPublisher": [("POST", f"{MARKET}/publishers")],
    "verifyPublisher": [("POST", f"{MARKET}/publishers/{{publisherId}}/verify")],
    "markPublisherOfficial": [("POST", f"{MARKET}/publishers/{{publisherId}}/official")],
    "suspendPublisher": [("POST", f"{MARKET}/publishers/{{publisherId}}/suspend")],
    "reinstatePublisher": [("POST", f"{MARKET}/publishers/{{publisherId}}/reinstate")],
    "addPublisherKey": [("POST", f"{MARKET}/publishers/{{publisherId}}/keys")],
    "revokePublisherKey": [("POST", f"{MARKET}/publishers/{{publisherId}}/keys/{{keyId}}/revoke")],
    "validatePackage": [("POST", f"{MARKET}/validate")],
    "submitPackage": [("POST", f"{MARKET}/submit")],
    "updateListing": [("PATCH", f"{MARKET}/packages/{{packageId}}")],
    "deprecateVersion": [("POST", f"{MARKET}/packages/{{packageId}}/versions/{{version}}/deprecate")],
    "yankVersion": [("POST", f"{MARKET}/packages/{{packageId}}/versions/{{version}}/yank")],
    "unlistListing": [("POST", f"{MARKET}/packages/{{packageId}}/unlist")],
    "relistListing": [("POST", f"{MARKET}/packages/{{packageId}}/relist")],
    "suspendListing": [("POST", f"{MARKET}/packages/{{packageId}}/suspend")],
    "reinstateListing": [("POST", f"{MARKET}/packages/{{packageId}}/reinstate")],
    "certifyVersion": [("POST", f"{MARKET}/packages/{{packageId}}/versions/{{version}}/certify")],
    "revokeCertification": [("POST", f"{MARKET}/packages/{{packageId}}/revoke-certification")],
    "reviewSubmission": [("POST", f"{MARKET}/submissions/{{submissionId}}/review")],
    "requestManualReview": [("POST", f"{MARKET}/submissions/{{submissionId}}/request-manual-review")],
    "decideManualReview": [("POST", f"{MARKET}/submissions/{{submissionId}}/manual-review")],
    "requestScanException": [("POST", f"{MARKET}/submissions/{{submissionId}}/scan-exception")],
    "decideScanException": [("POST", f"{MARKET}/submissions/{{submissionId}}/scan-exception/{{exceptionId}}/decide")],
    "requestImportScanException": [("POST", f"{HUB}/imports/{{importId}}/scan-exception")],
    "decideImportScanException": [("POST", f"{HUB}/imports/{{importId}}/scan-exception/{{exceptionId}}/decide")],
    "reportVulnerability": [("POST", f"{MARKET}/packages/{{packageId}}/report-vulnerability")],
    "reportInstall": [("POST", f"{MARKET}/reported/installs")],
    "reportReview": [("POST", f"{MARKET}/reported/reviews")],
    "reportHelpful": [("POST", f"{MARKET}/reported/reviews/{{reviewId}}/helpful")],
    "reportFlag": [("POST", f"{MARKET}/reported/reviews/{{reviewId}}/flag")],
    "decideVulnerabilityReport": [("POST", f"{MARKET}/vulnerability-reports/{{reportId}}/decide")],
}
#: what is GraphQL's and the command line's alone (R34)
ADMINISTRATION = {"createTenant", "updateTenant", "purgeTenant", "changeArtifacts"}
#: a person's notifications, what a tenant is told, and its webhooks (R34)
NOTICES = {
    "Query": {"webhooks", "tenantNotices"},
    "Mutation": {
        *("markNotificationsRead", "setNotificationChoice", "setTenantNotices"),
        *("createWebhook", "updateWebhook", "deleteWebhook", "testWebhook"),
    },
    "Subscription": {"notifications"},
}
#: what is watched, and where a caller without a stream looks
WATCHED = {
    "importProgress": f"{HUB}/imports/{{importId}}/events",
    "importChanges": f"{HUB}/imports",
    "installProgress": f"{MARKET}/installs/{{installId}}/status",
}

#: what makes something, so that a request that comes again must not make it twice
CREATES = {
    *("exportPackage", "planImport", "applyFix", "importPackage", "retryImport", "installPackage"),
    *("rollbackImport", "uninstallPackage", "reportReview"),
    *("createPublisher", "submitPackage", "reviewListing"),
    *("requestManualReview", "requestScanException", "requestImportScanException", "reportVulnerability"),
}

#: what is asked, and where
ASKED = {
    "exportPreview": ("POST", f"{HUB}/packages/preview"),
    "exportedPackage": ("GET", f"{HUB}/packages/{{packageId}}"),
    "importJob": ("GET", f"{HUB}/imports/{{importId}}"),
    "importJobs": ("GET", f"{HUB}/imports"),
    "installedPackages": ("GET", f"{HUB}/installed"),
    "plan": ("GET", f"{HUB}/plans/{{planId}}"),
    "bindings": ("GET", f"{HUB}/bindings"),
    "importScanExceptions": ("GET", f"{HUB}/scan-exceptions"),
    "rescans": ("GET", f"{HUB}/rescans"),
    "rescanReport": ("GET", f"{HUB}/rescans/{{rescanId}}"),
    "install": ("GET", f"{MARKET}/installs/{{installId}}/status"),
    "listings": ("GET", f"{MARKET}/packages"),
    "featuredListings": ("GET", f"{MARKET}/packages/featured"),
    "listing": ("GET", f"{MARKET}/packages/{{packageId}}"),
    "reviewsToModerate": ("GET", f"{MARKET}/reviews/moderation"),
    "publisher": ("GET", f"{MARKET}/publishers/{{publisherId}}"),
    "submission": ("GET", f"{MARKET}/submissions/{{submissionId}}/status"),
    "listingTrust": ("GET", f"{MARKET}/packages/{{packageId}}/certification"),
    "listingAnalytics": ("GET", f"{MARKET}/packages/{{packageId}}/analytics"),
    "publisherDashboard": ("GET", f"{MARKET}/publishers/{{publisherId}}/dashboard"),
    "manualReview": ("GET", f"{MARKET}/submissions/{{submissionId}}/manual-review"),
    "scanException": ("GET", f"{MARKET}/submissions/{{submissionId}}/scan-exception/{{exceptionId}}"),
    "reviewQueue": ("GET", f"{MARKET}/review-queue"),
    "manualReviews": ("GET", f"{MARKET}/manual-reviews"),
    "scanExceptions": ("GET", f"{MARKET}/scan-exceptions"),
    "vulnerabilityReports": ("GET", f"{MARKET}/vulnerability-reports"),
    "flaggedListings": ("GET", f"{MARKET}/flagged-packages"),
}
#: things of GraphQL's own: identity, tenants, the caller
ASKED_HERE_ONLY = {"node", "nodes", "tenant", "viewer"}

#: an import's options: GraphQL's word for REST's
OPTIONS = {
    "defaultStrategy": "defaultConflictStrategy",
    "strategyByType": "conflictStrategyOverrides",
    "mergeFallback": "mergeFallbackStrategy",
}
#: REST says with an option what GraphQL says with its input or its mutation; the last one is another name
SAID_OTHERWISE = {"targetTenantId", "dryRun", "planId", "conflictStrategy"}
#: an install's order: GraphQL's word for what REST has in its body, its path and its headers
INSTALL = {"tenantId": "targetTenantId", "listingId": "packageId", "idempotencyKey": "Idempotency-Key"}
#: a list's filter: GraphQL's word for REST's
FILTER = {"tenantIds": "tenantId", "states": "status", "kinds": "kind", "since": "fromDate", "until": "toDate"}

#: what is read, and the field that tells the same
READ = {
    f"{HUB}/packages/history": "Tenant.exportHistory",
    f"{HUB}/packages/{{packageId}}": "Query.exportedPackage",
    f"{HUB}/packages/{{packageId}}/download": "Package.downloadUrl",
    f"{HUB}/plans/{{planId}}": "Query.plan",
    f"{HUB}/plans/{{planId}}/actions": "Plan.actions",
    f"{HUB}/plans/{{planId}}/bindings": "Plan.bindings",
    f"{HUB}/bindings": "Query.bindings",
    f"{HUB}/scan-exceptions": "Query.importScanExceptions",
    f"{HUB}/rescans": "Query.rescans",
    f"{HUB}/rescans/{{rescanId}}": "Query.rescanReport",
    f"{HUB}/imports": "Query.importJobs",
    f"{HUB}/imports/{{importId}}": "Query.importJob",
    f"{HUB}/imports/{{importId}}/scan-report": "ImportJob.scanReport",
    f"{HUB}/imports/{{importId}}/audit": "ImportJob.audit",
    f"{HUB}/imports/{{importId}}/events": "Subscription.importProgress",
    f"{HUB}/packages/{{importId}}/conflicts": "ImportJob.conflictAudit",
    f"{HUB}/packages/{{importId}}/conflicts/{{conflictId}}/diff": "Conflict.changes",
    f"{HUB}/audit": "Tenant.artifactAudit",
    f"{HUB}/installed": "Query.installedPackages",
    f"{MARKET}/packages": "Query.listings",
    f"{MARKET}/packages/featured": "Query.featuredListings",
    f"{MARKET}/packages/{{packageId}}": "Query.listing",
    f"{MARKET}/packages/{{packageId}}/versions": "Listing.versions",
    f"{MARKET}/packages/{{packageId}}/reviews": "Listing.reviews",
    f"{MARKET}/reviews/moderation": "Query.reviewsToModerate",
    f"{MARKET}/installs/{{installId}}/status": "Query.install",
    f"{MARKET}/installs/{{installId}}/events": "Subscription.installProgress",
    f"{MARKET}/installed": "InstalledPackage.availableVersion",
    f"{MARKET}/publishers": "Viewer.publishers",
    f"{MARKET}/publishers/{{publisherId}}": "Query.publisher",
    f"{MARKET}/publishers/{{publisherId}}/keys": "Publisher.keys",
    f"{MARKET}/publishers/{{publisherId}}/submissions": "Publisher.submissions",
    f"{MARKET}/submissions/{{submissionId}}/status": "Query.submission",
    f"{MARKET}/submissions/{{submissionId}}/scan-report": "Submission.scanReport",
    f"{MARKET}/packages/{{packageId}}/certification": "Query.listingTrust",
    f"{MARKET}/packages/{{packageId}}/analytics": "Query.listingAnalytics",
    f"{MARKET}/publishers/{{publisherId}}/dashboard": "Query.publisherDashboard",
    f"{MARKET}/submissions/{{submissionId}}/manual-review": "Query.manualReview",
    f"{MARKET}/submissions/{{submissionId}}/scan-exception/{{exceptionId}}": "Query.scanException",
    f"{MARKET}/review-queue": "Query.reviewQueue",
    f"{MARKET}/manual-reviews": "Query.manualReviews",
    f"{MARKET}/scan-exceptions": "Query.scanExceptions",
    f"{MARKET}/vulnerability-reports": "Query.vulnerabilityReports",
    f"{MARKET}/flagged-packages": "Query.flaggedListings",
    **dict.fromkeys(("/api/processes", "/api/forms", "/api/apps"), "Tenant.artifacts"),
}
#: a conflict's row in the audit: GraphQL's place for REST's member
CONFLICT = {
    "conflictId": "Conflict.key",
    "artifactType": "ArtifactName.artifactType",
    "artifactName": "ArtifactName.name",
    "existingVersion": "Artifact.version",
    "packageVersion": "Conflict.packageVersion",
    "strategyApplied": "Conflict.decided",
    "strategySource": "AuditedConflict.decidedBy",
    "resolvedBy": "AuditedConflict.resolvedBy",
    "resolvedAt": "AuditedConflict.resolvedAt",
    "outcome": "AuditedConflict.outcome",
    "mergeDetails": "AuditedConflict.mergeDetails",
}
#: a line of the export history, and of an artifact's audit, where the words differ
LINE = {"exportId": "key", "packageId": "exportedPackage", "status": "isSuccess", "bundleSize": "sizeBytes"}
TOUCH = {"importId": "importJob", "conflictId": "conflictKey", "strategyApplied": "strategy"}


def fields(type_name: str) -> set[str]:
    kind: Any = API._schema.type_map[type_name]
    return set(kind.fields)


def members(row: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in row.model_fields.items()}


def is_there(place: str) -> bool:
    type_name, _, field = place.partition(".")
    return field in fields(type_name)


def test_what_only_one_door_offers_is_there():
    assert fields("Mutation") >= ADMINISTRATION
    assert [name for kind, names in NOTICES.items() for name in names - fields(kind)] == []


def test_every_mutation_about_packages_has_a_twin_at_the_other_door():
    assert fields("Mutation") - ADMINISTRATION - NOTICES["Mutation"] == set(TWINS)
    assert [route for routes in TWINS.values() for route in routes if route not in BY_ROUTE] == []


def test_every_request_that_does_something_has_a_mutation():
    done = {route for route in BY_ROUTE if route[0] != "GET"}
    twins = {route for routes in TWINS.values() for route in routes}

    # a file is sent over REST, whoever imports it; a preview does nothing
    assert done - twins == {("POST", f"{HUB}/uploads"), ASKED["exportPreview"]}


def test_every_query_about_packages_has_a_route():
    assert fields("Query") - ASKED_HERE_ONLY - NOTICES["Query"] == set(ASKED)
    assert [route for route in ASKED.values() if route not in BY_ROUTE] == []


def test_everything_that_routes_tell_is_told_by_fields_too():
    assert {path for method, path in BY_ROUTE if method == "GET"} == set(READ)
    assert [place for place in READ.values() if not is_there(place)] == []


def test_what_became_of_things_is_told_by_both_doors_alike():
    conflict, line, touch = (members(row) for row in (ConflictAuditRow, HistoryRow, TouchRow))

    assert conflict == set(CONFLICT)
    assert [place for place in CONFLICT.values() if not is_there(place)] == []
    assert {LINE.get(name, name) for name in line - {"tenantId"}} == fields("ExportRecord")
    assert {TOUCH.get(name, name) for name in touch} == fields("ArtifactTouch")


def test_what_can_be_watched_is_told_by_routes_too():
    assert fields("Subscription") - NOTICES["Subscription"] == set(WATCHED)
    assert [path for path in WATCHED.values() if ("GET", path) not in BY_ROUTE] == []


def test_both_doors_take_the_same_options():
    here = {OPTIONS.get(name, name) for name in fields("ImportOptionsInput")}
    there = members(OptionsBody)

    assert here == there - SAID_OTHERWISE


def test_both_doors_take_the_same_order_of_an_install():
    here = {INSTALL.get(name, name) for name in fields("InstallRequestInput")} - {"options"}
    there = members(InstallRequest) - members(OptionsBody)

    assert here == there | {"packageId", "targetTenantId", "Idempotency-Key"}


def test_both_doors_filter_imports_by_the_same_things():
    here = {FILTER.get(name, name) for name in fields("ImportFilter")}
    there = {parameter.name for parameter in BY_ROUTE["GET", f"{HUB}/imports"].parameters}

    assert here == there - {"page", "pageSize"}


def test_whatever_creates_something_takes_a_key_at_both_doors():
    keyed = {route for route, operation in BY_ROUTE.items() if "Idempotency-Key" in taken_by(operation)}
    takes_key = {name for name in TWINS if any("idempotencyKey" in fields(kind) for kind in inputs_of(name))}

    # a file is sent over REST, whoever imports it
    assert keyed == {route for name in takes_key for route in TWINS[name]} | {("POST", f"{HUB}/uploads")}
    assert takes_key == CREATES


def taken_by(operation: Operation) -> set[str]:
    return {parameter.name for parameter in operation.parameters}


def inputs_of(mutation: str) -> set[str]:
    """The input object of a mutation, and those in it."""
    kind: Any = API._schema.type_map["Mutation"]
    waiting = [get_named_type(argument.type) for argument in kind.fields[mutation].args.values()]
    found: set[str] = set()
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, GraphQLInputObjectType) and kind.name not in found:
            found.add(kind.name)
            waiting += [get_named_type(field.type) for field in kind.fields.values()]
    return found
