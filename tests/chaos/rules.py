"""The invariants as far as SQL can say them: a statement finds what violates one (security.md section 4)."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """What a statement finds. ``is_of_rest``: only a server that has nothing to do may be asked."""

    invariant: str
    says: str
    sql: str
    is_of_rest: bool = False


NAMES = {
    "I1": "an import is wholly visible or not at all",
    "I2": "what is installed hashes to its row, and each row's bytes are there",
    "I3": "status never goes back, an end is final, what failed left nothing",
    "I4": "what was acknowledged survives",
    "I5": "a version has one checksum, a key one result",
    "I6": "no tenant's row names another tenant's import",
    "I7": "no job without owner, nothing temporary, no orphan past its time",
    "I8": "each end is written down and told exactly once",
}
COUNTS = {
    "I1": "SELECT count(*) FROM import_job",
    "I2": "SELECT count(*) FROM artifact",
    "I3": "SELECT count(*) FROM import_event",
    "I4": "SELECT 0",
    "I5": "SELECT (SELECT count(*) FROM package) + (SELECT count(*) FROM idempotency)",
    "I6": "SELECT count(*) FROM plan_action",
    "I7": "SELECT count(*) FROM import_job WHERE ended_at IS NULL",
    "I8": "SELECT count(*) FROM audit WHERE import_id IS NOT NULL",
}
TENANTS_OF_IMPORTS = (
    *("revision", "import_package", "import_event", "installed_package", "audit", "scan_report", "plan"),
    *("plan_action", "merge_base", "arrival", "undone", "notification"),
)

_FINAL = "('SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED')"
_UNSEEN = "(j.state <> 'SUCCEEDED' OR j.mode <> 'APPLY')"
_SEEN = "j.state = 'SUCCEEDED' AND j.mode = 'APPLY'"
_ENDS = """('import.activated', 'import.undone', 'package.uninstalled', 'import.failed', 'import.cancelled',
  'import.expired')"""
_ENDS_OF_JOB = f"SELECT count(*) FROM audit a WHERE a.import_id = j.import_id AND a.action IN {_ENDS}"
_ENDED_EVENTS = "SELECT count(*) FROM import_event e WHERE e.import_id = j.import_id AND e.kind = 'ENDED'"

#: where an import that nobody may see must not be named, and by which column
_SHOWING = (
    ("revision", "import_id", "t.follows_import = 0 AND"),
    ("arrival", "import_id", ""),
    ("installed_package", "import_id", ""),
    ("merge_base", "import_id", ""),
    ("artifact", "origin_import_id", ""),
)

RULES = (
    *(
        Rule(
            "I1",
            f"a row of {table} shows an import that is not to be seen",
            f"SELECT j.import_id, j.state FROM {table} t JOIN import_job j ON j.import_id = t.{column}"
            f" WHERE {which} {_UNSEEN}",
        )
        for table, column, which in _SHOWING
    ),
    Rule(
        "I1",
        "a revision of the plan is not shown",
        f"""SELECT p.import_id, p.revision_id FROM plan_action p JOIN import_job j ON j.import_id = p.import_id
        WHERE {_SEEN} AND p.revision_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revision r
        WHERE r.revision_id = p.revision_id AND r.import_id = p.import_id)""",
    ),
    Rule(
        "I1",
        "a shown revision was not planned",
        f"""SELECT r.import_id, r.revision_id FROM revision r JOIN import_job j ON j.import_id = r.import_id
        WHERE {_SEEN} AND NOT EXISTS (SELECT 1 FROM plan_action p WHERE p.import_id = r.import_id
        AND p.revision_id = r.revision_id)""",
    ),
    Rule(
        "I1",
        "not all of its packages arrived",
        f"""SELECT j.import_id FROM import_job j WHERE {_SEEN} AND j.kind IN ('IMPORT', 'INSTALL') AND
        (SELECT count(*) FROM arrival a WHERE a.import_id = j.import_id) <>
        (SELECT count(*) FROM import_package p WHERE p.import_id = j.import_id)""",
    ),
    Rule("I1", "it tells no outcome", f"SELECT j.import_id FROM import_job j WHERE {_SEEN} AND j.outcome IS NULL"),
    Rule(
        "I2",
        "an artifact is not what its revision is",
        f"""SELECT a.tenant_id, a.artifact_id FROM artifact a LEFT JOIN revision r ON r.revision_id = a.revision_id
        LEFT JOIN import_job j ON j.import_id = r.import_id
        WHERE r.revision_id IS NULL OR (r.follows_import <> 0 AND (j.import_id IS NULL OR {_UNSEEN}))
        OR r.tenant_id <> a.tenant_id OR r.artifact_id <> a.artifact_id
        OR r.content_hash <> a.content_hash OR r.number <> a.revision""",
    ),
    Rule(
        "I2",
        "a history has a number twice, or has one not",
        f"""SELECT r.tenant_id, r.artifact_id FROM revision r LEFT JOIN import_job j ON j.import_id = r.import_id
        WHERE r.follows_import = 0 OR {_SEEN} GROUP BY r.tenant_id, r.artifact_id
        HAVING count(*) <> max(r.number) OR count(DISTINCT r.number) <> max(r.number)""",
    ),
    Rule(
        "I2",
        "a shown revision has no body",
        f"""SELECT r.revision_id, r.status FROM revision r LEFT JOIN revision_body b ON b.body_id = r.revision_id
        LEFT JOIN import_job j ON j.import_id = r.import_id
        WHERE b.body_id IS NULL AND (r.follows_import = 0 OR {_SEEN})""",
    ),
    Rule(
        "I2",
        "the base of a merge has no body",
        """SELECT m.tenant_id, m.artifact_id FROM merge_base m LEFT JOIN revision_body b ON b.body_id = m.body_id
        WHERE b.body_id IS NULL""",
    ),
    Rule(
        "I3",
        "an import that ended has not one last word",
        f"SELECT j.import_id, j.state FROM import_job j WHERE j.state IN {_FINAL} AND ({_ENDED_EVENTS}) <> 1",
    ),
    Rule(
        "I3",
        "an import goes on after its last word",
        f"SELECT j.import_id, j.state FROM import_job j WHERE j.state NOT IN {_FINAL} AND ({_ENDED_EVENTS}) > 0",
    ),
    Rule(
        "I3",
        "the last word is another",
        """SELECT j.import_id, j.state, e.state FROM import_job j JOIN import_event e ON e.import_id = j.import_id
        WHERE e.kind = 'ENDED' AND (e.state <> j.state OR e.seq <> j.last_seq)""",
    ),
    Rule(
        "I3",
        "the journal has gaps",
        """SELECT j.import_id, j.last_seq FROM import_job j WHERE j.last_seq <>
        (SELECT count(*) FROM import_event e WHERE e.import_id = j.import_id AND e.seq BETWEEN 1 AND j.last_seq)""",
    ),
    Rule(
        "I3",
        "a state and its time do not agree",
        f"""SELECT j.import_id, j.state FROM import_job j
        WHERE (j.state IN {_FINAL}) <> (j.ended_at IS NOT NULL)""",
    ),
    Rule(
        "I3",
        "an import that came to nothing still holds a revision",
        f"""SELECT r.import_id, r.revision_id FROM revision r JOIN import_job j ON j.import_id = r.import_id
        WHERE {_UNSEEN} AND j.state IN {_FINAL}""",
        is_of_rest=True,
    ),
    Rule(
        "I5",
        "a version was made twice",
        "SELECT tenant_id, name_key, version FROM package GROUP BY 1, 2, 3 HAVING count(*) > 1",
    ),
    Rule(
        "I5",
        "a key made several imports",
        """SELECT tenant_id, identity, idempotency_key FROM import_job WHERE idempotency_key IS NOT NULL
        GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    ),
    Rule(
        "I6",
        "an artifact's origin is another tenant's import",
        """SELECT a.tenant_id, a.artifact_id FROM artifact a JOIN import_job j ON j.import_id = a.origin_import_id
        WHERE j.tenant_id <> a.tenant_id""",
    ),
    Rule(
        "I6",
        "a revision was put over another tenant's",
        """SELECT p.tenant_id, p.import_id FROM plan_action p JOIN revision r ON r.revision_id = p.existing_revision_id
        WHERE r.tenant_id <> p.tenant_id""",
    ),
    Rule(
        "I7",
        "a running job has no owner",
        "SELECT import_id FROM import_job WHERE state = 'RUNNING' AND (owner IS NULL OR lease_until IS NULL)",
    ),
    Rule(
        "I7",
        "a job that does not run has an owner's lease",
        "SELECT import_id, state FROM import_job WHERE state = 'QUEUED' AND lease_until IS NOT NULL",
    ),
    Rule(
        "I7",
        "a job is not brought to its end",
        "SELECT import_id, state FROM import_job WHERE state IN ('QUEUED', 'RUNNING')",
        is_of_rest=True,
    ),
    Rule(
        "I8",
        "an end is not written down once",
        f"""SELECT j.import_id, j.state FROM import_job j WHERE j.mode = 'APPLY' AND j.state IN {_FINAL}
        AND ({_ENDS_OF_JOB}) <> 1""",
    ),
    Rule(
        "I8",
        "an end is written down that has not come",
        f"SELECT j.import_id, j.state FROM import_job j WHERE j.state NOT IN {_FINAL} AND ({_ENDS_OF_JOB}) > 0",
    ),
    Rule("I8", "a message is not relayed", "SELECT message_id, kind FROM outbox", is_of_rest=True),
)
