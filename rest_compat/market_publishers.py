"""Publishers over REST: making and verifying them, and the keys they sign with (installhub.md section 10.4)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode, Problem, refuse_if
from domain.market.model import Publisher, VerificationMethod
from domain.market.publisher_order import PublisherOrder
from domain.model import TenantId
from rest_compat import publishing_bodies
from rest_compat.asking import Asked, Body, admitted, read_body, signed_in
from rest_compat.dialect import answer
from rest_compat.installs import PREFIX
from rest_compat.operations import JSON, Answer, Operation, Parameter
from rest_compat.parameters import IDEMPOTENCY_KEY, PAGES
from rest_compat.publishing_shapes import (
    KeyRow,
    KeysAnswer,
    NewPublisherAnswer,
    PublisherAnswer,
    PublishersPage,
    VerificationAnswer,
)
from rest_compat.querying import Query, numbered
from rest_compat.wishes import Judged, Name

_DONE, _CREATED = 200, 201
_OURS = "decisions section 9.3"
_METHODS = {method.wire: method for method in VerificationMethod}


class NewPublisherBody(Body):
    """What is missing is judged with everything else, by the domain."""

    display_name: Judged = ""
    slug: Judged = ""
    website: str = ""
    contact_email: Judged = ""
    description: Judged | None = None
    logo_url: str | None = None
    verification_method: Name | None = None
    tenant_id: Name | None = None


class NewKeyBody(Body):
    public_key: str = ""


class OfficialBody(Body):
    is_official: bool


class SuspensionBody(Body):
    reason: Judged = ""


async def create_publisher(request: Request) -> Response:
    asked = await admitted(request, Right.PUBLISH)
    read = await read_body(request, NewPublisherBody)
    tenant_id = asked.tenant(read.tree, "tenantId", read.problems)
    order = _order(read.checked, tenant_id)
    made = await asked.services.publishers.create(asked.caller, order, key=asked.idempotency_key)
    return answer(publishing_bodies.new_publisher(made), status=_CREATED)


async def publishers(request: Request) -> Response:
    """The publishers of the caller's tenants."""
    asked = await admitted(request, Right.PUBLISH)
    query = Query(request)
    page = query.page()
    query.checked()
    services = asked.services.publishers
    found = await services.numbered(asked.caller, asked.reach, page=page.number, page_size=page.size)
    keys = await services.keys([one.publisher_id for one in found.items])
    rows = [publishing_bodies.publisher(one, keys.get(one.publisher_id, ())) for one in found.items]
    return answer(numbered(rows, found.total_count, page))


async def publisher(request: Request) -> Response:
    asked = await signed_in(request)
    return answer(await _shown(asked, await publisher_in_path(asked)))


async def verify_publisher(request: Request) -> Response:
    """Look at the domain now."""
    asked = await admitted(request, Right.PUBLISH)
    query = Query(request)
    stated = query.words("method", {word: (method,) for word, method in _METHODS.items()})
    query.checked()
    looked = await asked.services.publishers.verify(
        asked.caller, asked.id_in_path("publisherId"), asked.reach, method=stated[0] if stated else None
    )
    return answer(publishing_bodies.verification(looked))


