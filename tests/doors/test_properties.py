"""Properties files as Java reads them, and the endpoint mappings in them. Vectors: ``java.util.Properties.load``."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode, Refusal
from domain.mapping import PAIRS_MAX
from rest_compat.properties import PROPERTIES_BYTES_MAX, Entry, endpoint_mapping, properties

PART = "MappingProperties"


def pairs(raw):
    return [(entry.key, entry.value) for entry in properties(raw, PART)]


def refused(raw, reading=properties):
    with pytest.raises(Refusal) as caught:
        reading(raw, PART)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # the three ways of Java's own description to say the same
        (b"Truth = Beauty", [("Truth", "Beauty")]),
        (b" Truth:Beauty", [("Truth", "Beauty")]),
        (b"Truth                    :Beauty", [("Truth", "Beauty")]),
        (
            b"fruits         apple, pear, \\\n              kiwi, \\\n    mango",
            [("fruits", "apple, pear, kiwi, mango")],
        ),
        (b"cheeses", [("cheeses", "")]),
        # what ends a key
        (b"a b c", [("a", "b c")]),
        (b"a b = c", [("a", "b = c")]),
        (b"a == b", [("a", "= b")]),
        (b"a : = b", [("a", "= b")]),
        (b"a\tb", [("a", "b")]),
        (b"a\x0cb", [("a", "b")]),
        (b"=value", [("", "value")]),
        (b"\\:\\= = v", [(":=", "v")]),
        (b"a\\ b=c", [("a b", "c")]),
        (b"a\\\\ b=c", [("a\\", "b=c")]),
        (b"a=b c  ", [("a", "b c  ")]),
        # comments and blank lines
        (b"# a=b\n  ! c=d\n\n \t\x0c\ne=f # no comment", [("e", "f # no comment")]),
        (b"# a comment goes not on \\\na=b", [("a", "b")]),
        (b"#" * 100_000 + b"\n!" + b"\n" * 100_000 + b"a=b", [("a", "b")]),
        (b"a=\\\n# no comment", [("a", "# no comment")]),
        # natural and logical lines
        (b"a=1\rb=2\r\nc=3\nd=4", [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]),
        (b"a=1\\\r\n   2\\\r\t3\\\n4", [("a", "1234")]),
        (b"a=1\\\\\nb=2", [("a", "1\\"), ("b", "2")]),
        (b"a=1\\\\\\\nb=2", [("a", "1\\b=2")]),
        (b"a=1\\", [("a", "1")]),
        (b"a=1\\\n\nb=2", [("a", "1"), ("b", "2")]),
        (b"\\\n\\\n  a=1", [("a", "1")]),
        (b"\\\n# a comment\nb=2", [("b", "2")]),
        (b"a=1\n \\", [("a", "1"), ("", "")]),
        (b"\\\n", [("", "")]),
        (b"k\\\ney=v", [("key", "v")]),
        (b"a=1\xc2\x85b=2", [("a", "1\x85b=2")]),
        # escapes
        (rb"a=\t\n\r\f\b\z\"\'\\", [("a", "\t\n\r\fbz\"'\\")]),
        (rb"\u0061\u003d=\u00e9\u20AC", [("a=", "é€")]),
        (rb"a=\ud83d\ude00", [("a", "😀")]),
        (rb"a=\U0041", [("a", "U0041")]),
        (rb"a=\101", [("a", "101")]),
        # encodings
        ("schlüssel=straße".encode("latin-1"), [("schlüssel", "straße")]),
        ("schlüssel=straße €".encode(), [("schlüssel", "straße €")]),
        ("\ufeffa=b".encode(), [("a", "b")]),
        (b"a=\xe2\x82", [("a", "\u00e2\u0082")]),
        # all entries, in order
        (b"a=1\na=2", [("a", "1"), ("a", "2")]),
        (b"", []),
    ],
)
def test_a_properties_file_is_read_as_java_reads_it(raw, expected):
    assert pairs(raw) == expected


def test_entries_know_the_line_on_which_they_begin():
    raw = b"# one\r\n\r\na=1\\\n  2\nb=\\\r3\r!\r\nc=4"

    assert properties(raw, PART) == [Entry(3, "a", "12"), Entry(5, "b", "3"), Entry(8, "c", "4")]


@pytest.mark.parametrize("escape", [rb"\u", rb"\u12", rb"\u00g0", rb"\uu0041", rb"\u-041", rb"\u 041", rb"\u12\n4"])
def test_a_malformed_unicode_escape_is_refused_with_its_line(escape):
    for entry in (b"key=" + escape, escape + b"=value"):
        refusal = refused(b"# fine\na=b\n" + entry)

        assert (refusal.code, refusal.status) == (ErrorCode.BAD_USER_INPUT, 400)
        assert (refusal.details["line"], refusal.problems[0].where) == (3, f"{PART}, line 3")
        assert refusal.message.isprintable()


def test_a_file_beyond_a_mebibyte_is_too_large_whatever_it_holds():
    refusal = refused(b"\\u" * (PROPERTIES_BYTES_MAX // 2) + b"x")

    assert (refusal.status, refusal.details["limit"]) == (413, PROPERTIES_BYTES_MAX)
    assert pairs(b"#" + b"\n" * (PROPERTIES_BYTES_MAX - 1)) == []


def test_a_file_has_so_many_entries_and_no_more():
    raw = b"".join(b"k%d=v\n" % number for number in range(PAIRS_MAX))

    refusal = refused(raw + b"one=more")

    assert len(properties(raw, PART)) == PAIRS_MAX
    assert (refusal.status, refusal.details["line"]) == (400, PAIRS_MAX + 1)


@pytest.mark.parametrize("raw", [b"a\\\n" * 300_000, b"a=" + b"x" * 40_000, b"a\\\n" + b"\\\n" * 500_000])
def test_an_entry_that_goes_on_and_on_is_refused_before_it_is_put_together(raw):
    refusal = refused(b"# fine\n" + raw)

    assert (refusal.status, refusal.details["line"]) == (400, 2)


def test_a_mapping_is_read_and_the_last_of_equal_sources_counts():
    raw = (
        b"# endpoints\n"
        b"https\\://crm.source.example/v1 = https://crm.target.example/v2\n"
        b"https\\://crm.source.example:8443/=http://first.example\n"
        b"https\\://crm.source.example\\:8443/ \\\n   http://last.example\n"
    )

    assert endpoint_mapping(raw.replace(b"example:8443/=", b"example\\:8443/="), PART) == {
        "https://crm.source.example/v1": "https://crm.target.example/v2",
        "https://crm.source.example:8443/": "http://last.example",
    }


def test_everything_wrong_with_a_mapping_is_told_line_by_line():
    refusal = refused(b"name=value\n\nhttps\\://a.example=ftp://b.example\n\\ud800=https://b.example", endpoint_mapping)

    lines = [problem.where.rpartition(" ")[2] for problem in refusal.problems]
    assert (refusal.code, lines) == (ErrorCode.INVALID_OPTIONS, ["1", "1", "3", "4"])
    assert all(problem.message.isprintable() for problem in refusal.problems)


def test_who_forgets_to_escape_a_colon_is_told_how():
    refusal = refused(b"\nhttps://a.example=https://b.example", endpoint_mapping)

    assert (refusal.status, refusal.details["line"]) == (400, 2)
    assert r"https\:" in refusal.message
