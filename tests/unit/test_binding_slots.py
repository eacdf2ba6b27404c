"""Binding slots: whose value stands there, where it is written, and what people may see of it (R22)."""

from __future__ import annotations

import json

import javaproperties
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.artifact_types import ArtifactType
from domain.binding_slots import (
    MASK,
    BindingSlot,
    BindingSource,
    Counterparts,
    Kept,
    Sides,
    bound,
    file_problems,
    item_of,
    properties_of,
    shown_value,
    template_of,
    to_remember,
    unused_problems,
    values_like,
)
from domain.errors import ErrorCode
from domain.holding import next_batch
from domain.model import ArtifactId
from domain.options import ConflictStrategy
from tests.makers import a_bundle, a_head, an_agent
from tests.pace import quiet_seconds
from tests.unit.planning import AUTHOR, an_inventory, codes, planned

LLM = "agent-1/llmConfig/credentialId"
AGENT = ArtifactType.AGENT_DEFINITION


def a_slot(pointer="/llmConfig/credentialId", source=None):
    return BindingSlot(f"agent-1{pointer}", "credential", "label", AGENT, ArtifactId("agent-1"), "Agent 1", source)


def an_agent_with_tools(artifact_id, *names, **credentials):
    tools = [{"name": name} | ({"credentialId": credentials[name]} if name in credentials else {}) for name in names]
    return an_agent(artifact_id, tools=tools)


def sides(package=None, existing=None):
    own = package or {"llmConfig": {}}
    return Sides(AGENT, own, existing or {}, own)


# ---- whose value stands there


@pytest.mark.parametrize(
    ("supplied", "existing", "remembered", "value", "source"),
    [
        ("s", "a", "r", "s", BindingSource.SUPPLIED),
        ("", "a", "r", "a", BindingSource.ACTIVE),
        ("", None, "r", "r", BindingSource.REMEMBERED),
        ("", None, "", None, None),
        # the file as it was shown, sent back with an import
        (MASK, "a", "r", "a", BindingSource.ACTIVE),
        (MASK, None, "r", "r", BindingSource.REMEMBERED),
        (MASK, None, "", None, None),
    ],
)
def test_what_is_supplied_goes_before_what_is_active_and_that_before_what_is_remembered(
    supplied, existing, remembered, value, source
):
    there = {"llmConfig": {"credentialId": existing}} if existing else {}

    (slot,), values = bound(
        [a_slot()], sides(existing=there), supplied={LLM: supplied}, remembered={LLM: Kept(remembered)}
    )

    assert slot.source is source
    assert values == ({"/llmConfig/credentialId": value} if value else {})


def test_only_supplied_values_that_were_used_are_remembered():
    slots = [
        a_slot(source=BindingSource.SUPPLIED),
        a_slot("/tools/0/credentialId", source=BindingSource.ACTIVE),
        a_slot("/tools/1/credentialId"),
    ]

    kept = to_remember(slots, {LLM: "sealed", "agent-1/tools/0/credentialId": "", "agent-9/x": "typo"})

    assert kept == {LLM: "sealed"}


def test_the_credential_of_a_tool_stays_with_the_tool_of_that_name(check):
    package = an_agent_with_tools("agent-1", "search", "mail")
    existing = an_agent_with_tools("agent-9", "mail", "search", mail="cred-mail", search="cred-search")
    bundle = check(
        a_bundle(package, bindings=[("agent-1", "/tools/0/credentialId"), ("agent-1", "/tools/1/credentialId")])
    )

    made, plan = planned(
        bundle,
        an_inventory(a_head("agent-9", "AgentDefinition 1")),
        bodies={"agent-9": json.dumps(existing).encode()},
        default_strategy=ConflictStrategy.REPLACE,
    )

    written = json.loads(next_batch(made, iter(plan.actions), AUTHOR).revisions[0].body)
    assert written["tools"] == [
        {"name": "search", "credentialId": "cred-search"},
        {"name": "mail", "credentialId": "cred-mail"},
    ]
    assert [slot.source for slot in plan.bindings] == [BindingSource.ACTIVE] * 2


def test_a_tool_that_only_the_package_has_takes_nobodys_credential():
    package, existing = an_agent_with_tools("agent-1", "new"), an_agent_with_tools("agent-9", "old", old="cred-old")

    (slot,), values = bound([a_slot("/tools/0/credentialId")], sides(package, existing), supplied={}, remembered={})

    assert (slot.source, values) == (None, {})


@pytest.mark.parametrize(
    ("package", "existing"),
    [
        ([{"name": "new"}, {"name": "one"}, {"name": "one"}], [{"name": "one"}, {"name": "one"}]),
        ([{"name": "one"}], [{"name": "one"}, {"name": "one"}]),
        ([{"name": "one"}, {"name": "one"}], [{"name": "one"}]),
        ([{"url": "a"}], [{"url": "b"}]),
        ([{"name": "one"}], {"0": {"name": "one"}}),
    ],
    ids=["another before two", "two there", "two brought", "without a key", "no list"],
)
def test_a_tool_that_cannot_be_told_from_another_takes_nobodys_credential(package, existing):
    there = {"tools": package}

    assert Counterparts(there, {"tools": existing}, AGENT).place("/tools/0/credentialId") is None
    assert Counterparts(there, {"tools": [*package]}, AGENT).place("/tools/0/credentialId") == "/tools/0/credentialId"


