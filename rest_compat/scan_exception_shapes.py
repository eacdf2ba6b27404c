"""Exceptions from the scans of imports, described (installhub.md section 9.6)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from rest_compat.curation_shapes import DecisionWord, JudgementWord
from rest_compat.questions import with_example
from rest_compat.shapes import Count, Shape, Time, always, maybe, ours, ours_maybe

_Long = Annotated[str, StringConstraints(min_length=1, max_length=5000)]


class ImportExceptionRequest(Shape):
    """Which finding is a false alarm, and why."""

    model_config = with_example({"findingIndex": 0, "explanation": "The word is a label, it is never called."})

    finding_index: Annotated[int, Field(ge=0)] = always("The finding's place in the report, family by family, from 0.")
    explanation: _Long = always("Why it does no harm.")
    justification: Annotated[str, StringConstraints(max_length=5000)] = maybe("Why it is needed.")


class ImportExceptionDecision(Shape):
    """What was decided, and why."""

    model_config = with_example({"decision": "Approve", "details": "The node shows the word and never runs it."})

    decision: DecisionWord = always("Rejecting takes back an exception that was approved.")
    details: _Long = always("What was found.")
    valid_until: Time = maybe("Until when it counts, at most a year from now; 90 days if not given.")


class ImportExceptionAnswer(Shape):
    """An exception from an import's scan."""

    exception_id: str = always("Its id.")
    status: JudgementWord = always("How it stands.")
    review_sla: str = Field(alias="reviewSLA", description="Within which time somebody looks.")
    import_id: str = ours("The import.")
    finding_index: Count = ours("The finding's place in the report.")
    rule: str = ours("The rule whose finding is let pass.")
    pointer: str = ours("Where in the artifact, as a JSON pointer.")
    artifact_hash: str = ours("The bytes of the artifact: for others the exception does not count.")
    explanation: str = ours("Why it does no harm.")
    justification: str = ours_maybe("Why it is needed.")
    requested_at: Time = ours("When it was asked for.")
    requested_by: str = ours("By whom.")
    details: str = ours_maybe("What was found when it was decided.")
    decided_at: Time = ours_maybe("When it was decided.")
    decided_by: str = ours_maybe("By whom.")
    valid_until: Time = ours_maybe("Until when it counts.")


class ImportExceptions(Shape):
    """Exceptions from the scans of a tenant's imports."""

    items: list[ImportExceptionAnswer] = ours("The exceptions, oldest first.")
    has_next: bool = ours("Whether more follow; ask again with `after`.")
