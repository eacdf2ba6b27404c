"""What a hub says it let pass is bound to bytes: of an artifact, or it is not said at all (ADR 0013; decisions R6)."""

from __future__ import annotations

from domain.market.excepted import HUB, excepted
from domain.options import ImportOptions
from tests.makers import a_bundle, a_rule_set

SECRET = "AKIA" + "ABCDEFGHIJKLMNOP"


def test_what_stands_in_no_artifact_is_lowered_by_no_exception(check):
    bundle = check(a_bundle(a_rule_set("rule-1"), readme=f"# Rules\n\nUse {SECRET}.\n".encode()))
    (finding,) = [one for one in bundle.findings if not one.artifact_id]
    nowhere = (finding.rule, finding.pointer, "")

    found = excepted(bundle, [nowhere], ImportOptions(), who=HUB)

    assert found.findings == bundle.findings
    assert found.warnings == bundle.warnings
