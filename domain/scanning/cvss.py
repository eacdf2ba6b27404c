"""How bad an advisory says it is: the base score of a CVSS 3 vector, or the word of its database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.scanning.report import Severity

#: where a score begins (installhub section 9.4)
_CRITICAL, _HIGH, _MEDIUM = 9.0, 7.0, 4.0
_WORDS = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
}
_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_ROUNDING = 100_000


def severity_of(advisory: Mapping[str, Any]) -> Severity:
    """The severity of an OSV entry. One that nobody rated counts as High: it fails closed."""
    scores = [
        found for row in advisory.get("severity") or () if (found := _score(str(row.get("score", "")))) is not None
    ]
    if scores:
        return _of_score(max(scores))
    word = str((advisory.get("database_specific") or {}).get("severity", "")).upper()
    return _WORDS.get(word, Severity.HIGH)


def base_score(vector: str) -> float | None:
    """The base score of a ``CVSS:3.x`` vector (specification section 7.1); None for anything else."""
    head, *parts = vector.split("/")
    metrics = dict(part.split(":", 1) for part in parts if ":" in part)
    if head not in {"CVSS:3.0", "CVSS:3.1"}:
        return None
    try:
        scope = metrics["S"]
        weights = {name: table[metrics[name]] for name, table in _WEIGHTS.items()}
        privileges = _PRIVILEGES[scope][metrics["PR"]]
    except KeyError:
        return None
    lost = 1 - (1 - weights["C"]) * (1 - weights["I"]) * (1 - weights["A"])
    is_changed = scope == "C"
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if is_changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weights["AV"] * weights["AC"] * privileges * weights["UI"]
    return _rounded_up(min((1.08 if is_changed else 1.0) * (impact + exploitability), 10.0))


def _score(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return base_score(text)
    return score if 0 <= score <= 10 else None  # noqa: PLR2004 - the scale of CVSS


def _of_score(score: float) -> Severity:
    for least, severity in ((_CRITICAL, Severity.CRITICAL), (_HIGH, Severity.HIGH), (_MEDIUM, Severity.MEDIUM)):
        if score >= least:
            return severity
    return Severity.LOW


def _rounded_up(score: float) -> float:
    """To one decimal, upwards, without the errors of binary fractions (specification, appendix A)."""
    whole = round(score * _ROUNDING)
    tenth = _ROUNDING // 10
    return -(-whole // tenth) / 10
