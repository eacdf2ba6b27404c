"""Answers compared with files, word for word: what differs each time stands there as a mark.

``UPDATE_GOLDEN=1`` writes the files anew; the difference is for the reviewer.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MARKS = (
    (re.compile(rf"\b([a-z]+)-{_UUID}"), r"\1-<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"\?expires=\d+&signature=[^\"]+"), "?<signed>"),
)
#: members that say how long something took, or how large deflate made it
_MEASURED = {"durationMs", "bundleSize", "sizeBytes", "rulesVersion"}


def golden(name: str, body: Any) -> tuple[Any, Any]:
    """The body with its marks, and what the file says it is."""
    told = _marked(body)
    file = FOLDER / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return told, json.loads(file.read_text(encoding="utf-8"))


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "<measured>" if name in _MEASURED else _marked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, str):
        for pattern, mark in _MARKS:
            value = pattern.sub(mark, value)
    return value