def test_a_tool_that_stands_once_is_found_beside_others_that_do_not():
    package = {"tools": [{"name": "one"}, {"name": "one"}, {"name": "two"}]}

    here = Counterparts(package, {"tools": [{"name": "two"}]}, AGENT)

    assert here.place("/tools/2/credentialId") == "/tools/0/credentialId"


@pytest.mark.parametrize(("tool", "value"), [("search", None), ("mail", "cred-mail"), (None, "cred-mail")])
def test_what_is_remembered_of_one_tool_is_not_for_another_at_its_place(tool, value):
    slot, package = a_slot("/tools/0/credentialId"), an_agent_with_tools("agent-1", "mail")
    item = item_of(slot.pointer, an_agent_with_tools("agent-1", tool), AGENT) if tool else ""

    (told,), values = bound([slot], sides(package), supplied={}, remembered={slot.key: Kept("cred-mail", item)})

    assert told.item == item_of(slot.pointer, package, AGENT)
    assert [*values.values()] == ([value] if value else [])


# ---- what a plan tells of it


def test_a_plan_lists_every_place_with_the_manifests_words_and_without_a_value(check):
    bundle = check(
        a_bundle(
            an_agent(llmConfig={"model": "m"}, tools=[{"name": "t"}]),
            bindings=[("agent-1", "/llmConfig/credentialId"), ("agent-1", "/tools/0/credentialId")],
        )
    )

    _, plan = planned(bundle, an_inventory(), bindings={LLM: "value-of-the-tenant"})

    assert [(slot.key, slot.kind, slot.label, slot.source) for slot in plan.bindings] == [
        (LLM, "credential", "AgentDefinition 1: credentialId", BindingSource.SUPPLIED),
        ("agent-1/tools/0/credentialId", "credential", "AgentDefinition 1: credentialId", None),
    ]
    assert "value-of-the-tenant" not in repr(plan)


def test_what_was_supplied_for_nothing_is_told(check):
    bundle = check(a_bundle(an_agent(llmConfig={}), bindings=[("agent-1", "/llmConfig/credentialId")]))

    _, plan = planned(bundle, an_inventory(), bindings={LLM: "cred", "agent-1/llmConfg/credentialId": "typo"})

    assert codes(plan.warnings) == [ErrorCode.BINDING_UNUSED]
    assert plan.warnings[0].details == {"unused": ["agent-1/llmConfg/credentialId"], "unusedCount": 1}
    assert list(unused_problems([LLM], plan.bindings)) == []


# ---- what people see of a value


@pytest.mark.parametrize("name", ["cred-openai-prod", "vault:kv/openai@3", "SALESFORCE_2024", "cred-0198c0de-7a1b"])
def test_the_name_of_a_secret_is_shown(name):
    assert shown_value(name) == name


@pytest.mark.parametrize(
    "secret",
    ["correct horse battery", "aB3dE5gH7jK9mN1pQ", "x" * 65, "AKIA" + "IOSFODNN7EXAMPLE", "p@ss!", "", 7, "ümlaut"],
)
def test_what_may_be_a_secret_is_masked(secret):
    assert shown_value(secret) == MASK


# ---- binding files


def test_a_template_has_every_key_and_no_value():
    rows = [{"artifactId": "agent-1", "path": "/llmConfig/credentialId", "kind": "credential", "hint": "Agent: x"}]

    assert template_of(rows) == {LLM: ""}


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        st.text(st.characters(codec="utf-8")),
        max_size=5,
    )
)
def test_properties_are_read_back_as_they_were_written(values):
    text = properties_of(values, dict.fromkeys(values, "a\nlabel # of two lines"))

    assert javaproperties.loads(text) == values


def test_a_file_with_a_key_that_names_no_place_is_refused():
    found = list(
        file_problems({LLM: "ok", "agent-1": "v", "/llmConfig": "v", "agent-1/id": "v", LLM + "x": "v" * 70_000}, "w")
    )

    assert codes(found) == [ErrorCode.INVALID_OPTIONS] * 4


def test_values_are_looked_for_at_all_places_of_a_kind():
    content = an_agent_with_tools("agent-1", "a", "b", a="cred-a", b="cred-b") | {"llmConfig": {"credentialId": 7}}

    assert list(values_like(content, "/tools/5/credentialId")) == ["cred-a", "cred-b"]
    assert list(values_like(content, "/llmConfig/credentialId")) == []


def test_thousands_of_tools_are_looked_through_once():
    names = [f"tool-{n}" for n in range(5_000)]
    package = an_agent_with_tools("agent-1", *names)
    existing = an_agent_with_tools("agent-9", *reversed(names), **{name: f"cred-{name}" for name in names})
    slots = [a_slot(f"/tools/{place}/credentialId") for place in range(len(names))]

    (_, values), spent = quiet_seconds(lambda: bound(slots, sides(package, existing), supplied={}, remembered={}))

    assert [*values.values()] == [f"cred-{name}" for name in names]
    assert spent < 5  # a minute where the lists are looked through for every slot
