"""What those who look after the marketplace send and are answered, described (installhub.md sections 9.6 and 10)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rest_compat.catalogue_shapes import Average, StateWord, TrustWord
from rest_compat.list_shapes import CountedPage
from rest_compat.publishing_shapes import SubmissionGoing, SubmissionRejected, SubmissionWord
from rest_compat.questions import with_example
from rest_compat.shapes import Count, Shape, Time, always, maybe, ours, ours_maybe

SeverityWord = Literal["Low", "Medium", "High", "Critical"]
JudgementWord = Literal["UnderReview", "Approved", "Rejected"]
ReportWord = Literal["Received", "Confirmed", "Dismissed"]
DecisionWord = Literal["Approve", "Reject"]
_Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Long = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
_Share = Annotated[float, Field(ge=0, le=1)]
_SLA = "Within which time somebody looks."


class ChangeRequest(Shape):
    """How a package is described; what is left out stays."""

    model_config = with_example({"description": "The first days at work, from offer to badge.", "tags": ["people"]})

    description: Annotated[str, StringConstraints(min_length=1, max_length=500)] = maybe("What it is for.")
    tags: Annotated[list[str], Field(max_length=10)] = maybe("Words to find it by.")
    screenshots: Annotated[list[str], Field(max_length=10)] = maybe("Addresses of pictures, https.")


class DeprecationRequest(Shape):
    """Why a version should no longer be used."""

    model_config = with_example({"reason": "It asks for data nobody needs.", "replacedByVersion": "2.0.0"})

    reason: _Reason = always("Why; whoever has the version is told.")
    replaced_by_version: str = maybe("The listed version to use instead.")


class ReasonRequest(Shape):
    """Why something is done."""

    model_config = with_example({"reason": "It sends mail to the wrong people."})

    reason: _Reason = always("Why.")


class ExplanationRequest(Shape):
    """What somebody asks to be looked at."""

    model_config = with_example({"explanation": "The address that was found is our own."})

    explanation: _Long = always("Why.")


class SuspensionRequest(Shape):
    """What is to be offered to nobody anew."""

    model_config = with_example({"reason": "It is looked into."})

    reason: _Reason = ours("Why.")
    version: str = ours_maybe("Only this version; left out: the whole package.")


class ReinstatementRequest(Shape):
    """What is to be offered again."""

    model_config = with_example({"details": "Nothing was found."})

    version: str = ours_maybe("Only this version; left out: the package.")
    details: str = ours_maybe("What was found.")


class DecisionRequest(Shape):
    """What was decided."""

    model_config = with_example({"decision": "Approve", "details": "It is as it says."})

    decision: DecisionWord = ours("What was decided.")
    details: Annotated[str, StringConstraints(max_length=5000)] = ours_maybe("Why; a rejection needs it.")


class SubmissionDecisionRequest(DecisionRequest):
    """What was decided about a submission."""

    model_config = with_example(
        {"decision": "Reject", "reason": "InsufficientDocumentation", "details": "Say how it is set up."}
    )

    reason: Annotated[str, StringConstraints(max_length=500)] = ours_maybe(
        "In a word, for a rejection: `InsufficientDocumentation`."
    )
    trust_level: TrustWord = ours_maybe("Lower than what was aimed at: `Community`.")
    fast_track_review: bool = ours_maybe("Whether its next submission is looked at first.")


class ScanExceptionRequest(Shape):
    """Which finding is a false alarm, and why."""

    model_config = with_example({"findingIndex": 0, "explanation": "The word is a label, it is never called."})

    finding_index: Annotated[int, Field(ge=0)] = always("The finding's place in the report, family by family, from 0.")
    explanation: _Long = always("Why it does no harm.")
    evidence: Annotated[str, StringConstraints(max_length=5000)] = maybe("What shows it.")


class VulnerabilityRequest(Shape):
    """What is dangerous."""

    model_config = with_example({"severity": "High", "description": "A form shows the data of others."})

    severity: SeverityWord = always("How bad it is.")
    description: _Long = always("What happens, and how to see it.")
    version: str = maybe("The version; the latest if not given.")


class VulnerabilityDecisionRequest(Shape):
    """What was found out about a report."""

    model_config = with_example({"decision": "Confirm", "advisory": "Install 1.2.1, which shows only your own."})

    decision: Literal["Confirm", "Dismiss"] = ours("What was found out.")
    advisory: Annotated[str, StringConstraints(max_length=5000)] = ours_maybe(
        "What everybody is told who has the package; a confirmation needs it."
    )
    whole_package: bool = ours_maybe("Whether the package is suspended, not only the version.")


class ManagedPackage(Shape):
    """A package as its publisher manages it."""

    package_id: str = always("Its id in the marketplace.")
    name: str = always("Its name.")
    description: str = always("What it is for.")
    tags: list[str] = always("Words to find it by.")
    screenshots: list[str] = always("Addresses of pictures.")
    trust_level: TrustWord = ours("How far it is trusted.")
    state: StateWord = ours("What may be done with it.")
    state_reason: str = ours_maybe("Why it is not listed.")
    latest_version: str | None = ours("The version that an install takes; null when none can be installed anew.")
    needs_review: bool = ours("Whether people are to look at it again.")
    updated_at: Time = always("When it was changed last.")


class FlaggedPackages(Shape):
    """Packages that people are to look at again."""

    items: list[ManagedPackage] = ours("The packages, by id.")
    has_next: bool = ours("Whether more follow; ask again with `after`.")


class DayCount(Shape):
    """Installs of one day."""

    date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")] = always("The day, in UTC.")
    count: Count = always("How many tenants installed it first on that day.")


class VersionCount(Shape):
    """Installs of one version."""

    version: str = always("The version.")
    count: Count = always("How many tenants installed it last.")


class InstallFigures(Shape):
    """Installs, counted once a tenant."""

    total: Count = always("Since it is offered.")
    in_period: Count = always("In the period.")
    by_day: list[DayCount] = always("Days with installs, in order.")
    by_version: list[VersionCount] = always("By version.")


class AnalyticsAnswer(Shape):
    """What became of a package."""

    package_id: str = always("The package.")
    period: str = always("The days it is about, `30d`.")
    installs: InstallFigures = always("Who installed it.")
    average_rating: Average | None = always("Average stars of its published reviews; null without any.")
    total_reviews: Count = always("How many published reviews it has.")
    distribution: dict[str, Count] = always("How many reviews gave 5, 4, 3, 2 and 1 stars.")


class ShelfTotals(Shape):
    """All packages of a publisher together."""

    packages: Count = ours("How many packages it offers.")
    installs: Count = ours("How often they were installed, once a tenant and package.")
    reviews: Count = ours("How many published reviews they have.")
    average_rating: Average | None = ours("Average stars over all reviews; null without any.")


class ShelfRow(Shape):
    """A package on the dashboard."""

    package_id: str = ours("The package.")
    name: str = ours("Its name.")
    trust_level: TrustWord = ours("How far it is trusted.")
    state: StateWord = ours("What may be done with it.")
    latest_version: str | None = ours("The version that an install takes.")
    version_count: Count = ours("How many versions it has.")
    install_count: Count = ours("How many tenants installed it.")
    installs_last30_days: Count = ours("How many did in the last 30 days.")
    rating: Average | None = ours("Average stars; null without reviews.")
    review_count: Count = ours("How many published reviews it has.")


class DashboardAnswer(Shape):
    """What became of all that a publisher offers."""

    publisher_id: str = ours("The publisher.")
    display_name: str = ours("Its name.")
    status: str = ours("Whether it is verified.")
    totals: ShelfTotals = ours("Everything together.")
    open_submissions: Count = ours("How many submissions have not come to a rest.")
    submissions: dict[SubmissionWord, Count] = ours("How many submissions stand how.")
    packages: list[ShelfRow] = ours("Its packages, the most installed first, at most 200.")


class CoverageShown(Shape):
    """How much the tests of a certified version cover."""

    line_coverage: _Share | None = always("The part of the lines, 0 to 1.")
    branch_coverage: _Share | None = always("The part of the branches, 0 to 1; null where it is not known.")
    reported_at: Time = always("When it was looked at.")


class CertificationAnswer(Shape):
    """How far a package is trusted, and what that stands on."""

    package_id: str = always("The package.")
    trust_level: TrustWord = always("How far its latest version is trusted.")
    certified_at: Time = maybe("When it was certified.")
    certified_by: str = maybe("By whom: a name, no address.")
    next_review: Time = maybe("Until when, without another look.")
    coverage_report: CoverageShown = maybe("What its tests cover.")


class ReviewQueue(CountedPage):
    """Submissions that wait for a person, oldest first."""

    items: list[SubmissionGoing | SubmissionRejected] = always("The submissions of this page.")


class ManualReviewAnswer(Shape):
    """A second look at what the scan warned of."""

    review_request_id: str = always("Its id.")
    submission_id: str = always("The submission.")
    status: JudgementWord = always("How it stands.")
    review_sla: str = Field(alias="reviewSLA", description=_SLA)
    explanation: str = always("Why it was asked for.")
    requested_at: Time = always("When.")
    requested_by: str = always("By whom.")
    details: str = maybe("What was found.")
    reviewed_at: Time = maybe("When it was decided.")
    reviewed_by: str = maybe("By whom.")


class ScanExceptionAnswer(Shape):
    """An exception from a scan."""

    exception_id: str = always("Its id.")
    status: JudgementWord = always("How it stands.")
    review_sla: str = Field(alias="reviewSLA", description=_SLA)
    reviewer_assigned: str | None = always("Who decides, or decided; null while nobody does.")
    submission_id: str = ours("The submission.")
    finding_index: Count = ours("The finding's place in the report.")
    rule: str = ours("The rule whose finding is let pass.")
    pointer: str = ours("Where in the artifact, as a JSON pointer.")
    explanation: str = ours("Why it does no harm.")
    evidence: str = ours_maybe("What shows it.")
    requested_at: Time = ours("When it was asked for.")
    requested_by: str = ours("By whom.")
    decided_at: Time = ours_maybe("When it was decided.")


class ScanExceptions(Shape):
    """Exceptions that wait to be decided."""

    items: list[ScanExceptionAnswer] = ours("The exceptions, oldest first.")
    has_next: bool = ours("Whether more follow; ask again with `after`.")


class ManualReviews(Shape):
    """Second looks that nobody took."""

    items: list[ManualReviewAnswer] = ours("The requests, oldest first.")
    has_next: bool = ours("Whether more follow; ask again with `after`.")


class VulnerabilityAnswer(Shape):
    """A report that a package is dangerous."""

    report_id: str = always("Its id, `vr-…`.")
    status: ReportWord = always("What became of it.")
    package_id: str = always("The package.")
    version: str | None = always("The version; null where none is known.")
    severity: SeverityWord = always("How bad it is said to be.")
    description: str = always("What was reported.")
    reported_at: Time = always("When.")
    reported_by: str = ours("By whom.")


class VulnerabilityReports(CountedPage):
    """Reports, oldest first."""

    items: list[VulnerabilityAnswer] = ours("The reports of this page.")
