"""Secrets that a report must not repeat, sought in many texts at once: in time by the texts, not by the secrets."""

from __future__ import annotations

_MASK = "****"
#: so many characters of its beginning tell where a secret may stand; none is shorter
_HEAD = 8


class Repeats:
    """The whole strings that some place of an artifact tells to be secrets."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        #: by the first characters of secrets, how long those are
        self._lengths: dict[str, set[int]] = {}
        self._known: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def add(self, secret: str) -> None:
        """Never repeat this from now on."""
        if secret not in self._secrets:
            self._secrets.add(secret)
            self._lengths.setdefault(secret[:_HEAD], set()).add(len(secret))
            self._known.clear()

    def masked(self, text: str) -> str:
        """The text, or four stars where it holds one of the secrets."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = _MASK if self._holds(text) else text
        return known

    def _holds(self, text: str) -> bool:
        return any(
            text[start : start + length] in self._secrets
            for start in range(len(text) - _HEAD + 1)
            for length in self._lengths.get(text[start : start + _HEAD], ())
        )
