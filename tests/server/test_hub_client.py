"""Another's hub: what is believed of it, and what is not (security.md section 2, F20)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ErrorCode, Refusal
from domain.market.index import content_path, listed, target_path
from domain.market.model import Offer
from domain.market.ports import HubUnreachableError
from server.hub import HubIndex
from server.hub_client import FIRST_USE, Place, RemoteHub, trusted_root
from server.outward import Outward
from storage.store import SqlStore
from tests.clocks import ManualClock
from tests.hostile import Hostile, a_hostile, endless, page, redirect, silence
from tests.hubs import LIFETIMES, AHub, a_hub, a_store, swapped

HERE = ip_network("127.0.0.1/32")
CONTENT = bytes(range(256)) * 40
DESCRIBED: dict[str, Any] = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "size_bytes": len(CONTENT)}


@dataclass(frozen=True, slots=True)
class Between:
    """A hub, a server that shows its files as it likes, and an installation that is to believe them."""

    hub: AHub
    server: Hostile
    outward: Outward
    store: SqlStore
    clock: ManualClock
    clients: list[RemoteHub] = field(default_factory=list)

    def client(self, root: bytes | str = FIRST_USE, **changes: float) -> RemoteHub:
        """A process of the installation."""
        place = Place(self.server.url, "", root, **changes)
        made = RemoteHub(place, self.outward, self.store, self.clock)
        self.clients.append(made)
        return made

    async def show(self) -> None:
        """Show the hub's files as they are now."""
        self.server.answers = dict(await self.hub.files())

    async def offers_content(self, answer: object) -> Offer:
        """An offer, and what is answered where its bytes should be."""
        offer = await self.hub.offer(**DESCRIBED)
        await self.show()
        self.server.answers[f"/hub/targets/{content_path(offer)}"] = answer  # type: ignore[assignment]
        return offer


@pytest.fixture
async def between(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Between]:
    clock = ManualClock(datetime.now(UTC))
    async with (
        a_hub(tmp_path / "hub", migrated_sqlite) as hub,
        a_store(tmp_path / "own", migrated_sqlite, clock) as store,
        a_hostile(await hub.files()) as server,
        aclosing(Outward([HERE])) as outward,
    ):
        made = Between(hub, server, outward, store, clock)
        yield made
        for client in made.clients:
            await client.aclose()


async def names(client: RemoteHub) -> list[str]:
    return [offer.name for number in (1, 2) for offer in await client.offers_of(f"mkt-pkg-{number}")]


async def refused(client: RemoteHub, code: ErrorCode = ErrorCode.HUB_INDEX_REFUSED) -> str:
    """What is said when the index is not believed."""
    with pytest.raises(Refusal) as told:
        await client.renew()
    assert told.value.code is code, told.value
    return told.value.message


async def test_offers_are_those_of_the_hubs_index(between):
    offer = await between.hub.offer()
    await between.show()
    client = between.client()

    await client.renew()

    assert await client.offers_of(offer.listing_id) == [offer]
    assert await client.offers_named(["package mkt-pkg-1", "unknown"]) == [offer]
    assert await client.offers_of("unknown") == []


async def test_an_index_is_looked_for_by_who_has_none(between):
    offer = await between.hub.offer()
    await between.show()

    assert await between.client().offers_of(offer.listing_id) == [offer]


async def test_without_an_index_nothing_is_offered(between):
    between.server.answers.clear()

    with pytest.raises(Refusal) as told:
        await between.client().offers_of("mkt-pkg-1")

    assert told.value.code is ErrorCode.HUB_UNAVAILABLE


async def test_what_one_process_verified_the_others_believe(between):
    await between.hub.offer()
    await between.show()
    await between.client().renew()

    assert await names(between.client()) == ["Package mkt-pkg-1"]


async def test_a_new_index_is_seen_by_every_process(between):
    first, second = between.client(), between.client()
    await first.renew()
    before = await names(second)
    await between.hub.offer()
    await between.show()

    await first.renew()

    assert (before, await names(second)) == ([], ["Package mkt-pkg-1"])


async def test_an_older_index_is_refused_and_the_newer_one_stays(between):
    old = await between.hub.files()
    await between.hub.offer()
    await between.show()
    await between.client().renew()
    between.server.answers = dict(old)

    # after a restart too, so with nothing in memory
    client = between.client()
    told = await refused(client)

    assert "older than one seen before" in told
    assert await names(client) == ["Package mkt-pkg-1"]


async def test_an_index_of_the_past_is_refused_by_who_never_saw_a_newer_one(tmp_path, migrated_sqlite, between):
    async with a_hub(tmp_path / "old", migrated_sqlite, days_ago=2) as old:
        between.server.answers = dict(await old.files())

        told = await refused(between.client())

    assert "expired" in told


