"""How versions of other worlds are ordered: by the rules of their own ecosystem, never by text.

``key_of`` gives something that compares among the versions of one ecosystem, or None for what is no version there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Key = tuple[Any, ...]

_LONGEST = 100
_SEMVER = re.compile(r"v?(\d{1,18}(?:\.\d{1,18}){0,3})(?:-([0-9A-Za-z.-]{1,80}))?(?:\+[0-9A-Za-z.-]{0,80})?", re.ASCII)
_PEP440 = re.compile(
    r"v?(?:(?P<epoch>\d{1,9})!)?(?P<release>\d{1,18}(?:\.\d{1,18}){0,9})"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_n>\d{0,9}))?"
    r"(?P<post>-(?P<post_1>\d{1,9})|[-_.]?(?:post|rev|r)[-_.]?(?P<post_2>\d{0,9}))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_n>\d{0,9}))?(?:\+[a-z0-9._-]{0,80})?",
    re.ASCII | re.IGNORECASE,
)
_PARTS = re.compile(r"\d{1,18}|[a-z]{1,40}", re.ASCII)
_LOWEST, _HIGHEST = -(1 << 62), 1 << 62
#: what stands behind a Maven or Composer version, in its order; a plain release is 0
_QUALIFIERS = {
    "dev": -6,
    "alpha": -5,
    "a": -5,
    "beta": -4,
    "b": -4,
    "milestone": -3,
    "m": -3,
    "rc": -2,
    "cr": -2,
    "snapshot": -1,
    "": 0,
    "ga": 0,
    "final": 0,
    "release": 0,
    "sp": 1,
    "patch": 1,
    "p": 1,
    "pl": 1,
}
_UNKNOWN_QUALIFIER, _NUMBER = 2, 3


def key_of(ecosystem: str, version: str) -> Key | None:
    """The place of a version in the order of its ecosystem (``npm``, ``PyPI``; without regard to case)."""
    order = _ORDERS.get(ecosystem.partition(":")[0].lower())
    return order(version.strip()) if order is not None and len(version) <= _LONGEST else None


def semver_key(version: str) -> Key | None:
    """SemVer 2.0, with a fourth number as NuGet has it."""
    match = _SEMVER.fullmatch(version)
    if match is None:
        return None
    numbers = tuple(int(number) for number in match[1].split("."))
    release = numbers + (0,) * (4 - len(numbers))
    if match[2] is None:
        return (*release, 1)
    return (*release, 0, tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in match[2].split(".")))


def _pep440_key(version: str) -> Key | None:
    match = _PEP440.fullmatch(version)
    if match is None:
        return None
    numbers = [int(number) for number in match["release"].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    stage = {"a": 0, "b": 1}.get((match["pre"] or "")[:1].lower(), 2)
    pre = (stage, int(match["pre_n"] or 0)) if match["pre"] else (_HIGHEST, 0)
    if match["dev"] and not match["pre"] and not match["post"]:
        pre = (_LOWEST, 0)
    post = int(match["post_1"] or match["post_2"] or 0) if match["post"] else _LOWEST
    dev = int(match["dev_n"] or 0) if match["dev"] else _HIGHEST
    return (int(match["epoch"] or 0), tuple(numbers), pre, post, dev)


def _qualified_key(version: str) -> Key | None:
    """Numbers and known words, as Maven and Composer read them; a number outweighs every word."""
    parts = _PARTS.findall(version.lower().removeprefix("v"))
    if not parts or not parts[0].isdigit():
        return None
    key = [(_NUMBER, int(part)) if part.isdigit() else (_QUALIFIERS.get(part, _UNKNOWN_QUALIFIER), 0) for part in parts]
    return (*_without_zeros(key, lambda part: part in {(_NUMBER, 0), (0, 0)}, lambda part: part[0] != _NUMBER), (0, 0))


def _gem_key(version: str) -> Key | None:
    """RubyGems: a word makes it earlier than the release."""
    parts = _PARTS.findall(version.lower())
    if not parts or not parts[0].isdigit():
        return None
    key = [(1, int(part), "") if part.isdigit() else (-1, 0, part) for part in parts]
    return (*_without_zeros(key, lambda part: part == (1, 0, ""), lambda part: part[0] < 0), (0, 0, ""))


def _without_zeros(key: list[Any], is_zero: Callable[[Any], bool], is_word: Callable[[Any], bool]) -> list[Any]:
    """Zeros at the end, or before a word, make no other version."""
    kept: list[Any] = []
    for part in reversed(key):
        if is_zero(part) and (not kept or is_word(kept[-1])) and part is not key[0]:
            continue
        kept.append(part)
    return kept[::-1]


#: the ecosystem of our own packages
INSTALLHUB = "installhub"
_ORDERS: Mapping[str, Callable[[str], Key | None]] = {
    **dict.fromkeys(
        (INSTALLHUB, "npm", "crates.io", "go", "nuget", "hex", "pub", "swifturl", "github actions"), semver_key
    ),
    "pypi": _pep440_key,
    **dict.fromkeys(("maven", "packagist"), _qualified_key),
    "rubygems": _gem_key,
}
