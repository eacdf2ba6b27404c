"""Where a server process can be killed: the table of kill points (security.md section 4.1).

The server knows nothing of it. A launcher wraps the functions named here, and the one that a variable names ends its
process by SIGKILL when it is passed.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from enum import Enum
from importlib import import_module
from itertools import count
from typing import Any

Strike = Callable[[str], None]
Passed = Callable[[], None]
#: a strike that comes soon comes within this time, in seconds: a commit takes about as long
_SOON = 0.004


class When(Enum):
    """On which side of a passage the process dies."""

    BEFORE = "before"
    AFTER = "after"
    #: a random moment after: while what comes next is being done
    SOON = "soon"
    #: between two items that a generator gives
    WITHIN = "within"


class Deed(Enum):
    """What clients or operators do so that a point is passed."""

    IMPORT = "a package is imported"
    LONG_IMPORT = "one is imported that takes longer than a renewal of its lease"
    HELD_AND_CANCELLED = "an import is held, and cancelled"
    INSTALL = "a package of the marketplace is installed"
    EXPORT = "a package is exported"
    START = "the server starts where bytes lie that nobody needs"
    FIRST_START = "the server starts on a database without tables"
    STOP = "the server is asked to stop while it imports"


@dataclass(frozen=True, slots=True)
class Point:
    """One kill point. ``place`` is ``module:attribute``, as the code around it finds the function."""

    name: str
    says: str
    place: str
    when: When
    deed: Deed = Deed.IMPORT
    passage: int = 1
    #: what the statement begins with, at a place that is passed with every statement
    sql: str = ""


_IMPORTING, _BUNDLE, _EXECUTED = "domain.importing", "domain.bundle", "storage.drivers:_met"
BEFORE, AFTER, SOON, WITHIN = When.BEFORE, When.AFTER, When.SOON, When.WITHIN
_CONTENTS, _POINTERS = "INSERT INTO revision_body ", "INSERT INTO artifact "

POINTS = (
    Point("K01", "headers read", "rest_compat.submitting:received", BEFORE),
    Point("K02", "in the middle of a body", "rest_compat.receiving:_Zip.take", AFTER, passage=2),
    Point("K03", "body complete, before fsync", "storage.blobs:_Part.keep", BEFORE),
    Point("K04", "bytes renamed, no row", "storage.blobs:_Part.keep", AFTER),
    Point("K05", "job row inserted, no answer", "domain.line:Line.put", AFTER),
    Point("K06", "while the archive is checked", "domain.archive:_entry", AFTER, passage=20),
    Point("K07", "while it is inflated", "domain.archive:_inflated", BEFORE, passage=30),
    Point("K08", "manifest parsed", f"{_BUNDLE}:read_manifest", AFTER),
    Point("K09", "in the middle of the hashes", f"{_BUNDLE}:_hashed", AFTER, passage=50),
    Point("K10", "scan started", "domain.scanning:ScanRun.artifact", BEFORE, passage=5),
    Point("K11", "scan finished, result not stored", f"{_IMPORTING}:_save_scans", BEFORE),
    Point("K12", "dependencies resolved", "domain.planning:Planner.blockers", AFTER),
    Point("K13", "plan with its conflicts stored", f"{_IMPORTING}:Importer._planned", AFTER),
    Point("K14", "the tenant's place taken", "server.jobs:Worker._run", BEFORE),
    Point("K15", "first artifacts written", _EXECUTED, AFTER, sql=_CONTENTS),
    Point("K16", "half of the artifacts written", _EXECUTED, AFTER, passage=2, sql=_CONTENTS),
    Point("K17", "last artifact written, before the commit", _EXECUTED, AFTER, sql=_POINTERS),
    Point("K18", "inside the commit, the database too", _EXECUTED, SOON, sql=_POINTERS),
    Point("K19", "committed, before the answer", "domain.activating:Activator.switch_on", AFTER),
    Point("K20", "committed, before the outbox is relayed", "domain.notices.relaying:Relay._relay_some", BEFORE),
    Point("K21", "message sent, not marked", "domain.notices.sending:Post._answer", AFTER),
    Point(
        "K22",
        "while what an import held is dropped",
        "storage.holding:Holding.discard",
        AFTER,
        Deed.HELD_AND_CANCELLED,
        passage=2,
    ),
    Point("K23", "while a lease is renewed", "storage.jobs:SqlJobs.renew", AFTER, Deed.LONG_IMPORT),
    Point("K24", "while orphans are swept", "storage.blobs:FileBlobs.delete", AFTER, Deed.START, passage=2),
    Point("K25", "in the middle of a download", "domain.market.own_hub:OwnHub.read", WITHIN, Deed.INSTALL),
    Point("K26", "download complete, hash not checked", "domain.market.own_hub:OwnHub.read", AFTER, Deed.INSTALL),
    Point("K27", "export half written", "domain.exporting:_end", BEFORE, Deed.EXPORT),
    Point(
        "K28",
        "while the tables are made at the start",
        "alembic.runtime.migration:HeadMaintainer.update_to_step",
        AFTER,
        Deed.FIRST_START,
        passage=3,
    ),
    Point("K29", "in an orderly end", "server.jobs:Worker._let_go", BEFORE, Deed.STOP),
    Point("K30", "a worker while the web lives, and the other way round", "domain.carrying:hold", AFTER),
)
BY_NAME = {point.name: point for point in POINTS}
#: where the same is done with an object store
_IN_A_BUCKET = {
    "K03": "storage.s3_writing:Upload.finish",
    "K04": "storage.s3_writing:Upload.finish",
    "K24": "storage.s3_blobs:S3Blobs.delete",
}
#: those at which bundles are sent to a store, read from it, or swept out of it
OF_BUNDLES = ("K02", "K03", "K04", "K05", "K06", "K07", "K24", "K25", "K26", "K27")


def points(*, is_in_bucket: bool = False) -> dict[str, Point]:
    """All points by name, as they are passed where bundles are in an object store."""
    return {
        name: replace(point, place=_IN_A_BUCKET[name]) if is_in_bucket and name in _IN_A_BUCKET else point
        for name, point in BY_NAME.items()
    }


def arm(point: Point, strike: Strike, *, passage: int | None = None, is_armed: Callable[[], bool]) -> None:
    """Wrap the point's function in this process: at its ``passage``-th passage since it is armed, strike."""
    owner, name, function = found(point)
    numbers = count(1)
    at = passage or point.passage

    def passed() -> None:
        if is_armed() and next(numbers) == at:
            strike(point.name)

    watched = wrapped(function, point.when, passed)

    @functools.wraps(function)
    def executed(place: int, step: Any, found: Any) -> Any:
        return (watched if step.sql.startswith(point.sql) else function)(place, step, found)

    setattr(owner, name, executed if point.sql else watched)


