"""What callers may send to the marketplace, described for the OpenAPI document (see ``questions``)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from rest_compat import reported
from rest_compat import reported_shapes as elsewhere
from rest_compat.catalogue_shapes import FlagRequest, ReviewRequest, SubscriptionRequest, VerdictRequest
from rest_compat.curation_questions import CURATION_DESCRIBED
from rest_compat.install_shapes import InstallRequest, PreviewInstallRequest
from rest_compat.installs import InstallBody, PreviewInstallBody
from rest_compat.market_publishers import NewKeyBody, NewPublisherBody, OfficialBody, SuspensionBody
from rest_compat.publishing_shapes import (
    NewKeyRequest,
    NewPublisherRequest,
    OfficialRequest,
    PublisherSuspensionRequest,
)
from rest_compat.reviewing import FlagBody, ReviewBody, VerdictBody
from rest_compat.subscribing import SubscriptionBody

#: the description of each form that the door reads
MARKET_DESCRIBED: Mapping[type[BaseModel], type[BaseModel]] = {
    **CURATION_DESCRIBED,
    InstallBody: InstallRequest,
    PreviewInstallBody: PreviewInstallRequest,
    ReviewBody: ReviewRequest,
    FlagBody: FlagRequest,
    VerdictBody: VerdictRequest,
    SubscriptionBody: SubscriptionRequest,
    reported.InstallReportBody: elsewhere.InstallReportRequest,
    reported.SomebodyBody: elsewhere.SomebodyRequest,
    reported.ReviewReportBody: elsewhere.ReviewReportRequest,
    reported.FlagReportBody: elsewhere.FlagReportRequest,
    NewPublisherBody: NewPublisherRequest,
    NewKeyBody: NewKeyRequest,
    OfficialBody: OfficialRequest,
    SuspensionBody: PublisherSuspensionRequest,
}
