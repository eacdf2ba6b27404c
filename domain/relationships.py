"""Where an artifact names people: who made it, owns it, looks after it (akana.md section 3; pure).

Users never travel, only the words that name them. An import makes no user of them and gives nobody a right; what it
brings is told, so that an administrator can see to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.errors import ErrorCode, Problem
from domain.scanning.walk import Place, shown_pointer_of

#: members that hold a person, a group of people, or a list of them; compared in lower case
_MEMBERS = frozenset(
    {
        *("createdby", "updatedby", "modifiedby", "lastmodifiedby", "publishedby"),
        *("owner", "ownerid", "owneremail", "owners"),
        *("admin", "adminid", "admins", "administrator", "administrators"),
        *("assignee", "assigneeid", "assignees", "approver", "approverid", "approvers"),
        *("team", "teamid", "teammembers", "teams", "user", "userid", "useremail", "users"),
    }
)
_SHOWN_LENGTH_MAX = 200


def user_relationships(artifact_id: str, name: str, tree: Any) -> Iterator[Problem]:
    """A warning for each place of a content that names people, in document order."""
    for place in _places(tree):
        pointer = shown_pointer_of(place)[:_SHOWN_LENGTH_MAX]
        text = f"{name} names people at {pointer}. No user is made of that, and nobody gets a right by it."
        yield Problem(ErrorCode.USER_RELATIONSHIP, text, pointer, artifact_id)


def _places(tree: Any) -> Iterator[Place]:
    """Without recursion; what stands inside of a place that was found belongs to it."""
    waiting: list[tuple[Any, Place]] = [(tree, None)]
    while waiting:
        value, place = waiting.pop()
        if value and _names_people(place):
            yield place
        elif isinstance(value, list):
            waiting.extend((value[index], (place, index)) for index in range(len(value) - 1, -1, -1))
        elif isinstance(value, dict):
            waiting.extend((value[name], (place, name)) for name in reversed(value))


def _names_people(place: Place) -> bool:
    return place is not None and isinstance(place[1], str) and place[1].lower() in _MEMBERS
