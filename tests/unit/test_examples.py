"""The two example tenants under ``examples/`` keep what their README promises.

The walk over references here is the test's own, written from the paths of decisions R23, so that a mistake in the
product's registry of paths cannot hide a mistake in the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import orjson
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
TENANTS = ("acme-source", "acme-target")
ROOTS = ("app-7001", "app-7002", "agent-8001", "agent-8002")

# artifact type -> (prefix of its ids, folder in a bundle): decisions, section 4
TYPES = {
    "EntitySchema": ("ent", "entities"),
    "FieldLibrary": ("lib", "libraries"),
    "RuleSet": ("rule", "rules"),
    "FormGroup": ("fgroup", "formgroups"),
    "AtlasForm": ("form", "forms"),
    "ThreadDefinition": ("thread", "workflows"),
    "ProcessDefinition": ("proc", "workflows"),
    "AppDefinition": ("app", "apps"),
    "AgentDefinition": ("agent", "agents"),
}

FIELD_PATHS = ("fields[].dataSource.entityId", "validationRules[].ruleSetId")
LIBRARY_PATHS = ("fields[].fieldLibraryId", "fieldLibraries[]")
NODE_PATHS = ("nodes[].config.formId", "nodes[].config.ruleSetId", "nodes[].config.entityId")
REFERENCE_PATHS: Mapping[str, tuple[str, ...]] = {
    "EntitySchema": (),
    "FieldLibrary": FIELD_PATHS,
    "RuleSet": ("rules[].condition",),
    "FormGroup": FIELD_PATHS + LIBRARY_PATHS,
    "AtlasForm": (*FIELD_PATHS, *LIBRARY_PATHS, "formGroups[]"),
    "ThreadDefinition": NODE_PATHS,
    "ProcessDefinition": (*NODE_PATHS, "nodes[].config.threadId"),
    "AppDefinition": ("widgets[].config.formId", "actions[].workflowId", "actions[].processId"),
    "AgentDefinition": tuple(
        f"tools[].{name}" for name in ("processId", "workflowId", "formId", "ruleSetId", "entityId")
    ),
}

# Without a left word boundary: ordinary words that merely end like a prefix must not stand before a hyphen either.
ANY_ID = re.compile(rf"(?:{'|'.join(prefix for prefix, _ in TYPES.values())})-[A-Za-z0-9-]+")

Artifact = Mapping[str, Any]
Graph = dict[str, set[str]]


def paths_of(tenant: str) -> list[Path]:
    return sorted((EXAMPLES / tenant / "artifacts").glob("*/*.json"))


def artifacts_of(tenant: str) -> dict[str, Artifact]:
    """Every artifact of one example tenant by its id."""
    return {path.stem: orjson.loads(path.read_bytes()) for path in paths_of(tenant)}


def values_at(value: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a path like ``nodes[].config.formId``; where a key is missing, nothing."""
    name, _, rest = path.partition(".")
    found = value.get(name.removesuffix("[]"))
    for item in found or [] if name.endswith("[]") else [found]:
        if item is not None:
            yield from values_at(item, rest) if rest else [item]


def references_of(artifact: Artifact) -> list[str]:
    texts = [text for path in REFERENCE_PATHS[artifact["_type"]] for text in values_at(artifact, path)]
    return [identifier for text in texts for identifier in ANY_ID.findall(text)]


def graph_of(artifacts: Mapping[str, Artifact]) -> Graph:
    return {identifier: set(references_of(artifact)) for identifier, artifact in artifacts.items()}


def levels_from(graph: Graph, roots: tuple[str, ...]) -> list[set[str]]:
    """The artifacts reached from the roots, by their distance to the nearest root."""
    levels, reached = [set(roots)], set(roots)
    while following := set().union(*(graph[identifier] for identifier in levels[-1])) - reached:
        levels.append(following)
        reached |= following
    return levels


