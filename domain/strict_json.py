"""The one JSON reader for foreign bytes, and the ways to write JSON (decisions R27; security, rule 6).

What it reads, in the order in which it is checked:

1. at most ``max_values`` commas, brackets and braces, counted before anything is built;
2. strict JSON in UTF-8 without a byte order mark, each key once in its object, no lone surrogate, no ``NaN``;
3. objects and arrays at most :data:`MAX_DEPTH` deep;
4. integers that fit 64 bits, signed or unsigned; other numbers that a double holds as a finite value; at most
   :data:`MAX_DIGITS` digits in one number;
5. no NUL character, in no key and in no string.

A clean document pays for 3 to 5 only what a few searches and one encoding cost; where one of those raises doubt,
the document is walked value by value and the flaw is named by its JSON pointer (RFC 6901).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import jiter
import orjson
import rfc8785

from domain.needles import Needles

Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

ARTIFACT_VALUES = 250_000
MANIFEST_VALUES = 300_000
MAX_DEPTH = 64
MAX_DIGITS = 400

_SHOWN_POINTER = 200
_SHOWN_REASON = 200
_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**64 - 1

#: orjson gives up below this many levels; a row may wrap an artifact, so it may be deeper than an artifact
_WRITER_DEPTH = 254
#: empty levels around a document, so that orjson's own bound falls on MAX_DEPTH
_PADDING = _WRITER_DEPTH - MAX_DEPTH

#: a number has three runs of digits at most, so in one too long a run is longer than a third of the bound;
#: looking at every 32nd byte first is enough to say that there is none
_LONG_RUN = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS // 3 + 1))
_STRIDE = 32
_LONG_RUN_STRIDE = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS // 3 // _STRIDE))

#: how an indented document shows that it goes deeper than MAX_DEPTH
_TOO_DEEP = b"\n" + b"  " * MAX_DEPTH
_NUL = b"\\u0000"
#: also what orjson writes for a number that is not finite
_NULL = b"null"
#: bytes themselves are searched for it four times as slowly
_NULLS = Needles({"null": ("null",)})
#: in compact JSON: a fraction, an exponent, or an integer that a double may not hold
_UNPLAIN = tuple(re.compile(before + rb"-?(?:[0-9]{16}|[0-9]+[.eE])") for before in (rb'":', rb"\[", rb","))

_SORTED = orjson.OPT_SORT_KEYS
_INDENTED = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2

_Path: TypeAlias = tuple[str | int, ...]


class NotStrict(ValueError):  # noqa: N818 - an adjective reads better where it is caught
    """These bytes, or this value, are not JSON as this project reads and writes it.

    ``reason`` is a sentence for people; ``pointer`` the JSON pointer of the flaw, "" when unknown or the whole
    document. Both are printable and short, whatever the document holds.
    """

    def __init__(self, reason: str, pointer: str = "") -> None:
        super().__init__(f"{reason} (at {pointer})" if pointer else reason)
        self.reason = reason
        self.pointer = pointer


def read(raw: bytes, *, max_values: int = ARTIFACT_VALUES) -> Json:
    """The value that foreign bytes stand for.

    Args:
        raw: the document, UTF-8.
        max_values: bound of ``,``, ``[`` and ``{`` together, strings included (decisions R27).

    Raises:
        NotStrict: a rule of the module's list is broken.
    """
    value = read_to_rewrite(raw, max_values=max_values)
    if _is_doubtful(raw, value):
        _refuse_as_written(raw)
    return value


def glance(raw: bytes, *, max_values: int = ARTIFACT_VALUES) -> Any:
    """The value by a quicker, laxer reader, or None where it finds no JSON.

    Only for a caller who then compares: bytes that are exactly what :func:`canonical` writes of their value break no
    rule, because it writes each key once, and only what it may.

    Raises:
        NotStrict: there are too many values to build.
    """
    _refuse_flood(raw, max_values)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def read_to_rewrite(raw: bytes, *, max_values: int = ARTIFACT_VALUES) -> Json:
    """The same for a caller who gives the value to :func:`canonical` at once, which checks depth and numbers.

    Raises:
        NotStrict: a rule of the module's list is broken that the value alone does not show.
    """
    _refuse_flood(raw, max_values)
    try:
        value: Json = jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as flaw:
        raise NotStrict(shown(str(flaw), limit=_SHOWN_REASON)) from flaw
    if _is_suspicious(raw):
        _refuse_as_written(raw)
    return value


def trusted(raw: bytes) -> Any:
    """The value of bytes that were written or read here before: not checked again; NUL marks in strings are kept."""
    return orjson.loads(raw)


def demand_strict(value: Json) -> None:
    """Hold a value that another JSON reader made (a GraphQL variable) to the rules 3 to 5 of the module's list.

    Raises:
        NotStrict: at the first flaw in document order.
    """
    _refuse_flaw(value)


def canonical(value: Json) -> bytes:
    """The bytes of an artifact or manifest file: sorted keys, two spaces, no nulls in objects, no final newline.

    Nulls in arrays stay (installhub, section 7.3; decisions, section 4). NUL is written as its
    escape: a caller may mark places with it. The value is left as it is.

    Raises:
        NotStrict: a rule of the module's list but the fifth is broken, so :func:`read` would not take the bytes.
    """
    written = _written(value, _INDENTED, max_depth=MAX_DEPTH)
    # backwards: of a line that is not deep most is skipped
    if not _NULLS.names_in(written) and written.rfind(_TOO_DEEP) < 0:
        return written
    _refuse_flaw(value, nul=True)
    return _written(_without_nulls(value), _INDENTED, max_depth=MAX_DEPTH)


def compact(value: Json) -> bytes:
    """Sorted keys and no blanks, nulls kept: for rows and for hashes of our own values.

    Raises:
        NotStrict: as :func:`canonical`, but the value may be 254 levels deep.
    """
    written = _written(value, _SORTED, max_depth=_WRITER_DEPTH)
    if _NULL in written:
        _refuse_flaw(value, max_depth=_WRITER_DEPTH, nul=True)
    return written


def jcs(value: Json) -> bytes:
    """The form of RFC 8785 that ``contentChecksum`` and signatures are made of (decisions, section 4).

    Raises:
        NotStrict: the value cannot be written, or holds an integer beyond 2^53 - 1, which that form cannot carry.
    """
    if (plain := _plain(value)) is not None:
        return plain
    _refuse_flaw(value)
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as flaw:
        raise NotStrict(shown(str(flaw), limit=_SHOWN_REASON)) from flaw


def shown(text: str, *, limit: int) -> str:
    """Foreign text made fit for a message: unprintable characters as their escapes, cut to ``limit`` characters."""
    if len(text) <= limit and text.isprintable():
        return text
    printable = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: limit + 1])
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"


def _refuse_flood(raw: bytes, max_values: int) -> None:
    if len(raw) <= max_values:  # no room for more values than bytes
        return
    marks = raw.count(b",") + raw.count(b"[") + raw.count(b"{")
    if marks > max_values:
        raise NotStrict(f"the document holds more than {max_values} values")


def _is_doubtful(raw: bytes, value: Json) -> bool:
    """True where a rule of depth, number or NUL may be broken; never False where one is."""
    try:
        written = orjson.dumps(_padded(value))  # refuses integers beyond 64 bits, and what is too deep
    except TypeError:
        return True
    return _NULL in written and written.count(_NULL) != raw.count(_NULL)


def _is_suspicious(raw: bytes) -> bool:
    """True where the text may hold a NUL or a number with too many digits; never False where it does."""
    return (b"\\" in raw and _NUL in raw) or (
        _LONG_RUN_STRIDE.search(raw[::_STRIDE]) is not None and _LONG_RUN.search(raw) is not None
    )


def _refuse_as_written(raw: bytes) -> None:
    """Read again with the numbers as they were written, to see their digits, and refuse the first flaw."""
    _refuse_flaw(jiter.from_json(raw, float_mode="lossless-float", cache_mode="none"))


def _plain(value: Json) -> bytes | None:
    """The RFC 8785 form where it is what orjson writes: ASCII, no NUL, no null, only integers that a double holds."""
    try:
        written = orjson.dumps(value, option=_SORTED)
    except TypeError:
        return None
    is_plain = (
        isinstance(value, dict | list)
        and written.isascii()
        and _NULL not in written
        and _NUL not in written
        and not any(unplain.search(written) for unplain in _UNPLAIN)
    )
    return written if is_plain else None


def _padded(value: Any) -> Any:
    for _ in range(_PADDING):
        value = (value,)  # orjson writes a tuple as an array, and it is cheaper to make than a list
    return value


def _written(value: Json, option: int, *, max_depth: int) -> bytes:
    try:
        return orjson.dumps(value, option=option)
    except TypeError as flaw:
        _refuse_flaw(value, max_depth=max_depth, nul=True)
        raise NotStrict(shown(str(flaw), limit=_SHOWN_REASON)) from flaw


def _refuse_flaw(value: Any, *, max_depth: int = MAX_DEPTH, nul: bool = False) -> None:
    """Raise :class:`NotStrict` at the first flaw in document order; ``nul``: the caller marks places with NUL."""
    todo: list[tuple[_Path, Any]] = [((), value)]
    while todo:
        path, here = todo.pop()
        reason = _flaw(here, nul=nul)
        if reason is None and isinstance(here, dict | list | tuple):
            if len(path) >= max_depth:
                reason = f"objects and arrays go deeper than {max_depth}"
            else:
                todo.extend(reversed([((*path, key), child) for key, child in _children(here)]))
        if reason is not None:
            raise NotStrict(reason, _pointer(path))


def _children(value: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    return iter(value.items()) if isinstance(value, dict) else enumerate(value)


def _flaw(value: Any, *, nul: bool) -> str | None:
    """What is wrong with this one value, its children left aside."""
    match value:
        case None | bool() | list() | tuple():
            return None
        case dict():
            return next((reason for key in value if (reason := _key_flaw(key, nul=nul))), None)
        case str():
            return _text_flaw(value, nul=nul)
        case int():
            return None if _LEAST_INTEGER <= value <= _GREATEST_INTEGER else "an integer does not fit 64 bits"
        case float() | jiter.LosslessFloat():
            return _number_flaw(value)
        case _:
            return f"{type(value).__name__} is not a JSON type"


def _key_flaw(key: Any, *, nul: bool) -> str | None:
    if not isinstance(key, str):
        return "a key is not a string"
    reason = _text_flaw(key, nul=nul)
    return reason and f"in a key: {reason}"


def _text_flaw(text: str, *, nul: bool) -> str | None:
    if not nul and "\0" in text:
        return "a NUL character is not allowed"
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        return "a lone surrogate is not allowed"
    return None


def _number_flaw(number: float | jiter.LosslessFloat) -> str | None:
    if isinstance(number, jiter.LosslessFloat) and sum(c in b"0123456789" for c in bytes(number)) > MAX_DIGITS:
        return f"a number has more than {MAX_DIGITS} digits"
    return None if math.isfinite(float(number)) else "a number does not fit a finite double"


def _without_nulls(value: Json) -> Json:
    """A copy without the object members that are null; at most MAX_DEPTH levels, as checked before."""
    if isinstance(value, dict):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(child) for child in value]
    return value


def _pointer(path: _Path) -> str:
    keys = (str(key).replace("~", "~0").replace("/", "~1") for key in path)
    return shown("".join(f"/{key}" for key in keys), limit=_SHOWN_POINTER)
