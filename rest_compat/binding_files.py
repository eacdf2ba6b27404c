"""Binding files as callers send them: a JSON object of values by key, or the same as Java properties (R22)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.binding_slots import file_problems
from domain.errors import ErrorCode, Problem, refuse_if
from domain.strict_json import shown
from rest_compat.dialect import object_of
from rest_compat.properties import properties
from rest_compat.wishes import ImportWish

_SHOWN = 200


def binding_file(raw: bytes, where: str) -> dict[str, str]:
    """The values by key, out of the bytes of a file that came as ``where``: JSON where it begins with ``{``.

    Raises a refusal with everything that is wrong.
    """
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return binding_values(object_of(raw, where), where)
    values = {entry.key: entry.value for entry in properties(raw, where)}
    refuse_if(file_problems(values, where))
    return values


def binding_values(tree: Mapping[str, Any], where: str) -> dict[str, str]:
    """The values of a parsed file. Raises a refusal with everything that is wrong."""
    text = "must be a text: the value at this key."
    strange = [key for key, value in tree.items() if not isinstance(value, str)]
    refuse_if(Problem(ErrorCode.INVALID_OPTIONS, f"{shown(key, limit=_SHOWN)!r} {text}", where) for key in strange)
    values = {key: value for key, value in tree.items() if isinstance(value, str)}
    refuse_if(file_problems(values, where))
    return values


def with_binding_file(wish: ImportWish, values: Mapping[str, str], where: str) -> ImportWish:
    """The wish with the file's values; one that the options state otherwise is among its problems."""
    stated = wish.options.bindings
    twice = [key for key, value in values.items() if stated.get(key, value) != value]
    text = "stands in options.bindings too, with another value."
    found = [Problem(ErrorCode.INVALID_OPTIONS, f"{shown(key, limit=_SHOWN)!r} {text}", where) for key in twice]
    options = replace(wish.options, bindings={**values, **stated})
    return replace(wish, options=options, problems=[*wish.problems, *found])
