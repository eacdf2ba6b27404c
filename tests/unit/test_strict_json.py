"""What foreign JSON may be, and what ours looks like."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import strict_json
from domain.strict_json import MAX_DEPTH, MAX_DIGITS, NotStrict, canonical, compact, demand_strict, jcs, read


def nested(depth: int, innermost: str = "1") -> bytes:
    return ("[" * depth + innermost + "]" * depth).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": [1, -2, 3.5, true, false, null, "x"]}',
        b'"\\ud83d\\ude00"',
        b'{"b": "\\\\u0000 is text, not NUL"}',
        b"18446744073709551615",
        b"-9223372036854775808",
        b"1.7976931348623157e308",
        b"1e-999",
        nested(MAX_DEPTH),
        b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH,
        b'["' + b"[" * 500 + b'"]',
        b"0." + b"1" * (MAX_DIGITS - 1),
        b'"' + b"1" * 5000 + b'"',
        b' \t\r\n{"a": 1}\n',
    ],
)
def test_strict_json_is_read_as_everyone_reads_it(raw):
    value = read(raw)

    assert value == json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "reason", "pointer"),
    [
        (b"", "EOF", ""),
        (b'\xef\xbb\xbf{"a": 1}', "expected value", ""),
        ('{"a": 1}'.encode("utf-16"), "expected value", ""),
        (b'{"a": 1, "a": 2}', "duplicate key", ""),
        (b'{"a": 1, "\\u0061": 2}', "duplicate key", ""),
        (b"NaN", "expected value", ""),
        (b"[Infinity]", "expected value", ""),
        (b"[1,]", "trailing comma", ""),
        (b"{} // end", "trailing characters", ""),
        (b"'a'", "expected value", ""),
        (b'"\xff"', "unicode", ""),
        (b'"\xed\xa0\x80"', "unicode", ""),
        (b'"\\ud800"', "hex escape", ""),
        (b'"\x00"', "control character", ""),
        (b'{"a": ["x\\u0000y"]}', "NUL", "/a/0"),
        (b'{"a": {"\\u0000": 1}}', "in a key: a NUL", "/a"),
        (b'{"a": [1, 18446744073709551616]}', "64 bits", "/a/1"),
        (b'{"a/b": {"c~d": -9223372036854775809}}', "64 bits", "/a~1b/c~0d"),
        (b"[" + b"9" * 4000 + b"]", "64 bits", "/0"),
        (b"9" * 100_000, "out of range", ""),
        (b'{"a": 1e999}', "finite double", "/a"),
        (b'{"a": null, "b": "null", "c": -1e400}', "finite double", "/c"),
        (b"[0." + b"1" * MAX_DIGITS + b"]", f"more than {MAX_DIGITS} digits", "/0"),
        (b"1e" + b"0" * MAX_DIGITS + b"1", f"more than {MAX_DIGITS} digits", ""),
        (nested(MAX_DEPTH + 1), "deeper than 64", "/0" * MAX_DEPTH),
        (nested(MAX_DEPTH + 1, ""), "deeper than 64", "/0" * MAX_DEPTH),
        (nested(150), "deeper than 64", "/0" * MAX_DEPTH),
        (nested(1_000_000), "", ""),
        (b'{"a":' * 1_000_000, "", ""),
        (b"[" * 1_000_000, "", ""),
    ],
)
def test_what_is_not_strict_is_refused_with_its_reason_and_place(raw, reason, pointer):
    with pytest.raises(NotStrict) as caught:
        read(raw, max_values=10_000_000)

    assert reason in caught.value.reason
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("wrapping", ["[%s]", '{"a": %s}', '[{"b": [%s]}]'])
@pytest.mark.parametrize("opening", ["[]", "{}", "[1]", '{"k": 1}', '["]]]]"]', '["}}}", {}]'])
def test_depth_is_counted_exactly_and_brackets_in_strings_do_not_count(wrapping, opening):
    levels = 0
    raw = opening
    while levels < MAX_DEPTH - 10:
        raw = wrapping % raw
        levels = depth_of(json.loads(raw))

    while depth_of(json.loads(raw)) < MAX_DEPTH:
        raw = f"[{raw}]"

    assert read(raw.encode()) == json.loads(raw)
    with pytest.raises(NotStrict):
        read(f"[{raw}]".encode())


def depth_of(value) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max((depth_of(child) for child in (value.values() if isinstance(value, dict) else value)), default=0)


def test_too_many_values_are_refused_before_anything_is_built():
    flood = b"[" + b"1," * 250_000 + b"1]"

    with pytest.raises(NotStrict, match="more than 250000 values"):
        read(flood)

    assert read(flood, max_values=strict_json.MANIFEST_VALUES) == [1] * 250_001


def test_a_reason_never_repeats_a_long_or_unprintable_document():
    key = "\\u202e" + "k" * 100_000

    with pytest.raises(NotStrict) as caught:
        read(f'{{"{key}": 1, "{key}": 2}}'.encode())

    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_a_canonical_document_is_sorted_indented_and_without_nulls():
    value = {"b": [None, {"x": None}], "a": {"z": None, "y": "null"}, "n": None, "é": 1.50, "empty": []}

    written = canonical(value)

    assert written.decode() == (
        '{\n  "a": {\n    "y": "null"\n  },\n  "b": [\n    null,\n    {}\n  ],\n  "empty": [],\n  "é": 1.5\n}'
    )
    assert value["a"] == {"z": None, "y": "null"}


def test_nul_marks_survive_writing_and_trusted_reading():
    value = {"id": "\0form-1\0", "gone": None}

    written = canonical(value)

    assert written == b'{\n  "id": "\\u0000form-1\\u0000"\n}'
    assert strict_json.trusted(written) == {"id": "\0form-1\0"}


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"a": [1, math.inf]}, "/a/1"),
        ({"a": None, "b": math.nan}, "/b"),
        ({"a": 2**64}, "/a"),
        ({"a": {"b": "\ud800"}}, "/a/b"),
        ({"\ud800": 1}, ""),
        ({"a": {1: 2}}, "/a"),
        ({"a": {1, 2}}, "/a"),
        ([b"bytes"], "/0"),
    ],
)
@pytest.mark.parametrize("write", [canonical, compact, jcs])
def test_what_cannot_be_written_is_refused_with_its_place(write, value, pointer):
    with pytest.raises(NotStrict) as caught:
        write(value)

    assert caught.value.pointer == pointer


@pytest.mark.parametrize("innermost", [[], {}, [1], {"a": 1}])
def test_nothing_is_written_that_would_be_too_deep_to_read_back(innermost):
    value = innermost
    for _ in range(MAX_DEPTH - 1):
        value = {"a": value}

    assert read(canonical(value)) == value
    for deeper in ([value], {"a": value}):
        with pytest.raises(NotStrict, match="deeper"):
            canonical(deeper)


def test_a_value_without_end_is_refused():
    endless: list = []
    endless.append(endless)

    for write in (canonical, compact, jcs, demand_strict):
        with pytest.raises(NotStrict, match="deeper"):
            write(endless)


def test_a_value_from_another_reader_is_held_to_the_same_rules():
    demand_strict({"a": [1, "x", None, 2.5]})

    with pytest.raises(NotStrict) as caught:
        demand_strict({"a": ["fine", "x\0y"]})

    assert caught.value.pointer == "/a/1"


def test_rows_are_compact_and_keep_nulls():
    assert compact({"b": None, "a": [1, None]}) == b'{"a":[1,null],"b":null}'


@pytest.mark.parametrize("text", ["null", "nullable"])
@pytest.mark.parametrize("write", [canonical, compact, jcs])
def test_a_tuple_is_written_as_an_array_whatever_else_is_there(write, text):
    assert write({"a": (text, ["b", (1,)])}) == write({"a": [text, ["b", [1]]]})


def test_no_null_in_an_object_is_written_inside_a_tuple_either():
    rows: Any = ({"a": None, "b": 1},)

    assert canonical(rows) == canonical([{"b": 1}])


def test_the_signed_form_sorts_by_utf16_and_writes_numbers_as_javascript_does():
    value = {"\U0001f600": 1, "\ufb33": 2, "x": 1e21, "y": 4.50}

    assert jcs(value).decode() == '{"x":1e+21,"y":4.5,"\U0001f600":1,"\ufb33":2}'


def test_the_signed_form_refuses_integers_that_javascript_rounds():
    with pytest.raises(NotStrict, match="safe integer"):
        jcs({"a": 2**53})


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
documents = st.recursive(
    scalars,
    lambda children: (
        st.lists(children) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])), children)
    ),
    max_leaves=20,
)


@given(documents)
def test_what_is_written_is_read_back_the_same(value):
    written = compact(value)

    assert read(written) == value
    assert canonical(read(canonical(value))) == canonical(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_are_read_as_python_reads_them(number):
    for text in (repr(number), f"{number:.30e}"):
        assert repr(read(text.encode())) == repr(json.loads(text))


@given(documents, st.integers(0, 200), st.binary(max_size=3))
def test_damaged_documents_are_read_as_python_reads_them_or_refused(value, place, splice):
    raw = compact(value)
    damaged = raw[:place] + splice + raw[place + 1 :]

    try:
        found = read(damaged)
    except NotStrict:
        return

    assert found == json.loads(damaged)
