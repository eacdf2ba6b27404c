"""Requests made up from the printed documents: what fits them is answered as they say, and never by a fault of ours.

``make schemathesis`` tries every operation of both documents; the ordinary suite does not.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import schemathesis
from graphql import parse_value
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.doors.belongings import OWNER, belongings, somebody
from tests.doors.market_world import MARKET
from tests.doors.test_foreign_ids import IN_PATHS, kind_of
from tests.thorough import IS_THOROUGH
from tests.world import World, a_world

pytestmark = [
    pytest.mark.skipif(not IS_THOROUGH, reason="takes minutes: make schemathesis"),
    pytest.mark.asyncio(loop_scope="module"),
    # Schemathesis has its own way to draw names
    pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"),
]
_ROOT = Path(__file__).parents[2]
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
#: what another server is asked for, which is not there
ELSEWHERE = {(503, f"POST {MARKET}/publishers/{{publisherId}}/verify")}
FEW = settings(
    max_examples=20,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


schemathesis.graphql.scalar("JSON", st.sampled_from(["{}", "{fields: []}", "[1]", '"x"']).map(parse_value))
schemathesis.graphql.scalar("Long", st.integers(-(2**63), 2**63).map(str).map(parse_value))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("world"), allow_private_addresses="127.0.0.0/8") as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(world):
    return await belongings(world)


def operations(schema: Any) -> list[Any]:
    """Every operation of a document. Raises what is wrong with one that cannot be read."""
    return [found.ok() for found in schema.get_all_operations()]


def tried(world: World, operation: Any, theirs: dict[str, str]) -> list[str]:
    """What is wrong with the answers of one operation."""
    wrong: list[str] = []
    count = 0

    @FEW
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal count
        count += 1
        if count % 2 and case.path_parameters:
            known = {name for name in case.path_parameters if name in IN_PATHS}
            case.path_parameters |= {name: theirs[kind_of(operation.path, name)] for name in known}
        answer = case.call(base_url=world.url, headers=somebody(world, OWNER), timeout=30)
        if answer.status_code >= 500 and (answer.status_code, operation.label) not in ELSEWHERE:
            wrong.append(f"{operation.label}: {answer.status_code} to {case.as_curl_command()}")
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as flaw:
            wrong.append(f"{operation.label}: {[str(one) for one in flaw.exceptions]}")

    ask()
    return wrong


async def test_whatever_openapi_allows_is_answered_as_it_says(world, theirs):
    schema = schemathesis.openapi.from_dict(json.loads((_ROOT / "rest_compat" / "openapi.json").read_text()))
    wrong = []

    for operation in operations(schema):
        wrong += await asyncio.to_thread(tried, world, operation, theirs)

    assert wrong == [], "\n\n".join(wrong)


async def test_whatever_the_schema_allows_is_answered_without_a_fault_of_ours(world, theirs):
    schema = schemathesis.graphql.from_file((_ROOT / "schema" / "schema.graphql").read_text())
    wrong = []

    for operation in operations(schema):
        wrong += await asyncio.to_thread(asked, world, operation)

    assert wrong == [], "\n\n".join(wrong)


def asked(world: World, operation: Any) -> list[str]:
    """The queries that made something of ours fail."""
    wrong: list[str] = []

    @FEW
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(base_url=f"{world.url}/graphql", headers=somebody(world, OWNER), timeout=30)
        if answer.status_code >= 500 or "INTERNAL_ERROR" in answer.text:
            wrong.append(f"{operation.label}: {answer.status_code} {answer.text[:300]} to {case.body}")

    ask()
    return wrong
