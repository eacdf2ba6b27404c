"""Who asks, what they may do, and which tenant they mean (decisions section 6, section 9.1, R1, R21, R26)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol, TypeAlias

from domain.errors import ErrorCode, refuse
from domain.model import Actor, TenantId

ADMIN = "installhub:admin"
PLATFORM = "installhub:platform"
OVERRIDE_SECURITY = "installhub:import:override-security-warnings"
OVERRIDE_MAJOR = "installhub:import:override-major-version"

#: the tenants that ids are looked up in; ``None`` means all of them
Reach: TypeAlias = frozenset[TenantId] | None

_READERS = ("installhub:import", "installhub:rollback", "installhub:approve", "installhub:read")


class Right(Enum):
    """One row of decisions section 9.1: any one of these scopes gives it."""

    EXPORT = ("installhub:export", ADMIN)
    IMPORT = ("installhub:import", ADMIN)
    UNDO = ("installhub:import", "installhub:rollback", ADMIN)
    OVERRIDE_SECURITY = (OVERRIDE_SECURITY, ADMIN)
    OVERRIDE_MAJOR = (OVERRIDE_MAJOR, ADMIN)
    APPROVE = ("installhub:approve", ADMIN)
    READ_IMPORTS = (*_READERS, ADMIN)
    READ_ARTIFACTS = ("installhub:read", "installhub:export", "installhub:import", "installhub:artifacts", ADMIN)
    EDIT_ARTIFACTS = ("installhub:artifacts", ADMIN)
    ADMINISTER = (ADMIN,)
    MAKE_TENANTS = (PLATFORM,)
    #: sending a package ahead, for an import or for the marketplace
    UPLOAD = ("installhub:import", "marketplace:publish", ADMIN)
    INSTALL = ("marketplace:install",)
    INSTALL_COMMUNITY = ("marketplace:install:community",)
    PUBLISH = ("marketplace:publish",)
    #: another installation's: it tells this hub of its installs, and of what its people say
    REPORT = ("marketplace:report",)
    RUN_MARKET = ("marketplace:admin", "MarketHub.Admin")

    def __init__(self, *scopes: str) -> None:
        #: any one of them is enough; the first is the one a refusal names
        self.scopes = scopes


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a checked token, nothing more. ``expires_at`` is the token's end, in UTC."""

    subject: str
    issuer: str
    tenants: frozenset[TenantId]
    scopes: frozenset[str]
    expires_at: datetime
    default_tenant: TenantId | None = None
    email: str | None = None
    is_service: bool = False

    @property
    def actor(self) -> Actor:
        """The caller as records name them (R38)."""
        return Actor(self.subject, self.email, is_service=self.is_service)

    @property
    def identity(self) -> str:
        """What tells this caller from every other: issuer and subject."""
        return f"{self.issuer} {self.subject}"

    @property
    def is_platform(self) -> bool:
        """True for a caller who counts as a member of every tenant."""
        return PLATFORM in self.scopes

    @property
    def reach(self) -> Reach:
        """The tenants a lookup by id may look into; ``None`` means all of them."""
        return None if self.is_platform else self.tenants

    def has(self, right: Right) -> bool:
        """Whether one of the right's scopes is held."""
        return not self.scopes.isdisjoint(right.scopes)

    def is_member(self, tenant: TenantId) -> bool:
        """Whether the token names this tenant (or every tenant)."""
        return self.is_platform or tenant in self.tenants


def require(caller: Caller, right: Right) -> None:
    """Refuse with ``InsufficientPermission`` when the caller lacks the right (decisions section 9.1)."""
    if not caller.has(right):
        required = right.scopes[0]
        raise refuse(ErrorCode.INSUFFICIENT_PERMISSION, f"This needs the permission {required}.", required=required)


def tenant_of(caller: Caller, *, body: str | None = None, header: str | None = None, where: str = "") -> TenantId:
    """The tenant a request means: the body's, else the header's, else the token's default or only one (R1).

    Raises ``TenantMismatch`` when body and header differ or name a tenant outside the token, ``InvalidTenantId``
    when nothing names one.
    """
    if body and header and body != header:
        raise refuse(ErrorCode.TENANT_MISMATCH, "The body and X-Tenant-Id name different tenants.", where)
    if body == "":
        raise refuse(ErrorCode.INVALID_TENANT_ID, "The tenant's id is empty.", where or "tenantId")
    only = next(iter(caller.tenants)) if len(caller.tenants) == 1 else None
    tenant = body or header or caller.default_tenant or only
    if not tenant:
        raise refuse(
            ErrorCode.INVALID_TENANT_ID,
            "Name a tenant: in the body, in X-Tenant-Id or in the token's tenant_id.",
            where or "tenantId",
        )
    named = TenantId(tenant)
    if not caller.is_member(named):
        raise refuse(ErrorCode.TENANT_MISMATCH, "This token gives no access to that tenant.", where)
    return named


def reach_of(caller: Caller, header: str | None = None) -> Reach:
    """The tenants an id may be looked up in, narrowed by ``X-Tenant-Id`` if sent (R1). ``None`` means all."""
    if not header:
        return caller.reach
    return frozenset({tenant_of(caller, header=header)})


class Authenticator(Protocol):
    """Turns the value of an Authorization header into a caller; the server has the real one."""

    async def __call__(self, authorization: str | None) -> Caller:
        """Raises a refusal ``invalid_token`` with its ``reason`` (decisions section 6, section 9.2)."""
