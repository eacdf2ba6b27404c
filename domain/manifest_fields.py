"""What each field of ``manifest.json`` may hold: installhub.md section 7.2 as tables (X16-X18, X36; security.md 3.2).

Checks are about one value at a time and take whatever JSON holds. What several values have to do with each other
is checked in ``manifest``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from domain import strict_json
from domain.artifact_types import BY_WIRE_NAME, ID_LENGTH_MAX
from domain.errors import ErrorCode
from domain.model import HASH_PREFIX, PackageType
from domain.versions import is_semver

MANIFEST_VERSION = "1.0"
PACKAGE_DEPENDENCIES_MAX = 1_000
BINDINGS_MAX = 10_000
EXTERNAL_REFERENCES_MAX = 5_000
TAGS_MAX = 10

_PACKAGE_TYPES = frozenset(member.wire for member in PackageType)

_ARTIFACT_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{ID_LENGTH_MAX - 1}}}")
_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_HASH = re.compile(HASH_PREFIX + r"[0-9a-f]{64}")
_HTTPS = re.compile(r"https://[^\s/?#]+[^\s]*")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")
_PACKAGE_ID = re.compile(r"(?:pkg-)?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
#: a JSON pointer that does not begin at the identity or the envelope of an artifact: those are no one's to supply
_BINDING_PATH = re.compile(r"(?!/_|/(?:id|name)(?:/|$))(?:/(?:[^/~]|~[01])*)+")
_TAG = re.compile(r"[a-z0-9-]{1,30}")


@dataclass(frozen=True, slots=True)
class Field:
    """One line of installhub.md section 7.2. ``expected`` ends the sentence "<where> must be …"."""

    name: str
    is_valid: Callable[[Any], bool]
    expected: str
    code: ErrorCode = ErrorCode.MANIFEST_INVALID
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class RowList:
    """A list of rows, each an object with these fields.

    ``is_plain`` is one look at a whole row: ``True`` shows that it is an object without a flaw, ``False`` says nothing.
    """

    name: str
    fields: tuple[Field, ...]
    is_required: bool = True
    most: int = strict_json.MANIFEST_VALUES
    is_plain: Callable[[Any], bool] = lambda _row: False


def is_package_name(value: Any) -> bool:
    """Printable Unicode in NFC, 1 to 100 characters, not only spaces, no slash of either kind (section 9.4, X16)."""
    return (
        _is_text(value, 1, 100)
        and value.isprintable()
        and not value.isspace()
        and not {"/", "\\"} & set(value)
        and unicodedata.is_normalized("NFC", value)
    )


def is_artifact_name(value: Any) -> bool:
    """One line of text that is not blank. How long it may be is told with the artifact itself."""
    return isinstance(value, str) and bool(value.strip()) and _CONTROL.search(value) is None


def is_tags(value: Any) -> bool:
    """At most 10 tags, each 1 to 30 lower-case letters, digits and hyphens (installhub.md section 7.2)."""
    return (
        isinstance(value, list | tuple)
        and len(value) <= TAGS_MAX
        and all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in value)
    )


def is_hash(value: Any) -> bool:
    """``sha256:`` and exactly 64 lower-case hexadecimal digits; the documents' printed sample has 63 (X36)."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def is_binding_path(value: Any) -> bool:
    """A JSON pointer of at most 1,024 characters to a place that somebody else may supply."""
    return _is_text(value, 1, 1_024) and _BINDING_PATH.fullmatch(value) is not None


def _is_text(value: Any, least: int, most: int) -> bool:
    return isinstance(value, str) and least <= len(value) <= most


