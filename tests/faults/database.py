"""A PostgreSQL database behind a proxy: ``async with a_database(postgres_url) as (proxy, url)``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.faults.proxy import Proxy, a_proxy, at_port, at_socket


@asynccontextmanager
async def a_database(postgres_url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """The proxy, and the address at which the database is had through it."""
    direct = make_url(postgres_url)
    folder = direct.query.get("host")
    if isinstance(folder, str):
        onward = at_socket(str(Path(folder) / f".s.PGSQL.{direct.query.get('port', 5432)}"))
    else:
        onward = at_port(direct.port or 5432)
    async with a_proxy(onward) as proxy:
        through = direct.set(host="127.0.0.1", port=proxy.port, query={})
        yield proxy, through.render_as_string(hide_password=False)
