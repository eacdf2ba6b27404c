"""``docs/akana.md`` tells what each switch of a business export takes along, and what without any is exported."""

from __future__ import annotations

import re

from rest_compat.akana_switches import CORE, SWITCHES, types_of
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "akana.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(migration\.[a-z.]+)` \| (.+) \|$", re.MULTILINE)
#: how the page names the types of the core
SPOKEN = "entity schemas, field libraries, rule sets, form groups and forms"


def test_the_table_of_switches_is_the_one_that_exports_follow():
    told = [(name, re.findall(r"`(\w+)`", what)) for name, what in ROW.findall(PAGE)]

    assert told == [(name, [member.wire for member in types_of(*kinds)]) for name, kinds in SWITCHES.items()]


def test_the_core_is_told():
    assert f"{SPOKEN}." in " ".join(PAGE.split())
    assert len(CORE) == len(re.split(", | and ", SPOKEN))
