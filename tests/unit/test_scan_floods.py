"""A flood of what is suspicious: the scan keeps its time, the worst is still told, and no secret is repeated."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from domain import strict_json
from domain.bundle import note_findings
from domain.scanning import FINDINGS_MAX, Finding, ScanRun, Severity, scan_artifact
from tests.pace import old_objects_aside, quiet_seconds

HOSTILE = (
    "env.SECRET", "eval('x')", "https://evil.example.org/x", "while(true){}", "AKIAIOSFODNN7EXAMPLE", "window.a",
    "${jndi:ldap://x}", "http://169.254.169.254/a", "SELECT * FROM t WHERE a = 1 OR 1=1", "UNION SELECT y", "<script>",
)  # fmt: skip

#: what makes a rule look closer, and gives it nothing to find
NEARLY = (
    "record.envelope.x env_a", "evaluate (x) eval_", "Functional (x)", "required (x) important (y)", "whiles (true)",
    "globals windows record.window", "constructor .name", "a [b] (c) {d}", "httpx://x.example https:/x", "DROP VIEW",
    "REUNION SELECT x UNION SELEC", "TRUNCATE x TABLE", "WHERE a OR 'a'='b' OR 1=2", "EXECUTOR x", "SELECT a, * FROM t",
    "ALTER VIEW", "-- x", "a /* x", "AKIAIOSFODNN7EXAMPL", "ghp_01234567890123456", "sk_live_0123456", "xoxb-0123456",
    "AIza0123", "api_key: short", "PRIVATE KEY", "Server=a;Database=b;Password", "user:pw@host ftp://a:b@",
    "<scripted> <objects> <b onclik=1>", "java script : x javascriptx:", "$ {jndix:} $(lower)",
    "T (java) getRuntime __subclass__", "ftp://8.8.8.8/a ftp://192.0.2.x.example", "000-12-3456 passport", "cracked it",
    "officially not", "p\u0440 x", "{ {a",
)  # fmt: skip


def a_flood(part, *, nodes, words=HOSTILE):
    def text(number):
        return f"{words[number % len(words)]} /* {part}.{number} */"

    rows = [{"name": text(n), "expression": text(3 * n), "query": text(2 * n + 1)} for n in range(nodes)]
    return strict_json.canonical({"nodes": rows})


def noted(*artifacts):
    findings: list[Finding] = []
    run = ScanRun(partial(note_findings, findings), seconds=60)
    for number, raw in enumerate(artifacts):
        run.artifact("ProcessDefinition", f"proc-{number}", "Any", raw)
    run.finish()
    return findings


@pytest.mark.parametrize("flood", ["a thousand artifacts", "one artifact"])
def test_a_flood_of_suspicious_texts_takes_no_longer_than_its_bytes(flood):
    artifacts = [a_flood(n, nodes=6) for n in range(1000)] if flood != "one artifact" else [a_flood(0, nodes=6000)]

    findings, spent = quiet_seconds(lambda: noted(*artifacts))

    assert len(findings) >= FINDINGS_MAX
    assert spent < 1.5, f"{spent:.2f} s; about 0.1 s on a quiet machine"


def test_files_in_which_every_text_nearly_fits_a_rule_take_little_more():
    keys = ("name", "expression", "query", "label", "condition", "apiKey", "pattern", "title", "text", "value")

    def text(number):
        return f"{NEARLY[number % len(NEARLY)]} {number}"

    def nearly(part):
        rows = [{keys[(part + n) % len(keys)]: text(part * 185 + n)} for n in range(185)]
        return strict_json.canonical({"nodes": rows})

    artifacts = [nearly(part) for part in range(100)]

    findings, spent = quiet_seconds(lambda: noted(*artifacts))

    assert sum(map(len, artifacts)) > 900_000
    assert findings == []
    # a tenth of a thousand files of 10 KB, for which two seconds are allowed; other work on this machine counts too
    assert spent < 0.6, f"{spent:.2f} s; about 0.15 s on a quiet machine"


def test_beyond_a_full_report_what_is_worse_is_still_found_in_every_later_artifact():
    mild = strict_json.canonical({"query": [f"SELECT * FROM t{number}" for number in range(FINDINGS_MAX)]})
    bad = strict_json.canonical({"expression": "eval(1)"})

    findings = noted(mild, *[strict_json.canonical({"expression": "window.a"})] * 300, bad, bad)

    assert [finding.severity for finding in findings[FINDINGS_MAX:]] == [Severity.MEDIUM, Severity.CRITICAL]


def test_a_secret_behind_a_flood_is_not_repeated_by_what_was_found_before_it():
    secret = "tr0ub4dor&3-horse"
    tree = {"expression": [f"eval('{secret}')"] * (FINDINGS_MAX + 9), "z": {"password": secret}}

    findings = scan_artifact("RuleSet", "rule-1", "Any", strict_json.canonical(tree), None)

    assert len(findings) == FINDINGS_MAX
    assert secret not in repr(findings)


def test_as_many_secrets_as_a_file_can_hold_are_kept_from_a_report_in_time():
    rows = [{"expression": f"eval({n})", "password": f"aaaaaaaa-{n:06}{'b' * (n % 60)}"} for n in range(20_000)]
    raw = strict_json.canonical({"nodes": rows})

    findings, spent = quiet_seconds(lambda: scan_artifact("RuleSet", "rule-1", "Any", raw, None))

    assert len(findings) == FINDINGS_MAX
    assert spent < 3.0, f"{spent:.2f} s"


@pytest.mark.parametrize("key", ["expression", "label"])
def test_one_long_string_leaves_others_their_turn(key):
    text = "env_ (x) OR trux //a http:x @b <b on Pass -- /* e\u0301 " * 30_000
    raw = strict_json.canonical({key: text})
    scan = threading.Thread(target=scan_artifact, args=("RuleSet", "rule-1", "Any", raw, None))
    waits = []

    with old_objects_aside():
        last = time.process_time()
        scan.start()
        while scan.is_alive():
            time.sleep(0.001)
            now = time.process_time()
            waits.append(now - last)
            last = now

    # CPU of this process, for others on this machine have theirs; a rule alone would take as long for such a text
    assert max(waits) < 0.4, f"{max(waits):.2f} s; about 0.15 s on a quiet machine"


@pytest.mark.parametrize("text", ["/*" * 200_000, "//" * 200_000, "/*\\" * 100_000, "eval/**/" * 50_000])
def test_comments_are_read_once_however_they_are_nested(text):
    raw = strict_json.canonical({"expression": text})

    _, spent = quiet_seconds(lambda: scan_artifact("RuleSet", "rule-1", "Any", raw, None))

    assert spent < 2


@pytest.mark.parametrize(
    "unit",
    [
        "://" + "@" * 300,
        "://",
        "http:@",
        "http:",
        "@",
        ":\n",
        "/\t/",
        "//1.",
        "a://b@",
        "\\",
        "data:",
        "{{",
        "%2e",
        "[:",
    ],
)
@pytest.mark.parametrize("spread", ["one string", "many strings"])
def test_no_piece_of_an_address_takes_long_however_often_it_stands_there(unit, spread):
    length = 500_000 if spread == "one string" else 100
    text = (unit * length)[:length]
    texts = [text] if spread == "one string" else [f"{text}{number}" for number in range(5_000)]
    raw = strict_json.canonical({"label": texts})

    _, spent = quiet_seconds(lambda: scan_artifact("RuleSet", "rule-1", "Any", raw, None))

    allowed = 8 * len(raw) / (11 << 20)
    assert spent < allowed, f"{spent:.2f} s; 11 MB may take 8 s, and this {allowed:.2f}"


@pytest.mark.parametrize("unit", ["(a)*", "(a|b)*", "[!-~]", "(a*b)*", "((((a))))*", "(?:a{1,3})+"])
def test_many_patterns_are_judged_in_time(unit):
    texts = [f"{(unit * 100)[:100]}{number}(a)*" for number in range(5_000)]
    raw = strict_json.canonical({"pattern": texts})

    _, spent = quiet_seconds(lambda: scan_artifact("RuleSet", "rule-1", "Any", raw, None))

    assert spent < 0.7, f"{spent:.2f} s; about 0.3 s on a quiet machine"


@pytest.mark.parametrize("shift", [0, 7, 60, 5_000])
def test_what_stands_where_a_long_text_is_cut_is_found(shift):
    text = "x" * ((1 << 16) - shift) + " eval('1') -----BEGIN PRIVATE KEY-----" + "k" * 20_000 + " AKIAABCDEFGHIJKLMNOP"

    found = scan_artifact("RuleSet", "rule-1", "Any", strict_json.canonical({"expression": text}), None)

    assert {finding.rule for finding in found} == {
        *("EvalCall", "CredentialExposure.PrivateKey", "CredentialExposure.AwsAccessKey"),
    }
