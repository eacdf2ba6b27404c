"""One small, right bundle: a form and the rules it obeys. The archives beside this file are made from it."""

from __future__ import annotations

import hashlib
from typing import Any

from domain.strict_json import canonical
from tests.bundles.writing import STORED, Member

RULES_NAME = "artifacts/rules/rule-1.json"
FORM_NAME = "artifacts/forms/form-1.json"


def artifact(kind: str, definition: dict[str, Any]) -> bytes:
    envelope = {"_type": kind, "_version": "1.0.0", "_exportedAt": "2026-01-05T09:00:00Z", "_schemaVersion": "1.0"}
    return canonical(envelope | definition)


RULES = artifact(
    "RuleSet",
    {
        "id": "rule-1",
        "name": "Leave limits",
        "rules": [{"ruleId": "r1", "name": "Long leave", "priority": 1, "condition": "days > 20", "isActive": True}],
    },
)
FORM = artifact(
    "AtlasForm",
    {
        "id": "form-1",
        "name": "Leave request",
        "title": "Ask for leave",
        "fields": [{"fieldId": "f1", "fieldType": "TextInput", "name": "days", "label": "Days", "required": True}],
        "actions": [{"actionId": "a1", "type": "FormSubmit", "label": "Send", "order": 1}],
        "validationRules": [{"ruleSetId": "rule-1"}],
    },
)
README_TEXT = b"# Leave request\n\nOne form and the rules it obeys.\n"


def sha256(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def manifest() -> bytes:
    rows = [
        {"type": "RuleSet", "id": "rule-1", "name": "Leave limits", "version": "1.0.0", "hash": sha256(RULES)},
        {"type": "AtlasForm", "id": "form-1", "name": "Leave request", "version": "1.0.0", "hash": sha256(FORM)},
    ]
    files = (RULES_NAME, FORM_NAME)
    return canonical(
        {
            "manifestVersion": "1.0",
            "packageId": "pkg-018f3a52-7b1c-7c3e-9a51-0d2f4e6a8b10",
            "name": "Leave request",
            "packageType": "form-package",
            "version": "1.0.0",
            "exportedAt": "2026-01-05T09:00:00Z",
            "exportedBy": "ana@example.com",
            "tenantId": "tenant-source",
            "platformVersion": "4.2.0",
            "checksum": sha256(RULES + FORM),
            "artifacts": [row | {"file": file} for row, file in zip(rows, files, strict=True)],
            "dependencies": rows[:1],
            "packageDependencies": [],
            "installOrder": ["rule-1", "form-1"],
        }
    )


MANIFEST = Member(b"manifest.json", manifest(), method=STORED)
README = Member(b"README.md", README_TEXT)
RULES_MEMBER = Member(RULES_NAME.encode(), RULES)
FORM_MEMBER = Member(FORM_NAME.encode(), FORM)
GOOD = [MANIFEST, README, RULES_MEMBER, FORM_MEMBER]
