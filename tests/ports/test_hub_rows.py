"""The hub's index in the database: what is published, by whom, and what is believed of another's."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from securesystemslib.formats import encode_canonical

from domain.errors import ErrorCode, Refusal
from domain.market.hub_rows import HubContent
from domain.market.index import ROLES, HubMetadata, KeysMissingError, Lifetimes, listed, target_path
from domain.market.model import ListingState, PublisherKey
from domain.model import BlobKey
from server.hub import HubIndex
from tests.ports import listings
from tests.ports.listings import PUBLISHER, a_listing, a_publisher, a_version
from tests.ports.rows import ANNA, with_tenants
from tests.signers import a_signer, in_force

LIFETIMES = Lifetimes(timedelta(days=30), timedelta(days=7), timedelta(hours=24))
HUB = "https://hub.example"


@pytest.fixture
async def hub(store, clock) -> HubIndex:
    await with_tenants(store)
    return HubIndex(store, clock, LIFETIMES)


async def versions(store) -> dict[str, int]:
    async with store.platform_view() as unit:
        return {role: found.version for role, found in (await unit.hub_rows.newest()).items()}


async def body(store, role: str, version: int | None = None) -> str:
    async with store.platform_view() as unit:
        found: str | None = await unit.hub_rows.metadata(role, version)
    assert found is not None
    return found


async def test_the_index_lists_every_version_in_any_state(store, hub):
    one, other = a_listing("mkt-pkg-1"), a_listing("mkt-pkg-2", name="Other", state=ListingState.SUSPENDED)
    offered = (a_version(one), a_version(one, "2.0.0", state=ListingState.YANKED), a_version(other))
    await listings.listed(store, one, other, versions=offered)

    await hub.publish()

    found = listed(await body(store, "targets"))
    assert {offer.full_name: offer.state for offers in found.by_listing.values() for offer in offers} == {
        "Package mkt-pkg-1@1.0.0": ListingState.LISTED,
        "Package mkt-pkg-1@2.0.0": ListingState.YANKED,
        "Other@1.0.0": ListingState.SUSPENDED,
    }
    assert [offer.listing_id for offer in found.by_name["other"]] == ["mkt-pkg-2"]


async def test_an_index_of_more_listings_than_one_statement_asks_for_is_whole(store, hub):
    many = [a_listing(f"mkt-pkg-{number}") for number in range(501)]
    await listings.listed(store, *many)

    await hub.publish()

    assert len(listed(await body(store, "targets")).by_listing) == 501


async def test_nothing_is_published_while_nothing_changes(store, hub):
    await listings.listed(store, a_listing())
    first = await hub.publish()

    again = await hub.publish()

    assert (first, again) == (3, 0)
    assert await versions(store) == {"root": 1, "targets": 1, "snapshot": 1, "timestamp": 1}


async def test_a_change_of_a_listing_is_published_with_the_next_versions(store, hub):
    await listings.listed(store, a_listing())
    await hub.publish()
    await listings.listed(store, a_listing("mkt-pkg-2", publisher_id="pub-2"))

    await hub.publish()

    assert await versions(store) == {"root": 1, "targets": 2, "snapshot": 2, "timestamp": 2}


async def test_the_index_is_made_good_for_longer_before_it_is_over(store, hub, clock):
    await hub.publish()

    clock.advance(timedelta(hours=13))
    await hub.publish()
    after_hours = await versions(store)
    clock.advance(timedelta(days=4))
    await hub.publish()
    after_days = await versions(store)
    clock.advance(timedelta(days=20))
    await hub.publish()

    assert after_hours == {"root": 1, "targets": 1, "snapshot": 1, "timestamp": 2}
    assert after_days == {"root": 1, "targets": 2, "snapshot": 2, "timestamp": 3}
    assert await versions(store) == {"root": 2, "targets": 3, "snapshot": 3, "timestamp": 4}


async def test_two_that_publish_at_once_end_with_one_index(store, hub, clock):
    await listings.listed(store, a_listing())

    await asyncio.gather(*(HubIndex(store, clock, LIFETIMES).publish() for _ in range(4)))

    assert await versions(store) == {"root": 1, "targets": 1, "snapshot": 1, "timestamp": 1}


async def test_versions_that_were_replaced_long_ago_are_dropped_and_roots_are_not(store, hub, clock):
    await hub.publish()
    await hub.new_key("timestamp")

    for _ in range(2):
        clock.advance(timedelta(days=5))
        await hub.publish()

    async with store.platform_view() as unit:
        kept = await unit.hub_rows.versions()
    assert kept == [
        *(("root", 1), ("root", 2), ("snapshot", 2), ("snapshot", 3)),
        *(("targets", 2), ("targets", 3), ("timestamp", 2), ("timestamp", 3)),
    ]


async def test_a_new_key_is_not_lost_to_those_who_publish_at_the_same_time(store, hub, clock):
    await hub.publish()
    others = [HubIndex(store, clock, LIFETIMES) for _ in range(3)]

    roots = await asyncio.gather(*(one.new_key(role) for one, role in zip(others, ROLES[1:], strict=True)))

    assert sorted(root.version for root in roots) == [2, 3, 4]
    assert (await hub.root()).version == 4


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
async def test_a_new_key_of_a_role_signs_from_then_on(store, hub, role):
    await hub.publish()
    before = json.loads(await body(store, "root"))["signed"]["roles"][role]["keyids"]

    root = await hub.new_key(role)
    await hub.publish()

    after = json.loads(root.body)["signed"]["roles"][role]["keyids"]
    signed_by = {row["keyid"] for row in json.loads(await body(store, role))["signatures"]}
    assert len(after) == 1
    assert after != before
    assert set(after) <= signed_by


async def test_a_root_that_was_signed_elsewhere_is_taken_over(store, hub):
    offline = a_signer()
    candidate = json.loads((await hub.root()).body)
    candidate["signed"]["version"] = 2
    key = offline.public_key
    candidate["signed"]["keys"][key.keyid] = key.to_dict()
    candidate["signed"]["roles"]["root"]["keyids"] = [key.keyid]

    made = await hub.take_root(_signed_by(candidate, offline))
    await hub.publish()

    assert made.version == 2
    assert await versions(store) == {"root": 2, "targets": 1, "snapshot": 1, "timestamp": 1}
    with pytest.raises(KeysMissingError):
        await hub.new_key("timestamp")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda signed: signed.update(version=3), "version 2"),
        (lambda signed: signed.update(version=1), "version 2"),
        (lambda signed: signed["roles"]["timestamp"].update(keyids=[]), "vouches|keep its keys"),
        (lambda signed: signed.update(consistent_snapshot=False), "consistent snapshots"),
        (lambda signed: signed.update(_type="targets"), "vouches"),
    ],
)
async def test_a_root_that_cannot_be_the_next_is_not_taken_over(hub, store, change, named):
    candidate = json.loads((await hub.root()).body)
    candidate["signed"]["version"] = 2
    change(candidate["signed"])

    with pytest.raises(Refusal, match=named) as refused:
        await hub.take_root(json.dumps(candidate | {"signatures": []}))

    assert refused.value.code is ErrorCode.BAD_USER_INPUT
    assert await versions(store) == {"root": 1}


@pytest.mark.parametrize("candidate", ["", "nonsense", "{}", "[]", '{"signed": {}, "signatures": []}'])
async def test_what_is_no_root_is_not_taken_over(hub, candidate):
    with pytest.raises(Refusal):
        await hub.take_root(candidate)


async def test_the_bytes_of_a_version_are_found_by_listing_and_number(store, hub):
    await listings.listed(store, a_listing())

    async with store.platform_view() as unit:
        found = await unit.hub_rows.content("mkt-pkg-1", "1.0.0")
        unknown = await unit.hub_rows.content("mkt-pkg-1", "9.0.0")

    assert (found, unknown) == (HubContent(BlobKey("mkt-pkg-1-1.0.0"), "3" * 64, 1234), None)


async def test_the_index_states_the_keys_in_force_and_no_revoked_ones(store, hub, clock):
    await listings.listed(store, a_listing())
    old, new = a_signer(), a_signer()
    async with store.platform_unit() as unit:
        for key_id, pem in in_force(old, new).items():
            await unit.publishing.add_key(a_publisher(), PublisherKey(PUBLISHER, key_id, pem, clock.now(), ANNA))
        await unit.publishing.revoke_key(PUBLISHER, old.public_key.keyid, clock.now())

    await hub.publish()

    offer = listed(await body(store, "targets")).by_listing["mkt-pkg-1"][0]
    assert offer.publisher_keys == in_force(new)


async def test_what_is_believed_of_another_hub_never_gets_older(store):
    newer, older = HubMetadata("timestamp", 5, '{"newer": 1}'), HubMetadata("timestamp", 4, '{"older": 1}')

    for verified in ([newer], [older, HubMetadata("root", 1, "{}")]):
        async with store.platform_unit() as unit:
            await unit.hub_rows.trust(HUB, verified, known={"timestamp": 3})

    async with store.platform_view() as unit:
        assert await unit.hub_rows.trusted(HUB) == {"timestamp": newer, "root": HubMetadata("root", 1, "{}")}
        assert await unit.hub_rows.trusted_versions(HUB) == {"timestamp": 5, "root": 1}
        assert await unit.hub_rows.trusted("https://other.example") == {}


async def test_what_was_verified_over_a_higher_version_takes_its_place(store):
    far, low = HubMetadata("timestamp", 900, '{"far": 1}'), HubMetadata("timestamp", 4, '{"low": 1}')

    for verified, known in ((far, {}), (low, {"timestamp": 900})):
        async with store.platform_unit() as unit:
            await unit.hub_rows.trust(HUB, [verified], known=known)

    async with store.platform_view() as unit:
        assert await unit.hub_rows.trusted(HUB) == {"timestamp": low}


async def test_a_target_is_named_after_its_listing_and_version(store, hub):
    await listings.listed(store, a_listing())

    await hub.publish()

    signed = json.loads(await body(store, "targets"))["signed"]
    offer = listed(await body(store, "targets")).by_listing["mkt-pkg-1"][0]
    assert list(signed["targets"]) == [target_path(offer)] == ["packages/mkt-pkg-1/1.0.0.zip"]


def _signed_by(candidate: dict, signer) -> str:
    signature = signer.sign(str(encode_canonical(candidate["signed"])).encode())
    return json.dumps({"signed": candidate["signed"], "signatures": [signature.to_dict()]})
