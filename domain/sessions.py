"""Sessions of the Akana-compatible door: begun with a password, kept in the database, ended everywhere at once.

A session belongs to one user of one tenant. Its token's id is known to the client alone; we keep the hash. What a
cookie says besides is signed with a key of the installation (akana.md section 4).
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from domain.access import ADMIN, Caller, Right, require
from domain.errors import ErrorCode, Refusal, refuse
from domain.limits import Installation
from domain.model import TenantId, name_key
from domain.passwords import Passwords
from domain.ports import Ports
from domain.tenancy import entry_of
from domain.user_rows import Power, Protection, Session, Standing, User

#: whose word it is that a caller is who they are, beside the issuers of tokens
ISSUER = "installhub:session"
#: a session ends so long after the login at the latest, however often it is renewed
LASTS_AT_MOST = timedelta(hours=12)
_SECRET = "sessions"  # noqa: S105 - the secret's name
_MINUTE = 60
_SCOPES: Mapping[Power, frozenset[str]] = {
    Power.NONE: frozenset(),
    Power.MODIFY: frozenset({"installhub:import", "installhub:export"}),
    Power.SITE_ADMIN: frozenset({ADMIN}),
}


class Use(Enum):
    """What a signature is good for: one made for one use is worth nothing for another."""

    SESSION = b"installhub session, 1"
    CSRF = b"installhub csrf, 1"


@dataclass(frozen=True, slots=True)
class Login:
    """An attempt to sign in. ``address`` is where it comes from; without ``tenant_id`` the e-mail must be unique."""

    email: str
    password: str
    address: str
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is going on, as its client knows it."""

    token_id: str
    issued_at: datetime
    standing: Standing

    @property
    def user(self) -> User:
        """Whose it is."""
        return self.standing.user

    @property
    def tenant_id(self) -> TenantId:
        """The tenant it is good for."""
        return self.standing.session.tenant_id

    @property
    def expires_at(self) -> datetime:
        """When it ends unless it is renewed."""
        return self.standing.session.expires_at

    @property
    def protection(self) -> Protection:
        """What the business demands of its requests."""
        return self.standing.protection

    @property
    def caller(self) -> Caller:
        """Who asks with it, and what they may do (decisions section 9.1)."""
        return Caller(
            subject=self.user.user_id,
            issuer=ISSUER,
            tenants=frozenset({self.tenant_id}),
            scopes=_SCOPES[self.user.power],
            expires_at=self.expires_at,
            default_tenant=self.tenant_id,
            email=self.user.email,
        )


