"""The README shows exactly the variables that there are.

Run ``UPDATE_DOCS=1 python -m pytest tests/house/test_settings_documented.py`` to rewrite its table.
"""

from __future__ import annotations

import os

from server.settings import variables
from tests.house.tree import ROOT

PAGE = ROOT / "README.md"
REFRESH = "UPDATE_DOCS=1 python -m pytest tests/house/test_settings_documented.py"
HEAD = "| variable | default | meaning |\n| --- | --- | --- |\n"


def test_the_page_shows_every_variable_with_its_default_and_meaning():
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(_page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == _page(), f"refresh with: {REFRESH}"


def test_each_variable_has_a_meaning():
    assert [variable.name for variable in variables() if not variable.meaning] == []


def _page() -> str:
    """The page as it should be: its own words around the table."""
    before, _, after = PAGE.read_text(encoding="utf-8").partition(HEAD)
    rows = (f"| `{v.name}` | {f'`{v.default}`' if v.default else ''} | {v.meaning} |\n" for v in variables())
    return f"{before}{HEAD}{''.join(rows)}{after[after.index(chr(10) * 2) + 1 :]}"
