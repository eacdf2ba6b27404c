"""Rows of import jobs, there and back. A job is read together with its packages, in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, null, select

from domain.import_model import ImportJob, ImportPackage, ProgressEvent
from domain.market.model import InstallWish
from domain.market.offering import offer_of, offer_row
from domain.model import name_key
from domain.rows import NewEvent
from storage.documents import (
    decisions_document,
    decisions_of,
    failure_document,
    failure_of,
    options_document,
    options_of,
    problem_document,
    problem_of,
    progress_document,
    progress_of,
    undo_document,
    undo_of,
)
from storage.tables import import_event, import_job, import_package

#: the columns of a job, named as in :class:`domain.model.ImportJob`
FIELDS = (
    *("import_id", "tenant_id", "kind", "mode", "state", "options", "submitted_by", "submitted_at", "fence"),
    *("attempt", "last_seq", "stage", "cancel_requested", "decisions", "ended_at", "expires_at", "plan_id"),
    *("package_name", "package_version", "package_id", "outcome", "failure", "retry_of", "idempotency_key"),
    *("install", "applies_plan", "undo", "identity"),
)
JOB = [import_job.c[name] for name in FIELDS]
#: the same for lists that show no outcome: it is as large as the import
LISTED = [null().label(column.name) if column is import_job.c.outcome else column for column in JOB]
_PACKAGE = ("ordinal", "blob_key", "sha256", "size_bytes", "source_package", "offer")
PACKAGE = [import_package.c[name] for name in _PACKAGE]
_EVENT = ("import_id", "seq", "at", "kind", "state", "body")
EVENT = [import_event.c[name] for name in _EVENT]

#: fields of a job that are documents, and how they are written
_WRITTEN: Mapping[str, Callable[[Any], Any]] = {
    "options": options_document,
    "decisions": decisions_document,
    "outcome": dict,
    "failure": failure_document,
    "install": asdict,
    "undo": undo_document,
}


def with_packages(jobs: Select[Any], of: Sequence[ColumnElement[Any]] = JOB) -> Select[Any]:
    """These jobs, newest first, each row beside one of the job's packages."""
    found: Subquery = jobs.with_only_columns(*of).subquery()
    return (
        select(*found.c, *PACKAGE)
        .outerjoin(import_package, import_package.c.import_id == found.c.import_id)
        .order_by(found.c.import_id.desc(), import_package.c.ordinal)
    )


def jobs_of(rows: Iterable[Sequence[Any]]) -> list[ImportJob]:
    """What :func:`with_packages` found."""
    length = len(FIELDS)
    return [
        job_of(beside[0], [row[length:] for row in beside if row[length] is not None])
        for beside in (list(group) for _, group in groupby(rows, key=itemgetter(0)))
    ]


def job_of(row: Sequence[Any], packages: Iterable[Sequence[Any]]) -> ImportJob:
    values = dict(zip(FIELDS, row, strict=False))
    failure = values["failure"]
    values |= {
        "options": options_of(values["options"]),
        "decisions": decisions_of(values["decisions"]),
        "failure": failure_of(failure) if failure else None,
        "install": InstallWish(**values["install"]) if values["install"] else None,
        "undo": undo_of(values["undo"]) if values["undo"] else None,
    }
    return ImportJob(**values, packages=tuple(_package_of(package) for package in packages))


def _package_of(row: Sequence[Any]) -> ImportPackage:
    ordinal, blob_key, sha256, size_bytes, source_package, offer = row
    stated = offer_of(offer) if offer else None
    return ImportPackage(ordinal, blob_key, sha256, size_bytes, source_package, stated)


def package_row(package: ImportPackage) -> dict[str, Any]:
    row = {name: getattr(package, name) for name in _PACKAGE}
    return row | {"offer": offer_row(package.offer) if package.offer else None}


def job_row(job: ImportJob) -> dict[str, Any]:
    people = {"imported_by": job.imported_by, "submitter": job.submitted_by.label}
    # what is taken back goes before what is to come (decisions section 9.6)
    turn = {"priority": int(job.undo is not None)}
    return written({name: getattr(job, name) for name in FIELDS}) | people | turn


def written(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a job as its columns keep them."""
    row = {
        name: _WRITTEN[name](value) if name in _WRITTEN and value is not None else value
        for name, value in fields.items()
    }
    if row.get("package_name") is not None:
        row["package_key"] = name_key(row["package_name"])
    return row


def event_body(event: NewEvent) -> dict[str, Any]:
    return {
        "progress": progress_document(event.progress),
        "message": event.message,
        "problem": problem_document(event.problem) if event.problem else None,
    }


def event_of(row: Sequence[Any]) -> ProgressEvent:
    import_id, seq, at, kind, state, body = row
    problem = body["problem"]
    return ProgressEvent(
        import_id=import_id,
        first_seq=seq,
        seq=seq,
        at=at,
        kind=kind,
        state=state,
        progress=progress_of(body["progress"]),
        message=body["message"],
        problem=problem_of(problem) if problem else None,
    )
