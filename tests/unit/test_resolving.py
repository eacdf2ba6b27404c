"""Which packages an install brings: the highest that suit everything, what is needed first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import versions
from domain.errors import ErrorCode, Refusal
from domain.import_model import InstalledPackage
from domain.market.model import ListingId, ListingState, Offer, PublisherId, TrustLevel
from domain.market.resolving import asked_offer, resolved, wanted_names
from domain.model import ImportId, PackageDependency, PackageId, PackageType, TenantId, name_key
from tests.clocks import NOON


def an_offer(name: str, version: str, *needs: str, state: ListingState = ListingState.LISTED) -> Offer:
    """``needs`` are texts such as ``Core 1.0.0 2.0.0``: name, minimum, and maximum if there is one."""
    return Offer(
        listing_id=ListingId(f"mkt-pkg-{name.lower()}"),
        publisher_id=PublisherId("pub-1"),
        publisher_name="Northwind",
        name=name,
        version=version,
        package_type=PackageType.WORKFLOW_PACKAGE,
        trust_level=TrustLevel.CERTIFIED,
        state=state,
        platform_version="4.2.0",
        dependencies=tuple(PackageDependency(*need.split()) for need in needs),
        checksum="sha256:" + "1" * 64,
        content_checksum="sha256:" + "2" * 64,
        sha256="3" * 64,
        size_bytes=1_000,
        artifact_count=3,
        published_at=NOON,
    )


def installed(name: str, version: str, source: str = "pub-1") -> InstalledPackage:
    return InstalledPackage(
        TenantId("acme"), name, source, version, "sha256:" + "1" * 64, PackageId("pkg-1"), ImportId("imp-1"), NOON
    )


def market(*offers: Offer) -> dict[str, list[Offer]]:
    named: dict[str, list[Offer]] = {}
    for offer in offers:
        named.setdefault(name_key(offer.name), []).append(offer)
    return named


def names(offers) -> list[str]:
    return [offer.full_name for offer in offers]


def test_a_package_that_needs_nothing_comes_alone():
    asked = an_offer("Suite", "1.0.0")

    assert names(resolved(asked, {}, [])) == ["Suite@1.0.0"]


def test_missing_packages_come_in_their_highest_suitable_version_and_first():
    asked = an_offer("Suite", "1.0.0", "Billing 1.0.0", "Core 1.0.0 2.0.0")
    there = market(
        *(an_offer("Core", version) for version in ("1.0.0", "1.4.0", "2.0.0")),
        *(an_offer("Billing", version, "Core 1.2.0") for version in ("1.0.0", "1.1.0")),
    )

    assert names(resolved(asked, there, [])) == ["Core@1.4.0", "Billing@1.1.0", "Suite@1.0.0"]


def test_an_older_version_is_taken_where_the_newest_contradicts_another_wish():
    asked = an_offer("Suite", "1.0.0", "Billing 1.0.0", "Core 1.0.0 2.0.0")
    there = market(
        an_offer("Core", "1.0.0"),
        an_offer("Core", "2.0.0"),
        an_offer("Billing", "2.0.0", "Core 2.0.0"),
        an_offer("Billing", "1.0.0", "Core 1.0.0"),
    )

    assert names(resolved(asked, there, [])) == ["Core@1.0.0", "Billing@1.0.0", "Suite@1.0.0"]


def test_what_is_installed_is_neither_installed_again_nor_upgraded():
    asked = an_offer("Suite", "1.0.0", "Core 1.0.0")
    there = market(an_offer("Core", "9.0.0"))

    assert names(resolved(asked, there, [installed("core", "1.1.0", source="tenant-x")])) == ["Suite@1.0.0"]


def test_an_installed_version_out_of_range_is_told_as_who_wants_what():
    asked = an_offer("Suite", "2.0.0", "Billing 1.0.0")
    there = market(an_offer("Billing", "1.0.0", "Core 2.0.0 3.0.0"), an_offer("Core", "2.0.0"))

    with pytest.raises(Refusal) as caught:
        resolved(asked, there, [installed("Core", "1.4.0")])

    (problem,) = caught.value.problems
    assert problem.code is ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY
    assert problem.details["chains"] == [["Suite@2.0.0", "Billing@1.0.0", "Core >=2.0.0 <3.0.0"]]
    assert problem.details["available"] == ["Core@1.4.0 (installed)"]
    assert "Suite@2.0.0 wants Billing@1.0.0 wants Core >=2.0.0 <3.0.0" in problem.message


def test_two_wishes_that_no_version_meets_are_both_told():
    asked = an_offer("Suite", "1.0.0", "Billing 1.0.0", "Crm 1.0.0")
    there = market(
        an_offer("Billing", "1.0.0", "Core 1.0.0 2.0.0"),
        an_offer("Crm", "1.0.0", "Core 2.0.0"),
        an_offer("Core", "1.5.0"),
        an_offer("Core", "2.5.0"),
    )

    with pytest.raises(Refusal) as caught:
        resolved(asked, there, [])

    assert caught.value.code is ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY
    assert caught.value.problems[0].details["chains"] == [
        ["Suite@1.0.0", "Billing@1.0.0", "Core >=1.0.0 <2.0.0"],
        ["Suite@1.0.0", "Crm@1.0.0", "Core >=2.0.0"],
    ]


def test_a_package_that_nobody_offers_is_missing():
    with pytest.raises(Refusal) as caught:
        resolved(an_offer("Suite", "1.0.0", "Core 1.0.0"), {}, [])

    assert caught.value.code is ErrorCode.MISSING_PACKAGE_DEPENDENCY
    assert caught.value.problems[0].details["chains"] == [["Suite@1.0.0", "Core >=1.0.0"]]


@pytest.mark.parametrize("state", [state for state in ListingState if state is not ListingState.LISTED])
def test_only_listed_versions_are_brought_along(state):
    asked = an_offer("Suite", "1.0.0", "Core 1.0.0")
    there = market(an_offer("Core", "1.9.0", state=state), an_offer("Core", "1.1.0"))

    assert names(resolved(asked, there, [])) == ["Core@1.1.0", "Suite@1.0.0"]


def test_a_pre_release_is_brought_only_where_one_is_asked_for():
    there = market(an_offer("Core", "1.1.0"), an_offer("Core", "2.0.0-rc.1"))

    plain = resolved(an_offer("Suite", "1.0.0", "Core 1.0.0"), there, [])
    asking = resolved(an_offer("Suite", "1.0.0", "Core 2.0.0-rc.1"), there, [])

    assert names(plain) == ["Core@1.1.0", "Suite@1.0.0"]
    assert names(asking) == ["Core@2.0.0-rc.1", "Suite@1.0.0"]


def test_packages_that_need_each_other_come_each_once():
    asked = an_offer("Suite", "1.0.0", "Core 1.0.0")
    there = market(an_offer("Core", "1.0.0", "Suite 1.0.0"))

    assert names(resolved(asked, there, [])) == ["Core@1.0.0", "Suite@1.0.0"]


def test_a_market_that_contradicts_itself_everywhere_is_given_up_in_time():
    asked = an_offer("Suite", "1.0.0", *(f"P{n} 1.0.0" for n in range(12)))
    wanting = [
        an_offer(f"P{n}", f"1.{minor}.0", f"Q{n} 1.{minor}.0 1.{minor + 1}.0") for n in range(12) for minor in range(30)
    ]
    there = market(*wanting, *(an_offer(f"Q{n}", "0.1.0") for n in range(12)))

    with pytest.raises(Refusal) as caught:
        resolved(asked, there, [])

    assert caught.value.code is ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.sets(st.integers(0, 4), max_size=3)), max_size=20))
def test_every_wish_is_met_by_what_comes_and_in_order(rows):
    offers = {
        (n, minor): an_offer(f"P{n}", f"1.{minor}.0", *(f"P{other} 1.{minor}.0" for other in sorted(needs - {n})))
        for n, minor, needs in rows
    }
    asked = an_offer("Suite", "1.0.0", "P0 1.0.0", "P1 1.0.0")

    try:
        found = resolved(asked, market(*offers.values()), [])
    except Refusal:
        return

    chosen = {name_key(offer.name): offer.version for offer in found}
    assert len(chosen) == len(found)
    assert found[-1] is asked
    assert wanted_names(found) <= chosen.keys()
    for offer in found:
        for needed in offer.dependencies:
            assert versions.in_range(chosen[name_key(needed.package_name)], needed.min_version, needed.max_version)


def test_no_version_means_the_newest_listed_release():
    offers = [
        an_offer("Core", "1.0.0"),
        an_offer("Core", "1.10.0"),
        an_offer("Core", "1.9.0"),
        an_offer("Core", "2.0.0-rc.1"),
        an_offer("Core", "1.11.0", state=ListingState.DEPRECATED),
    ]

    assert asked_offer(offers, None, []).version == "1.10.0"
    assert asked_offer(offers, "2.0.0-rc.1", []).version == "2.0.0-rc.1"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (ListingState.DEPRECATED, ErrorCode.VERSION_DEPRECATED),
        (ListingState.SUSPENDED, ErrorCode.PACKAGE_SUSPENDED),
        (ListingState.YANKED, ErrorCode.VERSION_YANKED),
        (ListingState.UNLISTED, ErrorCode.NOT_FOUND),
    ],
)
@pytest.mark.parametrize("version", ["1.0.0", None])
def test_a_version_that_is_not_listed_is_refused_with_its_reason(state, code, version):
    offer = replace(an_offer("Core", "1.0.0", state=state), replaced_by="2.0.0")

    with pytest.raises(Refusal) as caught:
        asked_offer([offer], version, [])

    assert caught.value.code is code


def test_an_unknown_package_and_an_unknown_version_are_not_found():
    for offers, version, what in (([], None, "package"), ([an_offer("Core", "1.0.0")], "9.9.9", "version")):
        with pytest.raises(Refusal) as caught:
            asked_offer(offers, version, [])
        assert caught.value.code is ErrorCode.NOT_FOUND
        assert caught.value.details["what"] == what


def test_a_deprecated_version_stays_installable_where_it_is_installed():
    offer = an_offer("Core", "1.0.0", state=ListingState.DEPRECATED)

    assert asked_offer([offer], "1.0.0", [installed("Core", "1.0.0")]) is offer
    with pytest.raises(Refusal):
        asked_offer([offer], "1.0.0", [installed("Core", "1.0.0", source="pub-other")])


def test_the_asked_package_comes_last_when_others_need_it_in_a_ring():
    asked = an_offer("Paint", "1.0.0", "Quartz 1.0.0")
    there = market(an_offer("Quartz", "1.0.0", "Paint 1.0.0", "Resin 1.0.0"), an_offer("Resin", "1.0.0", "Paint 1.0.0"))

    assert names(resolved(asked, there, [])) == ["Resin@1.0.0", "Quartz@1.0.0", "Paint@1.0.0"]


def test_what_a_ring_needs_and_who_needs_it_stand_on_their_own_sides_of_it():
    asked = an_offer("Suite", "1.0.0", "Alpha 1.0.0")
    there = market(
        an_offer("Alpha", "1.0.0", "Xenon 1.0.0"),
        an_offer("Xenon", "1.0.0", "Yarn 1.0.0"),
        an_offer("Yarn", "1.0.0", "Xenon 1.0.0", "Zinc 1.0.0"),
        an_offer("Zinc", "1.0.0"),
    )

    found = names(resolved(asked, there, []))

    assert found == ["Zinc@1.0.0", "Yarn@1.0.0", "Xenon@1.0.0", "Alpha@1.0.0", "Suite@1.0.0"]


def test_more_packages_than_an_install_may_bring_are_refused_as_that():
    chain = [an_offer(f"P{n}", "1.0.0", f"P{n + 1} 1.0.0") for n in range(1, 60)]
    there = market(*chain, an_offer("P60", "1.0.0"))

    with pytest.raises(Refusal) as caught:
        resolved(an_offer("P0", "1.0.0", "P1 1.0.0"), there, [])

    assert caught.value.code is ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY
    assert "would bring 61 packages; at most 50" in caught.value.message


def test_a_conflict_among_very_many_versions_is_told_by_the_newest_of_them():
    asked = an_offer("Suite", "1.0.0", "Core 2.0.0")
    there = market(*(an_offer("Core", f"1.{minor}.0") for minor in range(1_000)))

    with pytest.raises(Refusal) as caught:
        resolved(asked, there, [])

    available = caught.value.problems[0].details["available"]
    assert (available[0], len(available)) == ("Core@1.999.0", 20)
    assert len(caught.value.message) < 1_000
