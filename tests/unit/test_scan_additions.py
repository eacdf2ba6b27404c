"""What an operator adds to the scan: rules of their own, and advisories; both from folders, read once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain import strict_json
from domain.model import PackageDependency
from domain.scanning import Check, Scanner, Severity
from domain.scanning.advisories import AdvisoriesError, read_advisories
from domain.scanning.custom import CustomRulesError, read_rules
from domain.scanning.cvss import base_score
from domain.scanning.ecosystems import key_of
from server import settings
from server.scanner import scanner_of
from server.settings import SettingsError

RULE = """
rule in_house_token {
    meta:
        severity = "Medium"
        message = "An in-house token."
    strings:
        $token = /acme-[0-9]{12}/
    condition:
        $token
}
"""


def a_folder(tmp_path, **files):
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name.replace("__", ".")).write_text(text)
    return tmp_path


def an_advisory(name="left-pad", ecosystem="npm", **changes):
    events = [{"introduced": "0"}, {"fixed": "1.3.1"}]
    return {
        "id": "GHSA-aaaa-bbbb-cccc",
        "modified": "2026-01-01T00:00:00Z",
        "aliases": ["CVE-2026-0001"],
        "summary": "Pads too much.",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [
            {"package": {"name": name, "ecosystem": ecosystem}, "ranges": [{"type": "SEMVER", "events": events}]}
        ],
        **changes,
    }


def found(scanner, tree):
    return scanner.artifact("ProcessDefinition", "proc-1", "Approval", strict_json.canonical(tree))


def test_a_rule_of_the_operator_gives_a_finding_at_its_place_that_repeats_nothing(tmp_path):
    scanner = Scanner(read_rules(a_folder(tmp_path, mine__yar=RULE)))

    (finding,) = found(scanner, {"nodes": [{"label": "clean"}, {"label": "acme-123456789012"}]})

    told = (finding.check, finding.rule, finding.severity, finding.pointer, finding.value, finding.message)
    expected = (
        Check.CUSTOM,
        "Custom.mine.in_house_token",
        Severity.MEDIUM,
        "/nodes/1/label",
        "****",
        "An in-house token.",
    )
    assert told == expected
    assert scanner.text("README.md", "acme-123456789012")[0].field == "README.md"
    assert found(scanner, {"nodes": [{"label": "acme-12"}]}) == []


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("rule a {\n condition: nobody_knows\n}", "mine.yar, line 2"),
        ('rule a { meta: severity = "Awful" condition: true }', "severity"),
        ('include "/etc/passwd"', "mine.yar, line 1"),
    ],
)
def test_a_broken_rule_stops_the_start_and_names_its_file_and_line(tmp_path, source, told):
    chosen = settings.load(scan_rules=str(a_folder(tmp_path, mine__yar=source)))

    with pytest.raises(SettingsError, match="INSTALLHUB_SCAN_RULES") as stopped:
        scanner_of(chosen)

    assert told in str(stopped.value)


@pytest.mark.parametrize(("read", "error"), [(read_rules, CustomRulesError), (read_advisories, AdvisoriesError)])
def test_a_folder_that_is_not_there_is_no_empty_folder(tmp_path, read, error):
    with pytest.raises(error, match="no folder"):
        read(tmp_path / "nowhere")


def test_every_change_of_a_folder_is_another_version(tmp_path):
    plain, folder = Scanner(), a_folder(tmp_path, mine__yar=RULE)
    with_rules = Scanner(read_rules(folder))

    a_folder(tmp_path, mine__yar=RULE.replace("12", "13"))
    changed = Scanner(read_rules(folder))
    with_both = Scanner(read_rules(folder), read_advisories(a_folder(tmp_path, one__json=an_advisory())))

    assert len({one.version for one in (plain, with_rules, changed, with_both)}) == 4


@pytest.mark.parametrize(
    ("tree", "pointer"),
    [
        ({"nodes": [{"note": "uses pkg:npm/left-pad@1.3.0"}]}, "/nodes/0/note"),
        ({"libraries": [{"ecosystem": "npm", "name": "left-pad", "version": "^1.2.0"}]}, "/libraries/0"),
        ({"libraries": [{"ecosystem": "NPM", "package": "Left-Pad", "version": "1.0.0-rc.1"}]}, "/libraries/0"),
    ],
)
def test_a_package_with_a_known_flaw_is_found_where_an_artifact_names_it(tmp_path, tree, pointer):
    scanner = Scanner(advisories=read_advisories(a_folder(tmp_path, one__json=an_advisory())))

    (finding,) = found(scanner, tree)

    told = (finding.check, finding.rule, finding.severity, finding.pointer)
    assert told == (Check.DEPENDENCY, "CVE-2026-0001", Severity.CRITICAL, pointer)


def test_a_mended_version_and_another_package_and_another_world_are_not_found(tmp_path):
    scanner = Scanner(advisories=read_advisories(a_folder(tmp_path, one__json=an_advisory())))

    texts = ["pkg:npm/left-pad@1.3.1", "pkg:npm/right-pad@1.0.0", "pkg:pypi/left-pad@1.0.0", "pkg:npm/left-pad@latest"]

    assert found(scanner, {"notes": texts}) == []


def test_a_needed_package_is_judged_by_the_lowest_version_that_is_accepted(tmp_path):
    folder = a_folder(tmp_path, one__json=an_advisory("Payroll Base", "InstallHub", severity=[{"score": "5.0"}]))
    scanner = Scanner(advisories=read_advisories(folder))

    (finding,) = scanner.dependencies([PackageDependency("payroll base", "1.2.0"), PackageDependency("Other", "1.0.0")])

    told = (finding.artifact_type, finding.field, finding.value, finding.severity)
    assert told == ("PackageDependency", "packageDependencies", "payroll base@1.2.0", Severity.MEDIUM)


def test_a_flaw_under_two_names_is_told_once_and_a_withdrawn_one_never(tmp_path):
    twin = an_advisory(id="CVE-2026-0001", aliases=["GHSA-aaaa-bbbb-cccc"])
    withdrawn = an_advisory(id="GHSA-gone", aliases=[], withdrawn="2026-02-01T00:00:00Z")
    folder = a_folder(tmp_path, one__json=an_advisory(), two__json=twin, three__json=withdrawn)

    findings = found(Scanner(advisories=read_advisories(folder)), {"note": "pkg:npm/left-pad@1.0.0"})

    assert [finding.rule for finding in findings] == ["CVE-2026-0001"]


@pytest.mark.parametrize("content", ["{", "[]", '{"id": "X"}x', '{"id": "X", "affected": [{"package": {}}]}'])
def test_something_else_is_no_advisory_and_the_file_is_named(tmp_path, content):
    with pytest.raises(AdvisoriesError, match=r"one\.json"):
        read_advisories(a_folder(tmp_path, one__json=content))


@pytest.mark.parametrize(
    ("ecosystem", "rising"),
    [
        ("npm", ["0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0", "1.0.10", "1.2.0"]),
        ("PyPI", ["1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.10", "1!0.1"]),
        ("Maven", ["1.0-alpha-1", "1.0-beta", "1.0-rc1", "1.0-SNAPSHOT", "1.0", "1.0-sp1", "1.0.1", "1.10"]),
        ("RubyGems", ["1.0.a", "1.0.b2", "1.0", "1.0.1", "1.10"]),
        ("NuGet", ["1.0.0-beta", "1.0.0", "1.0.0.1", "1.0.1"]),
    ],
)
def test_versions_rise_by_the_rules_of_their_world(ecosystem, rising):
    keys: list[Any] = [key_of(ecosystem, version) for version in rising]

    assert None not in keys
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0.0"), ("v1.0", "1")])
def test_zeros_at_the_end_make_no_other_version(one, other):
    worlds = ["PyPI", "Maven", "npm"]

    assert [key_of(world, one) for world in worlds] == [key_of(world, other) for world in worlds]


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 1.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:4.0/AV:N", None),
        ("CVSS:3.1/AV:N", None),
    ],
)
def test_a_base_score_is_the_one_of_the_specification(vector, score):
    assert base_score(vector) == score
