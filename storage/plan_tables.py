"""Tables of plans, of what an import put there and what was there before (decisions R7-R11). Rules: see ``tables``."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, UniqueConstraint, text

from domain.options import ConflictStrategy
from domain.plan_model import ActionKind, DecisionSource, MatchedBy
from storage.sql import Choice, Json, Moment, Who, Words
from storage.tables import METADATA, STATUS, TYPE, origin_columns, where, words

#: an artifact that was met, and of which nothing was written: as storage.conflicts asks, or the index is of no use
_MET = (
    "existing_id IS NOT NULL AND (kind <> 'UNCHANGED' OR strategy IS NOT NULL)"
    " AND (revision_id IS NULL OR target_id <> existing_id)"
)

scan_report = Table(
    "scan_report",
    METADATA,
    Column("import_id", Words(), ForeignKey("import_job.import_id"), primary_key=True),
    Column("ordinal", Integer(), primary_key=True, autoincrement=False),
    words("tenant_id"),
    Column("report", Json(), nullable=False),
    #: the package's id, and the version of the rules that it was scanned by last, which the report is not changed by
    Column("package_id", Words(), nullable=False, server_default=text("''")),
    Column("scanned_by", Words(), nullable=False, server_default=text("''")),
)

#: exceptions from scans of imports (installhub.md section 9.6); those of submissions are the market's
import_exception = Table(
    "import_exception",
    METADATA,
    words("exception_id", key=True),
    words("tenant_id"),
    Column("import_id", Words(), ForeignKey("import_job.import_id"), nullable=False),
    Column("finding_index", Integer(), nullable=False),
    words("rule"),
    words("pointer"),
    words("artifact_hash"),
    words("explanation"),
    words("justification"),
    words("status"),
    Column("asked_at", Moment(), nullable=False),
    Column("asked_by", Who(), nullable=False),
    words("details"),
    Column("valid_until", Moment()),
    Column("decided_at", Moment()),
    Column("decided_by", Who()),
    Index("ix_import_exception_import", "import_id"),
    Index("ix_import_exception_tenant", "tenant_id", "status", "exception_id"),
)

plan = Table(
    "plan",
    METADATA,
    words("plan_id", key=True),
    Column("import_id", Words(), ForeignKey("import_job.import_id"), nullable=False),
    words("tenant_id"),
    words("plan_hash"),
    Column("warnings", Json(), nullable=False),
    Column("blockers", Json(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    Column("expires_at", Moment(), nullable=False),
    #: the import that carried it out: a plan is applied once
    words("applied_by", optional=True),
    #: the places that need a value of the tenant, and where it comes from; never the values
    Column("bindings", Json(), nullable=False, server_default=text("'[]'")),
    #: ordinal, id in the package and id in the tenant of what other packages bring
    Column("externals", Json(), nullable=False, server_default=text("'[]'")),
    #: versions of the installed packages that it relies on, by name key
    Column("relied", Json(), nullable=False, server_default=text("'{}'")),
    UniqueConstraint("import_id"),
)

plan_approval = Table(
    "plan_approval",
    METADATA,
    Column("plan_id", Words(), ForeignKey("plan.plan_id"), primary_key=True),
    words("identity", key=True),
    words("tenant_id"),
    Column("actor", Who(), nullable=False),
    words("plan_hash"),
    Column("at", Moment(), nullable=False),
)

plan_action = Table(
    "plan_action",
    METADATA,
    Column("import_id", Words(), ForeignKey("import_job.import_id"), primary_key=True),
    Column("ordinal", Integer(), primary_key=True, autoincrement=False),
    Column("position", Integer(), primary_key=True, autoincrement=False),
    words("tenant_id"),
    words("source_id"),
    Column("type", TYPE, nullable=False),
    words("name"),
    words("to_version"),
    Column("kind", Choice(ActionKind)),
    words("target_id"),
    Column("decided_by", Choice(DecisionSource), nullable=False),
    Column("matched_by", Choice(MatchedBy)),
    words("conflict_key", optional=True),
    Column("strategy", Choice(ConflictStrategy)),
    words("revision_id", optional=True),
    words("written_version"),
    Column("status", STATUS, nullable=False),
    words("content_hash"),
    words("base_body_id"),
    words("base_hash"),
    words("name_key"),
    words("existing_name_key", optional=True),
    # the existing artifact as the plan saw it: the columns of a head, in their order
    words("existing_tenant_id", optional=True),
    words("existing_id", optional=True),
    Column("existing_type", TYPE),
    words("existing_name", optional=True),
    words("existing_version", optional=True),
    Column("existing_status", STATUS),
    Column("existing_revision", Integer()),
    words("existing_revision_id", optional=True),
    words("existing_hash", optional=True),
    Column("existing_changed_at", Moment()),
    Column("existing_changed_by", Who()),
    *origin_columns("existing_origin_"),
    Column("existing_imported_revision", Integer()),
    #: the base of a three-way merge, and the paths at which both sides changed, with the side that was taken
    words("merge_base_id", optional=True),
    Column("paths", Json()),
    #: the earlier revision whose content comes back
    words("restores", optional=True),
    # what touched an artifact is found by the revision that it wrote (those of one import stand side by side in the
    # index) and, where it wrote none of that artifact, by the artifact: storage.conflicts
    Index("ix_plan_action_revision", "revision_id", **where("revision_id IS NOT NULL")),
    Index("ix_plan_action_met", "tenant_id", "existing_id", **where(_MET)),
)

merge_base = Table(
    "merge_base",
    METADATA,
    words("tenant_id", key=True),
    words("package_key", key=True),
    words("source", key=True),
    words("source_id", key=True),
    words("artifact_id"),
    words("body_id"),
    words("content_hash"),
    words("import_id"),
    Index("ix_merge_base_body", "body_id"),
)
