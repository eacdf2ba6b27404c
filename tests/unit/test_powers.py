"""What a package can do, found in its artifacts: hosts, entities and fields, tools of agents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.artifact_types import BY_WIRE_NAME
from domain.market.hosts import host_of, hosts_in
from domain.market.powers import NO_POWERS, Powers, new_powers, powers_from, powers_of, powers_row, together
from tests.makers import Tree, an_artifact
from tests.pace import quiet_seconds

EXAMPLES = Path("examples/acme-source/artifacts")
ALL = frozenset({"*"})

_words = st.text("abc*", min_size=1, max_size=2)
_uses = st.dictionaries(_words, st.frozensets(_words, min_size=1, max_size=3), max_size=3)
_hosts = st.frozensets(_words, max_size=3)
some_powers = st.builds(
    Powers, hosts=_hosts, reads=_uses, writes=_uses, agent_tools=_hosts, entities=st.dictionaries(_words, _words)
)


def found_in(tree: Tree) -> Powers:
    return powers_of(BY_WIRE_NAME[tree["_type"]], tree["id"], tree["name"], tree)


def a_process(config: Tree, node_type: str = "ServiceNode") -> Tree:
    return an_artifact("proc-1", nodes=[{"nodeId": "n1", "nodeType": node_type, "config": config}])


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("https://API.Example.COM/v1?x=1", {"api.example.com"}),
        ("https://api.example.com.:8443/v1", {"api.example.com"}),
        ("post('https://a.example/x', body) || get(\"http://b.example\")", {"a.example", "b.example"}),
        ("https://good.example@evil.example/", {"evil.example"}),
        ("https://user:word@evil.example:80/", {"evil.example"}),
        ("http://2130706433/", {"127.0.0.1"}),
        ("http://0177.0.0.1/", {"127.0.0.1"}),
        ("http://0x7f.1/", {"127.0.0.1"}),
        ("http://[::ffff:10.0.0.1]/", {"10.0.0.1"}),
        ("http://[2001:DB8::1]:8080/", {"2001:db8::1"}),
        ("https:evil.example/x", {"evil.example"}),
        ("https:\\\\evil.example\\x", {"evil.example"}),
        ("ht\ttps://evil.example", {"evil.example"}),
        ("https://ev\u200bil.example", {"evil.example"}),
        ("https://%65vil.example", {"evil.example"}),
        ("https://ｅvil。example", {"evil.example"}),
        ("https://bücher.example/", {"xn--bcher-kva.example"}),
        ("fetch('//cdn.example/x')", {"cdn.example"}),
        ("fetch('\\u0068ttps:\\/\\/evil.example\\/x')", {"evil.example"}),
        ("postgres://db.internal:5432/x", {"db.internal"}),
        ("https://{{tenant}}.example.com/x", {"*.example.com"}),
        ("https://{{host}}/x", {"*"}),
        ("'https://' + host", {"*"}),
        ("'https://api.' + region + '.example'", {"api.*"}),
        ("total / 2 // rounded down", set()),
        ("note: see below", set()),
    ],
)
def test_a_host_is_found_however_its_address_is_written(text: str, hosts: set[str]):
    assert set(hosts_in(text)) == hosts


def test_where_readers_disagree_about_an_address_every_reading_counts():
    text = "https://evil.example\\@good.example/"

    assert set(hosts_in(text)) == {"evil.example", "good.example"}


@given(st.text(max_size=60))
def test_no_text_breaks_the_search_for_hosts(text: str):
    for host in [*hosts_in(f"https://{text}"), *hosts_in(text, is_address=True), host_of(text)]:
        assert 0 < len(host) <= 253


@pytest.mark.parametrize("part", ["://", "https://", " //a.", "{{", "'\\", "http:@", "a.", ":\\\\x@"])
def test_a_text_made_to_be_slow_is_read_in_linear_time(part: str):
    found, spent = quiet_seconds(lambda: {*hosts_in(part * (1_000_000 // len(part)), is_address=True)})

    assert len(found) <= 3
    assert spent < 5


@pytest.mark.parametrize("part", ["SELECT ", " ", "FROM a ", "UPDATE a (", "/*", "a,", "INSERT INTO t ("])
def test_a_query_made_to_be_slow_is_read_in_linear_time(part: str):
    _, spent = quiet_seconds(lambda: found_in(a_process({"query": "SELECT " + part * (1_000_000 // len(part))})))

    assert spent < 2


def test_hosts_of_nodes_tools_data_sources_and_expressions_are_found_and_words_for_people_are_not():
    process = a_process({"url": "https://node.example", "expression": "get('http://expression.example')"})
    agent = an_artifact(
        "agent-1", llmConfig={"endpoint": "llm.example"}, tools=[{"mcpServerUrl": "https://mcp.example"}]
    )
    form = an_artifact(
        "form-1",
        description="More at https://help.example",
        fields=[{"dataSource": {"endpoint": "https://source.example/rows"}, "label": "{{ get('//label.example') }}"}],
    )

    powers = together([found_in(process), found_in(agent), found_in(form)])

    assert powers.hosts == {
        *("node.example", "expression.example", "llm.example", "mcp.example", "source.example", "label.example"),
    }


def test_what_forms_rules_and_nodes_read_and_write_is_told_by_entity_and_field():
    form = an_artifact("form-1", fields=[{"dataSource": {"entityId": "ent-1", "field": "code", "labelField": "title"}}])
    rules = an_artifact("rule-1", rules=[{"condition": "entity('ent-2').status == 'x' && ent-3.days > 1"}])
    reading = a_process({"entityId": "ent-4", "query": "SELECT a, b FROM things WHERE c = @c"}, "DataFetchNode")
    writing = a_process({"entityId": "ent-5", "operation": "Create", "valueMapping": "{ x: 1, 'y': f(z) }"})
    tables = a_process({"writeQuery": "INSERT INTO people (given, family) VALUES (@g, @f)"})

    powers = together(found_in(tree) for tree in (form, rules, reading, writing, tables))

    assert powers.reads == {
        "ent-1": {"code", "title"},
        "ent-2": {"status"},
        "ent-3": {"days"},
        "ent-4": {"a", "b"},
    }
    assert powers.writes == {"ent-5": {"x", "y"}, "people": {"given", "family"}}


@pytest.mark.parametrize(
    ("config", "reads", "writes"),
    [
        ({"entityId": "ent-1"}, {"ent-1": ALL}, {}),
        ({"entityId": "ent-1", "operation": "Delete"}, {}, {"ent-1": ALL}),
        ({"entityId": "{{which}}"}, {"*": ALL}, {}),
        ({"query": "SELECT * FROM people"}, {"people": ALL}, {}),
        ({"query": "SELECT p.a, q.b FROM p JOIN q ON p.i = q.i"}, {"p": ALL, "q": ALL}, {}),
        ({"writeQuery": "UPDATE people SET a = @a, b = @b WHERE c = @c"}, {}, {"people": frozenset("ab")}),
        ({"writeQuery": "DELETE FROM people WHERE a = 1"}, {}, {"people": ALL}),
        ({"query": "DELETE FROM people"}, {}, {"people": ALL}),
        ({"query": "CALL clean_up()"}, {"*": ALL}, {}),
        ({"expression": "entity('ent-1').status = 'x'"}, {}, {"ent-1": frozenset({"status"})}),
        ({"expression": "entity('ent-1').save({})"}, {}, {"ent-1": ALL}),
    ],
)
def test_what_a_node_does_not_say_counts_as_everything(config: Tree, reads: Tree, writes: Tree):
    powers = found_in(a_process(config))

    assert (powers.reads, powers.writes) == (reads, writes)


def test_the_tools_of_agents_are_told_and_those_of_others_are_not():
    tools = [{"name": "send_mail"}, {"name": "list_tasks", "entityId": "ent-1"}, "plain", {"name": 3}]

    assert found_in(an_artifact("agent-1", tools=tools)).agent_tools == {"send_mail", "list_tasks", "plain"}
    assert found_in(an_artifact("app-1", tools=tools)).agent_tools == frozenset()


def test_an_artifact_with_very_many_powers_says_so_instead_of_listing_them():
    hosts = found_in(a_process({"values": [f"https://h{number}.example" for number in range(1000)]})).hosts
    mapping = {f"f{number}": 1 for number in range(1000)}
    writes = found_in(a_process({"entityId": "ent-1", "operation": "Create", "valueMapping": mapping})).writes

    assert ("*" in hosts, len(hosts)) == (True, 101)
    assert writes == {"ent-1": ALL}


@pytest.mark.parametrize("content", [{}, {"nodes": 3}, {"nodes": [None, [[]]]}, {"tools": {}}, {"entityId": [1]}])
def test_a_definition_of_any_shape_has_powers(content: Tree):
    for artifact_type in BY_WIRE_NAME.values():
        assert powers_of(artifact_type, "x-1", "X", content).is_empty


def test_every_example_s_entities_are_among_what_its_package_can_touch():
    trees = [json.loads(path.read_text()) for path in EXAMPLES.glob("*/*.json")]

    powers = together(map(found_in, trees))

    assert {"ent-44", "ent-50", "ent-61"} <= powers.reads.keys() & powers.entities.keys()
    assert powers.writes["ent-54"] == {"payGroup", "taxClass", "firstPayDate"}
    assert "list_tasks" in powers.agent_tools


def test_what_a_new_version_adds_is_told_apart():
    before = Powers(hosts=frozenset({"a"}), reads={"e": frozenset("x"), "all": ALL}, entities={"e": "E", "f": "F"})
    after = Powers(
        hosts=frozenset("ab"), reads={"e": frozenset("xy"), "all": frozenset("z")}, entities={"e": "E", "f": "F"}
    )

    assert new_powers(before, after) == Powers(hosts=frozenset("b"), reads={"e": frozenset("y")}, entities={"e": "E"})


@given(some_powers, some_powers, some_powers)
def test_it_does_not_matter_in_which_order_artifacts_are_put_together(a: Powers, b: Powers, c: Powers):
    assert together([together([a, b]), c]) == together([a, together([b, c])]) == together([a, b, c])


@given(some_powers)
def test_nothing_is_new_in_what_was_there_before(powers: Powers):
    whole = together([powers])

    assert new_powers(whole, whole) == NO_POWERS
    assert together([whole, NO_POWERS]) == whole


@given(some_powers)
def test_powers_come_back_from_json_as_they_were(powers: Powers):
    assert powers_from(json.loads(json.dumps(powers_row(powers)))) == powers
    assert powers_from({}) == NO_POWERS