async def test_an_index_that_is_not_renewed_is_no_longer_believed(between):
    client = between.client()
    await client.renew()

    between.clock.advance(timedelta(hours=25))

    with pytest.raises(Refusal, match="expired"):
        await client.offers_of("mkt-pkg-1")


async def test_parts_of_two_states_are_not_believed_together(between):
    old = await between.hub.files()
    await between.hub.offer()
    new = await between.hub.files()
    mixed = {**new, "/hub/metadata/2.targets.json": old["/hub/metadata/1.targets.json"]}
    between.server.answers = dict(mixed)

    assert "do not belong together" in await refused(between.client())


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
async def test_another_hubs_word_does_not_count(tmp_path, migrated_sqlite, between, name):
    async with a_hub(tmp_path / "other", migrated_sqlite) as other:
        between.server.answers = swapped(await between.hub.files(), await other.files(), name)

        told = await refused(between.client())

    assert "not signed" in told or "do not belong together" in told


async def test_a_changed_offer_is_not_believed(between):
    await between.hub.offer()
    files = await between.hub.files()
    path = "/hub/metadata/2.targets.json"
    changed = files[path].replace(b'"trustLevel":"Community"', b'"trustLevel":"Official"')
    assert len(changed) != len(files[path])
    between.server.answers = {**files, path: page(changed.partition(b"\r\n\r\n")[2])}

    assert "do not belong together" in await refused(between.client())


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
async def test_the_hubs_new_keys_are_believed_because_the_old_root_names_them(between, role):
    client = between.client()
    await client.renew()
    await between.hub.index.new_key(role)
    await between.hub.offer()
    await between.show()

    await client.renew()

    assert await names(client) == ["Package mkt-pkg-1"]


async def test_who_stole_the_keys_of_an_index_is_not_believed_once_the_hub_has_new_ones(
    tmp_path, migrated_sqlite, between
):
    await between.hub.offer()
    with closing(sqlite3.connect(tmp_path / "hub" / "hub.db")) as database:
        database.execute("VACUUM INTO ?", [str(tmp_path / "stolen.db")])
    async with a_store(tmp_path / "thief", tmp_path / "stolen.db", between.clock) as store:
        thief = AHub(store, between.clock, HubIndex(store, between.clock, LIFETIMES))
        # far ahead of any version that the hub will have soon
        for number in range(2, 9):
            await thief.offer(number)
        between.server.answers = dict(await thief.files())
    await between.client().renew()
    believed = await names(between.client())

    for role in ("targets", "snapshot", "timestamp"):
        await between.hub.index.new_key(role)
    await between.hub.index.publish()
    await between.show()
    await between.client().renew()

    assert len(believed) == 2
    assert await names(between.client()) == ["Package mkt-pkg-1"]


async def test_a_root_that_the_former_does_not_vouch_for_is_refused(tmp_path, migrated_sqlite, between):
    client = between.client()
    await client.renew()
    async with a_hub(tmp_path / "other", migrated_sqlite) as other:
        await other.index.new_key("root")
        others = await other.files()
    between.server.answers |= {"/hub/metadata/2.root.json": others["/hub/metadata/2.root.json"]}

    assert "not signed" in await refused(client)


async def test_a_first_root_is_believed_when_it_is_the_one_that_was_named(between):
    root = (await between.hub.index.root()).body.encode()

    for named in (root, f"sha256:{hashlib.sha256(root).hexdigest()}"):
        client = between.client(named)
        await client.renew()
        assert await names(client) == []


async def test_another_first_root_than_the_one_that_was_named_is_refused(tmp_path, migrated_sqlite, between):
    async with a_hub(tmp_path / "other", migrated_sqlite) as other:
        root = (await other.index.root()).body.encode()

    assert "INSTALLHUB_HUB_ROOT" in await refused(between.client(f"sha256:{hashlib.sha256(root).hexdigest()}"))
    assert "not signed" in await refused(between.client(root))


@pytest.mark.parametrize("name", ["1.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"])
async def test_metadata_without_end_is_refused(between, name):
    between.server.answers[f"/hub/metadata/{name}"] = endless

    assert "longer than it may be" in await refused(between.client())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", b'{"signed": [], "signatures": 1}', b"\xff", b"[" * 9000])
async def test_what_is_no_metadata_is_refused(between, content):
    between.server.answers["/hub/metadata/timestamp.json"] = page(content)

    assert "cannot be read" in await refused(between.client())


@pytest.mark.parametrize(
    "answer",
    [
        page(b"", status="500 Trouble"),
        page(b"", status="404 Not Found"),
        page(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}),
        page(b"{", length=100),
        redirect("http://127.0.0.2/"),
        redirect("/hub/metadata/timestamp.json"),
        b"nonsense\r\n\r\n",
        silence,
    ],
)
async def test_a_hub_that_does_not_answer_well_is_unavailable(between, answer):
    client = between.client()
    await client.renew()
    between.server.answers["/hub/metadata/timestamp.json"] = answer

    await refused(between.client(seconds=0.5), ErrorCode.HUB_UNAVAILABLE)

    assert await names(client) == []


