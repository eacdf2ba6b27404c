"""How many sockets and streams stay open for each user and each tenant (design: security, section 3.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from domain.access import Caller
from domain.errors import ErrorCode, refuse
from domain.limits import Limits

#: when to try again: somebody may have gone by then
RETRY_SECONDS = 5

_Key = tuple[str, ...]


class OpenStreams:
    """The open sockets and streams of one process, counted; not for several threads.

    A user is a subject of an issuer over all tenants, as for all rates (decisions R36). A stream counts for every
    tenant that it may tell about.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = {"user": limits.streams_per_user, "tenant": limits.streams_per_tenant}
        self._open: Counter[_Key] = Counter()

    @property
    def count(self) -> int:
        """How many are open now."""
        return sum(count for key, count in self._open.items() if key[0] == "user")

    def enter(self, caller: Caller, tenant_header: str | None) -> Place:
        """A place for one more; leave it at the end. Raises ``RateLimitExceeded`` when there is none."""
        tenants = {tenant_header} if tenant_header else caller.tenants
        keys = [("user", caller.issuer, caller.subject), *(("tenant", one) for one in sorted(tenants))]
        for key in keys:
            if self._open[key] >= self._most[key[0]]:
                text = f"This {key[0]} has {self._most[key[0]]} sockets and streams open already. Close some."
                raise refuse(ErrorCode.RATE_LIMIT_EXCEEDED, text, retryAfter=RETRY_SECONDS)
        self._open.update(keys)
        return Place(self._open, keys)


class Place:
    """Taken by one open socket or stream until it is left."""

    def __init__(self, opened: Counter[_Key], keys: Sequence[_Key]) -> None:
        self._open = opened
        self._keys = keys

    def leave(self) -> None:
        """Make room; asked twice, once."""
        for key in self._keys:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
        self._keys = ()
