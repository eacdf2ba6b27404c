"""Which fields give the same to the same caller until something is written.

Fields without a resolver of their own show a part of what the field around them gave, and are as steady as that one.
Each of the others that a query can reach stands in exactly one of the two lists (a test sees to it). An operation with
a single field that is not in ``STEADY`` is executed each time that it is asked, so whoever doubts writes the new field
into ``FLEETING``.
"""

from __future__ import annotations

from enum import Enum


class Steadiness(Enum):
    """How long the answer to a document is the answer to the same caller."""

    FLEETING = "nobody knows"
    UNTIL_WRITTEN = "until something is written"
    FOR_GOOD = "as long as the token and the process"


#: made of stored rows, of the caller's token and of settings; no clock, no file, no chance, no other server
STEADY = frozenset(
    {
        "Query.viewer",
        "Query.tenant",
        "Query.importJob",
        "Query.importJobs",
        "Query.installedPackages",
        "Query.exportedPackage",
        "Viewer.tenants",
        "Tenant.limits",
        "Tenant.viewerCan",
        "Tenant.artifacts",
        "Tenant.artifact",
        "Tenant.exportedPackages",
        "Tenant.exportHistory",
        "Tenant.artifactAudit",
        "Tenant.installedPackages",
        "Tenant.runningImport",
        "Tenant.queuedImportCount",
        "Artifact.tenant",
        "Artifact.content",
        "Artifact.references",
        "Artifact.usedBy",
        "Artifact.revisions",
        "Revision.content",
        "Revision.importJob",
        "Origin.importJob",
        "ArtifactTouch.importJob",
        "ExportRecord.exportedPackage",
        "Package.tenant",
        "Package.bindingTemplate",
        "InstalledPackage.tenant",
        "InstalledPackage.importJob",
        "InstalledPackage.packageDependencies",
        "InstalledPackage.changedArtifactCount",
        "ImportJob.tenant",
        "ImportJob.outcome",
        "ImportJob.progress",
        "ImportJob.sourcePackage",
        "ImportJob.endpointsMapped",
        "ImportJob.conflicts",
        "ImportJob.retryOf",
        "ImportJob.backupPackage",
        "ImportJob.audit",
        "ImportJob.events",
        "ProgressEvent.importJob",
    }
)

#: those of them that are made of the token and of settings alone
ROWLESS = frozenset({"Query.viewer"})

FLEETING = frozenset(
    {
        # by the clock: ends of leases and windows, what is still possible, how long something will take
        "ImportJob.queue",
        "QueuePlace.holder",
        "ImportJob.undo",
        "Undo.blockers",
        "Undo.undoneBy",
        "Undo.undoes",
        "Progress.eta",
        "Install.estimatedSeconds",
        "Limits.exportsLeftThisHour",
        "Plan.state",
        "Plan.appliedBy",
        "Plan.approvals",
        "Plan.approvalsMissing",
        # signed, or out of files
        "Package.downloadUrl",
        "Query.exportPreview",
        "ImportJob.conflictAudit",
        "Conflict.changes",
        "Conflict.paths",
        "Conflict.suggested",
        "PlanAction.changes",
        "PlanAction.changeCount",
        "Plan.impact",
        # of whatever kind
        "Query.node",
        "Query.nodes",
        # the marketplace: by the day, by what other servers say, by what was looked up before
        "Query.listings",
        "Query.listing",
        "Query.featuredListings",
        "Query.reviewsToModerate",
        "Query.install",
        "Query.publisher",
        "Query.submission",
        "Query.listingTrust",
        "Query.listingAnalytics",
        "Query.publisherDashboard",
        "Query.manualReview",
        "Query.manualReviews",
        "Query.reviewQueue",
        "Query.scanException",
        "Query.scanExceptions",
        "Query.importScanExceptions",
        "Query.rescans",
        "Query.rescanReport",
        "Rescan.tenant",
        "Rescan.importJob",
        "Query.vulnerabilityReports",
        "Query.flaggedListings",
        "Listing.longDescription",
        "Listing.license",
        "Listing.homepage",
        "Listing.screenshots",
        "Listing.versions",
        "Listing.artifacts",
        "Listing.reviews",
        "Listing.stars",
        "Listing.installedVersion",
        "Listing.isSubscribed",
        "ListingVersion.artifacts",
        "InstalledPackage.availableVersion",
        "Install.tenant",
        "Install.listing",
        "Install.progress",
        "Install.importJob",
        "ImportJob.install",
        "ImportScanException.importJob",
        "VulnerabilityReport.listing",
        "Submission.publisher",
        "Submission.listing",
        "Submission.scanReport",
        "Publisher.keys",
        "Publisher.verification",
        "Publisher.tenant",
        "Publisher.submissions",
        "Viewer.publishers",
        # not worth the proof: seldom asked, or asked once
        "Query.plan",
        "Query.webhooks",
        "Query.tenantNotices",
        "Query.bindings",
        "ImportJob.plan",
        "ImportJob.scanReport",
        "ScanReport.findings",
        "Plan.importJob",
        "Plan.createdBy",
        "Plan.bindings",
        "Plan.counts",
        "Plan.actions",
        "PlanAction.decidedByActor",
        "Binding.suggestions",
        "BindingFile.targetTenant",
        "BindingFile.bindings",
        "Webhook.deliveries",
        "Viewer.notifications",
        "Viewer.unreadNotificationCount",
        "Viewer.notificationChoices",
        "Notification.importJob",
        "Notification.install",
    }
)
