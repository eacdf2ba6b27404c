"""What a scan rule is: its row, which strings it reads, and what it says instead of a secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from domain.scanning.report import Check, Severity


class Where(Enum):
    """Which strings a rule reads."""

    EXPRESSION = "strings under an expression key, and the insides of templates anywhere"
    QUERY = "strings under a query key"
    TEXT = "every string and every member name"
    NAME = "every member name"
    SECRET_VALUE = "strings whose member name asks for a secret"  # noqa: S105 - a place, not a password
    SHOWN = "names, labels and titles, and the package's own texts"
    AS_WRITTEN = "the same, with their invisible characters"
    PACKAGE_TEXT = "the package's own texts alone"
    PATTERN = "strings under a key of a regular expression"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    ``pattern`` finds a place in a decoded text, ``excerpt`` what a report may say of it. For what nobody may read
    there that is a mask: the public beginning of the token (the group ``public`` of the pattern) and four stars.
    """

    name: str
    check: Check
    severity: Severity
    where: Where
    trigger: tuple[str, ...]
    pattern: re.Pattern[str]
    message: str
    judge: Callable[[str], bool] | None = None
    #: what else the bytes must pass, where no short expression can say it
    gate: Callable[[bytes], bool] | None = None
    #: in small letters, what one of stands in every text that the pattern finds something in, whatever their case:
    #: most texts need not be asked
    needs: tuple[str, ...] = ("",)
    #: whether what it finds is never repeated
    is_masked: bool = False
    #: whether the package's own texts are read as well, besides those that are shown
    reads_texts: bool = True

    def excerpt(self, match: re.Match[str]) -> str | None:
        """What this rule says of a place; None where its judge lets the text pass."""
        if self.judge is not None and not self.judge(match.string):
            return None
        return mask(match) if self.masks else match[0]

    @property
    def masks(self) -> bool:
        """Whether a report says only the kind of what was found."""
        return self.is_masked or self.check is Check.CREDENTIAL

    @property
    def tells_all(self) -> bool:
        """Whether the whole string is what must not be repeated, and not a token in it that is known by its look."""
        return self.where is Where.SECRET_VALUE or self.is_masked

    def row(self) -> tuple[str, ...]:
        """What decides, as text, for the version of the rule set."""
        asked = [one.__name__ if one else "" for one in (self.judge, self.gate)]
        # what lets a rule look at all decides too: one that was mended finds more
        return (
            self.name,
            self.severity.wire,
            self.where.name,
            self.pattern.pattern,
            *asked,
            *self.trigger,
            *self.needs,
        )


def mask(match: re.Match[str]) -> str:
    """The kind of a secret without the secret: ``AKIA****``."""
    return f"{match.groupdict().get('public') or ''}****"


def exact(pattern: str) -> re.Pattern[str]:
    """A pattern that reads ASCII only, as all of them do."""
    return re.compile(pattern, re.ASCII)


def any_case(pattern: str) -> re.Pattern[str]:
    """The same without regard to case."""
    return re.compile(pattern, re.ASCII | re.IGNORECASE)
