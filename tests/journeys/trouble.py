"""A store whose process dies, or whose neighbours interfere, at a chosen writing transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from domain.model import TenantId
from domain.ports import PlatformUnit, Store, TenantUnit, Turn

Meanwhile = Callable[[], Awaitable[None]]


class KilledError(BaseException):
    """The process is gone: nothing of ours may catch it."""


async def _nothing() -> None:
    pass


@dataclass(slots=True)
class Troubled:
    """Counts the writing transactions of tenants; does something before or after the ``at``-th of them.

    ``before`` and ``after`` run outside of the transaction: before it begins, and after it has been committed.
    ``inside`` runs before the commit, so raising there rolls everything back.
    """

    store: Store
    at: int = 0
    before: Meanwhile = _nothing
    inside: Meanwhile = _nothing
    after: Meanwhile = _nothing
    count: int = field(default=0, init=False)

    @asynccontextmanager
    async def unit(self, tenant_id: TenantId, *, turn: Turn = Turn.ASKED) -> AsyncIterator[TenantUnit]:
        self.count += 1
        is_it = self._is_it()
        if is_it:
            await self.before()
        async with self.store.unit(tenant_id, turn=turn) as unit:
            yield unit
            if is_it:
                await self.inside()
        if is_it:
            await self.after()

    def _is_it(self) -> bool:
        return self.count == self.at

    def view(self, tenant_id: TenantId) -> AbstractAsyncContextManager[TenantUnit]:
        return self.store.view(tenant_id)

    def platform_unit(self, *, turn: Turn = Turn.ASKED) -> AbstractAsyncContextManager[PlatformUnit]:
        return self.store.platform_unit(turn=turn)

    def platform_view(self) -> AbstractAsyncContextManager[PlatformUnit]:
        return self.store.platform_view()


class Restless(Troubled):
    """The same at every transaction."""

    def _is_it(self) -> bool:
        return True


async def killed() -> None:
    """The end of a process, as far as its own code can see it."""
    raise KilledError
