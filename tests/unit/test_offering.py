"""What a hub says of a package is believed only if it can be resolved, stored and told (security.md, "the hub")."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from domain.market.model import ListingId, ListingState, Offer, PublisherId, TrustLevel
from domain.market.offering import offer_of, offer_row
from domain.model import PackageDependency, PackageType
from tests.clocks import NOON

OFFER = Offer(
    listing_id=ListingId("mkt-pkg-1"),
    publisher_id=PublisherId("pub-1"),
    publisher_name="Northwind",
    name="Core",
    version="1.0.0",
    package_type=PackageType.WORKFLOW_PACKAGE,
    trust_level=TrustLevel.CERTIFIED,
    state=ListingState.LISTED,
    platform_version="4.2.0",
    dependencies=(PackageDependency("Base", "1.0.0"), PackageDependency("More", "1.0.0", "2.0.0")),
    checksum="sha256:" + "1" * 64,
    content_checksum="sha256:" + "2" * 64,
    sha256="3" * 64,
    size_bytes=1_000,
    artifact_count=3,
    published_at=NOON,
    signature={"payload": "e30="},
    publisher_keys={"key-1": "-----BEGIN PUBLIC KEY-----"},
    exceptions=(("Rule", "/a/0", "sha256:" + "4" * 64),),
)


def test_an_offer_is_read_as_it_was_written():
    row = json.loads(json.dumps(offer_row(OFFER)))

    assert offer_of(row) == OFFER
    assert offer_of({**row, "signature": None, "publisherKeys": {}}) == replace(
        OFFER, signature=None, publisher_keys={}
    )


def test_an_offer_of_a_hub_that_knows_no_exceptions_has_none():
    row = offer_row(OFFER)
    del row["exceptions"]

    assert offer_of(row).exceptions == ()


@pytest.mark.parametrize(
    "members",
    [
        *({"version": version} for version in ("latest", "1.0", "v1.0.0", "", None, 1, "1.0." + "9" * 30)),
        *({"name": name} for name in (None, 7, ["Core"], "x" * 10_001, "half \ud800")),
        *({"sizeBytes": count} for count in (-1, 1.5, True, "9", None, 2**80)),
        *({"artifactCount": count} for count in (-1, None, 2**63)),
        *({"publishedAt": moment} for moment in ("yesterday", "2026-01-01T00:00:00", 5, None)),
        *({"publishedAt": moment} for moment in ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00")),
        *({"dependencies": rows} for rows in (None, 5, "Core", [None], ["Core"])),
        {"dependencies": [{}]},
        {"dependencies": [{"packageName": "Core", "minVersion": "any"}]},
        {"dependencies": [{"packageName": "Core", "minVersion": "1.0.0", "maxVersion": ""}]},
        {"dependencies": [{"packageName": 5, "minVersion": "1.0.0"}]},
        {"dependencies": [{"packageName": f"P{n}", "minVersion": "1.0.0"} for n in range(1_001)]},
        *({"signature": signature} for signature in ("signed", 5, {"a": "\ud800"}, {"a": 2**80})),
        *({"publisherKeys": keys} for keys in (None, "key", {"key": 5}, [1])),
        *({"exceptions": rows} for rows in (None, 5, "ab", [None], [["a", "b"]], [["a", "b", 1]], ["abcd"])),
        {"exceptions": [["a", "b", str(n)] for n in range(101)]},
        {"state": "Wonderful"},
        {"replacedBy": {}},
    ],
    ids=lambda members: next(iter(members)),
)
def test_an_offer_that_makes_no_sense_is_none(members: dict[str, Any]):
    with pytest.raises((KeyError, TypeError, ValueError)):
        offer_of({**offer_row(OFFER), **members})


@pytest.mark.parametrize("row", [None, 5, "offer", [], {}])
def test_what_is_no_offer_is_none(row: Any):
    with pytest.raises((KeyError, TypeError, ValueError)):
        offer_of(row)
