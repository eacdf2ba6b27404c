"""Everything about notices: the outbox, people's inboxes, mails and webhooks."""

from __future__ import annotations

from storage.inbox import Inbox
from storage.outbox import Outbox
from storage.post import Post
from storage.session import Session
from storage.undelivered import Stuck
from storage.webhooks import Webhooks


class SqlNotices(Outbox, Inbox, Post, Stuck, Webhooks):
    """:class:`domain.notices.rows.NoticeRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session
