"""What our own rules find in artifacts and texts (installhub section 9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from domain.scanning.repeats import Repeats
from domain.scanning.report import Check, Finding, Severity
from domain.scanning.rule import Rule, Where
from domain.scanning.rules import RULES
from domain.scanning.trigger import suspected
from domain.scanning.walk import (
    Hit,
    Reader,
    Spot,
    hits,
    hits_in_text,
    path_of,
    pointer_of,
    redacted,
    shown_pointer_of,
    strings,
)

LONGEST_VALUE = 200
#: of one package; more are read by nobody
FINDINGS_MAX = 2_000
#: stands for the artifact type of a text that belongs to the package itself
PACKAGE = "Package"


def scan_artifact(
    artifact_type: str, artifact_id: str, name: str, raw: bytes, tree: Any | None, *, above: int = 0
) -> list[Finding]:
    """All findings in one artifact, in document order.

    ``raw`` is its canonical JSON; ``tree`` the parsed value, or None to have it parsed only if something is suspicious.
    ``above`` is the worst severity of a report that is full already: only what is worse is then looked for.

    Raises:
        ValueError: ``raw`` is no JSON (it was not canonical).

    """
    rules = suspected(raw)
    if all(rule.severity <= above for rule in rules):
        return []
    reader = Reader(_still_asked(rules, above) if above else rules)
    owner = (artifact_type, artifact_id, _cut(redacted(name)))
    findings: list[Finding] = []
    secrets = Repeats()
    room, worst = (0 if above else FINDINGS_MAX), above
    for text, place, area in strings(orjson.loads(raw) if tree is None else tree, reader.area_of):
        found = reader.found(text, area)
        if not found:
            continue
        if any(rule.tells_all for rule, _ in found):
            secrets.add(text)
        # beyond the bound only what is worse than everything before: the highest severity decides
        if len(findings) < room or max(rule.severity for rule, _ in found) > worst:
            findings += _findings(Spot(text, place), found, owner, path_of(place))
            worst = max(worst, *(rule.severity for rule, _ in found))
            if len(findings) >= room:
                reader.keep(_still_asked(rules, worst))
    return [_without(finding, secrets) for finding in findings] if secrets else findings


def _still_asked(rules: list[Rule], worst: int) -> list[Rule]:
    """The rules that can change a full report: by something worse, or by telling what it must not repeat."""
    return [
        rule
        for rule in rules
        if rule.tells_all or (worst < Severity.CRITICAL and (rule.severity > worst or rule.masks))
    ]


def _without(finding: Finding, secrets: Repeats) -> Finding:
    """The finding without what another place of the artifact tells to be a secret."""
    return replace(
        finding,
        value=secrets.masked(finding.value),
        artifact_name=secrets.masked(finding.artifact_name),
        field=secrets.masked(finding.field),
        pointer=secrets.masked(finding.pointer),
    )


def scan_text(check_where: str, text: str) -> list[Finding]:
    """All findings in a text of the package, called ``README.md`` or ``manifest.description`` in them."""
    found = hits_in_text(text, _IN_TEXTS)
    return [*_findings(Spot(text, None), found, (PACKAGE, "", check_where), check_where)]


def secret_paths(artifact_type: str, tree: Any, *, raw: bytes | None = None) -> list[tuple[str, str]]:
    """JSON pointer and kind (``AwsAccessKey``) of every value that looks like a secret, in document order.

    The rules are the same for every artifact type. Give the canonical bytes as ``raw`` where they are at hand:
    a clean artifact is then not walked, and ``tree`` may be None, to have it parsed only if something is suspicious.
    """
    del artifact_type
    rules = [rule for rule in (RULES if raw is None else suspected(raw)) if rule.check is Check.CREDENTIAL]
    if not rules:
        return []
    tree = orjson.loads(raw) if tree is None and raw is not None else tree
    found = {pointer_of(spot.place): rule.name.rpartition(".")[2] for spot, ((rule, _), *_) in hits(tree, rules)}
    return [*found.items()]


def _findings(spot: Spot, found: list[Hit], owner: tuple[str, str, str], field: str) -> Iterator[Finding]:
    """One finding for each hit. A string that holds a secret is never repeated, whatever else is wrong with it."""
    pointer = shown_pointer_of(spot.place)
    secret = next((excerpt for rule, excerpt in found if rule.masks), None)
    for rule, excerpt in found:
        shown = excerpt if rule.masks else secret or _cut(spot.text, around=excerpt)
        yield Finding(
            check=rule.check,
            rule=rule.name,
            severity=rule.severity,
            artifact_type=owner[0],
            artifact_id=owner[1],
            artifact_name=owner[2],
            field=field,
            pointer=pointer,
            value=shown,
            message=rule.message,
        )


def _cut(text: str, *, around: str = "") -> str:
    """At most 200 characters of a text, with what was found in sight."""
    if len(text) <= LONGEST_VALUE:
        return text
    start = max(0, text.find(around) - LONGEST_VALUE // 4)
    return f"{'…' if start else ''}{text[start : start + LONGEST_VALUE - 2]}…"


#: expressions and queries in a README are examples
_IN_TEXTS = tuple(
    rule
    for rule in RULES
    if rule.reads_texts
    and rule.check in {Check.CREDENTIAL, Check.ACTIVE, Check.CONTENT}
    and rule.where in {Where.TEXT, Where.SHOWN, Where.AS_WRITTEN, Where.PACKAGE_TEXT}
)
