"""How the threads of this process share the interpreter: who is being answered goes first."""

from __future__ import annotations

import sys

from starlette.types import ASGIApp, Receive, Scope, Send

from domain.courtesy import Courtesy

#: seconds that a thread keeps the interpreter while others wait for it. A bundle is read in a thread, and every answer
#: needs the interpreter some ten times, for the loop and for the database's threads: with the usual 5 ms it took 50 ms
#: longer beside an import, and one save in a hundred took 30 ms with 0.5 and 26 with this. That threads take turns more
#: often costs the reading nothing that could be measured.
TURN_SECONDS = 0.0001


def take_short_turns() -> None:
    """Called once, by a process that serves."""
    sys.setswitchinterval(TURN_SECONDS)


class AnsweredFirst:
    """Middleware: long work in threads stands aside for a request, and not only while it asks the store.

    To put the question together, and the answer, takes as long as that. An answer that is not there at once does not
    hold up anything (:mod:`domain.courtesy`), and for a socket this does nothing.
    """

    def __init__(self, app: ASGIApp, courtesy: Courtesy) -> None:
        self._app = app
        self._courtesy = courtesy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._courtesy.answering():
            await self._app(scope, receive, send)
