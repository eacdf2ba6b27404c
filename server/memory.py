"""How the garbage collector is told what kind of process this is, and when to look."""

from __future__ import annotations

import gc

from starlette.types import ASGIApp, Receive, Scope, Send

#: an import parses and drops small trees by the thousand; the default looks at them every 700 objects. Nobody is
#: answered meanwhile: at 20,000 objects for 10 to 16 ms, and for 37 at what 20 such looks had left
_YOUNG, _MIDDLE, _OLD = 5_000, 5, 200
#: so many new objects are worth a look behind an answer: most looks fall there, and not in the middle of the next one
_WORTH_A_LOOK = 2_500


def settle_memory() -> None:
    """Called once, when everything is imported: what is there now stays, and is not searched for garbage again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


class TidiedAfterwards:
    """Middleware: looks for garbage when an answer has been given, if there may be some."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http":
            young, middle, old = gc.get_count()
            if young >= _WORTH_A_LOOK:
                # looks of its own begin with the young: where none is left to it, nobody else looks at the old
                gc.collect(2 if old >= _OLD else 1 if middle >= _MIDDLE else 0)
