"""Signed addresses of downloads, inside: how long they are good, for what, and who can make them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from domain.errors import ErrorCode, Refusal
from domain.signing import LIFETIME
from tests.journeys.inside import ACME, ROOT

pytestmark = pytest.mark.rules


async def followed(links, url, **changes):
    """The package of an address; ``changes`` are made to its parts."""
    address = urlsplit(url)
    parts = {name: values[0] for name, values in parse_qs(address.query).items()}
    package_id = changes.pop("package_id", address.path.split("/")[-2])
    return await links.package(package_id, **(parts | changes))


async def test_an_address_gives_its_package_for_five_minutes(inside, package):
    url = await inside.services.links.download_url(package)

    inside.clock.advance(LIFETIME.total_seconds() - 1)
    in_time = await followed(inside.services.links, url)
    inside.clock.advance(1)
    with pytest.raises(Refusal) as too_late:
        await followed(inside.services.links, url)

    assert LIFETIME.total_seconds() == 300
    assert in_time.package_id == package.package_id
    assert too_late.value.code is ErrorCode.LINK_EXPIRED


@pytest.mark.parametrize(
    "change",
    [
        {"expires": "4102444800"},
        {"expires": ""},
        {"expires": "-1"},
        {"expires": "9" * 400},
        {"expires": "٣٣٣"},
        {"expires": "1\0"},
        {"signature": ""},
        {"signature": "A" * 43},
        {"signature": "\ud800\0💥"},
        {"package_id": "pkg-nobody"},
        {"package_id": "\ud800\0"},
    ],
    ids=ascii,
)
async def test_an_address_with_another_part_is_good_for_nothing(inside, package, change):
    url = await inside.services.links.download_url(package)

    with pytest.raises(Refusal) as refused:
        await followed(inside.services.links, url, **change)

    assert (refused.value.code, refused.value.status) == (ErrorCode.LINK_EXPIRED, 403)


async def test_the_signature_of_one_package_opens_no_other(inside, package):
    other = (await inside.export(ACME, ROOT, version="2.0.0")).package
    url = await inside.services.links.download_url(package)

    with pytest.raises(Refusal) as refused:
        await followed(inside.services.links, url, package_id=other.package_id)

    assert refused.value.code is ErrorCode.LINK_EXPIRED


async def test_what_one_process_signs_every_process_knows(inside, package):
    here, there = inside.services.links, inside.over(inside.sql).services.links

    found = await followed(there, await here.download_url(package))

    assert found == package
