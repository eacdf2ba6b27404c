"""How long an import still takes, from how long others took."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.batch_rows import TimedRun
from domain.import_model import ImportKind, ImportMode, ImportState
from domain.timing import Eta, Pace, eta
from tests.ports.rows import an_import

RUNNING = replace(an_import(), state=ImportState.RUNNING)
SIZE = sum(package.size_bytes for package in RUNNING.packages)


def runs(*seconds, size=SIZE, kind=ImportKind.IMPORT, mode=ImportMode.APPLY):
    return [TimedRun(kind, mode, one, size) for one in seconds]


TEN = runs(*range(1, 11))


@pytest.mark.parametrize(("percent", "left"), [(0.0, Eta(5, 9)), (50.0, Eta(3, 5)), (100.0, Eta(1, 1))])
def test_what_progress_leaves_of_past_runs_is_the_time_that_is_left(percent, left):
    assert eta(RUNNING, percent, Pace(TEN, ())) == left


def test_a_tenant_with_few_runs_goes_by_everybodys():
    assert eta(RUNNING, 0.0, Pace(runs(100.0, 100.0), TEN)) == Eta(5, 9)
    assert eta(RUNNING, 0.0, Pace(runs(100.0, 100.0, 100.0), TEN)) == Eta(100, 100)


def test_the_nearest_in_size_count():
    far = runs(*[1000.0] * 40, size=SIZE * 1000)

    assert eta(RUNNING, 0.0, Pace([*far, *runs(*[7.0] * 20)], ())) == Eta(7, 7)


def test_a_dry_run_does_not_go_by_imports_nor_an_undo_by_either():
    undo = replace(RUNNING, kind=ImportKind.ROLLBACK, packages=())
    uninstalls = runs(2.0, size=0, kind=ImportKind.UNINSTALL)

    assert eta(replace(RUNNING, mode=ImportMode.PLAN), 0.0, Pace(TEN, TEN)) is None
    assert eta(undo, 0.0, Pace(TEN, TEN)) is None
    assert eta(undo, 0.0, Pace(TEN, uninstalls)) == Eta(2, 2)


@pytest.mark.parametrize("state", [state for state in ImportState if state.is_waiting or state.is_final])
def test_nobody_knows_how_long_people_take_and_what_is_over_takes_no_time(state):
    assert eta(replace(RUNNING, state=state), 50.0, Pace(TEN, TEN)) is None


def test_where_nothing_ever_ended_nothing_is_known():
    assert eta(RUNNING, 50.0, Pace((), ())) is None