def found(point: Point) -> tuple[Any, str, Callable[..., Any]]:
    """What holds the function, its name there, and the function. Raises when it is not there any more."""
    module, _, path = point.place.partition(":")
    *around, name = path.split(".")
    owner = functools.reduce(getattr, around, import_module(module))
    return owner, name, vars(owner)[name]


def wrapped(function: Callable[..., Any], when: When, passed: Passed) -> Callable[..., Any]:
    """The function, and ``passed`` called on the chosen side of it."""
    before: Passed = passed if when is When.BEFORE else _nothing
    within: Passed = passed if when is When.WITHIN else _nothing
    afters: dict[When, Passed] = {When.AFTER: passed, When.SOON: functools.partial(_soon, passed)}
    after = afters.get(when, _nothing)

    @functools.wraps(function)
    async def generating(*given: Any, **named: Any) -> AsyncIterator[Any]:
        before()
        async for item in function(*given, **named):
            within()
            yield item
        after()

    @functools.wraps(function)
    async def awaited(*given: Any, **named: Any) -> Any:
        before()
        result = await function(*given, **named)
        after()
        return result

    @functools.wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        before()
        result = function(*given, **named)
        after()
        return result

    if inspect.isasyncgenfunction(function):
        return generating
    return awaited if asyncio.iscoroutinefunction(function) else called


def _nothing() -> None:
    pass


def _soon(passed: Passed) -> None:
    """In a thread of its own: what the process does next goes on meanwhile."""
    threading.Timer(random.uniform(0, _SOON), passed).start()
