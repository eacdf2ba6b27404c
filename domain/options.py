"""What callers may wish of an import, and decide about what it meets (installhub.md section 8.2; A1; R31)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.artifact_types import ArtifactType
from domain.model import ImportId, WireEnum


class ConflictStrategy(WireEnum):
    """A wish given beforehand about artifacts that are already there (X27; Mirror: R31)."""

    REPLACE = "Replace"
    MERGE = "Merge"
    SKIP = "Skip"
    COPY = "Copy"


class StrategyWish(WireEnum):
    """What may be wished for everything that is already there: a strategy, or Mirror (R31).

    Mirror is Replace, and what the package has dropped is removed.
    """

    REPLACE = "Replace"
    MERGE = "Merge"
    SKIP = "Skip"
    COPY = "Copy"
    MIRROR = "Mirror"

    @property
    def strategy(self) -> ConflictStrategy:
        """What is done about a conflict."""
        return ConflictStrategy.REPLACE if self is StrategyWish.MIRROR else ConflictStrategy(self.value)


class UnresolvedBindings(WireEnum):
    """What happens to an artifact whose credentials nobody supplied (R5, R22)."""

    REFUSE = "Refuse"
    IMPORT_SWITCHED_OFF = "ImportSwitchedOff"


class Side(WireEnum):
    """Whose value stands at a path that both sides changed (decisions section 9.3)."""

    EXISTING = "existing"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about one artifact: a strategy, and sides by JSON pointer where a merge needs them."""

    strategy: ConflictStrategy | None = None
    sides: Mapping[str, Side] = field(default_factory=dict)
    #: the content hash of the tenant's artifact in which the sides were looked at: they mean no other; empty for any
    seen: str = ""


class Activation(WireEnum):
    """When what was held and verified is switched on."""

    AUTOMATIC = "Automatic"
    #: when somebody asks for it, within seven days
    MANUAL = "Manual"


class BlockerChoice(WireEnum):
    """What an undo does about later imports and edits that built on what it takes back."""

    REFUSE = "Refuse"
    #: what was built later stays as it is, and stays with its package
    DETACH = "Detach"
    #: it stays too, and belongs to no package any more
    KEEP_AS_LOCAL = "KeepAsLocal"
    #: the later imports and edits are taken back as well
    UNDO_THOSE_TOO = "UndoThoseToo"


@dataclass(frozen=True, slots=True)
class UndoWish:
    """What is to be taken back: one import, or all that a package (name and origin, R4) put there."""

    import_id: ImportId | None = None
    package_name: str | None = None
    source: str | None = None
    blockers: BlockerChoice = BlockerChoice.REFUSE


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the caller wants of an import (installhub.md section 8.2; A1)."""

    default_strategy: ConflictStrategy | None = None
    strategy_by_type: Mapping[ArtifactType, ConflictStrategy] = field(default_factory=dict)
    merge_fallback: ConflictStrategy = ConflictStrategy.SKIP
    allow_version_downgrade: bool = False
    allow_major_version_upgrade: bool = False
    allow_security_warnings: bool = False
    backup_before_replace: bool = False
    dry_run: bool = False
    imported_by: str | None = None
    bindings: Mapping[str, str] = field(default_factory=dict)
    unresolved_bindings: UnresolvedBindings = UnresolvedBindings.REFUSE
    #: addresses that the package's artifacts call, and what stands for each here (:mod:`domain.mapping`)
    endpoint_mapping: Mapping[str, str] = field(default_factory=dict)
    #: decisions taken beforehand, by the source id of the package's artifact; they win over every strategy
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    #: artifacts of this package that its new version does not have any more are removed (Mirror, R31)
    remove_dropped: bool = False
    activation: Activation = Activation.AUTOMATIC
    #: why, in the person's own words: for the audit
    reason: str = ""
    #: it brings over what another installation holds, by the rules of such a migration (akana.md section 6): only from
    #: the same platform version or an earlier update of it; the tenant says whether the scan's warnings may pass
    is_migration: bool = False
