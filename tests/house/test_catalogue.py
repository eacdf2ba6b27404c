"""The error catalogue is one list, and ``docs/errors.md`` shows exactly that list.

Run ``UPDATE_DOCS=1 python -m pytest tests/house/test_catalogue.py`` to rewrite the tables of the page after a change of
the enum. Meanings stand only in the page and are kept; a new code gets an empty one, which is then to be written.
"""

from __future__ import annotations

import os
import re
from http import HTTPStatus

from domain.errors import ErrorCode
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "errors.md"
REFRESH = "UPDATE_DOCS=1 python -m pytest tests/house/test_catalogue.py"

#: GraphQL spells a code as REST does, in capitals; but for the word that RFC 6750 prescribes to REST
SPELT_DIFFERENTLY = {ErrorCode.UNAUTHENTICATED}


def test_no_two_codes_share_a_face():
    wires = [member.value[0] for member in ErrorCode.__members__.values()]

    assert len(set(wires)) == len(wires) == len(ErrorCode)


def test_graphql_spells_a_code_as_rest_does_in_capitals():
    in_capitals = {code: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code.wire).upper() for code in ErrorCode}

    assert {code for code in ErrorCode if code.name != in_capitals[code]} == SPELT_DIFFERENTLY


def test_a_code_refuses_with_an_error_status_or_warns():
    statuses = {code: HTTPStatus(code.status) for code in ErrorCode}

    neither = [code for code, status in statuses.items() if not code.is_warning and status < HTTPStatus.BAD_REQUEST]

    assert neither == []


def test_a_family_speaks_for_itself_with_the_status_of_its_members():
    families = {code: code.family for code in ErrorCode}

    assert {code for code, family in families.items() if family.family is not family} == set()
    assert {code for code, family in families.items() if family.status != code.status} == set()


def test_the_page_shows_the_catalogue():
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(_page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == _page(), f"refresh with: {REFRESH}"


def test_each_code_has_a_meaning():
    meanings = _meanings()

    assert [code.wire for code in ErrorCode if not meanings.get(code.wire)] == []


def _page() -> str:
    """The page as it should be: its own words before the first table, the tables from the enum."""
    words = PAGE.read_text(encoding="utf-8").partition("\n## ")[0]
    refusals = [code for code in ErrorCode if not code.is_warning]
    warnings = [code for code in ErrorCode if code.is_warning]
    return f"{words}\n## Refusals\n\n{_table(refusals)}\n## Warnings\n\n{_table(warnings)}"


def _table(codes: list[ErrorCode]) -> str:
    meanings = _meanings()
    head = "| REST | GraphQL | status | answers as | meaning |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(
        f"| `{code.wire}` | `{code.name}` | {code.status} | {_answers_as(code)} | {meanings.get(code.wire, '')} |\n"
        for code in codes
    )


def _answers_as(code: ErrorCode) -> str:
    return "" if code.family is code else f"`{code.family.wire}`"


def _meanings() -> dict[str, str]:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)