class Sessions:
    """Begins, finds, renews and ends sessions; any process knows those of all others."""

    def __init__(self, ports: Ports, installation: Installation, passwords: Passwords) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._limiter = ports.limiter
        self._limits = installation.limits
        self._passwords = passwords
        self._key: bytes | None = None

    async def begin(self, login: Login) -> OpenSession:
        """Sign in. Nothing tells whether tenant, user or password was wrong, not even the time it takes.

        Raises ``RateLimitExceeded``, and ``invalid_token`` for everything else.
        """
        email_key = name_key(login.email)
        await self._count(login, email_key)
        user = await self._named(login, email_key)
        if not await self._passwords.fits(login.password, user.password_hash if user else None):
            raise _unknown()
        if user is None:
            raise _unknown()
        is_outdated = self._passwords.is_outdated(user.password_hash)
        return await self._begun(user, await self._passwords.hashed(login.password) if is_outdated else None)

    async def find(self, token_id: str, tenant_id: TenantId) -> OpenSession | None:
        """The session of this token in this tenant, if it has not ended."""
        async with self._store.platform_view() as unit:
            standing = await unit.users.session(_hash(token_id), self._clock.now())
        if standing is None or standing.session.tenant_id != tenant_id:
            return None
        return OpenSession(token_id, standing.session.begun_at, standing)

    async def renew(self, session: OpenSession) -> OpenSession:
        """The same session with a later end, :data:`LASTS_AT_MOST` after the login at the latest."""
        now = _whole(self._clock.now())
        begun_at = session.standing.session.begun_at
        expires_at = min(now + self._lifetime, begun_at + LASTS_AT_MOST)
        async with self._store.platform_unit() as unit:
            await unit.users.extend_session(_hash(session.token_id), expires_at)
        later = replace(session.standing.session, expires_at=expires_at)
        return OpenSession(session.token_id, now, replace(session.standing, session=later))

    async def end(self, session: OpenSession) -> None:
        """Sign out, in every process."""
        async with self._store.platform_unit() as unit:
            await unit.users.end_session(_hash(session.token_id))

    async def protect(self, caller: Caller, tenant_id: TenantId, protection: Protection) -> None:
        """Say of which requests the tenant's business demands a CSRF token: from the next request on."""
        require(caller, Right.ADMINISTER)
        if not caller.is_member(tenant_id):
            raise refuse(ErrorCode.TENANT_MISMATCH, "This session gives no access to that tenant.", "BusinessID")
        told = {"readCsrf": protection.reads, "writeCsrf": protection.writes}
        entry = entry_of(caller, tenant_id, "security.changed", told, at=self._clock.now())
        async with self._store.platform_unit() as platform:
            await platform.users.protect(tenant_id, protection)
            await platform.of(tenant_id).imports.audit(entry)

    async def signature(self, use: Use, text: str) -> str:
        """Base64url of an HMAC-SHA512 with the key of the installation. No text of ours holds a NUL."""
        if self._key is None:
            async with self._store.platform_unit() as unit:
                self._key = bytes.fromhex(await unit.keeping.secret(_SECRET))
        signed = hmac.digest(self._key, use.value + b"\0" + text.encode(errors="replace"), hashlib.sha512)
        return urlsafe_b64encode(signed).rstrip(b"=").decode()

    @property
    def _lifetime(self) -> timedelta:
        return timedelta(minutes=self._limits.session_minutes)

    async def _count(self, login: Login, email_key: str) -> None:
        """So many a minute for the user that is named, there or not, and for the address; every attempt counts."""
        wait = await self._limiter.take(
            [
                (f"logins/user/{_hash(email_key)}", self._limits.logins_per_user_minute, _MINUTE),
                (f"logins/address/{login.address}", self._limits.logins_per_address_minute, _MINUTE),
            ]
        )
        if wait:
            text = f"Too many logins. Wait {wait} s."
            raise refuse(ErrorCode.RATE_LIMIT_EXCEEDED, text, limit="logins a minute", retryAfter=wait)

    async def _named(self, login: Login, email_key: str) -> User | None:
        """Who means to sign in: nobody, where the address is that of several and the tenant is not named."""
        async with self._store.platform_view() as unit:
            if login.tenant_id is not None:
                return await unit.users.find(TenantId(login.tenant_id), email_key)
            having = await unit.users.having(email_key, first=2)
        return having[0] if len(having) == 1 else None

    async def _begun(self, checked: User, newer_hash: str | None) -> OpenSession:
        """A session, unless the user was disabled or got another password since it was checked."""
        token_id, now = str(uuid.uuid4()), _whole(self._clock.now())
        session = Session(_hash(token_id), checked.tenant_id, checked.user_id, now, now + self._lifetime)
        async with self._store.platform_unit() as unit:
            user = await unit.users.find(checked.tenant_id, checked.email_key, lock=True)
            if user is None or not user.is_enabled or user.password_hash != checked.password_hash:
                raise _unknown()
            if newer_hash is not None:
                await unit.users.change(replace(user, password_hash=newer_hash))
            await unit.users.forget_sessions(now)
            await unit.users.begin_session(session)
            protection = await unit.users.protection(user.tenant_id)
        return OpenSession(token_id, now, Standing(session, user, protection))


def _unknown() -> Refusal:
    text = (
        "The e-mail address or the password is wrong. Where the address is known in several tenants, name one: "
        "X-Tenant-Id, or the query parameter fedmemberId."
    )
    return refuse(ErrorCode.UNAUTHENTICATED, text, reason="WrongCredentials")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _whole(moment: datetime) -> datetime:
    """Whole milliseconds, as cookies tell times."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
