"""Bearer tokens: from the value of an Authorization header to a caller (decisions section 6; security section 3.5).

Rules, in this order; the first that fails is the reason of the 401:

1. one ``Bearer`` token of three parts; header and claims are strict JSON;
2. the algorithm is one of ours, and the header brings no key, no address of a key and nothing critical;
3. the key is one of ours, named by ``kid``, and fits the algorithm; the signature is right;
4. ``iss``, ``aud``, ``exp`` and ``sub`` are there; issuer and audience are exactly ours;
5. it is neither expired nor from the future, give or take a minute.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from domain import strict_json
from domain.access import Caller
from domain.errors import ErrorCode, Refusal, refuse
from domain.model import TenantId
from domain.ports import Clock
from server.jwks import Keys, KeySource, PublicKey

SKEW_SECONDS = 60.0
REMEMBERED = 1000
_TOKEN_LENGTH_MAX = 16 << 10
_BEARER = re.compile(r"(?i:bearer) +([\w-]+)\.([\w-]+)\.([\w-]+) *", re.ASCII)
#: none of these may come from the token itself; ``crit`` and ``b64`` would change how it is read (RFC 8725, 7797)
_NOT_FROM_A_TOKEN = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"})
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_KINDS: Mapping[str, tuple[type[PublicKey], str | None]] = {
    "RS256": (RSAKey, None),
    "ES256": (ECKey, "P-256"),
    "EdDSA": (OKPKey, "Ed25519"),
    "Ed25519": (OKPKey, "Ed25519"),
}
_LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class Reason(Enum):
    """Why a token is no good, as the contract words it (installhub.md section 5)."""

    MALFORMED = "MalformedToken"
    SIGNATURE = "SignatureInvalid"
    KEY = "KeyNotFound"
    CLAIMS = "ClaimsRequired"
    ISSUER = "IssuerMismatch"
    AUDIENCE = "AudienceMismatch"
    TIME = "TokenExpired"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are taken."""

    issuer: str
    audience: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was checked, by the key of this name."""

    kid: str
    caller: Caller


class TokenAuthenticator:
    """:class:`domain.access.Authenticator` over signed tokens. Checked tokens are remembered until they end."""

    def __init__(self, source: KeySource, trust: Trust, clock: Clock) -> None:
        self._source = source
        self._trust = trust
        self._clock = clock
        self._keys: Keys = {}
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def __call__(self, authorization: str | None) -> Caller:
        """Raises a refusal ``invalid_token`` with its ``reason``, or ``SERVICE_UNAVAILABLE`` without keys."""
        now = self._clock.now().timestamp()
        parts = _parts(authorization)
        digest = hashlib.sha256(".".join(parts).encode()).digest()
        known = self._known.get(digest)
        header = {} if known else _document(parts[0], "header")
        kid = known.kid if known else _kid(header)
        await self._renew_keys(kid)
        # looked for again: with other keys, nothing is known any more
        known = self._known.get(digest)
        if known is None:
            claims = self._verified(parts, header or _document(parts[0], "header"), kid)
            known = _Known(kid, _caller(claims, self._trust, now))
            self._remember(digest, known)
        caller = known.caller
        _demand_unexpired(caller.expires_at.timestamp(), now)
        self._known.move_to_end(digest)
        return caller

    async def _renew_keys(self, kid: str) -> None:
        """With other keys, nothing checked before is known any more."""
        keys = await self._source.keys(kid)
        if keys is not self._keys:
            self._keys = keys
            self._known.clear()

    def _verified(self, parts: tuple[str, str, str], header: Mapping[str, Any], kid: str) -> Mapping[str, Any]:
        key = self._keys.get(kid)
        if key is None:
            raise _unauthenticated(Reason.KEY, "The token is signed with a key that is not known here.")
        kind, curve = _KINDS[header["alg"]]
        if not isinstance(key, kind) or getattr(key, "curve_name", None) != curve:
            raise _unauthenticated(Reason.SIGNATURE, "The token's algorithm does not fit its key.")
        try:
            jws.deserialize_compact(".".join(parts), key, algorithms=list(_KINDS), registry=_REGISTRY)
        except (JoseError, ValueError) as error:
            raise _unauthenticated(Reason.SIGNATURE, "The token's signature is not right.") from error
        return _document(parts[1], "claims")

    def _remember(self, digest: bytes, known: _Known) -> None:
        self._known[digest] = known
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


class _Registry(jws.JWSRegistry):
    """Our own header rules stand before it; long ``kid`` and thumbprints are no reason to refuse."""

    max_header_length = _TOKEN_LENGTH_MAX

    def __init__(self) -> None:
        super().__init__(algorithms=list(_KINDS), strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        # the library's own warns of EdDSA, the name that most issuers still give Ed25519
        return self.algorithms[name]


_REGISTRY = _Registry()


def _unauthenticated(reason: Reason, text: str) -> Refusal:
    return refuse(ErrorCode.UNAUTHENTICATED, text, reason=reason.value)


def _parts(authorization: str | None) -> tuple[str, str, str]:
    match = _BEARER.fullmatch(authorization or "")
    if match is None or len(match[0]) > _TOKEN_LENGTH_MAX:
        raise _unauthenticated(Reason.MALFORMED, "Send one header Authorization: Bearer <token>.")
    return match[1], match[2], match[3]


def _document(part: str, name: str) -> dict[str, Any]:
    try:
        document = strict_json.read(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, strict_json.NotStrict) as flaw:
        raise _unauthenticated(Reason.MALFORMED, f"The token's {name} cannot be read.") from flaw
    if not isinstance(document, dict):
        raise _unauthenticated(Reason.MALFORMED, f"The token's {name} is no object.")
    return document


def _kid(header: Mapping[str, Any]) -> str:
    """The name of the key, once the header is one that we read (rule 2)."""
    kind, kid, algorithm = header.get("typ", "JWT"), header.get("kid"), header.get("alg")
    if not _NOT_FROM_A_TOKEN.isdisjoint(header) or not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _unauthenticated(Reason.MALFORMED, "The token's header has fields that are not accepted.")
    if not isinstance(algorithm, str) or algorithm not in _KINDS:
        raise _unauthenticated(Reason.SIGNATURE, f"A token is signed with {', '.join(_KINDS)}.")
    if not isinstance(kid, str):
        raise _unauthenticated(Reason.KEY, "The token does not name its key.")
    return kid


def _caller(claims: Mapping[str, Any], trust: Trust, now: float) -> Caller:
    missing = [name for name in ("iss", "aud", "exp", "sub") if claims.get(name) in (None, "")]
    if missing:
        raise _unauthenticated(Reason.CLAIMS, f"The token lacks {', '.join(missing)}.")
    if claims["iss"] != trust.issuer:
        raise _unauthenticated(Reason.ISSUER, "The token is of another issuer.")
    if trust.audience not in _texts(claims, "aud"):
        raise _unauthenticated(Reason.AUDIENCE, "The token is for another audience.")
    expires = _moment(claims, "exp")
    for name in ("nbf", "iat"):
        if claims.get(name) is not None and _moment(claims, name) > now + SKEW_SECONDS:
            raise _unauthenticated(Reason.TIME, "The token is not valid yet.")
    scopes = _texts(claims, "scope", split=True) | _texts(claims, "permissions", split=True) | _texts(claims, "roles")
    home = _text(claims, "tenant_id")
    tenants = _texts(claims, "tenants") | ({home} if home else set())
    return Caller(
        subject=_text(claims, "sub") or "",
        issuer=trust.issuer,
        tenants=frozenset(map(TenantId, tenants)),
        scopes=frozenset(scopes),
        expires_at=datetime.fromtimestamp(min(max(expires, 0.0), _LAST_SECOND), UTC),
        default_tenant=TenantId(home) if home else None,
        email=_text(claims, "email"),
        is_service=claims.get("managed_identity_id") is not None,
    )


def _demand_unexpired(expires: float, now: float) -> None:
    if expires + SKEW_SECONDS <= now:
        raise _unauthenticated(Reason.TIME, "The token has expired.")


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    """An optional text; empty is as good as absent."""
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise _unauthenticated(Reason.MALFORMED, f"The token's {name} is no text.")
    return value or None


def _texts(claims: Mapping[str, Any], name: str, *, split: bool = False) -> set[str]:
    """A text, at blanks if asked for, or a list of texts; as a set, compared whole (security section 3.5)."""
    value = claims.get(name)
    if isinstance(value, str):
        return set(value.split(" ") if split else [value]) - {""}
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise _unauthenticated(Reason.MALFORMED, f"The token's {name} is neither text nor a list of texts.")
    return set(value or ()) - {""}


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _unauthenticated(Reason.MALFORMED, f"The token's {name} is no time in seconds.")
    return float(value)
