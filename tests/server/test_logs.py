"""What a caller sends cannot begin a line of the log of its own."""

from __future__ import annotations

import fcntl
import json
import logging
import os

import pytest

from server.logs import DROPPED, JsonLines, PlainLines, Unhurried

FORGED = "GET /a\n00:00:00 INFO server.access FORGED 200\r\x1b[31m\x00"


@pytest.mark.parametrize("formatter", [PlainLines("%(levelname)s %(message)s"), JsonLines()])
def test_a_message_stays_one_printable_line(formatter):
    record = logging.LogRecord("server.access", logging.INFO, __file__, 1, "%s", (FORGED,), None)

    line = formatter.format(record)

    assert line.isprintable()
    assert "FORGED" in line


def test_a_json_line_keeps_the_message_as_it_was():
    record = logging.LogRecord("server.access", logging.INFO, __file__, 1, "%s", (FORGED,), None)

    assert json.loads(JsonLines().format(record))["message"] == FORGED


def _dropped() -> float:
    (metric,) = DROPPED.collect()
    return metric.samples[0].value


def test_lines_that_nobody_reads_are_dropped_and_counted_and_a_line_says_so_later():
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    before = _dropped()
    handler = Unhurried(writing, waiting_max=3)
    handler.setFormatter(JsonLines())
    record = logging.LogRecord("server.access", logging.INFO, __file__, 1, "x" * 3000, (), None)

    for _ in range(20):
        handler.emit(record)
    dropped = int(_dropped() - before)
    read = b""
    while f"{dropped} lines of the log were dropped".encode() not in read or b"x" * 3000 not in read:
        read += os.read(reading, 4096)
    handler.close()
    os.close(reading)
    os.close(writing)

    assert 13 <= dropped <= 17


def test_a_line_is_written_to_its_end_where_the_descriptor_does_not_wait():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = _dropped()
    handler = Unhurried(writing)
    handler.setFormatter(JsonLines())
    record = logging.LogRecord("server.access", logging.INFO, __file__, 1, "x" * 30_000, (), None)

    for _ in range(8):
        handler.emit(record)
    read = b""
    while read.count(b"\n") < 8:
        read += os.read(reading, 100_000)
    handler.close()
    os.close(reading)
    os.close(writing)

    assert [json.loads(line)["message"] for line in read.splitlines()] == ["x" * 30_000] * 8
    assert _dropped() == before


@pytest.mark.parametrize("unusual", ["half \ud800", 1 << 80])
def test_no_value_keeps_a_line_out_of_the_log(unusual):
    record = logging.LogRecord("server.access", logging.INFO, __file__, 1, "GET", (), None)
    record.fields = {"unusual": unusual}

    assert json.loads(JsonLines().format(record))["unusual"] == unusual


def test_a_log_that_cannot_be_written_ends_nothing():
    reading, writing = os.pipe()
    os.close(reading)
    before = _dropped()
    handler = Unhurried(writing)

    handler.emit(logging.LogRecord("server.access", logging.INFO, __file__, 1, "GET", (), None))
    handler.close()
    os.close(writing)

    assert _dropped() == before + 1
