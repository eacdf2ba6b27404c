"""What leaves the schema when something goes wrong inside: codes, and never a word from within."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from enum import Enum
from typing import Any, cast

import pytest
import strawberry

from domain.errors import ErrorCode, Problem, Refusal
from domain.ports import UnavailableError
from resolvers.api import Api
from resolvers.context import Asker
from resolvers.terms import Terms

SECRET = "a path of the server: /etc/secret"


NOTHING: Any = cast("Any", None)


#: what was cancelled in the middle
given_up: list[str] = []


@strawberry.enum
class Colour(Enum):
    RED = "red"


@strawberry.type
class Item:
    number: int

    @strawberry.field
    def half(self) -> int | None:
        if self.number % 2:
            raise ZeroDivisionError(SECRET)
        return self.number // 2


@strawberry.type
class Query:
    @strawberry.field
    def items(self) -> list[Item]:
        return [Item(number=number) for number in range(4)]

    @strawberry.field
    def huge(self) -> int | None:
        return 2**40

    @strawberry.field
    def colour(self) -> Colour | None:
        return cast("Colour", SECRET)

    @strawberry.field
    def broken(self) -> int | None:
        raise ZeroDivisionError(SECRET)

    @strawberry.field
    def refused(self) -> int | None:
        raise Refusal([Problem(ErrorCode.NOT_FOUND, "There is none.", "x", details={"what": "thing"})])

    @strawberry.field
    def unavailable(self) -> int | None:
        raise UnavailableError(SECRET)

    @strawberry.field
    def missing(self) -> int:
        return cast("int", NOTHING)

    @strawberry.field
    async def slow(self) -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            given_up.append("slow")
            raise
        return 1


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def breaking(self) -> AsyncGenerator[int, None]:
        yield 1
        raise ZeroDivisionError(SECRET)

    @strawberry.subscription
    async def items(self) -> AsyncGenerator[Item, None]:
        yield Item(number=1)
        yield Item(number=2)


class QuickApi(Api):
    terms = Terms(seconds_max=0.05)


NOBODY = Asker(NOTHING, NOTHING)
API = QuickApi(query=Query, subscription=Subscription)


async def answered(query):
    return await API.answer(query, variables=None, operation_name=None, asker=NOBODY)


async def test_a_bug_of_ours_is_masked_and_logged_once_under_its_number(caplog):
    result = await answered("{ broken }")

    (error,) = result.errors
    assert error.extensions["code"] == "INTERNAL_ERROR"
    assert error.path == ["broken"]
    assert SECRET not in str(error.formatted)
    (logged,) = caplog.records
    assert error.extensions["correlationId"] in logged.getMessage()
    assert isinstance(logged.exc_info[1], ZeroDivisionError)


async def test_a_missing_value_is_our_bug_too():
    result = await answered("{ missing }")

    assert [error.extensions["code"] for error in result.errors] == ["INTERNAL_ERROR"]
    assert "missing" not in result.errors[0].message


async def test_a_refusal_keeps_its_code_and_its_problems():
    result = await answered("{ refused }")

    (error,) = result.errors
    assert error.message == "There is none."
    assert error.extensions == {
        "code": "NOT_FOUND",
        "problems": [{"code": "NOT_FOUND", "message": "There is none.", "place": "x", "details": {"what": "thing"}}],
    }


async def test_a_store_that_cannot_answer_is_told_apart_from_a_bug():
    result = await answered("{ unavailable }")

    assert [error.extensions["code"] for error in result.errors] == ["SERVICE_UNAVAILABLE"]
    assert SECRET not in result.errors[0].message


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_an_operation_that_takes_too_long_is_given_up_and_can_be_found_in_the_log(is_streamed, caplog):
    given_up.clear()
    streamed = await API.stream("{ slow }", context_value=NOBODY)

    (result,) = [one async for one in streamed] if is_streamed else [await answered("{ slow }")]

    (error,) = result.errors
    assert error.extensions["code"] == "SERVICE_UNAVAILABLE"
    assert error.extensions["correlationId"] in caplog.text
    assert given_up == ["slow"]


async def test_bugs_in_members_of_a_list_are_masked_each_at_its_place():
    result = await answered("{ items { number half } }")

    assert result.data == {"items": [{"number": n, "half": None if n % 2 else n // 2} for n in range(4)]}
    assert [(error.path, error.extensions["code"]) for error in result.errors] == [
        (["items", 1, "half"], "INTERNAL_ERROR"),
        (["items", 3, "half"], "INTERNAL_ERROR"),
    ]
    assert len({error.extensions["correlationId"] for error in result.errors}) == 2
    assert SECRET not in str([error.formatted for error in result.errors])


@pytest.mark.parametrize("query", ["{ huge }", "{ colour }"])
async def test_a_value_of_ours_that_has_no_form_on_the_wire_is_our_bug(query):
    result = await answered(query)

    (error,) = result.errors
    assert error.extensions["code"] == "INTERNAL_ERROR"
    assert "correlationId" in error.extensions
    assert SECRET not in error.message


async def test_a_bug_in_one_event_of_a_subscription_is_masked_and_the_next_comes():
    stream = await API.stream("subscription { items { number half } }", context_value=NOBODY)

    first, second = [result async for result in stream]

    assert first.data == {"items": {"number": 1, "half": None}}
    assert [error.extensions["code"] for error in first.errors] == ["INTERNAL_ERROR"]
    assert (second.data, second.errors) == ({"items": {"number": 2, "half": 1}}, None)


async def test_a_bug_inside_a_running_subscription_is_masked_and_ends_it():
    results = [result async for result in await API.stream("subscription { breaking }", context_value=NOBODY)]

    assert results[0].data == {"breaking": 1}
    assert [error.extensions["code"] for error in results[1].errors] == ["INTERNAL_ERROR"]
    assert SECRET not in str(results[1].errors)
    assert len(results) == 2


@pytest.mark.parametrize("query", ["{ broken(x: 1) }", "{", "", "{ brokn }"])
async def test_what_is_wrong_with_the_document_is_the_callers_to_read(query):
    results = [result async for result in await API.stream(query, context_value=NOBODY)]

    assert [error.extensions["code"] for error in results[0].errors] == ["BAD_USER_INPUT"]
