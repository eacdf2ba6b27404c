"""Coverage reports of four kinds, read from foreign bytes (installhub.md section 10.3)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import ErrorCode, Refusal
from domain.market import coverage
from domain.market.coverage import Coverage, read_coverage

LCOV = b"TN:\nSF:a.js\nDA:1,2\nDA:2,0\nDA:3,1\nDA:1,0\nLF:9\nLH:9\nBRF:4\nBRH:1\nend_of_record\nSF:b.js\nDA:1,1\n"
COBERTURA = b"""<?xml version="1.0"?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage line-rate="1" branch-rate="1" version="1"><packages><package name="p"><classes><class name="c">
<methods><method name="m"><lines><line number="1" hits="1"/></lines></method></methods>
<lines><line number="1" hits="1"/><line number="2" hits="0" branch="true" condition-coverage="50% (1/2)"/></lines>
</class></classes></package></packages></coverage>"""
JACOCO = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd">
<report name="r"><package name="p"><counter type="LINE" missed="99" covered="1"/></package>
<counter type="INSTRUCTION" missed="5" covered="5"/><counter type="BRANCH" missed="1" covered="3"/>
<counter type="LINE" missed="2" covered="8"/></report>"""
OPENCOVER = b"""<CoverageSession><Summary numSequencePoints="10" visitedSequencePoints="7"
numBranchPoints="2" visitedBranchPoints="1"/><Modules><Module><Summary numSequencePoints="5"
visitedSequencePoints="0"/></Module></Modules></CoverageSession>"""


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (LCOV, Coverage(3 / 4, 1 / 4)),
        (b"SF:a\nLF:10\nLH:7\nend_of_record\n", Coverage(0.7, None)),
        (COBERTURA, Coverage(1 / 2, 1 / 2)),
        (b'<coverage lines-valid="10" lines-covered="7"/>', Coverage(0.7, None)),
        (b'<coverage line-rate="0.7" branch-rate="0.5"/>', Coverage(0.7, 0.5)),
        (JACOCO, Coverage(0.8, 0.75)),
        (OPENCOVER, Coverage(0.7, 0.5)),
        (b"\xef\xbb\xbf" + OPENCOVER, Coverage(0.7, 0.5)),
        (OPENCOVER.decode().encode("utf-16"), Coverage(0.7, 0.5)),
    ],
)
def test_the_reports_of_four_kinds_of_test_runners_are_read(report: bytes, expected: Coverage):
    assert read_coverage(report) == expected


def test_lines_that_are_listed_count_more_than_what_a_report_says_of_itself():
    boasting = COBERTURA.replace(b'line-rate="1"', b'lines-valid="1" lines-covered="1"')

    assert read_coverage(boasting).lines == 0.5


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"nothing of the kind",
        b"SF:a\nDA:1,x\n",
        b"SF:a\nLF:1\nLH:2\n",
        b"SF:a\nDA:1," + b"9" * 5000,
        b"\xff\xfe\x00",
        b"<coverage",
        b"<html></html>",
        b'<coverage line-rate="7"/>',
        b'<coverage line-rate="nan"/>',
        b'<coverage lines-valid="-1" lines-covered="0"/>',
        b'<report><counter type="LINE" missed="1"/></report>',
        b"<CoverageSession/>",
        b"<coverage>" + b"<a>" * 1000 + b"</a>" * 1000 + b"</coverage>",
        b'<!DOCTYPE coverage [<!ENTITY a "b">]><coverage line-rate="1">&a;</coverage>',
        b'<!DOCTYPE coverage [<!ENTITY a SYSTEM "file:///etc/passwd">]><coverage line-rate="1">&a;</coverage>',
        b'<!DOCTYPE coverage [<!ELEMENT coverage ANY>]><coverage line-rate="1"/>',
        b'<?xml version="1.0" encoding="klingon"?><coverage line-rate="1"/>',
        b'<?xml version="1.0" encoding="hex"?><coverage line-rate="1"/>',
    ],
)
def test_what_is_no_such_report_is_refused(report: bytes):
    with pytest.raises(Refusal) as refused:
        read_coverage(report)

    assert (refused.value.code, refused.value.problems[0].where) == (ErrorCode.BAD_USER_INPUT, "coverageReport")


def test_a_report_above_its_limit_is_not_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(coverage, "REPORT_BYTES_MAX", len(LCOV) - 1)

    with pytest.raises(Refusal, match="at most"):
        read_coverage(LCOV)


@given(st.binary(max_size=200))
@example(b"<")
@example(b"\xfe\xff\x00<")
@example(b'<?xml version="1.0" encoding="utf-7"?><coverage/>')
def test_no_bytes_are_answered_by_anything_but_a_coverage_or_a_refusal(raw: bytes):
    for report in (raw, b"<coverage>" + raw, b"DA:" + raw, COBERTURA[: len(raw)] + raw):
        try:
            found = read_coverage(report)
        except Refusal:
            continue
        assert 0 <= found.lines <= 1
