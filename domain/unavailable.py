"""What callers are told when our own database, blob store or memory fails them (decisions section 9.2)."""

from __future__ import annotations

from domain.errors import ErrorCode, Refusal, refuse
from domain.ports import NoRoomError, UnavailableError

#: seconds: room has to be made by somebody, all else often comes back by itself
_NO_ROOM_AFTER, _AFTER = 60, 5


def refusal_of(trouble: UnavailableError | MemoryError) -> Refusal:
    """``InsufficientStorage`` or ``ServiceUnavailable``, with the seconds after which to try again."""
    if isinstance(trouble, MemoryError):
        text = "The server has no memory for this now. Try again."
        return refuse(ErrorCode.SERVICE_UNAVAILABLE, text, retryAfter=_AFTER)
    if isinstance(trouble, NoRoomError):
        text = "The server has no room for this now. Try again later."
        return refuse(ErrorCode.INSUFFICIENT_STORAGE, text, retryAfter=_NO_ROOM_AFTER)
    text = "The server's own storage does not answer now. Try again."
    return refuse(ErrorCode.SERVICE_UNAVAILABLE, text, retryAfter=_AFTER)
