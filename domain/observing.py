"""Whoever runs the services may look on, for logs and measures (decisions R40). Nothing is ever decided here."""

from __future__ import annotations

from enum import Enum

from domain.import_model import ImportJob, ImportState, ProgressEvent
from domain.model import ImportId, TenantId
from domain.notices.model import DeliveryState, Mail, Message, NoticeKind, Outgoing
from domain.rows import NewEvent
from domain.scanning import ScanResult


class Scanned(Enum):
    """What a security scan was made of."""

    IMPORT = "import"
    SUBMISSION = "submission"
    LISTING = "listing"
    RESCAN = "rescan"


class Observer:
    """Told at once, on the event loop's thread: it must neither wait nor raise. This one does nothing at all."""

    def submitted(self, job: ImportJob) -> None:
        """A new import stands in its tenant's line."""

    def found(self, job: ImportJob) -> None:
        """A request is about an import that is there: it came again, or it acts on it."""

    def told(self, job: ImportJob, event: NewEvent) -> None:
        """A running import tells this; what is rolled back is told again."""

    def given_up(self, tenant_id: TenantId, import_id: ImportId, state: ImportState) -> None:
        """An import that nobody ran has ended: cancelled in line or while it waited, or waited too long."""

    def passed_on(self, event: ProgressEvent) -> None:
        """A watcher is given an event that was written while it watched."""

    def relayed(self, message: Message, kind: NoticeKind) -> None:
        """A message of the outbox was turned into what people and webhooks are told."""

    def mailed(self, mail: Mail, state: DeliveryState) -> None:
        """An attempt to send a mail is over; WAITING: there will be another."""

    def delivered(self, outgoing: Outgoing, state: DeliveryState) -> None:
        """An attempt to tell a webhook is over; WAITING: there will be another."""

    def scanned(self, what: Scanned, result: ScanResult, seconds: float) -> None:
        """A package was scanned; ``seconds`` of the scan alone."""

    def unscanned(self, what: Scanned, name: str, trouble: Exception) -> None:
        """What is due to be scanned again was not; the others go on, and it is tried another time."""


NOBODY = Observer()
