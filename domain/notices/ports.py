"""What notices need from outside (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from domain.notices.letters import Letter


class MailRefusedError(RuntimeError):
    """This mail will never be taken: there is no use in trying again."""


class MailUnavailableError(RuntimeError):
    """Mail cannot be sent now."""


class UnreachableError(RuntimeError):
    """An address gave no answer, or may not be asked at all. The message says why, and holds no secret."""


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, letter: Letter) -> None:
        """Hand a letter over for good.

        Raises :class:`MailRefusedError`, and :class:`MailUnavailableError` when another attempt may go well. A letter
        that is sent again has the same ``letter_id``.
        """


class Outward(Protocol):
    """The only way to addresses that callers name: guarded, with a deadline (security: SSRF)."""

    async def check(self, url: str) -> None:
        """Raise a refusal ``AddressNotAllowed`` for an address that would not be asked."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer; what it says is not read. Redirects are not followed.

        Raises :class:`UnreachableError`.
        """
