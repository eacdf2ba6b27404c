"""``imports rollback`` and ``tenant freeze | unfreeze``: what people on call do first (decisions section 9.6)."""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator, Callable
from typing import Any

from domain.options import BlockerChoice
from domain.undo_order import UndoAsked
from server.errands import Errand, Said, known_tenant
from server.import_commands import row_of

#: tells a command what it hands over
Sends = Callable[..., None]


async def roll_back_import(errand: Errand) -> AsyncGenerator[Said, None]:
    """Put the undo of an import at the head of its tenant's line; follow it by its own number."""
    given = errand.given
    asked = UndoAsked(
        BlockerChoice(given["blockers"]), given.get("reason", ""), is_dry_run=given["is_dry_run"] == str(True)
    )
    yield row_of(await errand.runtime.services.undos.roll_back(errand.caller, given["import_id"], None, asked))


async def freeze_tenant(errand: Errand) -> AsyncGenerator[Said, None]:
    tenant_id = await known_tenant(errand)
    tenant = await errand.runtime.services.freezing.freeze(errand.caller, tenant_id, errand.given["reason"])
    yield f"{tenant.tenant_id} is frozen: new imports wait, undos go on."


async def unfreeze_tenant(errand: Errand) -> AsyncGenerator[Said, None]:
    tenant = await errand.runtime.services.freezing.unfreeze(errand.caller, await known_tenant(errand))
    yield f"{tenant.tenant_id} is not frozen: what waits goes on."


def add_freeze_commands(tenant: Any, sends: Sends) -> None:
    command = tenant.add_parser("freeze", help="let no new import begin in a tenant; undos go on")
    command.add_argument("tenant", metavar="TENANT")
    command.add_argument("--reason", required=True, help="why, for those who wait and for the audit")
    sends(command, "tenant freeze", "tenant", "reason")
    command = tenant.add_parser("unfreeze", help="let imports begin in a tenant again")
    command.add_argument("tenant", metavar="TENANT")
    sends(command, "tenant unfreeze", "tenant")


def add_rollback_command(imports: Any, sends: Sends, terminal: Callable[[], Any]) -> None:
    command: argparse.ArgumentParser = imports.add_parser("rollback", help="take an import back, before all that waits")
    command.add_argument("import_id", metavar="ID")
    command.add_argument(
        "--blockers",
        choices=[choice.wire for choice in BlockerChoice],
        default=BlockerChoice.REFUSE.wire,
        help="what is done about what was built on it since (default: Refuse)",
    )
    command.add_argument("--reason", help="why, for the audit")
    command.add_argument("--dry-run", dest="is_dry_run", action="store_true", help="plan it only")
    sends(command, "imports rollback", "import_id", "blockers", "reason", "is_dry_run", terminal=terminal)
