"""Who asks, which tenant they mean, and JSON bodies read into values with every type problem at once.

The order of refusals is R15's: the token, the scope and the tenant come before the body is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from domain.access import Caller, Reach, Right, reach_of, require, tenant_of
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.model import TenantId
from domain.services import Services
from rest_compat.dialect import json_object

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
#: an id that nothing has: what cannot be an id is looked up all the same, and is as unknown as any other
_NOBODY = "-"
_UNKNOWN_FIELDS_MAX = 20
_BAD_REQUEST = 400
_PATH_LENGTH_MAX = 200


class Body(BaseModel):
    """A JSON body. Types are strict; unknown fields are kept aside for a warning (decisions section 3)."""

    model_config = ConfigDict(strict=True, extra="allow", alias_generator=to_camel, frozen=True)


B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True)
class Read(Generic[B]):
    """A body as it was read: ``body`` is there when ``problems`` is empty."""

    tree: Mapping[str, Any]
    body: B | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def checked(self) -> B:
        """The body. Raises a refusal with every problem."""
        refuse_if(self.problems)
        if self.body is None:
            msg = "a body without problems is there"
            raise RuntimeError(msg)
        return self.body


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose token is good and whose caller may do this kind of thing."""

    request: Request
    caller: Caller
    services: Services = field(repr=False)
    tenant_header: str | None

    @property
    def reach(self) -> Reach:
        """The tenants an id may be looked up in (R1)."""
        return reach_of(self.caller, self.tenant_header)

    @property
    def idempotency_key(self) -> str | None:
        """The caller's key for a request that may come again (R25); two of them are refused."""
        stated = self.request.headers.getlist("idempotency-key")
        if len(stated) > 1:
            raise refuse(ErrorCode.BAD_USER_INPUT, "Send one Idempotency-Key.", "Idempotency-Key")
        return stated[0] if stated else None

    def id_in_path(self, name: str) -> str:
        """An id out of the address."""
        return id_in_path(self.request, name)

    def tenant(self, tree: Mapping[str, Any], name: str, problems: Sequence[Problem]) -> TenantId:
        """The tenant that a body means (R1): 403 at once, 400 together with the body's other ``problems``."""
        named = tree.get(name)
        try:
            return tenant_of(
                self.caller, body=named if isinstance(named, str) else None, header=self.tenant_header, where=name
            )
        except Refusal as refusal:
            if refusal.status != _BAD_REQUEST:
                raise
            raise Refusal([*problems, *refusal.problems]) from refusal


async def admitted(request: Request, right: Right) -> Asked:
    """Check the token, the scope and the header's tenant; nothing of the body is read yet."""
    caller = await request.state.authenticate(request.headers.get("authorization"))
    require(caller, right)
    return _asked(request, caller)


async def signed_in(request: Request) -> Asked:
    """The same for what needs no permission: a good token is enough."""
    return _asked(request, await request.state.authenticate(request.headers.get("authorization")))


async def visitor(request: Request) -> Caller | None:
    """Who looks at the marketplace: nobody in particular, where it is public and the request shows no token."""
    authorization = request.headers.get("authorization")
    services: Services = request.state.services
    if authorization is None and services.installation.is_market_public:
        return None
    caller: Caller = await request.state.authenticate(authorization)
    return caller


def _asked(request: Request, caller: Caller) -> Asked:
    named = request.headers.getlist("x-tenant-id")
    if len(named) > 1:
        raise refuse(ErrorCode.BAD_USER_INPUT, "Send one X-Tenant-Id.", "X-Tenant-Id")
    asked = Asked(request, caller, request.state.services, (named[0] if named else "") or None)
    if asked.tenant_header is not None:
        tenant_of(caller, header=asked.tenant_header, where="X-Tenant-Id")
    return asked


def id_in_path(request: Request, name: str) -> str:
    """An id out of the address."""
    named = str(request.path_params[name])
    return named if _PLAIN_ID.fullmatch(named) else _NOBODY


async def read_body(request: Request, form: type[B]) -> Read[B]:
    """The JSON body of a request."""
    return read_tree(await json_object(request), form)


def read_tree(
    tree: Mapping[str, Any], form: type[B], *, code: ErrorCode = ErrorCode.BAD_USER_INPUT, where: str = ""
) -> Read[B]:
    """A JSON object as a body; ``where`` is the object's place in the request, ``code`` what a wrong type is."""
    try:
        body = form.model_validate(tree)
    except ValidationError as flaws:
        problems = [
            Problem(code, flaw["msg"] + ".", _path(where, flaw["loc"]))
            for flaw in flaws.errors(include_url=False, include_context=False, include_input=False)
        ]
        return Read(tree, None, tuple(problems))
    unknown = [
        Problem(ErrorCode.UNKNOWN_FIELD, "This field is not known and was ignored.", path)
        for path, _ in zip(_unknown_fields(body, where), range(_UNKNOWN_FIELDS_MAX), strict=False)
    ]
    return Read(tree, body, (), tuple(unknown))


def _unknown_fields(body: BaseModel, where: str) -> Iterator[str]:
    yield from (_path(where, (name,)) for name in body.model_extra or {})
    for name in type(body).model_fields:
        value = getattr(body, name)
        for place, item in enumerate(value if isinstance(value, tuple | list) else ()):
            if isinstance(item, BaseModel):
                yield from _unknown_fields(item, _path(where, (to_camel(name), place)))


def _path(where: str, steps: tuple[int | str, ...]) -> str:
    """``options.conflictStrategyOverrides.AtlasForm``, ``artifactIds[2]``."""
    path = where
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step != "[key]":
            path += f".{step}" if path else step
    return path[:_PATH_LENGTH_MAX]
