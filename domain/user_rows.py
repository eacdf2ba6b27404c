"""Users of the session door, their sessions, and what a business demands of these, as they are kept (akana.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from domain.model import TenantId, WireEnum
from domain.rows import Slice


class Power(WireEnum):
    """What a user may do in the tenant (decisions section 9.1)."""

    NONE = "none"
    #: Modify on the tenant: import and export
    MODIFY = "modify"
    SITE_ADMIN = "site-admin"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who signs in to one tenant with a password. ``email_key`` is how the address is compared."""

    user_id: str
    tenant_id: TenantId
    email: str
    email_key: str
    password_hash: str = field(repr=False)
    power: Power
    is_enabled: bool
    created_at: datetime

    @property
    def fdn(self) -> str:
        """The user's id together with the tenant's (akana.md section 5, *Ids*)."""
        return f"{self.user_id}.{self.tenant_id}"


@dataclass(frozen=True, slots=True)
class Protection:
    """Of which requests a business demands the CSRF token (akana.md section 4)."""

    reads: bool = False
    writes: bool = True

    @property
    def is_on(self) -> bool:
        """Whether there is a token at all."""
        return self.reads or self.writes


@dataclass(frozen=True, slots=True)
class Session:
    """A user's session. The token's id itself is not kept: who reads the database must not become everybody."""

    token_hash: str
    tenant_id: TenantId
    user_id: str
    begun_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A session, whose it is, and what its business demands."""

    session: Session
    user: User
    protection: Protection


class UserRows(Protocol):
    """Users and sessions of all tenants; a user's e-mail address is unique in the tenant."""

    async def add(self, user: User) -> bool:
        """False: the tenant has a user with this address."""

    async def find(self, tenant_id: TenantId, email_key: str, *, lock: bool = False) -> User | None:
        """A tenant's user, disabled ones too. ``lock``: nobody changes it before this unit ends."""

    async def having(self, email_key: str, *, first: int) -> list[User]:
        """Users of all tenants with this address, as many as are asked for."""

    async def page(self, tenant_id: TenantId, *, first: int, after: str | None) -> Slice[User]:
        """A tenant's users by address; ``after`` is the last key seen."""

    async def change(self, user: User) -> None:
        """Keep the user's password, power and whether it may sign in, as they are now."""

    async def begin_session(self, session: Session) -> None:
        """Keep a new session."""

    async def session(self, token_hash: str, now: datetime) -> Standing | None:
        """A session that has not ended, of a user who may sign in."""

    async def extend_session(self, token_hash: str, expires_at: datetime) -> None:
        """Move the session's end."""

    async def end_session(self, token_hash: str) -> None:
        """The session is over, in every process."""

    async def end_sessions(self, user_id: str) -> None:
        """All of a user's sessions are over."""

    async def forget_sessions(self, now: datetime) -> int:
        """Drop sessions past their time; how many."""

    async def protection(self, tenant_id: TenantId) -> Protection:
        """What a business demands; the documented defaults where nobody said."""

    async def protect(self, tenant_id: TenantId, protection: Protection) -> None:
        """Keep what a business demands."""
