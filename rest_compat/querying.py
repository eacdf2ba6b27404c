"""Query parameters read into values, with everything wrong at once (decisions section 9.3).

Parameters that an address does not know are let pass, as unknown fields of a body are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from starlette.requests import Request

from domain.access import Reach
from domain.errors import ErrorCode, Problem, refuse_if
from domain.model import TenantId
from rest_compat.asking import Asked

PAGE_SIZE, PAGE_SIZE_MAX = 25, 100
#: pages beyond it are empty everywhere, and the number stays one that every database takes
_PAGE_MAX = 1_000_000
_DECIMAL = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
#: RFC 3339: letters of either case, any number of digits of a second
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
#: what a moment knows of a second: a point and six digits
_FRACTION = 7
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_TEXT_LENGTH_MAX = 600
#: how a query says yes or no
SWITCHES = {"true": True, "false": False}

V = TypeVar("V")


class Numbered(NamedTuple):
    """A page of a list: its number, from 1 on, and how many items it has."""

    number: int
    size: int

    @property
    def start(self) -> int:
        """How many items stand on the pages before."""
        return (self.number - 1) * self.size


@dataclass(slots=True)
class Query:
    """A request's query parameters; what is wrong with them gathers in ``problems``."""

    request: Request
    problems: list[Problem] = field(default_factory=list)

    def stated(self, name: str) -> str | None:
        """What is stated, once; ``None`` when nothing is."""
        stated = self.request.query_params.getlist(name)
        if len(stated) > 1:
            self._refuse(name, f"{name} is stated more than once.")
        elif stated and (len(stated[0]) > _TEXT_LENGTH_MAX or "\0" in stated[0]):
            self._refuse(name, f"{name} has at most {_TEXT_LENGTH_MAX} characters, and no NUL.")
        else:
            return stated[0] if stated else None
        return None

    def text(self, name: str) -> str:
        """A plain text; empty when it is not there."""
        return self.stated(name) or ""

    def moment(self, name: str, *, is_end: bool = False) -> datetime | None:
        """A day or a time. A day begins at midnight in UTC; as an end it is included whole."""
        stated = self.stated(name)
        if stated is None:
            return None
        try:
            return _moment(stated, is_end=is_end)
        except ValueError:
            self._refuse(name, f"{name} is a day like 2026-05-25, or a time like 2026-05-25T09:00:00Z.")
            return None

    def words(self, name: str, known: Mapping[str, Sequence[V]]) -> tuple[V, ...]:
        """Words out of a known set, repeated or with commas between; each stands for one or more values."""
        stated = [word for part in self.request.query_params.getlist(name) for word in part.split(",")]
        if set(stated) <= known.keys():
            return tuple(value for word in dict.fromkeys(stated) for value in known[word])
        self._refuse(name, f"{name} is one or several of {', '.join(known)}.")
        return ()

    def switch(self, name: str) -> bool:
        """``true`` or ``false``; absent is false."""
        stated = self.stated(name)
        if stated is not None and stated not in SWITCHES:
            self._refuse(name, f"{name} is true or false.")
        return SWITCHES.get(stated or "", False)

    def choice(self, name: str, known: Mapping[str, V]) -> V | None:
        """One word out of a known set; ``None`` when it is not there."""
        stated = self.stated(name)
        if stated is not None and stated not in known:
            self._refuse(name, f"{name} is one of {', '.join(known)}.")
        return known.get(stated or "")

    def decimal(self, name: str, *, most: int) -> float | None:
        """A number from 0 on, with a point in it or without; ``None`` when it is not there."""
        stated = self.stated(name)
        if stated is None or (_DECIMAL.fullmatch(stated) and float(stated) <= most):
            return None if stated is None else float(stated)
        self._refuse(name, f"{name} is a number from 0 to {most}.")
        return None

    def page(self, size: int = PAGE_SIZE) -> Numbered:
        """Which page of a list, of ``size`` items unless the caller says otherwise."""
        number = self._number("page", 1, most=_PAGE_MAX)
        return Numbered(number, self._number("pageSize", size, most=PAGE_SIZE_MAX))

    def checked(self) -> None:
        """Refuse with all that is wrong."""
        refuse_if(self.problems)

    def _number(self, name: str, default: int, *, most: int) -> int:
        stated = self.stated(name)
        if stated is None:
            return default
        if stated.isascii() and stated.isdigit() and len(stated) <= len(str(most)) and 1 <= int(stated) <= most:
            return int(stated)
        self._refuse(name, f"{name} is a whole number from 1 to {most}.")
        return default

    def _refuse(self, name: str, text: str) -> None:
        self.problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, name))


def tenant_in(asked: Asked, query: Query) -> TenantId:
    """The tenant of a list that has one: the query's, else as everywhere (R1); with the query's other problems."""
    named = query.stated("tenantId")
    return asked.tenant({} if named is None else {"tenantId": named}, "tenantId", query.problems)


def reach_in(asked: Asked, query: Query) -> Reach:
    """The tenants of a list over several: the named one, else all of the token's, narrowed by the header (R1)."""
    return asked.reach if query.stated("tenantId") is None else frozenset({tenant_in(asked, query)})


def numbered(items: Sequence[Mapping[str, Any]], total_count: int, page: Numbered) -> dict[str, Any]:
    """The body of every list that is counted."""
    return {"totalCount": total_count, "page": page.number, "pageSize": page.size, "items": list(items)}


def _moment(stated: str, *, is_end: bool) -> datetime:
    """Raises ``ValueError``. What lies outside of time as we count it is its end, or its beginning."""
    if _DAY.fullmatch(stated):
        day, offset = datetime.fromisoformat(stated).replace(tzinfo=UTC), timedelta(days=-is_end)
    elif found := _TIME.fullmatch(stated):
        second, fraction, zone = found[1], (found[2] or "")[:_FRACTION], found[3]
        there = datetime.fromisoformat(f"{second}{fraction}{zone}".upper())
        day, offset = there.replace(tzinfo=UTC), there.utcoffset() or timedelta()
    else:
        raise ValueError(stated)
    try:
        return day - offset
    except OverflowError:
        return _LAST if offset < timedelta() else _FIRST
