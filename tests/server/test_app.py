"""What holds on every path of a real server: health, numbers, unknown paths, bugs and slow callers."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.patience import HEADER_BYTES
from storage.store import SqlStore
from tests.world import World, a_world

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as running:
        yield running


async def test_a_running_server_is_alive_and_ready(world):
    alive, ready = await world.http.get("/healthz"), await world.http.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_a_server_without_its_database_is_alive_but_not_ready(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        await asyncio.to_thread(_spoil, world.settings.data / "installhub.db")
        assert isinstance(world.runtime.ports.store, SqlStore)
        await world.runtime.ports.store.aclose()

        alive, ready = await world.http.get("/healthz"), await world.http.get("/readyz")

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable", "missing": ["database"]})


def _spoil(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        if path.suffix != ".lock":
            path.unlink()
    database.mkdir()


async def test_an_answer_carries_the_number_it_was_asked_with(world):
    answer = await world.http.get("/healthz", headers={"X-Request-Id": "trace-7:1"})

    assert answer.headers["x-request-id"] == "trace-7:1"


@pytest.mark.parametrize("sent", [None, "", "a b", "x" * 200, '"><script>'])
async def test_a_number_that_does_not_fit_is_replaced(world, sent):
    answer = await world.http.get("/healthz", headers={} if sent is None else {"X-Request-Id": sent})

    assert UUID.fullmatch(answer.headers["x-request-id"])


async def test_the_log_has_the_path_and_never_the_query(world, caplog):
    caplog.set_level("INFO", "server.access")

    await world.http.get("/nowhere?signature=secret")

    assert "GET /nowhere 404" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("path", ["/nowhere", "/api/installhub/nowhere", "/graphql/", "/api"])
async def test_an_unknown_path_is_not_found_in_the_shape_of_errors(world, path):
    answer = await world.http.get(path)

    assert (answer.status_code, answer.json()["error"]) == (404, "NotFound")


async def test_another_method_is_refused_with_those_that_fit(world):
    answer = await world.http.post("/healthz")

    assert (answer.status_code, answer.json()["error"]) == (405, "MethodNotAllowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("method", "path", "fitting"),
    [
        ("GET", "packages/import", {"POST"}),
        ("GET", "packages/export", {"POST"}),
        ("HEAD", "packages/preview", {"POST"}),
        ("POST", "packages/history", {"GET", "HEAD"}),
        ("PUT", "packages/pkg-1", {"GET", "HEAD", "DELETE"}),
        ("DELETE", "packages/import", {"POST"}),
    ],
)
async def test_a_path_of_its_own_is_no_id_and_tells_all_methods_that_fit(world, method, path, fitting):
    answer = await world.http.request(method, f"/api/installhub/{path}", headers=world.headers("acme"))

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == fitting


@pytest.mark.parametrize("mark", ["%3F", "%253F"])
@pytest.mark.parametrize("path", ["/api/installhub/packages/pkg-1/download", "/api/installhub/packages/pkg-1", "/x"])
async def test_a_query_that_was_sent_as_a_part_of_the_path_is_not_logged(world, caplog, path, mark):
    caplog.set_level("INFO", "server.access")

    await world.http.get(f"{path}{mark}expires=1&signature=secret")

    assert f"GET {path} 40" in caplog.text
    assert "secret" not in caplog.text


async def test_two_tenant_headers_are_refused(world):
    twice = [*world.headers("acme").items(), ("X-Tenant-Id", "acme"), ("X-Tenant-Id", "acme")]

    answer = await world.http.get("/api/installhub/imports", headers=twice)

    assert (answer.status_code, answer.json()["error"]) == (400, "BadUserInput")
    assert [row["field"] for row in answer.json()["errors"]] == ["X-Tenant-Id"]


async def test_two_authorizations_are_none(world):
    good = world.headers("acme")["Authorization"]
    body = {"tenantId": "acme", "artifactIds": ["proc-1"]}

    answer = await world.http.post(
        "/api/installhub/packages/preview", json=body, headers=[("Authorization", good), ("Authorization", good)]
    )

    assert (answer.status_code, answer.json()["reason"]) == (401, "MalformedToken")


async def test_headers_without_bound_are_hung_up_on(world):
    _, writer = await _connected(world)
    # far more than the system's own buffers take in before anybody looks
    sent, too_much = 0, 1024 * HEADER_BYTES

    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
    with suppress(ConnectionError):
        while sent < too_much:
            writer.write(b"a" * HEADER_BYTES)
            await writer.drain()
            sent += HEADER_BYTES

    writer.close()
    assert sent < too_much


async def _connected(world: World) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(world.url)
    return await asyncio.open_connection(parts.hostname, parts.port)


@pytest.mark.parametrize("line", [b"GET /\xff HTTP/1.1", b"GET / HTTP/9.9", b"\x00\x01", b"GET /%zz%ff HTTP/1.1"])
async def test_what_is_no_http_is_a_400_and_no_bug(world, line, caplog):
    reader, writer = await _connected(world)

    writer.write(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)

    writer.close()
    assert answer[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 404"}
    assert "met a bug" not in caplog.text


async def test_a_bug_of_ours_is_masked_with_its_number_in_the_log(world, caplog):
    await world.tenant("acme")
    path = world.settings.data / "installhub.db"
    await asyncio.to_thread(_drop_a_table, path)

    answer = await world.http.post(
        "/api/installhub/packages/preview",
        json={"tenantId": "acme", "artifactIds": ["proc-1"]},
        headers=world.headers("acme"),
    )

    told = json.dumps(answer.json())
    number = UUID.search(told)
    assert (answer.status_code, answer.json()["error"]) == (500, "InternalError")
    assert number is not None
    assert number.group(0) in caplog.text
    assert "sqlite" not in told.lower()


def _drop_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE artifact")


async def test_a_store_without_room_says_so_and_when_to_come_back(world, caplog):
    blobs = world.settings.data / "blobs"
    headers = world.headers("tenant-a") | {"Content-Type": "multipart/form-data; boundary=x"}
    await world.tenant("tenant-a")
    part = b'--x\r\nContent-Disposition: form-data; name="package"\r\n\r\n' + b"P" * (2 << 20) + b"\r\n--x--\r\n"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, hard))
    try:
        answer = await world.http.post("/api/installhub/packages/import", content=part, headers=headers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert (answer.status_code, answer.json()["error"]) == (507, "InsufficientStorage")
    assert int(answer.headers["retry-after"]) > 0
    assert "File too large" in caplog.text
    assert [path for path in blobs.rglob("*") if path.is_file() and path.stat().st_size > 1000] == []
