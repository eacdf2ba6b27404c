"""What the marketplace needs from outside (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Any, Protocol

from domain.market.model import Offer, VerificationMethod


class HubUnreachableError(RuntimeError):
    """The hub did not answer, or not in time. What was read so far is good: go on after it."""


class Hub(Protocol):
    """Where packages are offered: this installation's own hub, or another's."""

    async def renew(self) -> None:
        """Bring the index up to date.

        Raises a refusal ``HubUnavailable``, or ``HubIndexRefused`` when the index is expired, older than one seen
        before, or not signed by whom it should be. Then the index is the last good one, as before.
        """

    async def index_version(self) -> int:
        """Which version of the index offers come from now; versions only grow. 0 before the first."""

    async def offers_of(self, listing_id: str) -> Sequence[Offer]:
        """Every version of a listing, in any state, newest first; none when the hub does not know it."""

    async def offers_named(self, name_keys: Collection[str]) -> Sequence[Offer]:
        """Every version of the listings with these name keys, newest first."""

    def read(self, offer: Offer, *, start: int = 0) -> AsyncGenerator[bytes]:
        """The bundle's bytes from ``start`` on, and no more of them than the index says.

        They are not checked here. Raises :class:`HubUnreachableError`, and a refusal ``HubContentRefused`` when the
        hub has no such bytes or sends more than it said.
        """


#: of a request: each once, as text
Parameters = Mapping[str, str | int | float]


class HubPages(Protocol):
    """What another installation's hub tells everybody about its packages, as its REST door documents it."""

    async def page(self, path: tuple[str, ...], wanted: Parameters) -> Mapping[str, Any] | None:
        """The answer to ``GET /api/marketplace/packages/<path>``; ``None`` for what the hub does not show.

        Raises a refusal ``HubUnavailable``, and ``BadUserInput`` when the hub says that of the parameters.
        """


class HubDesk(Protocol):
    """Where another installation's hub is told things, under a token that it gave to this installation."""

    async def tell(self, path: tuple[str, ...], told: Mapping[str, Any], *, key: str = "") -> Mapping[str, Any]:
        """The answer to ``POST /api/marketplace/reported/<path>``; ``key`` is for a request that may come again.

        Raises a refusal ``HubUnavailable`` when another attempt may go well, and else what the hub refuses it with.
        """


class DomainProof(Protocol):
    """Looks whether a domain shows what its owner was asked to show (installhub.md section 10.4)."""

    async def shows(self, domain: str, method: VerificationMethod, token: str) -> bool:
        """Whether ``bizfirstai-verify=<token>`` is among the domain's TXT records, or in its well-known file.

        ``DNS``: a TXT record at the domain itself. ``File``: https://<domain>/.well-known/bizfirstai-verify.txt.
        Raises a refusal ``ServiceUnavailable`` when that cannot be found out now.
        """
