"""A disk that lies and a clock that jumps: F02 and F13 (design: security, section 4.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bench import corpus
from tests.faults.hub import Hub, a_hub
from tests.faults.shim import Shim

HOUR = 3600


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, shim: Shim) -> Iterator[Hub]:
    environment = shim.environment | {"INSTALLHUB_LIMIT_EXPORTS_PER_USER_MINUTE": "2"}
    with a_hub(tmp_path_factory.mktemp("hub"), environment) as made:
        yield made


@pytest.fixture(scope="module")
def package() -> bytes:
    return corpus.bundle("elsewhere", "Suite", corpus.artifacts(6, size=500))


def test_bytes_that_the_disk_did_not_keep_are_never_trusted(hub, shim, package):
    before = hub.stored()

    with shim.asked("fsync"):
        upload, brought = hub.upload(package), hub.bring(package)
        left, count = hub.stored(), hub.count()
    after = hub.upload(package)

    assert [answer.status_code for answer in (upload, brought)] == [503, 503]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in (upload, brought))
    assert (left, count) == (before, 0)
    assert after.status_code == 201


def test_short_writes_lose_nothing(hub, shim, package):
    with shim.asked("short"):
        upload = hub.upload(package)
    before = set(hub.stored())
    whole = hub.upload(package)
    (place,) = set(hub.stored()) - before

    assert (upload.status_code, whole.status_code) == (201, 201)
    assert upload.json()["sha256"] == whole.json()["sha256"]
    assert {path.read_bytes() for path in before} >= {place.read_bytes()}


@pytest.mark.parametrize("step", [HOUR // 2, -HOUR // 2])
def test_imports_go_on_while_the_clock_jumps(hub, shim, package, step):
    # beyond the leases of jobs, and within what a token is good for
    with shim.asked(f"clock {step}"):
        there = hub.bring(package)
    back = hub.bring(package)
    events = _events(hub, back.json()["importId"])

    assert (there.status_code, back.status_code, hub.count()) == (200, 200, 6)
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})


def test_a_limit_is_neither_lifted_nor_prolonged_by_a_clock_that_jumps(hub, shim):
    with shim.asked(f"clock -{HOUR // 2}"):
        before = [_exported(hub, version) for version in range(3)]
    with shim.asked(f"clock {HOUR // 2}"):
        after = _exported(hub, 3)

    assert [answer.status_code for answer in (*before, after)] == [400, 400, 429, 429]
    assert 0 < int(after.headers["retry-after"]) <= 60


def _exported(hub: Hub, version: int) -> httpx.Response:
    """Of nothing that is there: only the limit is asked."""
    named = {"packageName": "Mine", "packageType": "workflow-package", "version": f"{version}.0.0"}
    order = named | {"artifactIds": ["proc-1"]}
    return hub.http.post("/api/installhub/packages/export", json=order)


def _events(hub: Hub, import_id: str) -> list[dict[str, Any]]:
    address = f"/api/installhub/imports/{import_id}/events?after=0"
    text = hub.http.get(address, headers={"Accept": "application/x-ndjson"}).text
    return [json.loads(line) for line in text.splitlines()]
