"""What a document may cost, and that finding out costs little whatever the document is."""

from __future__ import annotations

import time

import pytest
from graphql import get_introspection_query, parse

from resolvers.api import API
from resolvers.limits import LINES_MAX, MUTATIONS_MAX, TEXT_MAX, TooComplexError, measure
from resolvers.reading import checked, known

#: seconds of computing, on a slow core; what is refused takes some hundredths, mostly to parse 2,000 tokens
QUICK = 0.2


def doubling(levels: int, leaf: str = "id") -> str:
    """Each fragment contains the next one twice."""
    parts = [f"fragment F{n} on Tenant {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return " ".join(
        ["{ viewer { tenants { nodes { ...F0 } } } }", *parts, f"fragment F{levels} on Tenant {{ {leaf} }}"]
    )


def seconds_of_reading(text: str) -> float:
    """Of computing; the better of two times, since one may have swept the garbage of all tests before it."""
    spent = []
    for _ in range(2):
        began = time.thread_time()
        checked(API._schema, text)
        spent.append(time.thread_time() - began)
    return min(spent)


def nested(levels: int) -> str:
    return "{ a " * levels + "}" * levels


COSTLY = {
    "many aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(600)) + " }",
    "thirty-one aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(31)) + " }",
    "aliases by a fragment": "{ ...F ...F ...F ...F } fragment F on Query { "
    + " ".join(f"a{n}: __typename" for n in range(8))
    + " }",
    "twenty doubling fragments": doubling(20),
    "forty doubling fragments": doubling(40),
    "doubling fragments without fields": doubling(40, ""),
    "a fragment that contains itself": "{ ...F } fragment F on Query { ...F }",
    "fragments in a circle": "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
    "an unused circle": "{ __typename } fragment F on Query { ...F }",
    "thirteen levels": nested(13),
    "sixty levels": nested(60),
    "a hundred levels": nested(100),
    "inline fragments in each other": "{ " + "... { " * 100 + "a" + " }" * 101,
    "a chain of fragments": "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(200)),
    "too many fields": "{ " + "a b c d e " * 101 + "}",
    "the same place again and again": "{ " + "__schema { queryType { name } } " * 41 + "}",
    "the same place by fragments": "{ " + "...F " * 41 + "} fragment F on Query { viewer { subject } }",
    "many wide fragments": "{ a } fragment W on Query { " + "a b c d e f g h " * 40 + "}"
    + " ".join(f"fragment F{n} on Query {{ ...W }}" for n in range(100)),
    "a list of more members than one may have": "{ importJobs(filter: {states: ["
    + "A " * 1001
    + "]}) { nodes { id } } }",
    "NUL in a text": '{ node(id: "\\u0000") { id } }',
    "a hundred thousand tokens": "{ " + "a " * 100_000 + "}",
    "a mebibyte in one text": '{ node(id: "' + "x" * 1_000_000 + '") { id } }',
    "a mebibyte of comment": "# " + "x" * 1_000_000 + "\n{ __typename }",
    "mistakes after sixty thousand lines": "{ " + "\n" * 60_000 + "".join(f"nope{n} " for n in range(80)) + "}",
    "eleven things to do": "mutation { " + "cancelImport(input: {}) { refusal { code } } " * 11 + "}",
    "eleven things to do, by fragments": "mutation { ...F ... { ...F } } fragment F on Mutation { a b c d e f }",
    "NUL in a text, written short": '{ node(id: "\\u{0}") { id } }',
}  # fmt: skip

