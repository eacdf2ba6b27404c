"""A report never repeats a secret: not six characters of it, whatever else is wrong with the string it stands in."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import scanning, strict_json
from domain.market.examining import scan_findings
from domain.scanning import Scanner

NOON = datetime(2026, 5, 25, 12, tzinfo=UTC)

#: no letters that make words, or a word of the report itself would be taken for a part of the secret
UPPER = ANY = "BCDFGHJKLMNPQRSTVWXZ23456789"


def of(alphabet, length):
    return st.text(alphabet, min_size=length, max_size=length)


#: the part that nobody may see, and how it stands in a text
KINDS = {
    "AwsAccessKey": (of(UPPER, 16), "AKIA{}"),
    "GitHubToken": (of(ANY, 36), "ghp_{}"),
    "StripeKey": (of(ANY, 24), "sk_live_{}"),
    "SlackToken": (of(ANY, 24), "xoxb-{}"),
    "GoogleApiKey": (of(ANY, 35), "AIza{}"),
    "ApiKey": (of(ANY, 24), "api_key={}"),
    "ConnectionString": (of(ANY, 14), "Server=a;Database=b;Password={}"),
    "UrlPassword": (of(ANY, 14), "https://clerk:{}@a.example/"),
    "PrivateKey": (of(ANY, 40), "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----"),
    "PersonalData": (st.just("219-09-9999"), "Case {}"),
}
AROUND = st.sampled_from(
    [
        "{}",
        "eval('{}')",
        "{{{{env.X}}}} {}",
        "' + {}",
        "DROP TABLE a; {}",
        "<script>{}</script>",
        "http://2130706433/ {}",
    ]
)
KEYS = st.sampled_from(["label", "expression", "query", "name", "message", "smtpPassword"])


def told_of(tree, name, readme):
    """Everything that is said of a scan, at any door, in any log."""
    scanner = Scanner()
    findings = scanner.artifact("ProcessDefinition", "proc-1", name, strict_json.canonical(tree))
    findings += scanner.text("README.md", readme)
    report = scanning.report("p", "1.0.0", findings, scanned_at=NOON, duration_ms=1)
    return repr(findings) + json.dumps(report.to_stored()) + repr(scan_findings(report)), findings


def shows_a_part(said, secret, *, length=6):
    return any(secret[start : start + length] in said for start in range(len(secret) - length + 1))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_report_shows_six_characters_of_a_secret(kind, data):
    hidden, form = KINDS[kind]
    secret = data.draw(hidden)
    text = data.draw(AROUND).format(form.format(secret))
    key = "label" if kind == "PersonalData" else data.draw(KEYS)
    as_name = {f"{form.format(secret)}": {"expression": "eval(x)"}} if kind != "PersonalData" else {}

    said, findings = told_of({key: text, "nodes": [as_name, {key: [text]}]}, text, text)

    assert findings
    assert not shows_a_part(said, secret)


@given(of(UPPER, 14))
@settings(max_examples=25, deadline=None)
def test_a_secret_that_one_place_tells_is_hidden_in_every_other(secret):
    word = f"k{secret}-7x"
    tree = {"smtpPassword": word, "expression": f"eval('{word}')", "nodes": [{"condition": f"{word} + env.X"}]}

    said, findings = told_of(tree, "Mailer", "")

    assert len(findings) >= 3
    assert not shows_a_part(said, word)
