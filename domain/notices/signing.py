"""How a receiver knows that a webhook's message is ours, unchanged, and new (pure).

In the manner of Standard Webhooks: an HMAC-SHA256 over id, time and body, one signature for each secret that is good.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from datetime import datetime

from domain.notices.model import Delivery, Webhook

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as people keep it."""
    return _PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """``v1,`` and the base64 of the HMAC over ``id.timestamp.body``; the key is what stands after ``whsec_``."""
    key = b64decode(secret.removeprefix(_PREFIX))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return f"v1,{b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def signed_headers(webhook: Webhook, delivery: Delivery, now: datetime) -> dict[str, str]:
    """The headers of one attempt. Secrets that were replaced a while ago still sign, so that none is missed."""
    timestamp = str(int(now.timestamp()))
    good = [webhook.secret, *(old.secret for old in webhook.old_secrets if old.until > now)]
    body = delivery.body.encode()
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery.delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signature(secret, delivery.delivery_id, timestamp, body) for secret in good),
    }
