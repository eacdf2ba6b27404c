"""Which media type an answer has: ``Accept`` read with its weights (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
EVENTS = "text/event-stream"
HTML = "text/html"
#: parts of a subscription, as Apollo's clients ask for them: a range of it counts only with that parameter
PARTS = "multipart/mixed"
_PARTS_SPEC = "subscriptionspec=1.0"

#: what is given to callers who name it, and to callers who take anything
_BY_NAME = (GRAPHQL, JSON, HTML, EVENTS, PARTS)
_BY_WILDCARD = (JSON, GRAPHQL, HTML, EVENTS, PARTS)
#: a comma in a quoted parameter divides nothing
_RANGE = re.compile(r'(?:"[^"]*"|[^,"])+')
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def chosen(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered type that suits best, or nothing. Without ``Accept``: JSON.

    Of equal weights the one that is named goes before the one that a wildcard lets through, so a caller who merely
    mentions event streams gets JSON.
    """
    if accept is None or not accept.strip():
        return JSON
    ranges = list(_ranges(accept))
    rated = [(_rating(ranges, media), media) for media in offered]
    best = max((rating for rating, _ in rated), default=(0.0, 0))
    if best[0] == 0:
        return None
    order = _BY_NAME if best[1] == _NAMED else _BY_WILDCARD
    return min((media for rating, media in rated if rating == best), key=order.index)


def names(accept: str | None, media: str) -> bool:
    """Whether a type is asked for by its own name, with whatever weight."""
    if not accept:
        return False
    weight, exactness = _rating(list(_ranges(accept)), media)
    return weight > 0 and exactness == _NAMED


_NAMED = 2


def _rating(ranges: Sequence[tuple[str, float]], media: str) -> tuple[float, int]:
    """The weight that the most exact range gives, and how exact that is: 2 named, 1 ``type/*``, 0 anything."""
    steps = ("*/*", f"{media.partition('/')[0]}/*", media)
    fitting = [(steps.index(name), weight) for name, weight in ranges if name in steps]
    if not fitting:
        return 0.0, 0
    exactness, weight = max(fitting)
    return weight, exactness


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in _RANGE.findall(accept):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
        if name != PARTS or _PARTS_SPEC in (text.replace('"', "") for text in parameters):
            yield name, _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    return float(text) if _WEIGHT.fullmatch(text) else 0.0
