"""A server process that runs out of something, and gets it back: F01, F18, F19 and F25 (design: security 4.2).

One process takes it all in turn: what it was denied must not be remembered.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from bench import corpus
from tests.faults.hub import Hub, a_hub
from tests.faults.limits import address_space, allowed, no_descriptor_more

IMPORTS = "/api/installhub/imports"
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def small() -> bytes:
    return corpus.bundle("elsewhere", "Small", corpus.artifacts(6, size=500))


@pytest.fixture(scope="module")
def large() -> bytes:
    """Some mebibytes."""
    return corpus.bundle("elsewhere", "Large", corpus.artifacts(60, size=100_000), level=0)


@pytest.fixture(scope="module")
def log() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe that holds little; nobody reads it unless a test does."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, log: tuple[int, int]) -> Iterator[Hub]:
    with a_hub(tmp_path_factory.mktemp("hub"), stderr=log[1]) as made:
        yield made


def test_a_full_disk_refuses_what_needs_room_and_takes_it_once_there_is_some(hub, small, large):
    before = hub.stored()

    with allowed(hub.pid, resource.RLIMIT_FSIZE, MEBIBYTE // 2):
        body, form = hub.upload(bytes(2 * MEBIBYTE)), hub.bring(large)
        left, count = hub.stored(), hub.count()
    with allowed(hub.pid, resource.RLIMIT_FSIZE, 1):
        rows, read = hub.upload(small), hub.http.get(IMPORTS)
        is_alive = hub.is_alive()
    after = hub.bring(small)

    assert [(answer.status_code, answer.json()["error"]) for answer in (body, form)] == [
        (507, "InsufficientStorage")
    ] * 2
    assert (rows.status_code, read.status_code, is_alive) == (507, 200, True)
    assert all(int(answer.headers["retry-after"]) > 0 for answer in (body, form, rows))
    assert (left, count) == (before, 0)
    assert (after.status_code, after.json()["status"], hub.count()) == (200, "Success", 6)


def test_without_file_descriptors_a_server_refuses_and_recovers(hub, small):
    hub.bring(small)

    with allowed(hub.pid, resource.RLIMIT_NOFILE, no_descriptor_more(hub.pid)):
        refused, is_alive = hub.upload(small), hub.is_alive()
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{hub.place.url}/healthz", timeout=2, trust_env=False)
    again = hub.upload(small)
    stranger = httpx.get(f"{hub.place.url}/healthz", timeout=10, trust_env=False)

    assert (refused.status_code, refused.json()["error"], is_alive) == (503, "ServiceUnavailable", True)
    assert int(refused.headers["retry-after"]) > 0
    assert (again.status_code, stranger.status_code) == (201, 200)


def test_a_log_that_nobody_reads_holds_up_nobody(hub, log):
    for _ in range(60):
        assert hub.http.get(IMPORTS).status_code == 200

    is_full = not select.select([], [log[1]], [], 0)[1]
    read = os.read(log[0], 4096)

    assert is_full
    assert hub.measured("installhub_log_lines_dropped_total") == 0
    assert hub.http.get(IMPORTS).status_code == 200
    assert b"InstallHub" in read or b"INFO" in read


def test_an_import_that_has_no_memory_fails_and_others_go_on(hub, small, large):
    with allowed(hub.pid, resource.RLIMIT_AS, address_space(hub.pid)):
        # with no byte to spare not even the connection may last; with a few it is told
        with suppress(httpx.TransportError):
            assert hub.bring(large).status_code in {400, 503}
        assert hub.is_alive()
    after = hub.bring(small)

    assert (after.status_code, hub.count()) == (200, 6)
