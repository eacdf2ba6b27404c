"""Mails as they leave: text and HTML that say the same, nothing in them that a reader's program would fetch (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from html import escape

from domain.notices.model import Mail
from domain.strict_json import shown

_SUBJECT_MAX = 200
_ADDRESS_MAX = 254
#: how an encoded word begins, in which a header hides characters (RFC 2047, section 2)
ENCODED = "=?"
#: one address and nothing else: no blank, no control character, none of the signs that mean more in a header
_ADDRESS = re.compile(r"[^\s\x00-\x20\x7f-\x9f<>()\[\],;:\\\"@]{1,64}@[^\s\x00-\x20\x7f-\x9f<>()\[\],;:\\\"@]{1,253}")


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail. ``letter_id`` is the same at every attempt, so that a reader's program can tell a repetition."""

    letter_id: str
    address: str
    subject: str
    text: str
    html: str
    at: datetime


def is_address(text: str | None) -> bool:
    """Whether mail can be sent to it: one plain address."""
    if text is None or len(text) > _ADDRESS_MAX or ENCODED in text:
        return False
    return _ADDRESS.fullmatch(text) is not None


def letter_of(mail: Mail, public_url: str) -> Letter:
    """A notification as a mail; ``public_url`` is how people reach this server, empty if nobody said."""
    told = mail.notification
    link = f"{public_url}{told.link}"
    label = "Audit log" if told.import_id else "More"
    lines = told.body.split("\n")
    text = "\n".join([told.title, "", *lines, "", f"{label}: {link}", f"Tenant: {told.tenant_id}", ""])
    shown_link = f'<a href="{escape(link)}">{escape(link)}</a>' if public_url else f"<code>{escape(link)}</code>"
    html = "".join(
        [
            '<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>',
            f"<h1>{escape(told.title)}</h1>",
            *(f"<p>{escape(line)}</p>" for line in lines),
            f"<p>{label}: {shown_link}</p>",
            f"<p>Tenant: {escape(told.tenant_id)}</p>",
            "</body></html>\n",
        ]
    )
    return Letter(mail.mail_id, mail.address, shown(told.title, limit=_SUBJECT_MAX), text, html, told.at)
