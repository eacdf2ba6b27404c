"""All audits of graphql-http: what the protocol demands, advises and allows (design: graphql, section 3)."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.clients.conftest import SOURCE

AUDITS = (  # noqa: SIM905 - a list literal would be a page long
    "22EB 4655 47DE 80D8 82A3 BF61 78D5 2C94 5A70 9C48 9ABE 03D4 A5BF 423L LKJ0 LKJ1 "
    "LKJ2 LKJ3 34A2 13EE 6C00 6C01 6C02 6C03 8161 B8B3 94B0 0220 94B1 0221 94B2 0222 "
    "4760 4761 4762 4763 2EA1 28B9 D6D5 6A70 58B0 58B1 58B2 58B3 428F 1B7A B6DC BCF8 "
    "B7N8 8764 3E3A 572B FDE2 7B9B 865D 556A D586 51FE 74FF 5E5B 86EE"
).split()

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(node, world):
    """By the audit's id: what it demands, and how it went."""
    lines = await node.lines(world, "audits.mjs", TOKEN=world.token(tenants=[SOURCE]))
    return {line.pop("id"): line for line in lines}


@pytest.mark.parametrize("audit", AUDITS)
async def test_an_audit_of_graphql_over_http_passes(found, audit):
    assert found[audit] == {"name": found[audit]["name"], "status": "ok", "reason": None}


async def test_no_audit_is_left_out(found):
    assert set(found) == set(AUDITS)
