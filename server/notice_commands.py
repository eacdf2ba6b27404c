"""``notices outbox | retry``: what was to leave the house and did not, for whoever runs the server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from domain.model import rfc3339
from server.errands import Errand, Said
from server.printing import Columns

_GIVEN_UP = "with what was given up"


async def show_outbox(errand: Errand) -> AsyncGenerator[Said, None]:
    """What waits or was given up, newest first, and why the last attempt came to nothing."""
    async with errand.runtime.ports.store.platform_view() as unit:
        found = await unit.notices.undelivered(most=int(errand.given["limit"]))
    for one in found:
        yield {
            "way": one.way.value,
            "tenant": one.tenant_id,
            "to": one.place,
            "state": one.state.value,
            "attempts": one.attempts,
            "since": rfc3339(one.since),
            "error": one.error,
        }


async def retry_outbox(errand: Errand) -> AsyncGenerator[Said, None]:
    """Try at once what waits for its next attempt, and what was given up if that is wanted."""
    given_up_too = errand.given["given_up"] == str(True)
    async with errand.runtime.ports.store.platform_unit() as unit:
        await unit.notices.try_again(given_up_too=given_up_too)
    yield f"What waits is tried now{f', {_GIVEN_UP}' if given_up_too else ''}."


def add_notice_commands(commands: Any, sends: Callable[..., None], count: Callable[[str], int]) -> None:
    notices = commands.add_parser("notices", help="mails, webhooks' messages and reports to a hub that did not go out")
    actions = notices.add_subparsers(required=True, metavar="ACTION")
    command = actions.add_parser("outbox", help="show what is not delivered, and why")
    command.add_argument("--limit", type=count, default=100, help="so many at most (default: 100)")
    sends(command, "notices outbox", "limit", terminal=Columns)
    command = actions.add_parser("retry", help="try what waits at once, instead of after its rest")
    command.add_argument("--given-up", action="store_true", help=_GIVEN_UP)
    sends(command, "notices retry", "given_up")
