"""Following an import over REST: by lines or as server-sent events, to the end, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from server.serving import FAREWELL_SECONDS
from tests.doors.rest import HUB, bearer, problems_of, upload, with_other_rules
from tests.world import a_world

SECONDS = 10
SSE = {"accept": "text/event-stream"}


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        for tenant in ("target", "other"):
            await world.tenant(tenant)
        world.http.headers.update(bearer(world, "target"))
        yield world


@pytest.fixture
async def quiet(tmp_path, database_url):
    """A world in which imports stay in line: nobody runs them."""
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        await world.tenant("target")
        world.http.headers.update(bearer(world, "target"))
        yield world


async def in_line(world) -> str:
    """The address of the events of an import that is queued."""
    import_id = (await upload(world, headers={"prefer": "respond-async"})).json()["importId"]
    return f"{HUB}/imports/{import_id}/events"


async def ended(world) -> str:
    return f"{HUB}/imports/{(await upload(world)).json()['importId']}/events"


async def nobody_watches(world) -> bool:
    """True as soon as nothing is watched any more."""
    async with asyncio.timeout(SECONDS):
        while world.services.follower.tail_count:
            await asyncio.sleep(0.01)
    return True


async def cancel(world, url):
    assert (await world.http.post(url.replace("/events", "/cancel"))).status_code == 200


def told_by(text):
    """Events of a server-sent stream: number and content."""
    frames = [frame.split("\n") for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    return [(int(id_.removeprefix("id: ")), json.loads(data.removeprefix("data: "))) for id_, data in frames]


async def test_both_forms_tell_the_whole_story_once_and_end(world):
    url = await ended(world)

    lines = await world.http.get(url)
    frames = await world.http.get(url, headers=SSE)

    told = [json.loads(line) for line in lines.text.splitlines()]
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert frames.headers["content-type"].startswith("text/event-stream")
    assert "\r" not in frames.text
    assert told_by(frames.text) == [(event["seq"], event) for event in told]
    assert told[0]["firstSeq"] == 1
    assert [event["firstSeq"] for event in told[1:]] == [event["seq"] + 1 for event in told[:-1]]
    assert [event["isFinal"] for event in told] == [False] * (len(told) - 1) + [True]
    assert (told[-1]["status"], told[-1]["stage"], told[-1]["percent"]) == ("Success", "Activation", 100)
    assert await nobody_watches(world)


@pytest.mark.parametrize("form", ["after", "header", "both"])
async def test_a_watcher_goes_on_after_the_last_number_it_saw(world, form):
    url = await ended(world)
    whole = told_by((await world.http.get(url, headers=SSE)).text)
    seen = whole[-2][0]
    query = "" if form == "header" else f"?after={seen if form == 'after' else 0}"
    headers = SSE if form == "after" else SSE | {"last-event-id": str(seen)}

    rest = await world.http.get(url + query, headers=headers)

    assert told_by(rest.text) == whole[-1:]


async def test_an_import_that_is_over_is_told_whole_to_a_token_in_its_last_minute(world):
    url = await ended(world)
    late = {"Authorization": f"Bearer {world.token(tenants=['target'], ttl=timedelta(seconds=-5))}"}

    whole = await world.http.get(url)
    told = await world.http.get(url, headers=late)

    assert (told.status_code, told.content) == (200, whole.content)


async def test_who_has_seen_the_end_is_told_that_nothing_follows(world):
    url = await ended(world)
    last = told_by((await world.http.get(url, headers=SSE)).text)[-1][0]

    lines = await world.http.get(f"{url}?after={last}")
    frames = await world.http.get(url, headers=SSE | {"last-event-id": str(last)})

    assert (lines.status_code, lines.content) == (200, b"")
    assert (frames.status_code, frames.content) == (204, b"")


@pytest.mark.parametrize("query", ["?after=-1", "?after=1000", "?after=x", "?after=", "?after=1&after=2", "?after=٣"])
async def test_a_number_that_the_journal_does_not_have_is_refused(world, query):
    url = await ended(world)

    answer = await world.http.get(url + query)

    assert (answer.status_code, problems_of(answer)) == (400, [("BadUserInput", "after")])


async def test_a_last_id_that_is_no_number_of_the_journal_is_refused(world):
    url = await ended(world)

    answers = [await world.http.get(url, headers=SSE | {"last-event-id": stated}) for stated in ("x", "1000")]

    assert [(answer.status_code, problems_of(answer)) for answer in answers] == [
        (400, [("BadUserInput", "Last-Event-ID")])
    ] * 2


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("*/*", "application/x-ndjson"),
        ("text/event-stream", "text/event-stream; charset=utf-8"),
        ("text/*, application/x-ndjson;q=0.5", "text/event-stream; charset=utf-8"),
        ("text/event-stream;q=0.1, application/*", "application/x-ndjson"),
        ("application/x-ndjson;q=0, */*", "text/event-stream; charset=utf-8"),
        ("", "application/x-ndjson"),
    ],
)
async def test_the_caller_chooses_the_form_by_its_weights(world, accept, given):
    url = await ended(world)

    answer = await world.http.get(url, headers={"accept": accept})

    assert (answer.status_code, answer.headers["content-type"]) == (200, given)


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream;q=0", "*/*;q=x"])
async def test_another_form_is_not_offered(world, accept):
    answer = await world.http.get(await ended(world), headers={"accept": accept})

    assert (answer.status_code, answer.json()["error"]) == (406, "NotAcceptable")


async def test_events_of_another_tenant_are_as_unknown_as_of_nobody(world):
    url = await ended(world)
    strangers = bearer(world, "other")

    foreign = await world.http.get(url, headers=strangers)
    unknown = await world.http.get(f"{HUB}/imports/imp-nobody/events", headers=strangers)

    assert (foreign.status_code, foreign.content) == (404, unknown.content)


async def test_a_watcher_sees_what_happens_while_it_watches(quiet):
    url = await in_line(quiet)

    async with quiet.http.stream("GET", url) as stream:
        lines = stream.aiter_lines()
        first = json.loads(await anext(lines))
        await cancel(quiet, url)
        rest = [json.loads(line) async for line in lines]

    assert (first["kind"], first["status"], first["stage"]) == ("QUEUED", "InProgress", "Queued")
    assert [(event["status"], event["isFinal"]) for event in rest] == [("Cancelled", True)]
    assert await nobody_watches(quiet)


async def test_the_stream_of_an_import_that_waits_stays_open(world):
    await with_other_rules(world)
    url = f"{HUB}/imports/{(await upload(world)).json()['importId']}/events"

    async with world.http.stream("GET", url) as stream:
        lines = stream.aiter_lines()
        while (event := json.loads(await anext(lines)))["kind"] != "WAITING":
            pass
        await cancel(world, url)
        last = json.loads(await anext(lines))

    assert (event["status"], event["isFinal"]) == ("PendingConflictResolution", False)
    assert (last["status"], last["isFinal"]) == ("Cancelled", True)


@pytest.mark.parametrize("headers", [{}, SSE])
async def test_many_watchers_who_go_away_leave_nothing_behind(quiet, headers):
    url = await in_line(quiet)
    watched = set()

    for _ in range(30):
        async with quiet.http.stream("GET", url, headers=headers) as stream:
            await anext(stream.aiter_lines())
            watched.add(quiet.services.follower.tail_count)

    assert watched == {1}
    assert await nobody_watches(quiet)


@pytest.mark.rules
@pytest.mark.parametrize("headers", [{}, SSE])
async def test_the_end_of_the_token_is_told_and_is_the_end(quiet, headers):
    url = await in_line(quiet)
    short = quiet.headers("target", ttl=timedelta(seconds=2))

    answer = await quiet.http.get(url, headers=short | headers)

    *_, last = answer.text.strip().split("\n")
    assert json.loads(last.removeprefix("data: "))["error"] == "invalid_token"
    assert ("event: error\n" in answer.text) == bool(headers)
    assert await nobody_watches(quiet)


async def test_a_server_that_stops_lets_go_of_its_watchers_at_once(tmp_path, caplog):
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("target")
        world.http.headers.update(bearer(world, "target"))
        url = await in_line(world)

        async with world.http.stream("GET", url) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            began = asyncio.get_running_loop().time()
            world.serving.stop()
            rest = [line async for line in lines]
        await world.serving.ended
        took = asyncio.get_running_loop().time() - began

    assert rest == [], "the import goes on: only the stream has ended"
    assert took < FAREWELL_SECONDS / 2
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_caller_who_asks_for_the_head_alone_does_not_wait(quiet):
    url = await in_line(quiet)

    answer = await quiet.http.head(url, headers=SSE)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert quiet.services.follower.tail_count == 0


async def test_a_silent_event_stream_shows_that_it_lives(quiet, monkeypatch):
    monkeypatch.setattr("rest_compat.events.HEARTBEAT_SECONDS", 0.2)
    url = await in_line(quiet)

    async with quiet.http.stream("GET", url, headers=SSE) as stream:
        lines = stream.aiter_lines()
        heard = [await anext(lines) for _ in range(5)]

    assert heard[0] == "id: 1"
    assert heard[3:] == [": still here", ""]
