"""Tables of two installations that know each other: one offers packages, the other installs them. Rules: ``tables``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, text

from domain.notices.model import DeliveryState
from storage.sql import Choice, Moment, Who
from storage.tables import METADATA, where, words

#: what another installation's hub is to be told of installs here, in their order
hub_report = Table(
    "hub_report",
    METADATA,
    # SQLite counts by itself only in an INTEGER
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    words("tenant_id"),
    words("listing_id"),
    words("version"),
    Column("at", Moment(), nullable=False),
    Column("state", Choice(DeliveryState), nullable=False),
    Column("attempts", Integer(), nullable=False, server_default=text("0")),
    #: database seconds: when it is tried next; somebody has it until then
    Column("due", Double(), nullable=False),
    words("error"),
    Index("ix_hub_report_waiting", "number", **where("state = 'Waiting'")),
)

#: who hears of new versions of a package that another installation's hub offers
remote_subscription = Table(
    "remote_subscription",
    METADATA,
    words("listing_id", key=True),
    words("tenant_id", key=True),
    words("name"),
    Column("subscribed_at", Moment(), nullable=False),
    Column("subscribed_by", Who(), nullable=False),
    words("identity"),
    #: the latest version when somebody was told last; empty where none could be installed
    words("told_version"),
)

#: another installation that tells this hub of its installs, and how many of its tenants are counted
reporter = Table(
    "reporter",
    METADATA,
    words("identity", key=True),
    words("tenant_id"),
    Column("tenants", Integer(), nullable=False, server_default=text("0")),
)

#: those tenants, by the names under which their installs are counted
reported_tenant = Table(
    "reported_tenant",
    METADATA,
    words("tenant_id", key=True),
    words("identity"),
    Column("first_at", Moment(), nullable=False),
)
