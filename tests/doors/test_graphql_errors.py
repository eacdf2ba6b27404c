"""What leaves the schema when something goes wrong inside: codes, and never a word from within."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
import strawberry

from domain.errors import ErrorCode, Problem, Refusal
from domain.ports import UnavailableError
from resolvers.api import Api
from resolvers.context import Asker

SECRET = "a path of the server: /etc/secret"


NOTHING: Any = cast("Any", None)


@strawberry.type
class Query:
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
        await asyncio.sleep(60)
        return 1


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def breaking(self) -> AsyncGenerator[int, None]:
        yield 1
        raise ZeroDivisionError(SECRET)


class QuickApi(Api):
    seconds_max = 0.05


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


async def test_an_operation_that_takes_too_long_is_given_up():
    result = await answered("{ slow }")

    assert [error.extensions["code"] for error in result.errors] == ["SERVICE_UNAVAILABLE"]


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
