"""Where artifacts name people."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ErrorCode
from domain.relationships import user_relationships

_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["owner", "Team", "x", "", "~/"]), inner, max_size=3)
    ),
)


def places(tree):
    return [problem.where for problem in user_relationships("proc-1", "Onboarding", tree)]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"owner": "anna@acme.example"}, ["/owner"]),
        ({"createdBy": {"id": "u-1"}, "updatedBy": "ben"}, ["/createdBy", "/updatedBy"]),
        ({"teamMembers": ["anna", "ben"]}, ["/teamMembers"]),
        ({"nodes": [{"config": {}}, {"config": {"assigneeId": 7}}]}, ["/nodes/1/config/assigneeId"]),
        ({"a/b": {"ADMINS": ["x"]}}, ["/a~1b/ADMINS"]),
        ({"owner": "", "admins": [], "team": None}, []),
        ({"ownerNumber": 3, "assigneeRole": "LineManager", "fieldName": "owner"}, []),
        ({"team": {"owner": "anna"}}, ["/team"]),
        ("owner", []),
    ],
)
def test_members_that_hold_people_are_told_with_their_place(tree, expected):
    assert places(tree) == expected


def test_a_relationship_is_a_warning_that_names_its_artifact_and_no_person():
    (problem,) = user_relationships("proc-1", "Onboarding", {"owner": "anna@acme.example"})

    assert (problem.code, problem.artifact_id) == (ErrorCode.USER_RELATIONSHIP, "proc-1")
    assert problem.code.is_warning
    assert "anna" not in problem.message


def test_a_token_in_a_members_name_is_masked():
    token = "ghp_" + "a1B2" * 9

    (where,) = places({token: {"owner": "anna"}})

    assert token not in where


def test_however_deep_people_are_named_they_are_found():
    tree: Any = {"owner": "anna"}
    for _ in range(5_000):
        tree = {"x": tree}

    (where,) = places(tree)

    assert len(where) == 200


@given(_trees)
def test_any_content_has_such_places_or_not_and_nothing_else_happens(tree):
    assert all(where.startswith("/") for where in places(tree))