def _text(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: _is_text(value, least, most)


def _line(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: _is_text(value, least, most) and _CONTROL.search(value) is None


def _form(pattern: re.Pattern[str], most: int = 2_048) -> Callable[[Any], bool]:
    fullmatch = pattern.fullmatch
    return lambda value: isinstance(value, str) and 0 < len(value) <= most and fullmatch(value) is not None


def _one_of(words: Collection[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _written_as(line: str, fields: tuple[Field, ...]) -> Callable[[Any], bool]:
    """Whether a row's values, a tab between two, are such a line."""
    values_of, fullmatch = itemgetter(*(wanted.name for wanted in fields)), re.compile(line).fullmatch

    def is_written_so(row: Any) -> bool:
        try:
            return fullmatch("\t".join(values_of(row))) is not None
        except (KeyError, TypeError):  # it lacks one of them, or not all are texts
            return False

    return is_written_so


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and _is_semver(value)


def _is_moment(value: Any) -> bool:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value[:19] + "Z")
    except ValueError:  # the thirtieth of February
        return False
    return True


#: most rows of a manifest state one of few versions
_is_semver = lru_cache(maxsize=64)(is_semver)

_A_VERSION = "a SemVer version such as 2.1.0"
_A_HASH = "sha256: and 64 lower-case hexadecimal digits"
_A_PACKAGE_NAME = "1 to 100 printable characters in NFC without slashes"

FIELDS = (
    Field(
        "manifestVersion",
        _one_of({MANIFEST_VERSION}),
        f'"{MANIFEST_VERSION}"',
        ErrorCode.UNSUPPORTED_MANIFEST_VERSION,
    ),
    Field("packageId", _form(_PACKAGE_ID), "pkg- and a UUID"),
    Field("name", is_package_name, _A_PACKAGE_NAME),
    Field(
        "packageType",
        _one_of(_PACKAGE_TYPES),
        "one of " + ", ".join(sorted(_PACKAGE_TYPES)),
        ErrorCode.INVALID_PACKAGE_TYPE,
    ),
    Field("version", _is_version, _A_VERSION, ErrorCode.INVALID_VERSION),
    Field("description", _text(0, 500), "at most 500 characters", is_required=False),
    Field("author", _line(0, 100), "one line of at most 100 characters", is_required=False),
    Field("authorEmail", _form(_EMAIL, 254), "an e-mail address", is_required=False),
    Field("organization", _line(0, 100), "one line of at most 100 characters", is_required=False),
    Field("license", _line(1, 100), "an SPDX identifier or Proprietary", is_required=False),
    Field("homepage", _form(_HTTPS), "an https address", is_required=False),
    Field("tags", is_tags, "at most 10 tags of 1 to 30 lower-case letters, digits and hyphens", is_required=False),
    Field("exportedAt", _is_moment, "a time in UTC such as 2026-05-25T09:00:00Z", ErrorCode.INVALID_DATETIME),
    Field("exportedBy", _line(1, 254), "an e-mail address or the id of a service account"),
    Field("tenantId", _line(1, 128), "the id of a tenant"),
    Field("platformVersion", _is_version, _A_VERSION, ErrorCode.INVALID_VERSION),
    Field("checksum", is_hash, _A_HASH),
    Field("readmeHash", is_hash, _A_HASH, is_required=False),
    Field("contentChecksum", is_hash, _A_HASH, is_required=False),
    Field("installOrder", lambda value: isinstance(value, list), "a list of artifact ids"),
)
DEPENDENCY_FIELDS = (
    Field("type", _one_of(BY_WIRE_NAME), "one of " + ", ".join(sorted(BY_WIRE_NAME)), ErrorCode.UNKNOWN_ARTIFACT_TYPE),
    Field("id", _form(_ARTIFACT_ID), "1 to 128 letters, digits, dots, hyphens and underscores"),
    Field("name", is_artifact_name, "one line of text"),
    Field("version", _is_version, _A_VERSION, ErrorCode.INVALID_VERSION),
    Field("hash", is_hash, _A_HASH),
)
_ARTIFACT_FIELDS = (*DEPENDENCY_FIELDS, Field("file", lambda value: isinstance(value, str), "a path"))
#: what nearly all rows hold, field by field, and all of it valid. No part takes a tab, so each part is one value
_DEPENDENCY_LINE = "\t".join(
    (
        f"(?:{'|'.join(map(re.escape, BY_WIRE_NAME))})",
        _ARTIFACT_ID.pattern,
        rf"(?!\s)[^{_CONTROLS}]+",
        r"(?:(?:0|[1-9][0-9]{0,5})\.){2}(?:0|[1-9][0-9]{0,5})",
        _HASH.pattern,
    )
)
_ARTIFACT_LINE = _DEPENDENCY_LINE + r"\t[^\t]*"
LISTS = (
    RowList("artifacts", _ARTIFACT_FIELDS, is_plain=_written_as(_ARTIFACT_LINE, _ARTIFACT_FIELDS)),
    RowList("dependencies", DEPENDENCY_FIELDS, is_plain=_written_as(_DEPENDENCY_LINE, DEPENDENCY_FIELDS)),
    RowList(
        "packageDependencies",
        (
            Field("packageName", is_package_name, _A_PACKAGE_NAME),
            Field("minVersion", _is_version, _A_VERSION, ErrorCode.INVALID_VERSION),
            Field("maxVersion", _is_version, _A_VERSION, ErrorCode.INVALID_VERSION, is_required=False),
        ),
        is_required=False,  # X18
        most=PACKAGE_DEPENDENCIES_MAX,
    ),
    RowList(
        "bindings",
        (
            Field("artifactId", _form(_ARTIFACT_ID), "the id of an artifact"),
            Field("path", is_binding_path, "a JSON pointer into the artifact's definition"),
            Field("kind", _line(1, 100), "one line of at most 100 characters"),
            Field("hint", _text(0, 500), "at most 500 characters", is_required=False),
        ),
        is_required=False,
        most=BINDINGS_MAX,
    ),
    RowList(
        "externalReferences",
        (
            Field("artifactId", _form(_ARTIFACT_ID), "the id of an artifact"),
            DEPENDENCY_FIELDS[0],
            Field("name", is_artifact_name, "one line of text"),
            Field("packageName", is_package_name, _A_PACKAGE_NAME),
            Field("packageSource", _line(1, 128), "the id of a tenant"),
            Field("sourceId", _form(_ARTIFACT_ID), "the id of an artifact"),
        ),
        is_required=False,
        most=EXTERNAL_REFERENCES_MAX,
    ),
)
