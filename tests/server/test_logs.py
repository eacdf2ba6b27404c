"""What a caller sends cannot begin a line of the log of its own."""

from __future__ import annotations

import json
import logging

import pytest

from server.logs import JsonLines, PlainLines

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
