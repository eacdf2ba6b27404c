"""What a request costs the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from storage.session import Session


@contextmanager
def counted_statements() -> Iterator[list[Any]]:
    """How many statements are sent to the database meanwhile, by all of this process."""
    whole = Session._step
    sent: list[Any] = []

    def step(self: Session, statement: Any, values: Any) -> Any:
        sent.append(statement)
        return whole(self, statement, values)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Session, "_step", step)
        yield sent
