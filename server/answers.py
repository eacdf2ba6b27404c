"""What queries were answered since something was last written here, so that it is not found out again (ADR 0019).

Only where one process has its database to itself, because it alone knows of every commit then. Who asks was checked
before, and whatever a request costs its caller, it costs that here too.
"""

from __future__ import annotations

from collections import OrderedDict
from sys import getsizeof
from typing import NamedTuple

from domain.access import Caller
from storage.changes import Changes

#: bytes of a question that is remembered; what is as long as that is hardly asked twice
_QUESTION_MAX = 16 << 10
#: bytes that an entry takes beside its texts and lists
_FRAME = 1 << 9


class Asking(NamedTuple):
    """All that an answer depends on besides what is stored: who asks, for which tenant, and the request's bytes."""

    caller: Caller
    tenant_header: str | None
    method: str
    query_string: bytes
    body: bytes


class Answers:
    """Bodies of answers, at most ``bytes_max`` with all that belongs to them. Every commit makes it forget them all."""

    def __init__(self, changes: Changes | None, bytes_max: int) -> None:
        self._changes = changes
        self._bytes_max = bytes_max if changes is not None else 0
        self._bytes = 0
        self._count: int | None = None
        self._known: OrderedDict[Asking, bytes] = OrderedDict()

    def moment(self) -> int | None:
        """To be asked for before a question is looked into; ``None`` when nothing can be remembered of it."""
        return self._changes.count if self._changes is not None and self._bytes_max else None

    def find(self, asking: Asking) -> bytes | None:
        """The answer, if it is still the answer."""
        moment = self.moment()
        if moment is None or moment != self._count:
            return None
        found = self._known.get(asking)
        if found is not None:
            self._known.move_to_end(asking)
        return found

    def keep(self, asking: Asking, answer: bytes, moment: int | None) -> None:
        """Remember an answer that was begun at a moment, unless something was written since."""
        size = _size(asking, answer)
        is_small = len(asking.body) + len(asking.query_string) <= _QUESTION_MAX and size <= self._bytes_max
        if moment is None or moment != self.moment() or not is_small:
            return
        if moment != self._count:
            self._known.clear()
            self._bytes, self._count = 0, moment
        self._drop(asking)
        self._known[asking] = answer
        self._bytes += size
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._known)))

    def _drop(self, asking: Asking) -> None:
        answer = self._known.pop(asking, None)
        if answer is not None:
            self._bytes -= _size(asking, answer)


def _size(asking: Asking, answer: bytes) -> int:
    """Bytes of memory, the token's words among them: whoever it is that brings long ones, the bound holds."""
    caller = asking.caller
    words = (caller.subject, caller.issuer, caller.email, *caller.tenants, *caller.scopes)
    texts = (asking.query_string, asking.body, answer, asking.tenant_header)
    return _FRAME + sum(map(getsizeof, (*texts, *words, caller.tenants, caller.scopes)))
