"""Which of several media types an answer has: ``Accept`` read with its weights (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from starlette.requests import Request


def preferred(request: Request, offered: Sequence[str]) -> str | None:
    """The offered type that suits the caller best, or nothing; of equals, and without ``Accept``, the first one."""
    stated = ",".join(request.headers.getlist("accept"))
    if not stated.strip(" ,"):
        return offered[0]
    ranges = list(_ranges(stated))
    weights = {media: _weight(media, ranges) for media in offered}
    best = max(offered, key=weights.__getitem__)
    return best if weights[best][0] else None


def _weight(media: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """What the most exact range says, and how exact it is: 2 named, 1 ``type/*``, 0 anything."""
    steps = ("*/*", f"{media.partition('/')[0]}/*", media)
    exactness, weight = max(((steps.index(name), weight) for name, weight in ranges if name in steps), default=(0, 0.0))
    return weight, exactness


def _ranges(stated: str) -> Iterator[tuple[str, float]]:
    for part in stated.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
        yield name, _number(weights[0]) if weights else 1.0


def _number(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
