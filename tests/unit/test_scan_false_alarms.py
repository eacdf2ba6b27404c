"""Words are not attacks: ordinary content of low-code artifacts gives no finding (security.md section 3.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain import strict_json
from domain.scanning import Scanner

FOLDER = Path(__file__).parents[1] / "false_alarms"
SCANNER = Scanner()


def lines(name):
    return (FOLDER / name).read_text(encoding="utf-8").splitlines()


def rules_in(tree):
    found = SCANNER.artifact("ProcessDefinition", "proc-1", "Approval", strict_json.canonical(tree))
    return [(finding.rule, finding.pointer) for finding in found]


@pytest.mark.parametrize("text", lines("texts.txt"))
def test_an_ordinary_text_is_no_attack_wherever_it_is_shown(text):
    tree = {"label": text, "description": text, "nodes": [{"name": text, "config": {"message": text, "title": text}}]}

    assert rules_in(tree) == []
    assert SCANNER.text("README.md", f"# About\n\n{text}\n") == []


@pytest.mark.parametrize("text", lines("expressions.txt"))
def test_an_ordinary_expression_is_no_attack(text):
    assert rules_in({"condition": text, "label": f"a {{{{ {text} }}}}"}) == []


@pytest.mark.parametrize("text", lines("queries.txt"))
def test_an_ordinary_query_is_no_attack(text):
    assert rules_in({"config": {"query": text}}) == []
