"""On which terms one endpoint answers: what an operator decides about documents and operations."""

from __future__ import annotations

from dataclasses import dataclass, field

from resolvers.documents import TrustedDocuments


@dataclass(frozen=True, slots=True)
class Terms:
    """``nodes_max``: things that all lists of an operation could hold. ``seconds_max``: an operation's, or an event's.

    Without ``introspection`` nobody is told the schema; ``__typename`` is always answered.
    """

    introspection: bool = True
    nodes_max: int = 300_000
    seconds_max: float = 60.0
    documents: TrustedDocuments = field(default_factory=TrustedDocuments)
