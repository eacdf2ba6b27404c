"""What those who look after the marketplace may send, described for the OpenAPI document (see ``questions``)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from rest_compat import curation_shapes as shapes
from rest_compat import judging, managing, scan_exception_shapes, scan_exceptions, vulnerabilities

#: the description of each form that the door reads
CURATION_DESCRIBED: Mapping[type[BaseModel], type[BaseModel]] = {
    managing.ChangeBody: shapes.ChangeRequest,
    managing.DeprecationBody: shapes.DeprecationRequest,
    managing.ReasonBody: shapes.ReasonRequest,
    managing.ExplanationBody: shapes.ExplanationRequest,
    managing.SuspensionBody: shapes.SuspensionRequest,
    managing.ReinstatementBody: shapes.ReinstatementRequest,
    judging.DecisionBody: shapes.DecisionRequest,
    judging.SubmissionDecisionBody: shapes.SubmissionDecisionRequest,
    judging.ScanExceptionBody: shapes.ScanExceptionRequest,
    scan_exceptions.AskBody: scan_exception_shapes.ImportExceptionRequest,
    scan_exceptions.DecideBody: scan_exception_shapes.ImportExceptionDecision,
    vulnerabilities.VulnerabilityBody: shapes.VulnerabilityRequest,
    vulnerabilities.VulnerabilityDecisionBody: shapes.VulnerabilityDecisionRequest,
}
