"""The scan: what its rules find, what they leave alone, what the report says, and what it never repeats."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain import strict_json
from domain.scanning import (
    RULES,
    RULES_VERSION,
    Check,
    Finding,
    ScanReport,
    ScanResult,
    Severity,
    report,
    scan_artifact,
    scan_text,
    secret_paths,
    together,
)
from domain.scanning.report import result_of
from domain.scanning.trigger import FOREIGN_BLANKS, INVISIBLE, plain, suspected
from domain.scanning.walk import hits, strings
from tests.pace import quiet_seconds

SCANS = Path(__file__).parents[1] / "scans"
CORPUS = sorted(SCANS.rglob("*.json"))
NOON = datetime(2025, 6, 1, 12, 0, 5, 700_000, tzinfo=UTC)
AWS_KEY = "AKIA" + "ABCDEFGHIJKLMNOP"

#: pieces that attacks and harmless texts are made of, to be strung together in any order
PIECES = [
    "env", ".", "process", "X", "__proto__", "constructor", "prototype", "eval", "Function", "require", "import", "(",
    ")", "[", "]", "{", "}", "{{", "}}", "https://", "localhost", "evil.example", "user:pass1@", "while", "true", "for",
    ";", "function f(", "f(", "=>", "=", "global", "window", "'", '"', "`", "\\", "\\u0065", "\\x65", "union", "SELECT",
    "all", "*", "from", "WHERE", "@id", "drop", "TABLE", "truncate", "alter", "exec", "execute", "or", "1", "'1'", "--",
    "/*", "*/", "+", "||", "${", " ", "  ", "\n", "\t", "\v", "\u00a0", "\u200b", "\u00ad", "\u2028", AWS_KEY, "AKIA",
    "api_key", "Password", "Server=a;", "Database=b;", "-----BEGIN ", "PRIVATE KEY-----", "Zm9vYmFy9",
    "ghp_" + "a" * 36, "//", "!", "false", "not", "`", ",",
]  # fmt: skip
#: and pieces of active content and of what people would read
MORE_PIECES = [
    "<script>", "<a ", " onerror=", "java\tscript:", "vbscript:", "data:text/html,", "${", "jndi:", "${lower:j}", "T(",
    "java.", "getRuntime(", "http://", "http:/\t/", "http:\\\\", "u@", "10.0.0.1", "0x7f.1", "2130706433",
    "127%2e0.0.1", "[::1]", "/", "169.254.169.254", "(a+)+", "(a|a)*", "219-09-9999", "Passport No X1234567",
    "Jane Miller <", "j.m@corp-mail.com", "https://bank.com@evil.example/", "official package", "keygen", "\u0430",
    "ab", "\u202e", "\U000e0069", "A" * 128, "//169.254.169.254", "//metadata/", "//[::1]/", "//2852039166",
    "\\", "/\\2852039166", "\\\\metadata/", "http:", "https:/", "ws:", "data:", "text/html,", "da\nta: te\txt/html ;",
    "@", "0x7f.0.1/", "[::10.0.0.1]", "}", "\t",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES + MORE_PIECES), max_size=14).map("".join)
KEYS = st.sampled_from(["expression", "query", "label", "smtpPassword", "valueMapping", "name", "value", "pattern"])
TREES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS, inner, max_size=3), max_leaves=6
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def scanned(tree, name="Invoice Approval"):
    """What a scan finds in a parsed artifact, which is first written in the canonical form."""
    return scan_artifact("ProcessDefinition", "proc-1", name, strict_json.canonical(tree), None)


def rules_in(tree):
    return [finding.rule for finding in scanned(tree)]


def a_finding(rule="EvalCall", check=Check.EXPRESSION, severity=Severity.CRITICAL):
    return Finding(
        check=check,
        rule=rule,
        severity=severity,
        artifact_type="RuleSet",
        artifact_id="rule-1",
        artifact_name="Limits",
        field="rules[0].condition",
        pointer="/rules/0/condition",
        value="eval(x)",
        message="The expression runs text as code.",
    )


def a_report(*findings):
    return report("pkg-1", "1.0.0", findings, scanned_at=NOON, duration_ms=12)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: str(path.relative_to(SCANS)))
def test_an_artifact_of_the_corpus_is_judged_as_its_folder_says(path):
    rule, verdict = path.relative_to(SCANS).parts[:2]

    findings = scanned(json.loads(path.read_bytes()))

    named = rule in {finding.rule for finding in findings}
    worst = result_of(finding for finding in findings if finding.rule == rule)
    assert (named, worst.value) == (verdict != "pass", verdict.upper())
    assert verdict != "pass" or findings == []


def test_every_rule_has_a_folder_with_something_to_pass_and_something_to_find():
    folders = {folder.name: {verdict.name for verdict in folder.iterdir()} for folder in SCANS.iterdir()}

    assert folders == {rule.name: {"pass", "fail" if rule.severity >= Severity.HIGH else "warn"} for rule in RULES}


@settings(max_examples=300, deadline=None)
@given(TREES)
@example({"expression": "((((((((((["})
@example({"query": "'" + " " * 300 + "+ x'"})
@example({"query": {"text": "'+ x'"}})
@example({"query": "x OR\f1=1"})
@example({"smtpPassword\n": "Zm9vYmFy9"})
@example({"variables": [{"name": "account key", "value": "Zm9vYmFy9"}]})
@example({"expression": "x = (a)\n => x(a)"})
@example({"expression": "x=(a)  =>x(a)"})
@example({"expression": "require\n('a')"})
@example({"expression": "import  ('a')"})
@example({"expression": "eval ?.('a')"})
@example({"url": "java\tscr\nipt\r:alert(1)"})
@example({"url": "http:/\t/169.254\n.169.254/"})
@example({"url": "http://met\tadata/"})
@example({"label": ["Ask Jane Miller: jane@corp-mail.com"]})
@example({"label": "Jane Miller <jane@mail.3com.com>"})
@example({"label": "Certified by\tInstallHub"})
@example({"label": "Trusted by the\nmarketplace"})
@example({"text": "T( \t java.lang.Runtime)"})
@example({"expression": "\\u00\u200b65val(x)"})
@example({"expression": "\\\u200bx65val(x)"})
@example({"text": "ab:/\u202e/user:\x01pass@h"})
@example({"text": "https://user:" + "\u043f" * 200 + "@h.example"})
@example({"text": "<img alt='" + "\u4e2d" * 390 + "' onerror=a()>"})
@example({"text": "<img alt='" + "\x01" * 390 + "' onerror\v \v\n\v\v\v\v=a()>"})
@example({"text": "//\n2130706433/"})
@example({"text": "//meta\ndata/ x"})
@example({"text": "/\t/2130706433/"})
@example({"text": "x /\r\n\n/instance-data/ // y"})
@example({"text": "//instance\r\n-data/ x"})
@example({"text": "/\\2130706433/"})
@example({"text": "\\\\\t2130706433/"})
@example({"text": "\\\t\\2130706433/"})
@example({"text": "x \\/metadata/ // y"})
@example({"text": "/\\inst\tance-data/"})
@example({"text": "///2130706433/"})
@example({"text": "see\n//2130706433/ x"})
@example({"text": "http:" + "\t" * 50 + "//u@2130706433/"})
@example({"text": "http:" + "/" * 50 + "u@2130706433/"})
@example({"text": "/" * 50 + "2130706433/"})
@example({"text": "//169\u3002254.169%2e254/"})
@example({"expression": "ev\\u{110000}al('x')"})
@example({"expression": "eval// now\\x0a('x')"})
@example({"expression": "require// now\\u000a('x')"})
@example({"expression": "process.\\u0065nv\\u200bx"})
@example({"expression": "\\u0067lobal\\u200bx"})
@example({"expression": "\\x77indow\\u200cx"})
@example({"pattern": [{"pattern": "x"}, "(a+)+$"]})
def test_the_fast_path_never_misses_what_the_rules_would_find(tree):
    raw = strict_json.canonical(tree)

    seen = [(spot, found) for spot, found in hits(tree, suspected(raw))]

    assert seen == [(spot, found) for spot, found in hits(tree, RULES)]


@settings(max_examples=300, deadline=None)
@given(TEXTS | TEXTS.map(str.swapcase), st.sampled_from(["", "a", " ", "(", "=", "SELECT ", "<", "://"]))
def test_a_rule_finds_nothing_in_a_text_without_what_it_needs(text, before):
    read = plain(before + text)

    assert [rule.name for rule in RULES if rule.pattern.search(read) and not has_what_it_needs(rule, read)] == []


def has_what_it_needs(rule, text):
    return any(need in text.lower() for need in rule.needs)


def test_what_a_rule_needs_stands_in_all_that_the_corpus_has_for_it():
    trees = [json.loads(path.read_bytes()) for path in CORPUS]
    texts = {plain(text) for tree in trees for text, _, _ in strings(tree)}

    finding = [(rule, text) for rule in RULES for text in texts if rule.pattern.search(text)]

    assert {rule.name for rule, _ in finding} == {rule.name for rule in RULES}
    assert [(rule.name, text) for rule, text in finding if not has_what_it_needs(rule, text)] == []


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_any_json_value_is_scanned_without_an_error(tree):
    raw = orjson.dumps(tree)

    findings = scan_artifact("RuleSet", "rule-1", "Any", raw, None)

    assert findings == scan_artifact("RuleSet", "rule-1", "Any", raw, tree)
    assert all(len(finding.value) <= 200 for finding in findings)


@pytest.mark.parametrize("word", ["require", "import", "eval", "Function"])
@pytest.mark.parametrize("blanks", ["", " ", "  ", "\t", "\n ", " \n", "\v", "\f", "\u2003"])
@pytest.mark.parametrize("call", ["('a')", "?.('a')"])
def test_the_fast_path_sees_a_call_behind_any_blanks(word, blanks, call):
    raw = strict_json.canonical({"expression": f"{word}{blanks}{call}"})

    seen = [(spot, found) for spot, found in hits(json.loads(raw), suspected(raw))]

    assert seen == [(spot, found) for spot, found in hits(json.loads(raw), RULES)] != []


@pytest.mark.parametrize("separator", ["", "_", " ", "-"])
@pytest.mark.parametrize("head", ["api", "access", "private", "secret", "signing", "encryption", "account", "shared"])
def test_the_fast_path_sees_every_name_of_a_key(head, separator):
    name = f"{head}{separator}Key"

    assert rules_in({name: "Zm9vYmFy9"}) == ["CredentialExposure.LiteralSecret"]


@pytest.mark.parametrize("scheme", ["javascript", "VBScript", "livescript"])
@pytest.mark.parametrize("broken", ["\t", "\r\n"])
def test_the_fast_path_sees_a_script_address_wherever_it_is_broken(scheme, broken):
    addresses = [f"{scheme[:place]}{broken}{scheme[place:]}:alert(1)" for place in range(1, len(scheme) + 1)]
    everywhere = broken.join(f"{scheme}:") + "alert(1)"

    found = [rules_in({"url": address}) for address in [*addresses, everywhere]]

    assert found == [["ScriptAddress"]] * (len(scheme) + 1)


@pytest.mark.parametrize("broken", ["", "\t", "\r\n"])
@pytest.mark.parametrize(
    "slashes", [slashes for count in (2, 3, 4) for slashes in product("/\\", repeat=count) if slashes != ("\\", "/")]
)
def test_an_address_without_a_scheme_has_any_slashes_with_a_break_anywhere(slashes, broken):
    parts = [*slashes, "2130706433", "/x"]
    texts = [f"see {''.join(parts[:place])}{broken}{''.join(parts[place:])}" for place in range(len(parts))]

    found = [rules_in({"url": text}) for text in texts]

    assert found == [["DisguisedAddress"]] * len(texts)


@pytest.mark.parametrize(
    "text",
    [
        r"C:\\10\20",
        r"\\d{3}-\[a-f]{2}",
        r"\\server\share",
        "a//b///c",
        r"x\\10.0.0.1",
        r"\\0123456789 x",
        "/// 10.0.0.1",
        r'{"href":"\/172800000\/edit"}',
        r"(\\[01])\s",
        r"\\[12]{3}",
        r"\\[0x1f]",
        "http://localhost:8080\u3002",
        "http://localhost\uff61 //10.5 // [10]",
        "http:8080, https:8443/x and http:metadata",
        "//metadata/title | //metadata::node()",
        r"{{root}}\\10.0.1.2\bin",
        "['http://a.vendor.io','root@vendor.io']",
    ],
)
def test_a_path_or_a_pattern_is_no_address(text):
    assert rules_in({"url": text}) == []


@pytest.mark.parametrize("broken", ["\n", "\r\n", "\t"])
@pytest.mark.parametrize(
    "address", ["http://169.254.169.254", "//169.254.169.254", "\\\\[::ffff:7f00:1]", "http://metadata"]
)
def test_an_address_in_a_row_of_a_text_ends_with_its_row_and_begins_with_it(address, broken):
    found = [
        rules_in({"text": text})
        for text in (f"x{broken}{address}", f"{address}{broken}x", f"x{broken}{address}{broken}x")
    ]

    assert found == [["DisguisedAddress"]] * 3


@pytest.mark.parametrize(
    "text",
    ["http:" + "/" * 9 + "169.254.169.254/", "\\" * 9 + "169.254.169.254/", "/" + "\t" * 70_000 + "/169.254.169.254/"],
)
def test_no_number_of_slashes_or_breaks_hides_an_address(text):
    assert rules_in({"url": text}) == ["DisguisedAddress"]


@pytest.mark.parametrize("dot", ["\u3002", "\uff0e", "\uff61", "%2e", "%2E"])
@pytest.mark.parametrize("before", ["http://", "//", "\\\\"])
def test_a_dot_of_another_script_parts_an_address_as_well(before, dot):
    assert rules_in({"url": f"{before}{dot.join(['169', '254', '169', '254'])}/x"}) == ["DisguisedAddress"]


@pytest.mark.parametrize("broken", ["\t", "\r\n"])
@pytest.mark.parametrize(
    "address", ["http:169.254.169.254", "https:/u@10.0.0.1", "ws:metadata/", "FTP:0x7f.1", "wss:[::2]"]
)
def test_an_address_of_a_known_scheme_needs_no_slashes_and_may_be_broken_anywhere(address, broken):
    texts = [f"{address[:place]}{broken}{address[place:]}" for place in range(len(address))]

    found = [rules_in({"url": text}) for text in [address, *texts, broken.join(address)]]

    assert found == [["DisguisedAddress"]] * (len(texts) + 2)


@pytest.mark.parametrize("login", ["u" * 100_000, "a'b\"c", "{{user}}:{{word}}", "<a>`", "u@v", "\u4e2d\u200b", "%40"])
@pytest.mark.parametrize("before", ["http://", "see ab:\\\\", "https:", "http:/", "http:" + "\t" * 70_000 + "//"])
def test_a_login_may_hold_nearly_anything_and_hides_no_host(before, login):
    assert rules_in({"text": f"{before}{login}@169.254.169.254/"}) == [
        "DisguisedAddress",
    ]


@pytest.mark.parametrize("broken", ["\t", "\r\n"])
def test_a_page_as_data_may_be_broken_anywhere_and_have_blanks_around_its_type(broken):
    page = "data:text/html,x"
    pages = [f"{page[:place]}{broken}{page[place:]}" for place in range(page.index(",") + 1)]
    everywhere = [broken.join(page), "data: \f text/html,x", "data:text/html  ;charset=utf-8,x"]

    found = [rules_in({"url": text}) for text in pages + everywhere]

    assert found == [["ScriptAddress"]] * (len(pages) + 3)


@pytest.mark.parametrize("before", range(9))
def test_the_fast_path_sees_encoded_data_wherever_it_begins(before):
    data = {length: {"after": "b" * before, "label": "A" * length} for length in (127, 128)}

    assert (rules_in(data[127]), rules_in(data[128])) == ([], ["SuspiciousEncoding"])


@pytest.mark.parametrize(
    "clean",
    [
        {"isPrimaryKey": True, "foreignKey": "Zm9vYmFy9", "dataType": "string"},
        {"condition": "items.filter(i => i.active)", "help": "New people we hire (or report (late)) are required."},
        {"help": "while (true) eval(x)", "note": "DROP TABLE a"},
    ],
)
def test_common_words_give_no_rule_a_reason_to_look_closer(clean):
    assert suspected(strict_json.canonical(clean)) == []


def test_every_hiding_character_makes_the_scan_look_closer():
    hidden = [
        character
        for character in map(chr, range(0x80, 0x110000))
        if not 0xD800 <= ord(character) <= 0xDFFF and plain(character) != character
    ]

    missed = [
        character for character in hidden if not suspected(f'{{\n  "condition": "eval{character}(x)"\n}}'.encode())
    ]

    assert missed == []
    assert len(hidden) > len(INVISIBLE) + len(FOREIGN_BLANKS) - 20


def test_an_escaped_word_is_read_as_the_word():
    raw = rb'{"\u0063ondition":"\u0065val\u000b(x)"}'

    findings = scan_artifact("RuleSet", "rule-1", "Limits", raw, None)

    assert [finding.rule for finding in findings] == ["EvalCall"]


def test_a_finding_names_the_concrete_place():
    tree = {"nodes": [{}, {}, {"config": {"expression": "{{env.DATABASE_PASSWORD}}"}}]}

    findings = scanned(tree)

    assert findings == [
        Finding(
            check=Check.EXPRESSION,
            rule="EnvironmentVariableAccess",
            severity=Severity.CRITICAL,
            artifact_type="ProcessDefinition",
            artifact_id="proc-1",
            artifact_name="Invoice Approval",
            field="nodes[2].config.expression",
            pointer="/nodes/2/config/expression",
            value="{{env.DATABASE_PASSWORD}}",
            message="The expression reads an environment variable of the server.",
        )
    ]


def test_an_odd_member_name_stands_in_brackets_in_the_path_and_escaped_in_the_pointer():
    tree = {"a.b/c~d": [{"condition": "eval(x)"}]}

    (finding,) = scanned(tree)

    assert (finding.field, finding.pointer) == ('["a.b/c~d"][0].condition', "/a.b~1c~0d/0/condition")


def test_findings_are_collected_and_stand_in_document_order():
    tree = {
        "rules": [
            {"condition": "eval(x) && window.y", "datasourceQuery": "DROP TABLE a"},
            {"condition": "require('x')"},
        ]
    }

    assert rules_in(tree) == ["EvalCall", "GlobalScopeAccess", "DropStatement", "UnsafeFunctionCall"]


@pytest.mark.parametrize("key", ["expression", "condition", "conditionExpression", "valueMapping"])
def test_everything_under_an_expression_key_is_an_expression(key):
    assert rules_in({"steps": [{key: {"deep": [{"er": "eval(x)"}]}}]}) == ["EvalCall"]


@pytest.mark.parametrize("text", ["{{ eval(x) }}", "a {{b}} c {{ {d: {{eval(x)}} } }}", "{{{eval(x)}}}"])
def test_the_inside_of_a_template_is_an_expression_anywhere(text):
    assert rules_in({"label": text}) == ["EvalCall"]


@pytest.mark.parametrize("behind", ["", " ", "\n", "\t", '"', "\\", "{", "\u00e9", "\u2028", "\u200b", "\U0001f600 +"])
def test_the_fast_path_sees_a_template_whatever_stands_behind_its_beginning(behind):
    assert rules_in({"label": f"{{{{{behind}eval(x)}}}}"}) == ["EvalCall"]


@pytest.mark.parametrize("text", ["eval(x)", "{{a}} eval(x)", "eval(x) {{a}}", "{{ eval(x)", "}} eval(x) {{"])
def test_words_outside_of_a_template_are_no_attack(text):
    assert rules_in({"label": text}) == []


def test_sql_words_outside_of_queries_are_no_attack():
    assert rules_in({"description": "DROP TABLE x; UNION SELECT * FROM y --", "condition": "drop table > 1"}) == []


def test_a_secret_is_never_repeated():
    tree = {
        AWS_KEY: {"expression": "eval(x)"},
        "expression": f"eval('{AWS_KEY}')",
        "smtpPassword": "hunter-22-hunter",
        "template": f"{{{{env.X}}}} https://clerk:hunter-22-hunter@a.example/ {AWS_KEY}",
    }

    findings = scanned(tree, name=f"Key {AWS_KEY}")

    said = repr(findings) + json.dumps(a_report(*findings).to_stored())
    assert (AWS_KEY in said, "hunter-22" in said) == (False, False)
    assert {finding.value for finding in findings if finding.check is Check.CREDENTIAL} == {"AKIA****", "****"}
    assert {finding.rule for finding in findings} == {
        "CredentialExposure.AwsAccessKey",
        "CredentialExposure.LiteralSecret",
        "CredentialExposure.UrlPassword",
        "EnvironmentVariableAccess",
        "EvalCall",
    }


def test_a_long_value_is_cut_with_the_finding_in_sight():
    tree = {"expression": "x + " * 500 + "eval(y)" + " + z" * 500}

    (finding,) = scanned(tree)

    assert len(finding.value) == 200
    assert "eval(" in finding.value


def test_a_text_of_the_package_is_searched_for_credentials_only():
    text = f"# Read me\n\nWrite to alice@example.org. eval(x). Key: {AWS_KEY}."

    findings = scan_text("README.md", text)

    assert [(f.rule, f.artifact_name, f.field, f.pointer, f.value) for f in findings] == [
        ("CredentialExposure.AwsAccessKey", "README.md", "README.md", "", "AKIA****")
    ]


def test_the_exporter_is_told_where_secrets_stand():
    tree = {
        "nodes": [{"config": {"smtp/Password": "hunter-22-hunter", "query": "DROP TABLE a"}}],
        "note": f"{AWS_KEY}",
        "variables": [{"name": "apiKey", "value": "k3y-of-the-castle"}],
        "condition": "eval(x)",
    }

    found = secret_paths("ProcessDefinition", tree)

    assert found == [
        ("/nodes/0/config/smtp~1Password", "LiteralSecret"),
        ("/note", "AwsAccessKey"),
        ("/variables/0/value", "LiteralSecret"),
    ]
    assert secret_paths("ProcessDefinition", tree, raw=strict_json.canonical(tree)) == found


def test_the_exporter_gets_the_true_pointer_of_a_member_whose_name_is_a_secret():
    assert secret_paths("RuleSet", {AWS_KEY: 1}) == [(f"/{AWS_KEY}", "AwsAccessKey")]


@pytest.mark.parametrize(
    ("severities", "result"),
    [
        ([], ScanResult.PASS),
        ([Severity.LOW], ScanResult.WARN),
        ([Severity.LOW, Severity.MEDIUM], ScanResult.WARN),
        ([Severity.LOW, Severity.HIGH], ScanResult.FAIL),
        ([Severity.CRITICAL, Severity.LOW], ScanResult.FAIL),
    ],
)
def test_the_highest_severity_decides(severities, result):
    scan = a_report(*(a_finding(severity=severity) for severity in severities))

    assert scan.overall_result is result


def test_a_report_has_the_documented_shape():
    scan = a_report(a_finding(), a_finding("WildcardSelect", Check.SQL, Severity.LOW))

    head = {"artifactType": "RuleSet", "artifactName": "Limits", "field": "rules[0].condition", "value": "eval(x)"}
    said = "The expression runs text as code."
    assert scan.to_wire() == {
        "packageId": "pkg-1",
        "version": "1.0.0",
        "overallResult": "FAIL",
        "scannedAt": "2025-06-01T12:00:05Z",
        "durationMs": 12,
        "checkResults": [
            {
                "check": "ExpressionInjection",
                "result": "FAIL",
                "findings": [{**head, "rule": "EvalCall", "severity": "Critical", "message": said}],
            },
            {
                "check": "SqlInjection",
                "result": "WARN",
                "findings": [{**head, "rule": "WildcardSelect", "severity": "Low", "message": said}],
            },
            *({"check": check.value, "result": "PASS", "findings": []} for check in [*Check][2:]),
        ],
        "summary": {"totalFindings": 2, "critical": 1, "high": 0, "medium": 0, "low": 1},
    }


def test_a_stored_report_is_read_back_whole():
    scan = report("pkg-1", "1.0.0", [a_finding()], scanned_at=NOON.replace(microsecond=0), duration_ms=12)

    stored = json.loads(json.dumps(scan.to_stored()))

    assert ScanReport.from_wire(stored) == scan
    assert stored["rulesVersion"] == RULES_VERSION


def test_a_report_on_the_wire_is_read_back_without_what_is_ours():
    wire = a_report(a_finding()).to_wire()

    again = ScanReport.from_wire(wire)

    assert again.to_wire() == wire
    assert (again.rules_version, again.findings[0].pointer) == ("", "")


@pytest.mark.parametrize("broken", [{}, {"packageId": "p"}, {**a_report().to_wire(), "overallResult": "GOOD"}])
def test_something_else_is_no_report(broken):
    with pytest.raises((KeyError, ValueError)):
        ScanReport.from_wire(broken)


@pytest.mark.parametrize("unit", [*PIECES, "/*", "' + ", "Server=a;Database=b;", "a://b:", "{{{", "f(" * 3, "eval   "])
def test_no_text_takes_more_than_linear_time(unit):
    length = 100_000
    text = (unit * length)[:length]
    tree = {"expression": text, "query": text, "password": text, "label": text + "}}"}

    found, spent = quiet_seconds(lambda: [*hits(tree, RULES)])

    assert spent < 2.0, f"{len(found)} places in {spent:.2f} s"


def test_a_thousand_clean_artifacts_are_scanned_in_passing():
    node = {
        "nodeType": "DataFetchNode",
        "label": "Fetch the open invoices of the tenant",
        "config": {
            "condition": "record.total > 10 && round(record.total * 1.2, 2) > 100",
            "query": "SELECT id, name, total FROM invoices WHERE tenantId = @tenantId",
            "message": "Dear {{record.name}}, invoice {{record.id}} is ready.",
        },
    }
    raw = strict_json.canonical({"nodes": [{**node, "nodeId": f"n{number}"} for number in range(24)]})

    found, spent = quiet_seconds(lambda: [scan_artifact("ProcessDefinition", "p", "P", raw, None) for _ in range(1000)])

    assert (any(found), len(raw) > 9_000) == (False, True)
    assert spent < 1.0, f"{spent:.2f} s; about 0.06 s on a quiet machine"


def test_reports_of_several_packages_together_are_the_worst_of_them_with_all_findings():
    one, other = (
        report("pkg-1", "1.0.0", found, scanned_at=NOON, duration_ms=2).to_stored()
        for found in ([], scan_text("README.md", AWS_KEY))
    )

    worst_first, worst_last = together([other, one]), together([one, other | {"packageId": "pkg-2"}])

    assert together([one]) is one
    assert (worst_first["packageId"], worst_last["packageId"]) == ("pkg-1", "pkg-2")
    for found in (worst_first, worst_last):
        assert found["overallResult"] == other["overallResult"] != "PASS"
        assert found["checkResults"] == other["checkResults"]
        assert (found["summary"], found["durationMs"]) == (other["summary"], 4)