async def test_those_who_ask_at_once_are_answered_by_one_look(between):
    client = between.client()
    await client.renew()
    between.server.requests.clear()

    await asyncio.gather(*(client.renew() for _ in range(5)))

    assert between.server.paths.count("/hub/metadata/timestamp.json") == 1


async def test_an_offer_that_contradicts_its_own_target_is_not_offered(between):
    offer = await between.hub.offer()
    files = await between.hub.files()

    body = json.loads(files["/hub/metadata/2.targets.json"].partition(b"\r\n\r\n")[2])
    body["signed"]["targets"][target_path(offer)]["length"] = 7
    found = listed(json.dumps(body))

    assert (found.by_listing, found.unread) == ({}, 1)


async def read(client: RemoteHub, offer: Offer, start: int = 0, into: list[bytes] | None = None) -> bytes:
    came = [] if into is None else into
    async with aclosing(client.read(offer, start=start)) as chunks:
        async for chunk in chunks:
            came.append(chunk)
    return b"".join(came)


async def test_the_bytes_of_an_offer_are_read(between):
    offer = await between.offers_content(page(CONTENT))

    assert await read(between.client(), offer) == CONTENT


async def test_the_bytes_are_read_from_somewhere_on(between):
    said = {"Content-Range": f"bytes 1000-{len(CONTENT) - 1}/{len(CONTENT)}"}
    offer = await between.offers_content(page(CONTENT[1000:], status="206 Partial Content", headers=said))

    assert await read(between.client(), offer, start=1000) == CONTENT[1000:]
    assert f"Range: bytes={1000}-" in between.server.requests[-1]


async def test_a_server_that_sends_all_again_is_listened_to_from_there_on(between):
    offer = await between.offers_content(page(CONTENT))

    assert await read(between.client(), offer, start=1000) == CONTENT[1000:]


async def test_nothing_is_asked_for_when_all_bytes_are_there(between):
    offer = await between.offers_content(page(CONTENT))
    between.server.requests.clear()

    assert await read(between.client(), offer, start=len(CONTENT)) == b""
    assert between.server.requests == []


async def test_bytes_that_broke_off_are_good_as_far_as_they_came(between):
    offer = await between.offers_content(page(CONTENT[:5000], length=len(CONTENT)))
    came: list[bytes] = []

    with pytest.raises(HubUnreachableError):
        await read(between.client(), offer, into=came)

    assert b"".join(came) == CONTENT[:5000]


@pytest.mark.parametrize(
    "answer",
    [
        page(b"", status="503 Busy"),
        page(b"", status="429 Too Many"),
        page(CONTENT[:-1], length=-1),
        b"",
        silence,
    ],
)
async def test_a_hub_that_may_do_better_later_is_unreachable(between, answer):
    offer = await between.offers_content(answer)

    with pytest.raises(HubUnreachableError):
        await read(between.client(silent_seconds=0.3), offer)


@pytest.mark.parametrize(
    "answer",
    [
        page(b"", status="404 Not Found"),
        page(b"", status="410 Gone"),
        page(CONTENT + b"x"),
        page(CONTENT + b"x", length=-1),
        page(CONTENT[:-1]),
        page(gzip.compress(CONTENT), headers={"Content-Encoding": "gzip"}),
        page(CONTENT, status="206 Partial Content", headers={"Content-Range": "bytes 0-9/10"}),
        redirect("http://127.0.0.2/"),
        redirect("http://169.254.169.254/latest"),
        endless,
    ],
)
async def test_bytes_that_are_not_those_of_the_index_are_refused(between, answer):
    offer = await between.offers_content(answer)

    with pytest.raises(Refusal) as told:
        await read(between.client(), offer)

    assert told.value.code is ErrorCode.HUB_CONTENT_REFUSED


async def test_bytes_may_lie_somewhere_else_than_the_index(between):
    offer = await between.hub.offer(**DESCRIBED)
    async with a_hostile({f"/mirror/{content_path(offer)}": page(CONTENT)}) as cdn:
        place = Place(between.server.url, f"{cdn.url}/mirror", FIRST_USE)

        found = await read(RemoteHub(place, between.outward, between.store, between.clock), offer)

    assert found == CONTENT


@pytest.mark.parametrize("setting", ["", "sha256:", "sha256:" + "0" * 63, "sha256:" + "G" * 64])
def test_what_a_hub_is_known_by_has_to_be_named(setting):
    with pytest.raises(ValueError, match="name the hub's root"):
        trusted_root(setting)


def test_a_file_without_root_metadata_names_no_hub(tmp_path):
    (tmp_path / "root.json").write_text("{}")

    with pytest.raises(ValueError, match="no root metadata"):
        trusted_root(str(tmp_path / "root.json"))
