"""The domain's enums, published as they are: every member is for callers (docs/adr/0006)."""

from __future__ import annotations

from enum import Enum

import strawberry

from domain.access import Right
from domain.artifact_types import ArtifactType
from domain.conflicts import ConflictOutcome
from domain.differing import ChangeKind
from domain.errors import ErrorCode, Problem
from domain.import_model import (
    ActionKind,
    ConflictStrategy,
    DecisionSource,
    EventKind,
    ImportKind,
    ImportMode,
    ImportState,
    MatchedBy,
    Stage,
    UnresolvedBindings,
)
from domain.market.model import (
    Category,
    ListingSort,
    ListingState,
    PublisherStatus,
    ReviewState,
    SubmissionStatus,
    TrustLevel,
    VerificationMethod,
)
from domain.market.review_rows import ReviewSort
from domain.market.reviews import Verdict
from domain.model import ArtifactStatus, PackageType, TenantPlan, TenantStatus
from domain.scanning import ScanResult, Severity

strawberry.enum(ActionKind, description="What an import does with one artifact.")
strawberry.enum(ArtifactStatus, description="Belongs to a revision; every change of it is a new revision.")
strawberry.enum(ArtifactType, description="The kinds of artifact, in install order: what others need stands first.")
strawberry.enum(ChangeKind, description="What happens at one place of an artifact.")
strawberry.enum(ConflictOutcome, description="What became of a conflict.")
strawberry.enum(ConflictStrategy, description="What to do with an artifact that is already there.")
strawberry.enum(DecisionSource, description="Who decided an action.")
strawberry.enum(
    ErrorCode, description="The catalogue: one name for each code of REST. Treat unknown ones as INTERNAL_ERROR."
)
strawberry.enum(EventKind, description="What a line of an import's journal tells. Only PROGRESS is ever merged.")
strawberry.enum(ImportKind, description="Where an import comes from.")
strawberry.enum(ImportMode, description="APPLY brings artifacts in; PLAN stops when the plan is made (a dry run).")
strawberry.enum(ImportState, description="Where an import stands. The last four are final.")
strawberry.enum(MatchedBy, description="Why a package's artifact and one of the tenant are the same thing.")
strawberry.enum(Category, name="ListingCategory", description="What a package is for.")
strawberry.enum(ListingSort, description="Orders of a search.")
strawberry.enum(
    ListingState, description="What may be done with a listing or a version; where it is installed it stays usable."
)
strawberry.enum(PublisherStatus, description="Whether a publisher may submit packages.")
strawberry.enum(SubmissionStatus, description="How far a submission has come. The last two are final.")
strawberry.enum(VerificationMethod, description="How a publisher shows that its website is its own.")
strawberry.enum(ReviewSort, description="Orders of a listing's reviews.")
strawberry.enum(ReviewState, description="Whether others can read a review.")
strawberry.enum(TrustLevel, description="How far a package was looked at before it was offered.")
strawberry.enum(Verdict, name="ReviewVerdict", description="What a moderator does with a review.")
strawberry.enum(PackageType, description="What a package is mainly made of.")
strawberry.enum(Right, name="Permission", description="What a token allows.")
strawberry.enum(ScanResult, description="The outcome of a security scan. ERROR blocks like FAIL.")
strawberry.enum(Severity, name="FindingSeverity", description="How bad a finding of the security scan is.")
strawberry.enum(Stage, description="The named steps of an import, in order.")
strawberry.enum(TenantPlan, description="Decides how large an import may be.")
strawberry.enum(TenantStatus, description="A suspended tenant can be read, not changed.")
strawberry.enum(TrustLevel, description="How far a package was looked at before it was offered.")
strawberry.enum(UnresolvedBindings, description="What happens to an artifact whose credentials nobody supplied.")


@strawberry.enum(description="Whether a problem stops something or only informs.")
class ProblemSeverity(Enum):
    """Derived from the code: warnings have the status 200."""

    BLOCKER = "BLOCKER"
    WARNING = "WARNING"

    @classmethod
    def of(cls, problem: Problem) -> ProblemSeverity:
        return cls.WARNING if problem.code.is_warning else cls.BLOCKER


@strawberry.enum(description="Why an import still waits in line.")
class QueueReason(Enum):
    """Derived from what stands before the import."""

    TENANT_BUSY = "TENANT_BUSY"
    NO_FREE_WORKER = "NO_FREE_WORKER"
