"""Users of a tenant at the session door, as the host's own command line makes and changes them (akana.md section 4).

A user is nobody at the other doors: there tokens of an identity provider say who asks.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.import_model import AuditEntry
from domain.model import TenantId, name_key
from domain.notices.letters import is_address
from domain.passwords import Passwords, password_problems
from domain.ports import Ports
from domain.rows import Slice
from domain.tenancy import active_tenant
from domain.user_rows import Power, User

_EMAIL_LENGTH_MAX = 200


class Users:
    """Makes users and changes them. Every method needs ``installhub:admin`` in the tenant, and is audited."""

    def __init__(self, ports: Ports, passwords: Passwords) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._passwords = passwords

    async def add(self, caller: Caller, tenant_id: str, email: str, password: str, power: Power) -> User:
        """Make a user. Raises ``BadUserInput``, ``InvalidTenantId``, and ``BadUserInput`` for an address in use."""
        _demand(caller, tenant_id)
        refuse_if([*_email_problems(email), *password_problems(password)])
        now = self._clock.now()
        user = User(
            user_id=str(uuid.uuid4()),
            tenant_id=TenantId(tenant_id),
            email=email,
            email_key=name_key(email),
            password_hash=await self._passwords.hashed(password),
            power=power,
            is_enabled=True,
            created_at=now,
        )
        async with self._store.platform_unit() as platform:
            await active_tenant(platform.tenants, tenant_id)
            if not await platform.users.add(user):
                raise refuse(ErrorCode.BAD_USER_INPUT, f"The tenant {tenant_id} has a user {email}.", "email")
            told = {"user": email, "power": power.wire}
            await platform.of(user.tenant_id).imports.audit(AuditEntry(now, caller.actor, "user.added", None, told))
        return user

    async def page(self, caller: Caller, tenant_id: str, *, first: int, after: str | None = None) -> Slice[User]:
        """A tenant's users, by e-mail address."""
        _demand(caller, tenant_id)
        async with self._store.platform_view() as unit:
            return await unit.users.page(TenantId(tenant_id), first=first, after=after)

    async def set_password(self, caller: Caller, tenant_id: str, email: str, password: str) -> User:
        """Give a user another password, and end its sessions. Raises ``BadUserInput`` and ``NotFound``."""
        _demand(caller, tenant_id)
        refuse_if(password_problems(password))
        password_hash = await self._passwords.hashed(password)
        return await self._change(caller, tenant_id, email, "user.passwordChanged", password_hash=password_hash)

    async def set_power(self, caller: Caller, tenant_id: str, email: str, power: Power) -> User:
        """Let a user do more, or less; it signs in anew. Raises ``NotFound``."""
        _demand(caller, tenant_id)
        return await self._change(caller, tenant_id, email, "user.powerChanged", power=power)

    async def enable(self, caller: Caller, tenant_id: str, email: str, *, is_enabled: bool) -> User:
        """Let a user sign in, or no longer: then its sessions end at once. Raises ``NotFound``."""
        _demand(caller, tenant_id)
        action = "user.enabled" if is_enabled else "user.disabled"
        return await self._change(caller, tenant_id, email, action, is_enabled=is_enabled)

    async def _change(self, caller: Caller, tenant_id: str, email: str, action: str, **changes: Any) -> User:
        async with self._store.platform_unit() as platform:
            found = await platform.users.find(TenantId(tenant_id), name_key(email), lock=True)
            if found is None:
                raise refuse(ErrorCode.NOT_FOUND, f"The tenant {tenant_id} has no user {email}.", "email", what="user")
            user = replace(found, **changes)
            await platform.users.change(user)
            await platform.users.end_sessions(user.user_id)
            told = {"user": user.email, "power": user.power.wire}
            entry = AuditEntry(self._clock.now(), caller.actor, action, None, told)
            await platform.of(user.tenant_id).imports.audit(entry)
        return user


def _demand(caller: Caller, tenant_id: str) -> None:
    require(caller, Right.ADMINISTER)
    if not caller.is_member(TenantId(tenant_id)):
        raise refuse(ErrorCode.TENANT_MISMATCH, "This token gives no access to that tenant.", "tenantId")


def _email_problems(email: str) -> list[Problem]:
    if is_address(email) and len(email) <= _EMAIL_LENGTH_MAX:
        return []
    text = f"Give an e-mail address of at most {_EMAIL_LENGTH_MAX} characters."
    return [Problem(ErrorCode.BAD_USER_INPUT, text, "email")]
