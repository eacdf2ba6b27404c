"""``tenant purge``: what the host's own command line gives up for good (decisions R40)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from domain.model import TenantId
from server.errands import CommandRefusedError, Errand, Said

_UNSURE = "everything of the tenant would be gone for good; say --yes if that is what you want"


async def purge_tenant(errand: Errand) -> AsyncGenerator[Said, None]:
    """Everything of a tenant; who breaks it off may begin it again."""
    tenant_id = TenantId(errand.given["tenant"])
    purged = await errand.runtime.services.purging.apply(tenant_id, errand.caller.actor)
    if purged.is_gone:
        yield f"{tenant_id} is gone. Its stored bytes go with the next sweeps, within two days."
    else:
        yield f"{tenant_id} has nothing any more but what it published; it stays, suspended."


def add_purge_command(actions: Any, sends: Callable[..., None]) -> None:
    """The command line's side; ``sends`` says what a command hands over."""
    command = actions.add_parser("purge", help="delete a tenant with everything that it has, for good")
    command.add_argument("tenant", metavar="TENANT")
    command.add_argument("--yes", action="store_true", help="yes, for good")
    sends(command, "tenant purge", "tenant")
    run = command.get_default("run")

    def sure(given: Any) -> Any:
        if not given.yes:
            raise CommandRefusedError(_UNSURE)
        return run(given)

    command.set_defaults(run=sure)
