"""A file is read in one sitting, a function in one breath."""

from __future__ import annotations

from tests.house.tree import ROOT, functions, modules

LONGEST_FILE = 450
LONGEST_FUNCTION = 60

#: functions that may be longer, as "file name"; each needs its reason here
LONGER: set[str] = set()


def test_no_file_is_longer_than_can_be_read_at_once():
    lengths = {str(module): len((ROOT / module).read_text(encoding="utf-8").splitlines()) for module in modules()}

    assert {module: lines for module, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen():
    # a migration is one list of statements, however long
    written = [module for module in modules() if module.parts[:2] != ("storage", "migrations")]

    lengths = {
        f"{module} {function.name}": (function.end_lineno or function.lineno) - function.lineno + 1
        for module in written
        for function in functions(module)
    }

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION and name not in LONGER} == {}