def longest_chain(graph: Graph) -> int:
    """The number of references in the longest chain; a cycle is graphlib's ``CycleError``."""
    heights: dict[str, int] = {}
    for identifier in TopologicalSorter(graph).static_order():
        heights[identifier] = max((heights[needed] + 1 for needed in graph[identifier]), default=0)
    return max(heights.values())


def has_null_member(value: Any) -> bool:
    if isinstance(value, dict):
        return any(item is None or has_null_member(item) for item in value.values())
    return isinstance(value, list) and any(has_null_member(item) for item in value)


@pytest.mark.parametrize("path", [p for t in TENANTS for p in paths_of(t)], ids=lambda path: path.stem)
def test_an_example_file_is_in_canonical_form_and_in_the_folder_of_its_type(path: Path) -> None:
    written = path.read_bytes()

    artifact = orjson.loads(written)

    prefix, folder = TYPES[artifact["_type"]]
    assert written == orjson.dumps(artifact, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    assert not has_null_member(artifact)
    assert (path.parent.name, path.stem) == (folder, artifact["id"])
    assert artifact["id"].startswith(f"{prefix}-")
    assert (artifact["_schemaVersion"], artifact["status"]) == ("1.0", "Published")


@pytest.mark.parametrize("tenant", TENANTS)
def test_every_id_in_an_example_is_its_own_or_a_reference_that_resolves(tenant: str) -> None:
    artifacts = artifacts_of(tenant)

    named = {path.stem: sorted(ANY_ID.findall(path.read_text("utf-8"))) for path in paths_of(tenant)}

    assert named == {i: sorted([i, *references_of(artifact)]) for i, artifact in artifacts.items()}
    assert set().union(*named.values()) == set(artifacts)


@pytest.mark.parametrize("tenant", TENANTS)
def test_no_tenant_holds_two_artifacts_of_one_type_and_name(tenant: str) -> None:
    artifacts = artifacts_of(tenant)

    names = {(artifact["_type"], artifact["name"].casefold()) for artifact in artifacts.values()}

    assert len(names) == len(artifacts)


def test_the_suite_holds_every_type_and_is_reached_from_its_roots_without_a_cycle() -> None:
    artifacts = artifacts_of("acme-source")
    graph = graph_of(artifacts)

    levels = levels_from(graph, ROOTS)

    assert {artifact["_type"] for artifact in artifacts.values()} == set(TYPES)
    assert set().union(*levels) == set(artifacts)
    assert len(artifacts) >= 40
    assert len(levels) > 3
    assert longest_chain(graph) <= 6


def test_the_process_of_the_contract_brings_exactly_the_documented_five() -> None:
    graph = graph_of(artifacts_of("acme-source"))

    five = {identifier: graph[identifier] for level in levels_from(graph, ("proc-1001",)) for identifier in level}

    assert five == {
        "proc-1001": {"thread-2002", "form-2005", "rule-305"},
        "thread-2002": set(),
        "form-2005": {"ent-44"},
        "rule-305": set(),
        "ent-44": set(),
    }


def test_the_target_clashes_with_the_suite_in_five_names_under_other_ids() -> None:
    suite, target = (
        {(a["_type"], a["name"].casefold()): a["id"] for a in artifacts_of(tenant).values()} for tenant in TENANTS
    )

    clashes = {suite[name]: target[name] for name in suite.keys() & target.keys()}

    assert clashes == {
        "form-2005": "form-118",
        "rule-306": "rule-72",
        "ent-45": "ent-18",
        "ent-55": "ent-31",
        "app-7001": "app-3",
    }
    assert not set(artifacts_of("acme-source")) & set(artifacts_of("acme-target"))


def test_one_agent_carries_a_credential_for_the_export_to_remove() -> None:
    artifacts = artifacts_of("acme-source")

    carriers = {i for i, artifact in artifacts.items() if "credentialId" in artifact.get("llmConfig", {})}

    assert carriers == {"agent-8001"}
