"""An errand of the command line: what it is given, and what it tells, one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.access import Caller
from domain.errors import ErrorCode, Refusal, refuse
from domain.model import TenantId
from server.runtime import Runtime

Arguments = Mapping[str, str]
#: a sentence for people, or a record that the command line shows as it likes
Said = str | Mapping[str, Any]


class CommandRefusedError(Exception):
    """A command cannot be carried out; the message says why."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One command on its way. ``is_served``: somebody runs imports while it is carried out."""

    runtime: Runtime
    caller: Caller
    given: Arguments
    is_served: bool


Command = Callable[[Errand], AsyncGenerator[Said, None]]


async def known_tenant(errand: Errand) -> TenantId:
    """The tenant that was named. Raises ``NotFound``."""
    tenant = await errand.runtime.services.tenancy.find(errand.caller, errand.given["tenant"])
    if tenant is None:
        raise refuse(ErrorCode.NOT_FOUND, f"There is no tenant {errand.given['tenant']}.")
    return tenant.tenant_id


def told(refusal: Refusal) -> list[str]:
    """A refusal for people: its message, and each problem that says something else."""
    return list(dict.fromkeys([refusal.message, *(problem.message for problem in refusal.problems)]))
