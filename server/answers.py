"""What queries were answered since something was last written, so that it is not found out again (ADR 0019, 0021).

Who asks was checked before, and whatever a request costs its caller, it costs that here too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from sys import getsizeof
from typing import NamedTuple, Protocol

from domain.access import Caller

#: bytes of a question that is remembered; what is as long as that is hardly asked twice
_QUESTION_MAX = 16 << 10
#: questions of which it is known that their answers may be remembered
_ASKED_KEPT = 10_000
#: bytes that an entry takes beside its texts and lists
_FRAME = 1 << 9


class Asking(NamedTuple):
    """All that an answer depends on besides what is stored: who asks, for which tenant, and the request's bytes."""

    caller: Caller
    tenant_header: str | None
    method: str
    query_string: bytes
    body: bytes


class Moments(Protocol):
    """How anybody can tell that nothing was written in between."""

    @property
    def is_far(self) -> bool:
        """Whether it takes a trip to know what is now."""

    async def now(self) -> Hashable | None:
        """What stays the same until something is committed, and does not come back; ``None``: nobody knows.

        It was so after this was asked.
        """


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of a question before it is looked into: its answer, or the moment from which one may be kept."""

    answer: bytes | None = None
    moment: Hashable | None = None


#: the moment of what is no matter of moments
_FOR_GOOD = object()


class _Entry(NamedTuple):
    answer: bytes
    moment: Hashable


class Answers:
    """Bodies of answers, at most ``bytes_max`` with all that belongs to them, each with the moment of which it is."""

    def __init__(self, moments: Moments | None, bytes_max: int) -> None:
        self._moments = moments
        self._bytes_max = bytes_max if moments is not None else 0
        self._bytes = 0
        self._known: OrderedDict[Asking, _Entry] = OrderedDict()
        #: of what could have been remembered lately, had the moment been known
        self._asked: OrderedDict[int, None] = OrderedDict()

    async def find(self, asking: Asking) -> Looked:
        """The answer, if it is still the answer. Where it takes a trip to know, none is made for what is asked once."""
        entry = self._known.get(asking)
        if entry is not None and entry.moment is _FOR_GOOD:
            self._known.move_to_end(asking)
            return Looked(entry.answer)
        if self._moments is None or not self._bytes_max or (self._moments.is_far and hash(asking) not in self._asked):
            return Looked()
        moment = await self._moments.now()
        entry = self._known.get(asking)
        if moment is None or entry is None or entry.moment != moment:
            return Looked(moment=moment)
        self._known.move_to_end(asking)
        return Looked(entry.answer, moment)

    def keep(self, asking: Asking, answer: bytes, moment: Hashable | None) -> None:
        """Remember an answer that was begun at a moment, for as long as that lasts: it does not come back."""
        if self._moments is None or not self._bytes_max:
            return
        if moment is None:
            self._note(asking)
        else:
            self._keep(asking, _Entry(answer, moment))

    def keep_for_good(self, asking: Asking, answer: bytes) -> None:
        """Remember an answer that has nothing to do with what is stored."""
        if self._bytes_max:
            self._keep(asking, _Entry(answer, _FOR_GOOD))

    def _keep(self, asking: Asking, entry: _Entry) -> None:
        size = _size(asking, entry.answer)
        if len(asking.body) + len(asking.query_string) > _QUESTION_MAX or size > self._bytes_max:
            return
        self._drop(asking)
        self._known[asking] = entry
        self._bytes += size
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._known)))

    def _note(self, asking: Asking) -> None:
        """Let it be worth a trip from now on."""
        key = hash(asking)
        self._asked[key] = None
        self._asked.move_to_end(key)
        if len(self._asked) > _ASKED_KEPT:
            self._asked.popitem(last=False)

    def _drop(self, asking: Asking) -> None:
        entry = self._known.pop(asking, None)
        if entry is not None:
            self._bytes -= _size(asking, entry.answer)


def _size(asking: Asking, answer: bytes) -> int:
    """Bytes of memory, the token's words among them: whoever it is that brings long ones, the bound holds."""
    caller = asking.caller
    words = (caller.subject, caller.issuer, caller.email, *caller.tenants, *caller.scopes)
    texts = (asking.query_string, asking.body, answer, asking.tenant_header)
    return _FRAME + sum(map(getsizeof, (*texts, *words, caller.tenants, caller.scopes)))
