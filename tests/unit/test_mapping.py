"""Endpoint mappings: which address becomes which, where they are looked for, and what is no mapping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode
from domain.mapping import ADDRESS_LENGTH_MAX, PAIRS_MAX, EndpointMapping, map_endpoints, mapping_problems
from tests.makers import a_process, a_rule_set, an_agent

PROCESS, AGENT, RULES = ArtifactType.PROCESS_DEFINITION, ArtifactType.AGENT_DEFINITION, ArtifactType.RULE_SET

hosts = st.sampled_from(["a.example", "b.example:8443", "c.example"])
paths = st.text("xy/", max_size=5)
sources = st.builds("https://{}/{}".format, hosts, paths)
targets = st.builds("https://target.example/{}".format, paths)
mappings = st.dictionaries(sources, targets, max_size=6)


def became(address, targets):
    """What a mapping makes of an address."""
    mapping = EndpointMapping(targets)
    source = mapping.source_of(address)
    return address if source is None else mapping.mapped(address, source)


def flaws(**pair):
    pair = {"source": "https://a.example", "target": "https://b.example"} | pair
    return [problem.message for problem in mapping_problems([("here", pair["source"], pair["target"])])]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.example", "https://b.example/"),
        ("https://a.example/x/y?q=1#f", "https://b.example/x/y?q=1#f"),
        ("https://a.example?q=1", "https://b.example?q=1"),
        ("https://a.example/", "https://b.example/"),
        ("https://a.example/v1", "https://exact.example/one"),
        ("https://a.example/v1/pay", "https://exact.example/one/pay"),
        ("https://a.example/v1/pay/{{id}}", "https://exact.example/one/pay/{{id}}"),
        ("https://a.example/v10", "https://b.example/v10"),
        ("https://a.example/folder/x", "https://f.example/x"),
        ("https://a.example/folder/", "https://f.example"),
        ("https://a.example/asked?q=1", "https://q.example"),
        ("https://a.example/asked?q=1&r=2", "https://b.example/asked?q=1&r=2"),
    ],
)
def test_an_address_is_met_as_a_whole_or_else_by_its_longest_beginning(address, expected):
    mapping = {
        "https://a.example": "https://b.example/",
        "https://a.example/v1": "https://exact.example/one",
        "https://a.example/folder/": "https://f.example",
        "https://a.example/asked?q=1": "https://q.example",
    }

    assert became(address, mapping) == expected


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example.evil.example/x",
        "https://a.example@evil.example/x",
        "https://a.example:8443/x",
        "http://a.example/x",
        "https://A.example/x",
        "see https://a.example/x",
        "//a.example/x",
        "a.example",
        "",
    ],
)
def test_an_address_that_only_looks_alike_stays(address):
    assert became(address, {"https://a.example": "https://b.example"}) == address


def test_a_mapping_is_never_used_on_what_it_made():
    swapped = {"https://a.example": "https://b.example", "https://b.example": "https://a.example"}

    assert became("https://a.example/x", swapped) == "https://b.example/x"
    assert became("https://b.example/x", swapped) == "https://a.example/x"


@given(mappings, sources)
def test_mapping_twice_changes_nothing_more_where_no_target_is_a_source(mapping, address):
    once = became(address, mapping)

    assert became(once, mapping) == once


@given(mappings, sources, st.randoms())
def test_the_order_of_the_pairs_never_matters(mapping, address, random):
    shuffled = [*mapping.items()]
    random.shuffle(shuffled)

    assert became(address, dict(shuffled)) == became(address, mapping)


@given(mappings, sources)
def test_a_mapping_onto_itself_changes_nothing(mapping, address):
    assert became(address, {source: source for source in mapping}) == address


def test_only_registered_places_are_looked_at_at_any_depth():
    url = "https://a.example/x"
    process = a_process(
        homepageUrl=url,
        description=url,
        nodes=[
            {"nodeId": "n1", "label": url, "webUrl": url, "config": {"url": url, "note": url, "retries": 3}},
            {"nodeId": "n2", "config": {"http": [{"baseUrl": url, "body": {"endpoint": url}}], "urls": [url]}},
            {"nodeId": "n3", "config": url},
        ],
    )

    done = map_endpoints(process, PROCESS, EndpointMapping({"https://a.example": "https://b.example"}))

    assert [one.pointer for one in done] == [
        "/nodes/0/config/url",
        "/nodes/1/config/http/0/baseUrl",
        "/nodes/1/config/http/0/body/endpoint",
    ]
    assert {(one.source, one.before, one.after) for one in done} == {("https://a.example", url, "https://b.example/x")}
    assert process["nodes"][0] == {
        "nodeId": "n1",
        "label": url,
        "webUrl": url,
        "config": {"url": "https://b.example/x", "note": url, "retries": 3},
    }


def test_each_type_says_where_its_addresses_stand():
    url, mapping = "https://a.example", EndpointMapping({"https://a.example": "https://b.example"})
    agent = an_agent(
        llmConfig={"endpoint": url}, tools=[{"mcpServerUrl": url}], mcpServers=[{"serverUrl": url}], avatarUrl=url
    )
    rules = a_rule_set(rules=[{"ruleId": "r1", "action": {"webhookUrl": url}, "condition": url}])

    found = [one.pointer for one in map_endpoints(agent, AGENT, mapping)]
    more = [one.pointer for one in map_endpoints(rules, RULES, mapping)]

    assert found == ["/llmConfig/endpoint", "/mcpServers/0/serverUrl", "/tools/0/mcpServerUrl"]
    assert more == ["/rules/0/action/webhookUrl"]


@pytest.mark.parametrize(
    ("address", "flaw"),
    [
        ("ftp://a.example", "does not begin with http"),
        ("a.example", "does not begin with http"),
        ("", "does not begin with http"),
        ("javascript:alert(1)//http://", "does not begin with http"),
        ("https://", "names no host"),
        ("https:///x", "names no host"),
        ("https://a.example:99999/", "names no host and port"),
        ("https://a.example:0/", "names no host and port"),
        ("https://a.example:x/", "names no host and port"),
        ("https://[::1/", "names no host and port"),
        ("https://a..example/", "names no host and port"),
        ("https://user@a.example", "names a user"),
        ("https://user:secret@a.example/x", "names a user"),
        ("https://@a.example/x", "names a user"),
        ("https://a.example/ x", "stand in no address"),
        ("https://a.example\\@b.example", "stand in no address"),
        ("https://a.example/\n", "stand in no address"),
        ("https://a.example/\ud800", "stand in no address"),
        ("https://{{host}}/", "stand in no address"),
        ('https://a.example/"', "stand in no address"),
        ("https://a.example/" + "x" * ADDRESS_LENGTH_MAX, "longer than"),
    ],
)
def test_both_sides_are_plain_addresses_without_users(address, flaw):
    (as_source,) = flaws(source=address)
    (as_target,) = flaws(target=address)

    assert flaw in as_source
    assert flaw in as_target
    assert as_source.isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "http://a.example",
        "HTTPS://A.example:443/x?y#z",
        "https://[2001:db8::1]:8443/",
        "https://münchen.example/straße",
    ],
)
def test_an_ordinary_address_is_a_side_of_a_mapping(address):
    assert flaws(source=address, target=address) == []


def test_a_users_secret_is_never_repeated():
    (message,) = flaws(target="https://ann:secret@a.example/x@y")

    assert "'https://…@a.example/x@y' names a user" in message


def test_everything_wrong_is_told_with_its_place():
    pairs = [("one", "x", "y"), ("two", "https://a.example", "https://b.example"), ("three", "https://a.example", "z")]

    found = [*mapping_problems(pairs)]

    assert [problem.where for problem in found] == ["one", "one", "three", "three"]
    assert {problem.code for problem in found} == {ErrorCode.INVALID_OPTIONS}
    assert "stands twice" in found[-1].message


def test_a_mapping_has_so_many_pairs_and_no_more():
    pairs = [(str(n), f"https://a.example/{n}", "https://b.example") for n in range(PAIRS_MAX + 1)]

    found = [*mapping_problems(pairs)]

    assert [*mapping_problems(pairs[:-1])] == []
    assert [problem.where for problem in found] == [str(PAIRS_MAX)]
