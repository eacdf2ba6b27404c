"""Passwords: hashed with Argon2id, checked in a thread, never kept and never told (akana.md section 4)."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import ErrorCode, Problem

LENGTH_MIN, LENGTH_MAX = 10, 1024
#: each takes 64 MiB and the CPU for a while; the others wait
_AT_ONCE = 2
#: of the library's salt and hash, in base64
_SALT_LENGTH, _HASH_LENGTH = 22, 43


class Passwords:
    """Hashes and checks passwords, with the library's own parameters (RFC 9106, low memory) unless others are given."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hashed(self, password: str) -> str:
        """The hash to keep: salt and parameters are in it."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password. Without a hash it never is, and that takes as long to find out."""
        async with self._turns:
            return await asyncio.to_thread(self._verified, password_hash or self._nobodys, password)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the parameters have changed since it was made."""
        return self._hasher.check_needs_rehash(password_hash)

    @property
    def _nobodys(self) -> str:
        """A hash that takes as long to check as any other, and that no password is known to have."""
        hasher = self._hasher
        cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        return f"$argon2id$v=19${cost}${'A' * _SALT_LENGTH}${'A' * _HASH_LENGTH}"

    def _verified(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False


def password_problems(password: str) -> list[Problem]:
    """What is wrong with a new password."""
    if LENGTH_MIN <= len(password) <= LENGTH_MAX:
        return []
    text = f"A password has {LENGTH_MIN} to {LENGTH_MAX} characters."
    return [Problem(ErrorCode.BAD_USER_INPUT, text, "password")]


def _bytes(password: str) -> bytes:
    # half of a surrogate pair can come in a JSON string
    return password.encode("utf-8", "surrogatepass")
