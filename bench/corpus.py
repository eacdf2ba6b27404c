"""What the workloads work on: artifacts of about 10 KB that refer to each other over three levels."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import random
import zipfile
from typing import Any

_WORDS = [
    "approval",
    "employee",
    "onboarding",
    "request",
    "manager",
    "review",
    "equipment",
    "contract",
    "payroll",
    "training",
    "benefit",
    "access",
    "department",
    "location",
    "country",
    "policy",
    "reminder",
    "deadline",
    "checklist",
    "portal",
    "workspace",
    "signature",
    "document",
    "notice",
]


def artifacts(count: int, *, size: int = 10_000, seed: int = 7) -> list[dict[str, Any]]:
    """A third entity schemas, a third forms that use them, a third processes that use the forms; ids from 1."""
    chance = random.Random(seed)
    third = max(1, count // 3)
    made = []
    for number in range(1, count + 1):
        if number <= third:
            made.append(_entity(number, chance, size))
        elif number <= 2 * third:
            made.append(_form(number, number - third, chance, size))
        else:
            made.append(_workflow(number, third + 1 + (number - 1) % third, chance, size))
    return made


def bundle(tenant: str, name: str, made: list[dict[str, Any]], *, version: str = "1.0.0", level: int = 6) -> bytes:
    """A bundle made with the standard library alone, for a package that no server of ours exported."""
    files = [json.dumps(artifact, indent=2, sort_keys=True).encode() for artifact in made]
    hashes = ["sha256:" + hashlib.sha256(file).hexdigest() for file in files]
    rows = [
        {
            "type": artifact["_type"],
            "id": artifact["id"],
            "name": artifact["name"],
            "version": artifact["_version"],
            "hash": digest,
            "file": f"artifacts/{_FOLDERS[artifact['_type']]}/{artifact['id']}.json",
        }
        for artifact, digest in zip(made, hashes, strict=True)
    ]
    manifest = {
        "manifestVersion": "1.0",
        "packageId": "pkg-00000000-0000-4000-8000-000000000001",
        "name": name,
        "packageType": "workflow-package",
        "version": version,
        "exportedAt": "2026-05-25T09:00:00Z",
        "exportedBy": "bench@example.com",
        "tenantId": tenant,
        "platformVersion": "4.2.0",
        "checksum": "sha256:" + hashlib.sha256(b"".join(files)).hexdigest(),
        "artifacts": rows,
        "dependencies": [],
        "packageDependencies": [],
        "installOrder": [artifact["id"] for artifact in made],
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        archive.writestr("manifest.json", json.dumps(manifest, indent=2, sort_keys=True))
        archive.writestr("README.md", f"# {name}\n")
        for row, file in zip(rows, files, strict=True):
            archive.writestr(row["file"], file)
    return out.getvalue()


def large_bundle(tenant: str, name: str, *, mib: int) -> bytes:
    """A ZIP of about so many MiB: entity schemas of almost 8 MiB of words that nobody wrote."""
    count = math.ceil(mib / _PACKED_MIB)
    made = [
        {
            **_head("EntitySchema", f"ent-{number}", number),
            "name": f"{name} {number}",
            "fields": [{"fieldName": f"field{row}", "description": _noise(_NOISE)} for row in range(_NOISY_FIELDS)],
        }
        for number in range(1, count + 1)
    ]
    return bundle(tenant, name, made, level=1)


def _noise(length: int) -> str:
    return os.urandom(length).translate(_LETTERS).decode("ascii")


#: how random bytes become words: every ninth is a blank
_LETTERS = bytes(32 if number % 9 == 0 else 97 + number % 26 for number in range(256))
_NOISY_FIELDS, _NOISE = 12, 640 << 10
#: what such an artifact is in the ZIP
_PACKED_MIB = 4.94

_FOLDERS = {"EntitySchema": "entities", "AtlasForm": "forms", "ProcessDefinition": "workflows"}


def _head(artifact_type: str, artifact_id: str, number: int) -> dict[str, Any]:
    return {
        "_type": artifact_type,
        "_version": "1.0.0",
        "_schemaVersion": "1.0",
        "_exportedAt": "2026-05-25T09:00:00Z",
        "id": artifact_id,
        "name": f"{artifact_type} number {number}",
        "status": "Published",
    }


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words))


def _filled(made: dict[str, Any], key: str, row: Any, size: int) -> dict[str, Any]:
    rows: list[Any] = []
    made[key] = rows
    while len(json.dumps(made)) < size * 0.8:
        rows.extend(row(len(rows) + place) for place in range(8))
    return made


def _entity(number: int, chance: random.Random, size: int) -> dict[str, Any]:
    def row(place: int) -> dict[str, Any]:
        return {
            "fieldName": f"field{place}",
            "dataType": chance.choice(["string", "date", "decimal", "boolean"]),
            "required": place % 3 == 0,
            "isPrimaryKey": place == 0,
            "description": _text(chance, 8),
            "maxLength": chance.randint(10, 4000),
        }

    return _filled(_head("EntitySchema", f"ent-{number}", number), "fields", row, size)


def _form(number: int, entity: int, chance: random.Random, size: int) -> dict[str, Any]:
    def row(place: int) -> dict[str, Any]:
        field: dict[str, Any] = {
            "fieldId": f"f{place}",
            "fieldType": "TextInput",
            "label": _text(chance, 3).title(),
            "name": f"name{place}",
            "order": place,
            "required": place % 2 == 0,
            "validation": {"minLength": 1, "maxLength": chance.randint(10, 200)},
            "help": _text(chance, 12),
        }
        if place == 0:
            field["dataSource"] = {"type": "EntityQuery", "entityId": f"ent-{entity}", "labelField": "field1"}
        return field

    return _filled(_head("AtlasForm", f"form-{number}", number), "fields", row, size)


def _workflow(number: int, form: int, chance: random.Random, size: int) -> dict[str, Any]:
    def row(place: int) -> dict[str, Any]:
        node: dict[str, Any] = {
            "nodeId": f"n{place}",
            "nodeType": "ApprovalNode",
            "label": _text(chance, 4).title(),
            "position": {"x": place * 40, "y": chance.randint(0, 900)},
            "config": {"approverRole": chance.choice(_WORDS), "timeoutHours": chance.randint(1, 96)},
            "notes": _text(chance, 12),
        }
        if place == 0:
            node["config"]["formId"] = f"form-{form}"
        return node

    return _filled(_head("ProcessDefinition", f"proc-{number}", number), "nodes", row, size)
