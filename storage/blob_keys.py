"""What a blob is known by, and where it lies: the same tree in a folder and in an object store.

So whatever copies folders into buckets, and back, moves an installation from one to the other.
"""

from __future__ import annotations

import re
from datetime import datetime

import uuid_utils

from domain.model import BlobKey

KEY = re.compile(r"[0-9a-f]{32}")


def new_key() -> BlobKey:
    """The hex form of a UUIDv7. Its first digits are the time, so its last four spread blobs over folders."""
    return BlobKey(uuid_utils.uuid7().hex)


def place_of(key: BlobKey) -> str:
    """Raises ``ValueError`` for what is no key, so that no caller's text is ever made a path."""
    if not KEY.fullmatch(key):
        raise ValueError(f"not a blob key: {key!r}")
    return f"{key[-2:]}/{key[-4:-2]}/{key}"


def key_at(place: str) -> BlobKey | None:
    """Whose place this is; nothing for what others keep, in folders of their own below this one too."""
    name = place.rpartition("/")[2]
    return BlobKey(name) if KEY.fullmatch(name) and place == place_of(BlobKey(name)) else None


def milliseconds(moment: datetime) -> str:
    """How the keys begin that were made at this moment."""
    return f"{int(moment.timestamp() * 1000):012x}"
