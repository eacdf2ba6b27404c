"""Tokens for development, signed with this machine's own key (decisions section 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import uuid_utils
from joserfc import jwt
from joserfc.jwk import RSAKey

_TTL = re.compile(r"([1-9][0-9]{0,8})([smhd])")
#: a token that outlives this is no development token any more
_LONGEST_SECONDS = 366 * 86400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is to say. ``extra`` are further claims."""

    subject: str
    tenants: Sequence[str]
    scope: str
    issuer: str
    audience: str
    ttl: timedelta = timedelta(hours=1)
    extra: Mapping[str, Any] | None = None


def minted(key: RSAKey, grant: Grant, now: datetime) -> str:
    """A signed token. The first tenant is the default one (R1)."""
    claims: dict[str, Any] = {
        "iss": grant.issuer,
        "aud": grant.audience,
        "sub": grant.subject,
        "scope": grant.scope,
        "tenants": list(grant.tenants),
        "iat": int(now.timestamp()),
        "exp": int((now + grant.ttl).timestamp()),
        "jti": str(uuid_utils.uuid7()),
    }
    if grant.tenants:
        claims["tenant_id"] = grant.tenants[0]
    if "@" in grant.subject:
        claims["email"] = grant.subject
    return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT"}, claims | dict(grant.extra or {}), key)


def ttl_of(text: str) -> timedelta:
    """``90s``, ``15m``, ``1h`` or ``7d`` as a span of time. Raises ``ValueError``."""
    match = _TTL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no span of time such as 90s, 15m, 1h or 7d")
    return timedelta(seconds=min(int(match[1]) * _SECONDS[match[2]], _LONGEST_SECONDS))
