"""Blocking work on files, in threads; what a disk says is told in the domain's words here and nowhere else."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar

from domain.ports import NoRoomError, UnavailableError

#: what the system says when nothing more can be written
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking file work in a thread, and do not return before it ended, not even when cancelled.

    So nobody closes or removes a file under a thread that still writes to it. A missing file stays
    ``FileNotFoundError``; any other trouble of the disk, a full one too, is an :class:`UnavailableError`.
    """
    # a future and not a task: at shutdown every task is cancelled at once
    work = asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        work.exception()  # asked for, so that nobody reports it as never looked at
        raise
    except FileNotFoundError:
        raise
    except OSError as trouble:
        if trouble.errno in _FULL:
            raise NoRoomError("The blob store has no room.") from trouble
        raise UnavailableError("The blob store cannot answer now.") from trouble
