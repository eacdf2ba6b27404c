"""When two requests are the same request (decisions R25)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domain.access import Caller
from domain.artifact_types import ArtifactType
from domain.export_order import ExportOrder
from domain.model import TenantId
from domain.options import ConflictStrategy, ImportOptions
from domain.repeating import once

ANNA = Caller("anna", "tests", frozenset(), frozenset(), datetime(2026, 1, 1, tzinfo=UTC))
ORDER = ExportOrder(TenantId("acme"), "Starter", "workflow-package", "1.0.0", ("proc-1", "proc-2"))
TYPES = st.dictionaries(st.sampled_from(list(ArtifactType)), st.sampled_from(list(ConflictStrategy)))


def hash_of(*asked: object) -> str:
    request = once(ANNA, "key", "operation", *asked)
    assert request is not None
    return request.request_hash


def test_without_a_key_there_is_nothing_to_remember():
    assert once(ANNA, None, "export", ORDER) is None


@given(TYPES)
def test_the_order_in_which_options_are_named_makes_no_difference(wishes):
    turned = dict(reversed(wishes.items()))

    assert hash_of(ImportOptions(strategy_by_type=wishes)) == hash_of(ImportOptions(strategy_by_type=turned))


@given(TYPES, TYPES)
def test_other_options_are_another_request(one, other):
    is_same = hash_of(ImportOptions(strategy_by_type=one)) == hash_of(ImportOptions(strategy_by_type=other))

    assert is_same == (one == other)


def test_every_field_of_an_order_counts_and_the_operation_too():
    others = [
        replace(ORDER, tenant_id=TenantId("globex")),
        replace(ORDER, package_name="starter"),
        replace(ORDER, version="1.0.1"),
        replace(ORDER, artifact_ids=("proc-2", "proc-1")),
        replace(ORDER, tags=("a",)),
    ]

    hashes = {hash_of(order) for order in (ORDER, *others)}

    assert len(hashes) == len(others) + 1
    assert once(ANNA, "key", "one", ORDER) != once(ANNA, "key", "two", ORDER)
