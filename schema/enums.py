"""The domain's enums, published as they are: every member is for callers (docs/adr/0006)."""

from __future__ import annotations

from enum import Enum

import strawberry

from domain.access import Right
from domain.artifact_types import ArtifactType
from domain.batch_rows import QueueReason
from domain.binding_slots import BindingSource
from domain.conflicts import ConflictOutcome
from domain.differing import ChangeKind
from domain.errors import ErrorCode, Problem
from domain.import_model import EventKind, ImportKind, ImportMode, ImportState, Stage
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
from domain.model import ArtifactStatus, PackageType, Protection, TenantPlan, TenantStatus
from domain.options import Activation, BlockerChoice, Side, StrategyWish, UnresolvedBindings
from domain.plan_model import ActionKind, DecisionSource, MatchedBy, PlanState
from domain.referring import DependencyMode
from domain.scanning import ScanResult, Severity

strawberry.enum(ActionKind, description="What an import does with one artifact.")
strawberry.enum(
    Activation,
    description="AUTOMATIC: as soon as all is held and verified. MANUAL: when somebody asks, within seven days.",
)
strawberry.enum(ArtifactStatus, description="Belongs to a revision; every change of it is a new revision.")
strawberry.enum(ArtifactType, description="The kinds of artifact, in install order: what others need stands first.")
strawberry.enum(BindingSource, description="Where the value at a binding comes from.")
strawberry.enum(DependencyMode, description="What an export does with artifacts that other installed packages brought.")
strawberry.enum(
    BlockerChoice,
    description="What an undo does about later imports and edits that built on what it takes back. REFUSE: nothing is"
    " undone. DETACH: they stay as they are, with their package. KEEP_AS_LOCAL: they stay and are no package's any"
    " more. UNDO_THOSE_TOO: they are taken back as well.",
)
strawberry.enum(ChangeKind, description="What happens at one place of an artifact.")
strawberry.enum(ConflictOutcome, description="What became of a conflict.")
strawberry.enum(
    StrategyWish,
    name="ConflictStrategy",
    description="What to do with an artifact that is already there. MIRROR, only as the default, is REPLACE, and what"
    " an earlier version of the package brought and this one does not hold is removed.",
)
strawberry.enum(Side, description="Whose value stands where the tenant and the package both changed something.")
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
strawberry.enum(PlanState, description="Whether a plan can be applied, and what is missing: the first that holds.")
strawberry.enum(Protection, description="What a tenant does about edits of what packages put there.")
strawberry.enum(
    QueueReason,
    description="Why an import still waits in line. RETRY_DELAY: its worker died more than once, so it rests a little.",
)
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
