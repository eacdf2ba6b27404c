"""What was to leave the house and is still here, for whoever runs the server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from domain.model import TenantId
from domain.notices.model import DeliveryState


class Way(Enum):
    """How something leaves the house."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A mail, a message to a webhook, or an install that a hub elsewhere is to be told of: waiting, or given up.

    ``place`` is the address, or the listing that was installed; ``error`` is why the last attempt came to nothing.
    """

    way: Way
    tenant_id: TenantId
    place: str
    state: DeliveryState
    attempts: int
    error: str
    since: datetime


class UndeliveredRows(Protocol):
    """All that waits to be sent, whichever way."""

    async def undelivered(self, *, most: int) -> list[Undelivered]:
        """The newest of what is not delivered."""

    async def try_again(self, *, given_up_too: bool) -> None:
        """Let all that waits be due now, and what was given up wait again."""
