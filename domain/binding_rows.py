"""What a tenant remembers of bindings (R22): the protocol that a store implements (see ``ports``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.model import Actor


@dataclass(frozen=True, slots=True)
class RememberedBinding:
    """A value that is remembered for one tenant pair, sealed; who sent it, and when."""

    key: str
    sealed: str
    kept_at: datetime
    kept_by: Actor
    #: the list item that it was given to (:func:`domain.binding_slots.item_of`); empty: whatever stands there
    item: str = ""


class BindingRows(Protocol):
    """Values that may be secrets, sealed with a key of the installation.

    What :meth:`sealed` gives may be written down anywhere and says nothing; only :meth:`opened` of the same tenant
    reads it. ``source`` is the tenant that packages name as theirs, which need not be one of this installation.
    """

    async def sealed(self, values: Mapping[str, str]) -> dict[str, str]:
        """The values sealed, each to its key and the tenant; what was sealed so before stays as it is."""

    async def opened(self, values: Mapping[str, str]) -> dict[str, str]:
        """The way back; what is not sealed, as in older rows, is given as it is."""

    async def remembered(self, source: str, keys: Collection[str] | None = None) -> list[RememberedBinding]:
        """What is remembered for packages from ``source``, by key; only these keys, if given."""

    async def remember(
        self, source: str, values: Mapping[str, str], *, at: datetime, by: Actor, items: Mapping[str, str] | None = None
    ) -> None:
        """Remember these sealed values too, in place of those with their keys; ``items`` are those of them, by key.

        Of one source the last :data:`domain.manifest_fields.BINDINGS_MAX` are kept.
        """

    async def forget(self, source: str, *, but: Collection[str] = ()) -> None:
        """Remember nothing more of this source, but for these keys."""
