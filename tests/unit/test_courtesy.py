"""Long work in a thread, and whoever is being answered meanwhile."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from domain.aside import FEW
from domain.courtesy import PATIENCE_SECONDS, Courtesy


class Waits:
    """A clock that moves on while somebody sleeps; ``then`` is done in the first sleep."""

    def __init__(self, then=lambda: None):
        self.now = 0.0
        self.count = 0
        self._then = then

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.count += 1
        if self.count == 1:
            self._then()


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def courtesy(waits):
    return Courtesy(waits.monotonic, waits.sleep)


def test_work_goes_on_at_once_where_nobody_is_answered(courtesy, waits):
    courtesy.give_way()

    assert waits.count == 0


@pytest.mark.parametrize(("being_there", "looks"), [(Courtesy.asking, 3), (Courtesy.answering, 1)])
def test_work_stands_aside_until_the_answer_is_there(being_there, looks):
    answered = ExitStack()
    waits = Waits(then=answered.close)
    courtesy = Courtesy(waits.monotonic, waits.sleep)
    answered.enter_context(being_there(courtesy))

    courtesy.give_way()

    assert 0 < waits.now < PATIENCE_SECONDS
    assert waits.count == looks


def test_a_few_small_pieces_of_work_are_done_at_once_for_they_are_done_on_the_event_loop(courtesy, waits):
    with courtesy.asking():
        assert list(courtesy.among(range(FEW))) == list(range(FEW))

    assert waits.now == 0.0


def test_among_many_small_pieces_of_work_it_stands_aside_now_and_then(courtesy, waits):
    with courtesy.asking():
        done = list(courtesy.among(range(FEW + 40)))

    assert done == list(range(FEW + 40))
    assert 2 * PATIENCE_SECONDS < waits.now < 4 * PATIENCE_SECONDS


def test_work_stands_aside_while_the_next_question_may_come(courtesy, waits):
    with courtesy.asking():
        pass

    courtesy.give_way()
    stood_aside = waits.now
    courtesy.give_way()

    assert 0 < stood_aside < 0.001
    assert waits.now == stood_aside


def test_work_stands_aside_while_a_request_is_answered_but_not_for_one_that_takes_long(courtesy, waits):
    with courtesy.answering():
        courtesy.give_way()
        stood_aside = waits.now
        waits.now += 0.02
        long_behind = waits.now
        courtesy.give_way()

    assert stood_aside >= PATIENCE_SECONDS
    assert waits.now == long_behind


def test_a_request_counts_for_a_while_though_work_goes_on_between(courtesy, waits):
    with courtesy.answering():
        waits.now += 0.015
        courtesy.give_way()

    assert waits.count > 0


def test_one_that_takes_long_does_not_count_again_when_another_is_answered(courtesy, waits):
    with courtesy.answering():
        waits.now += 10.0
        with courtesy.answering():
            pass
        courtesy.give_way()

    assert waits.count == 0


def test_another_request_counts_beside_one_that_takes_long(courtesy, waits):
    with courtesy.answering():
        waits.now += 10.0
        with courtesy.answering():
            began = waits.now
            courtesy.give_way()

    assert waits.now - began >= PATIENCE_SECONDS


def test_many_small_pieces_of_work_pause_more_often_as_long_as_others_come_again(courtesy, waits):
    list(courtesy.among(range(FEW + 1_000)))
    alone = waits.count
    with courtesy.answering():
        pass
    list(courtesy.among(range(FEW + 1_000)))
    beside = waits.count - alone
    waits.now += 0.2
    list(courtesy.among(range(FEW + 1_000)))

    assert beside > 3 * alone
    assert waits.count == alone + beside + alone


def test_that_the_store_was_asked_makes_no_small_piece_of_work_pause_more_often(courtesy, waits):
    list(courtesy.among(range(FEW + 100)))
    alone = waits.count
    with courtesy.asking():
        pass
    waits.now += 0.001
    list(courtesy.among(range(FEW + 100)))

    assert waits.count < 3 * alone


@pytest.mark.parametrize("come", [Courtesy.asking, Courtesy.answering])
def test_whoever_came_lately_may_come_again(courtesy, waits, come):
    with come(courtesy):
        pass
    waits.now += 0.05

    for _ in range(8):
        courtesy.give_way()

    assert waits.count == 1


def test_work_stands_aside_while_one_watcher_after_the_other_is_told(courtesy, waits):
    courtesy.told()
    courtesy.give_way()

    assert 0 < waits.now < PATIENCE_SECONDS


def test_work_goes_on_after_a_while_however_many_are_answered(courtesy, waits):
    with courtesy.asking(), courtesy.asking():
        courtesy.give_way()

    assert PATIENCE_SECONDS <= waits.now < 2 * PATIENCE_SECONDS


def test_work_pauses_now_and_then_as_long_as_others_come_again_and_again(courtesy, waits):
    with courtesy.asking():
        pass
    waits.now += 0.05

    for _ in range(40):
        courtesy.give_way()
    paused, at = waits.count, waits.now
    waits.now += 1.0
    for _ in range(40):
        courtesy.give_way()

    assert paused == 5
    assert at < 0.06
    assert waits.count == paused
