"""What a new publisher says of itself, and everything that may be wrong with it (installhub.md section 10.4; pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from domain.errors import ErrorCode, Problem
from domain.market.model import VerificationMethod
from domain.model import TenantId

_NAME_MAX, _SLUG_MAX, _DESCRIPTION_MAX, _ADDRESS_MAX = 100, 50, 500, 2_048
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_EMAIL_MAX = 254
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
#: a name that public DNS can know: two labels at least, and the last one is no number
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+$){_LABEL}")
_DOMAIN_MAX = 253


@dataclass(frozen=True, slots=True)
class PublisherOrder:
    """What a new publisher says of itself (installhub.md section 10.4)."""

    tenant_id: TenantId
    display_name: str
    slug: str
    website: str
    contact_email: str
    description: str = ""
    logo_url: str = ""
    method: VerificationMethod = VerificationMethod.DNS


def order_problems(order: PublisherOrder) -> Iterator[Problem]:
    """Everything wrong with what a new publisher says of itself."""
    needed = {
        "displayName": order.display_name,
        "slug": order.slug,
        "website": order.website,
        "contactEmail": order.contact_email,
    }
    for where, text in needed.items():
        if not text.strip():
            yield Problem(ErrorCode.MISSING_REQUIRED_FIELD, f"{where} is required.", where)
    for where, is_fit, expected in _expectations(order):
        if not is_fit and needed.get(where, "-").strip():
            yield Problem(ErrorCode.BAD_USER_INPUT, f"{where} must be {expected}.", where)


def _expectations(order: PublisherOrder) -> Iterator[tuple[str, bool, str]]:
    name, description = order.display_name, order.description
    yield "displayName", len(name) <= _NAME_MAX and name.isprintable(), f"one line of at most {_NAME_MAX} characters"
    is_slug = len(order.slug) <= _SLUG_MAX and _SLUG.fullmatch(order.slug) is not None
    yield "slug", is_slug, f"at most {_SLUG_MAX} lower-case letters, digits and inner hyphens"
    yield "website", is_https(order.website) and bool(domain_of(order.website)), "an https address with a domain name"
    email = order.contact_email
    is_email = len(email) <= _EMAIL_MAX and email.isprintable() and _EMAIL.fullmatch(email) is not None
    yield "contactEmail", is_email, "an e-mail address"
    yield "description", len(description) <= _DESCRIPTION_MAX, f"at most {_DESCRIPTION_MAX} characters"
    yield "logoUrl", not order.logo_url or is_https(order.logo_url), "an https address"


def is_https(address: str) -> bool:
    """Whether this is one https address without a user, of a length that a page can show."""
    if len(address) > _ADDRESS_MAX or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc


def domain_of(website: str) -> str:
    """The domain name of a publisher's website; empty when the address has none that can be shown to be its own."""
    try:
        parts = urlsplit(website)
        host = (parts.hostname or "").rstrip(".").encode("idna").decode() if parts.port in {None, 443} else ""
    except ValueError:  # also what IDNA cannot write
        return ""
    is_plain = parts.scheme == "https" and "@" not in parts.netloc and len(host) <= _DOMAIN_MAX
    return host if is_plain and _DOMAIN.fullmatch(host) else ""
