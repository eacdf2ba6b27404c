"""``imports list | show | follow | cancel``, as people on call use them: without a token, beside a server or alone."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from domain.import_model import ImportJob
from domain.options import ConflictStrategy
from server.cli import main
from server.jobs import Worker
from server.loading import login
from tests.forks import forked
from tests.house.tree import ROOT
from tests.server.installation import a_server, a_submitted_import, opened
from tests.world import a_world


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def submitted(version: str = "1.0.0") -> ImportJob:
    """An import that nobody runs."""

    async def submit() -> ImportJob:
        async with opened() as runtime:
            return await a_submitted_import(runtime, version)

    return asyncio.run(submit())


def run_to_its_end(*, is_spoiled: bool = False, strategy: ConflictStrategy | None = ConflictStrategy.REPLACE) -> str:
    """The id of an import that a worker ran; a spoiled one has lost its bytes."""

    async def run() -> str:
        async with opened() as runtime:
            job = await a_submitted_import(runtime, default_strategy=strategy)
            if is_spoiled:
                await runtime.ports.blobs.delete(job.packages[0].blob_key)
            async with Worker(runtime).working(is_alone=True):
                return (await runtime.services.records.settled(job)).import_id

    return asyncio.run(run())


def test_imports_are_listed_newest_first_and_by_tenant_and_state(here, tenants):
    older, newer = submitted("1.0.0"), submitted("1.0.1")
    here("imports", "cancel", older.import_id)

    listed = here("imports", "list")
    narrowed = [
        here("imports", "list", *words)
        for words in (("--limit", "1"), ("--state", "cancelled"), ("--tenant", "acme-dev"), ("--tenant", "nobody"))
    ]

    assert [row["importId"] for row in lines(listed.stdout)] == [newer.import_id, older.import_id]
    assert [row["state"] for row in lines(listed.stdout)] == ["QUEUED", "CANCELLED"]
    assert [[row["importId"] for row in lines(said.stdout)] for said in narrowed] == [
        [newer.import_id], [older.import_id], [], [],
    ]  # fmt: skip
    assert (narrowed[3].returncode, narrowed[3].stderr) == (1, "installhub: There is no tenant nobody.\n")


def test_an_import_is_shown_with_whatever_is_known_of_it(here, tenants):
    done, first, second = run_to_its_end(), submitted("1.0.1").import_id, submitted("1.0.2").import_id

    shown = [lines(here("imports", "show", import_id).stdout)[0] for import_id in (done, first, second)]

    assert [one["state"] for one in shown] == ["SUCCEEDED", "QUEUED", "QUEUED"]
    assert shown[0]["counts"]["create"] == 4
    assert [one.get("queuePlace") for one in shown] == [None, 1, 2]
    assert shown[0]["percent"] == 100.0


@pytest.mark.parametrize(
    ("run", "status", "last"),
    [
        (run_to_its_end, 0, "Success"),
        (lambda: run_to_its_end(is_spoiled=True), 3, "Failed"),
    ],
    ids=["succeeded", "failed"],
)
def test_the_exit_status_says_how_a_followed_import_ended(here, tenants, run: Callable[[], str], status, last):
    import_id = run()

    followed = here("imports", "follow", import_id)
    rest = here("imports", "follow", import_id, "--after", str(lines(followed.stdout)[-1]["firstSeq"] - 1))
    nothing = here("imports", "follow", import_id, "--after", str(lines(followed.stdout)[-1]["seq"]))

    events = lines(followed.stdout)
    assert [event["firstSeq"] for event in events] == [1, *(event["seq"] + 1 for event in events[:-1])]
    assert (events[-1]["isFinal"], events[-1]["status"]) == (True, last)
    assert (lines(rest.stdout), nothing.stdout) == (events[-1:], "")
    assert {followed.returncode, rest.returncode, nothing.returncode} == {status}


def test_a_cancelled_import_says_who_cancelled_it(here, tenants):
    job = submitted()

    cancelled = here("imports", "cancel", job.import_id)
    followed = here("imports", "follow", job.import_id)
    shown = here("imports", "show", job.import_id)
    again = here("imports", "cancel", job.import_id)

    assert lines(cancelled.stdout)[0]["state"] == "CANCELLED"
    assert (followed.returncode, again.returncode) == (4, 0)
    assert [(entry["actor"], entry["action"]) for entry in lines(shown.stdout)[0]["audit"]][-1:] == [
        (f"local:{login()}", "import.cancelled")
    ]


def test_an_import_that_has_ended_otherwise_cannot_be_cancelled(here, tenants):
    refused = here("imports", "cancel", run_to_its_end())

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "installhub: The import has already ended.\n"


def test_an_import_that_nobody_runs_is_told_as_far_as_it_came(here, tenants):
    job = submitted()

    followed = here("imports", "follow", job.import_id)

    assert [event["kind"] for event in lines(followed.stdout)] == ["QUEUED"]
    assert followed.returncode == 1
    assert "No server runs on this database" in followed.stderr


@pytest.mark.parametrize("action", ["show", "follow", "cancel"])
def test_an_unknown_import_is_one_line_on_stderr(here, action):
    refused = here("imports", action, "imp-nowhere")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "installhub: There is no such import.\n"


@pytest.mark.parametrize(
    "words", [("list", "--limit", "0"), ("list", "--state", "odd"), ("follow", "x", "--after", "y")]
)
def test_what_cannot_be_meant_is_refused_with_status_2(words):
    with pytest.raises(SystemExit) as ended:
        main(["imports", *words])

    assert ended.value.code == 2


def test_a_number_beyond_the_journal_is_refused(here, tenants):
    refused = here("imports", "follow", run_to_its_end(), "--after", "9999")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "after must be between 0 and" in refused.stderr


@pytest.mark.postgres
def test_on_postgresql_commands_go_to_the_database_themselves(here, monkeypatch, postgres_url):
    monkeypatch.setenv("INSTALLHUB_DATABASE_URL", postgres_url)
    here("tenant", "add", "acme-dev", "--plan", "Enterprise")
    here("tenant", "add", "acme-prod")
    here("artifacts", "load", "--tenant", "acme-dev", "examples/acme-source")
    import_id = run_to_its_end()

    followed = here("imports", "follow", import_id)
    listed = here("imports", "list")

    assert (followed.returncode, lines(followed.stdout)[-1]["status"]) == (0, "Success")
    assert [row["importId"] for row in lines(listed.stdout)] == [import_id]


@pytest.mark.slow
@pytest.mark.postgres
def test_on_postgresql_who_follows_what_nobody_runs_is_told_so(here, environment, monkeypatch, postgres_url):
    monkeypatch.setenv("INSTALLHUB_DATABASE_URL", postgres_url)
    here("tenant", "add", "acme-dev", "--plan", "Enterprise")
    here("tenant", "add", "acme-prod")
    here("artifacts", "load", "--tenant", "acme-dev", "examples/acme-source")
    job = submitted()

    with follower(environment | {"INSTALLHUB_DATABASE_URL": postgres_url}, job) as following:
        said = following.stderr.readline()
        here("imports", "cancel", job.import_id)
        rest = following.communicate(timeout=20)

    assert said.startswith("installhub: Nothing happens. Unless a server or a worker runs")
    assert (following.returncode, rest[1]) == (4, "")
    assert [event["kind"] for event in lines(rest[0])] == ["QUEUED", "ENDED"]


@pytest.mark.slow
def test_on_a_terminal_there_are_columns_and_a_bar_and_with_json_lines(here, environment, tenants):
    import_id = run_to_its_end()

    listed, followed, in_json = (
        on_a_terminal(environment, *words)
        for words in (
            ("imports", "list"),
            ("imports", "follow", import_id),
            ("imports", "list", "--json"),
        )
    )

    head, row = listed.splitlines()
    assert row.index("acme-prod") == head.index("tenantId")
    assert f"[{'#' * 30}] 100.0 %" in followed.rpartition("\r")[2]
    assert followed.count("\n") == 1
    assert json.loads(in_json)["importId"] == import_id


def on_a_terminal(environment: dict[str, str], *words: str) -> str:
    """What a person sees who runs this command."""
    ours, theirs = pty.openpty()
    process = forked(words, environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    process.wait(20)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how a terminal says that its other side has gone
        return b""


@pytest.mark.slow
def test_a_server_tells_an_import_as_it_goes_and_other_commands_meanwhile(here, environment, tenants):
    job = submitted()
    with a_server(environment | {"INSTALLHUB_ROLE": "web"}) as (process, _), follower(environment, job) as following:
        first = json.loads(following.stdout.readline())
        listed = here("imports", "list")
        cancelled = here("imports", "cancel", job.import_id)
        rest = following.communicate(timeout=20)[0]
        process.send_signal(signal.SIGTERM)
        status = process.wait(20)

    assert (first["kind"], lines(listed.stdout)[0]["state"]) == ("QUEUED", "QUEUED")
    assert (cancelled.returncode, following.returncode, status) == (0, 4, 0)
    assert [(event["firstSeq"], event["status"]) for event in lines(rest)] == [(2, "Cancelled")]


@pytest.mark.slow
def test_a_server_that_stops_lets_go_of_those_who_follow(here, environment, tenants):
    job = submitted()
    with a_server(environment | {"INSTALLHUB_ROLE": "web"}) as (process, _), follower(environment, job) as following:
        following.stdout.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        status = process.wait(20)
        took = time.monotonic() - began
        told = following.communicate(timeout=20)

    assert (status, following.returncode, told[0]) == (0, 1, "")
    assert told[1] == "installhub: the server ended before it answered; its log says why\n"
    assert took < 8


def follower(environment: dict[str, str], job: ImportJob) -> Any:
    command = [sys.executable, "-m", "server", "imports", "follow", job.import_id]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


async def test_who_stops_following_is_no_longer_listened_for(tmp_path, environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with a_world(tmp_path / "data", role="web") as world:
        await world.tenant("acme-dev")
        await world.tenant("acme-prod")
        await world.load("acme-dev", ROOT / "examples" / "acme-source")
        job = await a_submitted_import(world.runtime)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", "imports", "follow", job.import_id),
            cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        await process.stdout.readline()
        while_followed = world.services.follower.tail_count

        process.kill()
        await process.wait()
        await until(lambda: world.services.follower.tail_count == 0)

    assert while_followed == 1


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)