async def mark_official(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    wish = (await read_body(request, OfficialBody)).checked
    named = asked.id_in_path("publisherId")
    marked = await asked.services.publishers.mark_official(asked.caller, named, is_official=wish.is_official)
    return answer(await _shown(asked, marked))


async def suspend_publisher(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    wish = (await read_body(request, SuspensionBody)).checked
    named = asked.id_in_path("publisherId")
    return answer(await _shown(asked, await asked.services.publishers.suspend(asked.caller, named, reason=wish.reason)))


async def reinstate_publisher(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    named = asked.id_in_path("publisherId")
    return answer(await _shown(asked, await asked.services.publishers.reinstate(asked.caller, named)))


async def publisher_keys(request: Request) -> Response:
    asked = await signed_in(request)
    found = await publisher_in_path(asked)
    keys = await asked.services.publishers.keys([found.publisher_id])
    return answer({"items": [publishing_bodies.key(one) for one in keys.get(found.publisher_id, ())]})


async def add_key(request: Request) -> Response:
    asked = await admitted(request, Right.PUBLISH)
    wish = (await read_body(request, NewKeyBody)).checked
    named = asked.id_in_path("publisherId")
    added = await asked.services.publishers.add_key(asked.caller, named, asked.reach, wish.public_key)
    return answer(publishing_bodies.key(added), status=_CREATED)


async def revoke_key(request: Request) -> Response:
    asked = await admitted(request, Right.PUBLISH)
    named, key_id = asked.id_in_path("publisherId"), asked.id_in_path("keyId")
    revoked = await asked.services.publishers.revoke_key(asked.caller, named, asked.reach, key_id)
    return answer(publishing_bodies.key(revoked))


async def publisher_in_path(asked: Asked) -> Publisher:
    """The publisher that the address names. Raises ``InsufficientPermission`` and ``NotFound``."""
    return await asked.services.publishers.get(asked.caller, asked.id_in_path("publisherId"), asked.reach)


async def _shown(asked: Asked, found: Publisher) -> dict[str, object]:
    keys = await asked.services.publishers.keys([found.publisher_id])
    return publishing_bodies.publisher(found, keys.get(found.publisher_id, ()))


def _order(body: NewPublisherBody, tenant_id: TenantId) -> PublisherOrder:
    return PublisherOrder(
        tenant_id=tenant_id,
        display_name=body.display_name,
        slug=body.slug,
        website=body.website,
        contact_email=body.contact_email,
        description=body.description or "",
        logo_url=body.logo_url or "",
        method=_method(body.verification_method) or VerificationMethod.DNS,
    )


def _method(stated: str | None) -> VerificationMethod | None:
    if stated is None:
        return None
    text = f"verificationMethod must be {' or '.join(_METHODS)}."
    refuse_if([] if stated in _METHODS else [Problem(ErrorCode.BAD_USER_INPUT, text, "verificationMethod")])
    return _METHODS[stated]


_ONE = f"{PREFIX}/publishers/{{publisherId}}"

PUBLISHER_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{PREFIX}/publishers",
        endpoint=create_publisher,
        summary="Become a publisher",
        right=Right.PUBLISH,
        answers={_CREATED: Answer("The publisher waits to be verified.", {JSON: NewPublisherAnswer})},
        takes={JSON: NewPublisherBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(
            ErrorCode.MISSING_REQUIRED_FIELD,
            ErrorCode.PUBLISHER_NAME_TAKEN,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ),
        source="installhub.md section 10.4",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/publishers",
        endpoint=publishers,
        summary="List the publishers of the caller's tenants",
        right=Right.PUBLISH,
        answers={_DONE: Answer("Publishers, oldest first.", {JSON: PublishersPage})},
        parameters=PAGES,
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=_ONE,
        endpoint=publisher,
        summary="Look at a publisher",
        right=Right.PUBLISH,
        or_right=Right.RUN_MARKET,
        answers={_DONE: Answer("The publisher.", {JSON: PublisherAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source="installhub.md section 4.3",
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/verify",
        endpoint=verify_publisher,
        summary="Look whether a publisher's domain shows its record",
        right=Right.PUBLISH,
        answers={_DONE: Answer("How it stands.", {JSON: VerificationAnswer})},
        parameters=(Parameter("method", "Another place to look for it than before.", schema={"enum": list(_METHODS)}),),
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.STATE_CONFLICT),
        source="installhub.md section 10.4",
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/official",
        endpoint=mark_official,
        summary="Make a publisher the marketplace's own house, or take that back",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("The publisher.", {JSON: PublisherAnswer})},
        takes={JSON: OfficialBody},
        refuses=(ErrorCode.NOT_FOUND,),
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/suspend",
        endpoint=suspend_publisher,
        summary="Stop a publisher",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("The publisher.", {JSON: PublisherAnswer})},
        takes={JSON: SuspensionBody},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.MISSING_REQUIRED_FIELD),
        description="It submits nothing and nothing of it is installed anew. What is installed stays as it is.",
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/reinstate",
        endpoint=reinstate_publisher,
        summary="Let a suspended publisher go on",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("The publisher.", {JSON: PublisherAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/keys",
        endpoint=publisher_keys,
        summary="List the keys that a publisher signs with",
        right=Right.PUBLISH,
        or_right=Right.RUN_MARKET,
        answers={_DONE: Answer("The keys.", {JSON: KeysAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/keys",
        endpoint=add_key,
        summary="Let a key sign for a publisher",
        right=Right.PUBLISH,
        answers={_CREATED: Answer("The key.", {JSON: KeyRow})},
        takes={JSON: NewKeyBody},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.STATE_CONFLICT),
        description="From the first key on, unsigned submissions are refused.",
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/keys/{{keyId}}/revoke",
        endpoint=revoke_key,
        summary="Let a key verify nothing any more",
        right=Right.PUBLISH,
        answers={_DONE: Answer("The key.", {JSON: KeyRow})},
        refuses=(ErrorCode.NOT_FOUND,),
        source=_OURS,
    ),
)
