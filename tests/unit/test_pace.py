"""How tests count the seconds of a work."""

from __future__ import annotations

import gc
import time

from tests.pace import quiet_seconds


def test_what_was_left_to_the_collector_before_is_not_counted_as_the_work():
    left = [[number] for number in range(500_000)]
    began = time.process_time()
    gc.collect()
    looked = time.process_time() - began

    _, spent = quiet_seconds(gc.collect)

    assert len(left) == 500_000
    assert spent < looked / 10


def test_garbage_of_the_work_itself_is_counted():
    def work() -> None:
        made: list[object] = []
        for _ in range(200_000):
            made = [made]
        gc.collect()

    _, spent = quiet_seconds(work)

    assert spent > 0.01
    assert gc.get_freeze_count() == 0
