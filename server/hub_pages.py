"""What another installation's hub tells about its packages, asked through the guarded way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from domain import strict_json
from domain.errors import ErrorCode, Refusal, refuse
from domain.market.ports import Parameters
from server.outward import Bounds, Outward, OutwardError

_BOUNDS = Bounds(bytes_max=2 << 20, seconds=5.0, silent_seconds=5.0)
_OK, _BAD, _HIDDEN = 200, 400, frozenset({403, 404, 410})
_RETRY_SECONDS = 60


class RemotePages:
    """:class:`domain.market.ports.HubPages` over HTTP; no token of ours is shown to the hub."""

    def __init__(self, hub_url: str, outward: Outward) -> None:
        self._url = f"{hub_url}/api/marketplace/packages"
        self._outward = outward

    async def page(self, path: tuple[str, ...], wanted: Parameters) -> Mapping[str, Any] | None:
        place = "".join(f"/{quote(part, safe='')}" for part in path)
        asked = f"?{urlencode(wanted)}" if wanted else ""
        try:
            async with self._outward.asked(f"{self._url}{place}{asked}", _BOUNDS) as answer:
                if answer.status in _HIDDEN:
                    return None
                if answer.status == _BAD:
                    raise refuse(ErrorCode.BAD_USER_INPUT, "The hub does not know such a search.")
                if answer.status != _OK:
                    raise _unavailable(f"it answered {answer.status}")
                tree = strict_json.read(await answer.whole())
        except OutwardError as trouble:
            raise _unavailable(str(trouble)) from trouble
        except strict_json.NotStrict as flaw:
            raise _unavailable("its answer is no JSON as it should be") from flaw
        if not isinstance(tree, dict):
            raise _unavailable("its answer is no object")
        return tree


def _unavailable(why: str) -> Refusal:
    text = f"The hub cannot be asked now: {why.rstrip('.')}."
    return refuse(ErrorCode.HUB_UNAVAILABLE, text, retryAfter=_RETRY_SECONDS)
