"""What an object store says when it does not do what it is asked, in the domain's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from domain.ports import UnavailableError

_STATUS = re.compile(r"status code: (\d{3})")
#: where it said nothing, why
_KIND = re.compile(r"kind: (\w{1,30})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")


@contextmanager
def translated() -> Iterator[None]:
    """What the object store does not do is :class:`UnavailableError`; a missing object stays ``FileNotFoundError``.

    What it said is not passed on: signatures and names of keys may stand in it.
    """
    try:
        yield
    except BaseError as trouble:
        said = str(trouble)
        told = [type(trouble).__name__, *(found[1] for part in (_STATUS, _CODE, _KIND) if (found := part.search(said)))]
        raise UnavailableError(f"The object store cannot answer now: {' '.join(told)}") from None
