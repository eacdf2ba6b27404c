"""The seeded faults fit the code: ``make mutants`` tries what stands there, not what stood there once."""

from __future__ import annotations

import ast

from tests.house.tree import ROOT, functions
from tests.mutants.table import MUTANTS


def test_every_seeded_fault_changes_one_place_and_leaves_a_program():
    unfit = []

    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        if text.count(mutant.before) != 1:
            unfit.append(mutant.name)
        else:
            ast.parse(text.replace(mutant.before, mutant.after))

    assert unfit == []


def test_every_test_that_is_to_notice_a_fault_is_there():
    named = {test.partition("::")[::2] for mutant in MUTANTS for test in mutant.tests}

    missing = [
        f"{file}::{test}"
        for file, test in sorted(named)
        if not (ROOT / file).is_file() or (test and test not in {one.name for one in functions(ROOT / file)})
    ]

    assert missing == []


def test_no_two_seeded_faults_have_one_name():
    names = [mutant.name for mutant in MUTANTS]

    assert len(names) == len(set(names)) >= 38
