"""The hub as a role of this server: makes its index, keeps its keys, and publishes what changed (decisions R32).

Any number of workers may try; the database lets one of them publish. Who is killed leaves the index as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from domain.market import index
from domain.market.index import ROLES, ROOT, HubMetadata, Lifetimes, Maker, NamedKey
from domain.market.model import Offer
from domain.ports import Clock, PlatformUnit, Store
from server.settings import Settings

#: makes further metadata of the newest
Make = Callable[[Mapping[str, HubMetadata]], Awaitable[Sequence[HubMetadata]]]
#: somebody may be reading the index as it was: so long it stays there
_KEPT_AFTER = timedelta(hours=1)


def lifetimes_of(settings: Settings) -> Lifetimes:
    """How long this server's index is good, as its operator has it."""
    return Lifetimes(
        root=timedelta(days=settings.hub_root_days),
        index=timedelta(days=settings.hub_index_days),
        timestamp=timedelta(hours=settings.hub_timestamp_hours),
    )


class HubIndex:
    """The index of this server's own hub."""

    def __init__(self, store: Store, clock: Clock, lifetimes: Lifetimes) -> None:
        self._store = store
        self._clock = clock
        self._lifetimes = lifetimes

    async def publish(self) -> int:
        """Bring the index up to what is offered now, and make it good for longer; how much was made anew.

        Raises :class:`domain.market.index.KeysMissingError` when the keys of a role are not here.
        """
        return len(await self._published(self._renewed))

    async def new_key(self, role: str) -> HubMetadata:
        """Put a new key of ours in the place of ours for a role. Gives the root that says so."""

        async def made(newest: Mapping[str, HubMetadata]) -> list[HubMetadata]:
            root = newest[ROOT].body
            named = f"hub-{role}-{newest[ROOT].version + 1}"
            async with self._store.platform_unit() as unit:
                key = NamedKey(named, await _signer(unit, named))
            return [index.with_new_key(root, role, key, await self._maker(root))]

        return (await self._published(made))[0]

    async def take_root(self, candidate: str) -> HubMetadata:
        """Take over the next root, written and signed elsewhere. Raises a refusal that says why not."""

        async def made(newest: Mapping[str, HubMetadata]) -> list[HubMetadata]:
            root = newest[ROOT].body
            return [index.taken_over(root, candidate, await self._maker(root))]

        return (await self._published(made))[0]

    async def root(self) -> HubMetadata:
        """The root in force."""
        return (await self._begun())[ROOT]

    async def _published(self, make: Make) -> Sequence[HubMetadata]:
        """Publish what is made of the newest metadata: anew, when somebody else published meanwhile."""
        while True:
            newest = await self._begun()
            made = await make(newest)
            if not made or await self._add(newest, made):
                return made

    async def _renewed(self, newest: Mapping[str, HubMetadata]) -> Sequence[HubMetadata]:
        """What is to be published now; nothing while everything is as it should be."""
        async with self._store.platform_view() as unit:
            offers = await _all_offers(unit)
        maker = await self._maker(newest[ROOT].body)
        return await asyncio.to_thread(index.renewed, newest, offers, maker)

    async def _begun(self) -> Mapping[str, HubMetadata]:
        """The newest metadata of each role; the first root is made when there is none."""
        async with self._store.platform_view() as unit:
            newest = await unit.hub_rows.newest()
        if ROOT in newest:
            return newest
        async with self._store.platform_unit() as unit:
            await unit.hub_rows.lock()
            newest = await unit.hub_rows.newest()
            if ROOT not in newest:
                keys = {role: NamedKey(f"hub-{role}-1", await _signer(unit, f"hub-{role}-1")) for role in ROLES}
                root = index.first_root(keys, now=self._clock.now(), lifetimes=self._lifetimes)
                await unit.hub_rows.add([root])
                newest = {ROOT: root}
        return newest

    async def _maker(self, *roots: str) -> Maker:
        """Signers for those keys of these roots whose private halves are here."""
        signers = {}
        async with self._store.platform_unit() as unit:
            for name, key_id in dict.fromkeys(key for root in roots for key in index.kept_keys(root)):
                signer = await _signer(unit, name)
                # in a database that was restored without its secrets a name may stand for another key
                if signer.public_key.keyid == key_id:
                    signers[key_id] = signer
        return Maker(signers, self._clock.now(), self._lifetimes)

    async def _add(self, newest: Mapping[str, HubMetadata], made: Sequence[HubMetadata]) -> bool:
        """Add what was made to the index, unless somebody else did since. Whether it was added."""
        async with self._store.platform_unit() as unit:
            await unit.hub_rows.lock()
            # in their order, so that the last of a role is its newest
            if dict(await unit.hub_rows.versions()) != {each.role: each.version for each in newest.values()}:
                return False
            await unit.hub_rows.add(made)
            await unit.hub_rows.forget(self._clock.now() - _KEPT_AFTER)
        return True


async def _all_offers(unit: PlatformUnit) -> list[Offer]:
    offers: list[Offer] = []
    after: str | None = ""
    while after is not None:
        portion, after = await unit.hub_rows.offers(after)
        offers += portion
    return offers


async def _signer(unit: PlatformUnit, name: str) -> CryptoSigner:
    """The key of this name, made by whoever asks first."""
    seed = bytes.fromhex(await unit.keeping.secret(name))
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(seed))
