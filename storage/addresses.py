"""Addresses that may hold a password, taken apart."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def split_address(url: str) -> SplitResult:
    """Raises ``ValueError``, as the standard library does, but without the address in it."""
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("this is no address") from None
