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


def test_looks_at_what_the_work_itself_made_are_counted():
    def work(looks: int) -> int:
        made = [[number] for number in range(200_000)]
        for _ in range(looks):
            gc.collect()
        return len(made)

    _, alone = quiet_seconds(lambda: work(0))
    _, looked = quiet_seconds(lambda: work(10))

    assert looked > 2 * alone
    assert gc.get_freeze_count() == 0
