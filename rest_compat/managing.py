"""What publishers and operators do with listings, over REST (installhub.md sections 4.3, 10.3 and 10.4)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode
from domain.market.managing import ListingChange
from domain.services import Services
from domain.versions import is_semver
from rest_compat import curation_bodies
from rest_compat.asking import Asked, Body, admitted, id_in_path, read_body, visitor
from rest_compat.curation_shapes import (
    AnalyticsAnswer,
    CertificationAnswer,
    DashboardAnswer,
    FlaggedPackages,
    ManagedPackage,
)
from rest_compat.dialect import answer
from rest_compat.installs import PREFIX
from rest_compat.operations import JSON, Admits, Answer, Operation, Parameter
from rest_compat.parameters import PAGES
from rest_compat.querying import Query
from rest_compat.wishes import Name

_DONE = 200
_OURS = "decisions section 9.3"
_MANAGE = "installhub.md section 10.4"
_DAYS = re.compile(r"([1-9]\d{0,2})d", re.ASCII)
_USUAL_DAYS = 30
#: longer ones are refused before they are looked at; the domain says how long they may be
Text = Annotated[str, StringConstraints(max_length=20_000)]


class ChangeBody(Body):
    description: Text | None = None
    tags: list[Name] | None = Field(None, max_length=100)
    screenshots: list[Text] | None = Field(None, max_length=100)


class DeprecationBody(Body):
    reason: Text = ""
    replaced_by_version: Name | None = None


class ReasonBody(Body):
    reason: Text = ""


class ExplanationBody(Body):
    explanation: Text = ""


class SuspensionBody(Body):
    reason: Text = ""
    version: Name | None = None


class ReinstatementBody(Body):
    version: Name | None = None
    details: Text | None = None


async def change_package(request: Request) -> Response:
    asked, listing_id = await _publisher(request)
    wish = (await read_body(request, ChangeBody)).checked
    change = ListingChange(
        description=wish.description,
        tags=tuple(wish.tags) if wish.tags is not None else None,
        screenshots=tuple(wish.screenshots) if wish.screenshots is not None else None,
    )
    changed = await asked.services.curation.managing.change(asked.caller, listing_id, asked.reach, change)
    return answer(curation_bodies.listing(changed))


async def deprecate_version(request: Request) -> Response:
    asked, listing_id = await _publisher(request)
    wish = (await read_body(request, DeprecationBody)).checked
    changed = await asked.services.curation.managing.deprecate(
        asked.caller,
        listing_id,
        version_in_path(request),
        asked.reach,
        reason=wish.reason,
        replaced_by=wish.replaced_by_version or "",
    )
    return answer(curation_bodies.listing(changed))


async def yank_version(request: Request) -> Response:
    asked, listing_id = await _publisher(request)
    wish = (await read_body(request, ReasonBody)).checked
    managing, version = asked.services.curation.managing, version_in_path(request)
    changed = await managing.take_back(asked.caller, listing_id, version, asked.reach, reason=wish.reason)
    return answer(curation_bodies.listing(changed))


async def unlist_package(request: Request) -> Response:
    asked, listing_id = await _publisher(request)
    wish = (await read_body(request, ReasonBody)).checked
    managing = asked.services.curation.managing
    changed = await managing.unlist(asked.caller, listing_id, asked.reach, reason=wish.reason)
    return answer(curation_bodies.listing(changed))


async def relist_package(request: Request) -> Response:
    asked, listing_id = await _publisher(request)
    wish = (await read_body(request, ExplanationBody)).checked
    managing = asked.services.curation.managing
    changed = await managing.ask_relisting(asked.caller, listing_id, asked.reach, explanation=wish.explanation)
    return answer(curation_bodies.listing(changed))


async def package_analytics(request: Request) -> Response:
    asked, listing_id = await _publisher(request)
    query = Query(request)
    stated = query.text("period") or f"{_USUAL_DAYS}d"
    query.checked()
    found = _DAYS.fullmatch(stated)
    days = int(found[1]) if found else 0
    listing, figures = await asked.services.curation.managing.analytics(
        asked.caller, listing_id, asked.reach, days=days
    )
    return answer(curation_bodies.analytics(listing, figures, days))


async def publisher_dashboard(request: Request) -> Response:
    asked = await admitted(request, Right.PUBLISH)
    named = asked.id_in_path("publisherId")
    publisher, figures = await asked.services.curation.managing.dashboard(asked.caller, named, asked.reach)
    return answer(curation_bodies.dashboard(publisher, figures))


async def package_certification(request: Request) -> Response:
    await visitor(request)
    services: Services = request.state.services
    listing, given = await services.curation.certifying.shown(id_in_path(request, "packageId"))
    return answer(curation_bodies.certification(listing, given))


async def certify_version(request: Request) -> Response:
    asked, listing_id = await _operator(request)
    certifying = asked.services.curation.certifying
    return answer(curation_bodies.listing(await certifying.certify(asked.caller, listing_id, version_in_path(request))))


async def revoke_certification(request: Request) -> Response:
    asked, listing_id = await _operator(request)
    wish = (await read_body(request, ReasonBody)).checked
    revoked = await asked.services.curation.certifying.revoke(asked.caller, listing_id, reason=wish.reason)
    return answer(curation_bodies.listing(revoked))


async def suspend_package(request: Request) -> Response:
    asked, listing_id = await _operator(request)
    wish = (await read_body(request, SuspensionBody)).checked
    safeguarding = asked.services.curation.safeguarding
    changed = await safeguarding.suspend(asked.caller, listing_id, reason=wish.reason, version=wish.version or "")
    return answer(curation_bodies.listing(changed))


async def reinstate_package(request: Request) -> Response:
    asked, listing_id = await _operator(request)
    wish = (await read_body(request, ReinstatementBody)).checked
    changed = await asked.services.curation.safeguarding.reinstate(
        asked.caller, listing_id, version=wish.version or "", details=wish.details or ""
    )
    return answer(curation_bodies.listing(changed))


async def flagged_packages(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    query = Query(request)
    size, after = query.page().size, query.stated("after")
    query.checked()
    found = await asked.services.curation.safeguarding.flagged(asked.caller, first=size, after=after)
    return answer({"items": [curation_bodies.listing(one) for one in found.items], "hasNext": found.has_next})


def version_in_path(request: Request) -> str:
    """A version out of the address; what is none is as unknown as any other."""
    named = str(request.path_params["version"])
    return named if is_semver(named) else "-"


async def _publisher(request: Request) -> tuple[Asked, str]:
    asked = await admitted(request, Right.PUBLISH)
    return asked, asked.id_in_path("packageId")


async def _operator(request: Request) -> tuple[Asked, str]:
    asked = await admitted(request, Right.RUN_MARKET)
    return asked, asked.id_in_path("packageId")


#: how a list goes on that is not counted
AFTER = (
    Parameter("after", "The id of the last one already seen."),
    PAGES[1],
)
_ONE = f"{PREFIX}/packages/{{packageId}}"
_VERSION = f"{_ONE}/versions/{{version}}"
_PACKAGE = {_DONE: Answer("The package as it is now.", {JSON: ManagedPackage})}
_OF_A_REASON = (ErrorCode.MISSING_REQUIRED_FIELD, ErrorCode.STATE_CONFLICT)

MANAGING_OPERATIONS = (
    Operation(
        method="PATCH",
        path=_ONE,
        endpoint=change_package,
        summary="Change how a package is described",
        right=Right.PUBLISH,
        answers=_PACKAGE,
        takes={JSON: ChangeBody},
        refuses=(ErrorCode.MISSING_REQUIRED_FIELD,),
        source=_MANAGE,
    ),
    Operation(
        method="POST",
        path=f"{_VERSION}/deprecate",
        endpoint=deprecate_version,
        summary="Let nobody install a version anew",
        right=Right.PUBLISH,
        answers=_PACKAGE,
        takes={JSON: DeprecationBody},
        refuses=_OF_A_REASON,
        source=_MANAGE,
    ),
    Operation(
        method="POST",
        path=f"{_VERSION}/yank",
        endpoint=yank_version,
        summary="Take a version back",
        right=Right.PUBLISH,
        answers=_PACKAGE,
        takes={JSON: ReasonBody},
        refuses=_OF_A_REASON,
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/unlist",
        endpoint=unlist_package,
        summary="Take a package off the market",
        right=Right.PUBLISH,
        answers=_PACKAGE,
        takes={JSON: ReasonBody},
        refuses=_OF_A_REASON,
        source=_MANAGE,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/relist",
        endpoint=relist_package,
        summary="Ask for the review that brings a package back",
        right=Right.PUBLISH,
        answers=_PACKAGE,
        takes={JSON: ExplanationBody},
        refuses=_OF_A_REASON,
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/analytics",
        endpoint=package_analytics,
        summary="See what became of a package",
        right=Right.PUBLISH,
        answers={_DONE: Answer("Real counts.", {JSON: AnalyticsAnswer})},
        parameters=(Parameter("period", "How many days, 1 to 365.", schema={"type": "string", "default": "30d"}),),
        source=_MANAGE,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/publishers/{{publisherId}}/dashboard",
        endpoint=publisher_dashboard,
        summary="See what became of all that a publisher offers",
        right=Right.PUBLISH,
        answers={_DONE: Answer("Real counts.", {JSON: DashboardAnswer})},
        source="installhub.md section 4.3",
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/certification",
        endpoint=package_certification,
        summary="See how far a package is trusted, and why",
        right=Admits.ANYBODY,
        answers={_DONE: Answer("How it stands.", {JSON: CertificationAnswer})},
        source="installhub.md section 10.3",
    ),
    Operation(
        method="POST",
        path=f"{_VERSION}/certify",
        endpoint=certify_version,
        summary="Certify a published version",
        right=Right.RUN_MARKET,
        answers=_PACKAGE,
        refuses=(
            ErrorCode.CERTIFICATION_REFUSED,
            ErrorCode.STATE_CONFLICT,
            ErrorCode.BUNDLE_EXPIRED,
            ErrorCode.INVALID_PACKAGE_FORMAT,
        ),
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/revoke-certification",
        endpoint=revoke_certification,
        summary="Take a package's certification",
        right=Right.RUN_MARKET,
        answers=_PACKAGE,
        takes={JSON: ReasonBody},
        refuses=_OF_A_REASON,
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/suspend",
        endpoint=suspend_package,
        summary="Offer a package, or a version, to nobody anew",
        right=Right.RUN_MARKET,
        answers=_PACKAGE,
        takes={JSON: SuspensionBody},
        refuses=_OF_A_REASON,
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/reinstate",
        endpoint=reinstate_package,
        summary="Offer a package, or a version, again",
        right=Right.RUN_MARKET,
        answers=_PACKAGE,
        takes={JSON: ReinstatementBody},
        refuses=(ErrorCode.STATE_CONFLICT,),
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/flagged-packages",
        endpoint=flagged_packages,
        summary="List packages that people are to look at again",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("Packages, by id.", {JSON: FlaggedPackages})},
        parameters=AFTER,
        source=_OURS,
    ),
)