FINE = {
    "a fragment for each of twenty fields": "{ viewer { "
    + "...F " * 20
    + "} } fragment F on Viewer { subject email scopes }",
    "twelve levels": "{ importJobs { nodes { sourcePackage { tenant { artifacts { nodes { usedBy { nodes { tenant {"
    " viewerCan tenantPlan } } } } } } } } } }",
    "an unknown fragment": "{ ...Nope }",
    "thirty aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(30)) + " }",
    "introspection": get_introspection_query(input_value_deprecation=True),
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_a_document_that_costs_too_much_is_refused_quickly(text):
    (error,) = checked(API._schema, text).errors

    assert seconds_of_reading(text) < QUICK
    assert error.extensions == {"code": "QUERY_TOO_COMPLEX"} or "2000 tokens" in error.message


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_a_document_within_the_limits_is_measured_and_let_through(text):
    measure(parse(text))

    codes = [error.extensions for error in checked(API._schema, text).errors]
    assert {"code": "QUERY_TOO_COMPLEX"} not in codes


def test_one_alias_more_is_one_too_many():
    def aliases(count):
        return parse("{ " + " ".join(f"a{n}: __typename" for n in range(count)) + " }")

    measure(aliases(30))
    with pytest.raises(TooComplexError, match="30 aliases"):
        measure(aliases(31))


def test_one_level_more_is_one_too_many():
    measure(parse(nested(12)))
    with pytest.raises(TooComplexError, match="12 levels"):
        measure(parse(nested(13)))


def test_a_document_has_at_most_two_thousand_tokens():
    (error,) = checked(API._schema, "{ " + "a " * 2000 + "}").errors

    assert "2000 tokens" in error.message


@pytest.mark.parametrize("text", ["{ viewer { subject } # once\n}", "{ viewer { subject } }" + " " * 1000])
async def test_a_text_seen_before_is_not_looked_at_again(text):
    assert await known(API._schema, text) is await known(API._schema, text)


@pytest.mark.parametrize(
    "text",
    [
        "{ " + " ".join(f"viewer {{ {'subject ' * 12} }}" for _ in range(38)) + " }",
        "{ " + " ".join(f"...F{n}" for n in range(20)) + " } "
        + " ".join(f"fragment F{n} on Query {{ {'viewer { subject } ' * 2} }}" for n in range(20)),
        "{ __typename " + "@skip(if: true) " * 240 + "}",
        "{ " + "".join(f"nope{n} " for n in range(400)) + "}",
        "query(" + " ".join(f"$v{n}: ID" for n in range(300)) + ") { __typename }",
        "{ tenants(ids: " + "[" * 900 + "]" * 900 + ") { id } }",
        "{ importJobs(filter: " + "{a:" * 450 + "1" + "}" * 450 + ") { nodes { id } } }",
        "query($x: " + "[" * 900 + "ID" + "]" * 900 + ") { __typename }",
        "{ __typename " + "@nope " * 980 + "}",
        "{ node(" + "id: 1 " * 600 + ") { id } }",
        "{ " + "importJobs { nodes { sourcePackage { tenant { id } } } } " * 40 + "}",
        "{ " + " ".join(f"importJobs(first: {n}) {{ nodes {{ id }} }}" for n in range(40)) + " }",
    ],
    ids=[
        "wide", "fragments", "directives", "unknown fields", "variables", "nested lists", "nested objects",
        "nested types", "unknown directives", "arguments", "deep and merged", "in conflict",
    ],
)  # fmt: skip
def test_the_dearest_allowed_documents_are_validated_quickly(text):
    assert seconds_of_reading(text) < QUICK


def test_one_thing_more_to_do_is_one_too_many():
    def mutation(count):
        return parse("mutation { " + "a " * count + "}")

    measure(mutation(MUTATIONS_MAX))
    with pytest.raises(TooComplexError, match="10 fields"):
        measure(mutation(MUTATIONS_MAX + 1))


@pytest.mark.parametrize("size", [0, 1])
def test_a_text_may_be_long_but_not_without_end(size):
    texts = "{ __typename }".ljust(TEXT_MAX + size), "{ __typename }" + "\r\n" * (LINES_MAX // 2) + "\n" * size

    assert [len(checked(API._schema, text).errors) for text in texts] == [size, size]
