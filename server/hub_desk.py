"""Where the hub of another installation is told of installs and reviews, through the guarded way out (ADR 0014)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from domain import strict_json
from domain.errors import BY_WIRE, ErrorCode, Refusal, refuse
from server.outward import Answer, Bounds, Outward, OutwardError
from server.settings import Settings, SettingsError

_BOUNDS = Bounds(bytes_max=256 << 10, seconds=10.0)
_DONE = frozenset({200, 201})
_RETRY_SECONDS = 60
_TOKEN_MAX = 16 << 10
_SHOWN = 300
#: what the hub may say no with; whatever else it says, another attempt may go well
_REFUSED = frozenset(
    {
        ErrorCode.NOT_FOUND,
        ErrorCode.NOT_AN_INSTALLER,
        ErrorCode.ALREADY_REVIEWED,
        ErrorCode.STATE_CONFLICT,
        ErrorCode.BAD_USER_INPUT,
        ErrorCode.VALIDATION_FAILED,
        ErrorCode.IDEMPOTENCY_KEY_REUSED,
    }
)

#: gives the token as it is now; raises ``OSError`` and ``ValueError``
Token = Callable[[], Awaitable[str]]


class RemoteDesk:
    """:class:`domain.market.ports.HubDesk` over HTTP."""

    def __init__(self, hub_url: str, token: Token, outward: Outward) -> None:
        self._url = f"{hub_url}/api/marketplace/reported"
        self._token = token
        self._outward = outward

    async def tell(self, path: tuple[str, ...], told: Mapping[str, Any], *, key: str = "") -> Mapping[str, Any]:
        place = "".join(f"/{quote(part, safe='')}" for part in path)
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        try:
            token = await self._token()
            headers["Authorization"] = f"Bearer {token}"
            body = orjson.dumps(told)
            async with self._outward.asked(
                f"{self._url}{place}", _BOUNDS, method="POST", headers=headers, body=body
            ) as answer:
                tree = await _tree(answer)
        except OutwardError as trouble:
            raise _unavailable(str(trouble)) from trouble
        except (OSError, ValueError) as trouble:
            raise _unavailable("the file of INSTALLHUB_HUB_TOKEN_FILE holds no token") from trouble
        if answer.status in _DONE:
            return tree
        # a hub, or who stands before it, may say aloud what it was shown
        message = str(tree.get("message") or "The hub refuses this.").replace(token, "***")
        raise _refusal(answer.status, BY_WIRE.get(str(tree.get("error"))), strict_json.shown(message, limit=_SHOWN))


def token_of(settings: Settings) -> Token | None:
    """The token that the hub elsewhere gave to this installation; ``None`` for none. Raises :class:`SettingsError`."""
    given, file = settings.hub_token, settings.hub_token_file
    if given and file:
        raise SettingsError("INSTALLHUB_HUB_TOKEN_FILE: name the token in one place, here or in INSTALLHUB_HUB_TOKEN")
    if file and not Path(file).is_file():
        raise SettingsError(f"INSTALLHUB_HUB_TOKEN_FILE: there is no file {file}")

    async def from_file() -> str:
        # each time: tokens end, and whoever renews them writes the file anew
        token = await asyncio.to_thread(_content, Path(file))
        if not _is_sound(token):
            raise ValueError("no token")
        return token

    async def from_variable() -> str:
        return given

    if given and not _is_sound(given):
        raise SettingsError("INSTALLHUB_HUB_TOKEN: this is no token")
    if file:
        return from_file
    return from_variable if given else None


def _content(file: Path) -> str:
    with file.open(encoding="ascii") as content:
        return content.read(_TOKEN_MAX).strip()


def _is_sound(token: str) -> bool:
    """Whether a header can hold it."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


async def _tree(answer: Answer) -> Mapping[str, Any]:
    try:
        tree = strict_json.read(await answer.whole())
    except strict_json.NotStrict:
        tree = None
    return tree if isinstance(tree, dict) else {}


def _refusal(status: int, code: ErrorCode | None, message: str) -> Refusal:
    """What the hub said, in its words where they are such as we would say."""
    if code in _REFUSED and code.status == status:
        return refuse(code, message)
    if status in {401, 403}:
        return _unavailable(f"it does not take the token that INSTALLHUB_HUB_TOKEN gives ({message})")
    return _unavailable(f"it answered {status}")


def _unavailable(why: str) -> Refusal:
    text = f"The hub cannot be told anything now: {why.rstrip('.')}."
    return refuse(ErrorCode.HUB_UNAVAILABLE, text, retryAfter=_RETRY_SECONDS)
