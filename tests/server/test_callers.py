"""Callers who speak HTTP badly, slowly or not at all, on real sockets (design: security, sections 3.4 and 4.2, F16)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import AsyncExitStack
from statistics import median
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from server.patience import HEADER_BYTES
from tests.doors.rest import HUB, bearer, blob_files
from tests.server.raw import connected, head, heard, said, statuses
from tests.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")
MIB = 1 << 20
#: seconds that this server grants for a head, for a body and for taking some of an answer
GRANTED = 1
FORM = "Content-Type: multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="package"\r\n\r\n'
CHUNKED = "Transfer-Encoding: chunked"
ALIVE = "GET /healthz HTTP/1.1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HEADER", "BODY", "ANSWER"):
            patch.setenv(f"INSTALLHUB_LIMIT_{name}_SECONDS", str(GRANTED))
        async with a_world(tmp_path_factory.mktemp("world"), role="web") as world:
            await world.tenant("acme")
            yield world


def asked(world: World, path: str, *fields: str, method: str = "POST") -> bytes:
    """The head of a request with a good token."""
    return head(f"{method} {path} HTTP/1.1", f"Authorization: {bearer(world, 'acme')['Authorization']}", *fields)


TWO_LENGTHS = ("Content-Length: 2", "Content-Length: 3")
BROKEN = {
    "a length and chunks": head("POST /graphql HTTP/1.1", "Content-Length: 5", CHUNKED) + b"0\r\n\r\n",
    "chunks and a length": head("POST /graphql HTTP/1.1", CHUNKED, "Content-Length: 5") + b"0\r\n\r\n",
    "two lengths": head("POST /graphql HTTP/1.1", *TWO_LENGTHS) + b"{}",
    "two lengths in one": head("POST /graphql HTTP/1.1", "Content-Length: 2, 2") + b"{}",
    "a length with a sign": head("POST /graphql HTTP/1.1", "Content-Length: +2") + b"{}",
    "a negative length": head("POST /graphql HTTP/1.1", "Content-Length: -2") + b"{}",
    "a hexadecimal length": head("POST /graphql HTTP/1.1", "Content-Length: 0x2") + b"{}",
    "a length past all numbers": head("POST /graphql HTTP/1.1", f"Content-Length: {'9' * 40}") + b"{}",
    "an unknown coding": head("POST /graphql HTTP/1.1", "Transfer-Encoding: gzip") + b"{}",
    "chunks that are not last": head("POST /graphql HTTP/1.1", "Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
    "chunks, misspelt": head("POST /graphql HTTP/1.1", "Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "a chunk without a size": head("POST /graphql HTTP/1.1", CHUNKED) + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk whose size is no number": head("POST /graphql HTTP/1.1", CHUNKED) + b"zz\r\n{}\r\n0\r\n\r\n",
    "a chunk with a negative size": head("POST /graphql HTTP/1.1", CHUNKED) + b"-2\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": head("POST /graphql HTTP/1.1", CHUNKED) + b"1\r\n{}\r\n0\r\n\r\n",
    "a chunk past all numbers": head("POST /graphql HTTP/1.1", CHUNKED) + b"f" * 20 + b"\r\n{}\r\n0\r\n\r\n",
    "a blank before a colon": head(ALIVE, "Content-Length : 2") + b"{}",
    "a folded header": head(ALIVE, "X-One: a", " b"),
    "a header without a name": head(ALIVE, ": b"),
    "a header without a colon": head(ALIVE, "nothing"),
    "a zero byte": head(ALIVE, "X-One: a\x00b"),
    "a lone carriage return": head(ALIVE, "X-One: a\rX-Two: b"),
    "no host": head(ALIVE, host=""),
    "two hosts": head(ALIVE, "Host: other.example"),
    "no version": b"GET /healthz\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": head("CONNECT evil.example:443 HTTP/1.1"),
    "blanks in the path": head("GET /health z HTTP/1.1"),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
async def test_a_request_of_doubtful_length_or_form_is_refused_and_nothing_after_it_is_read(world, broken):
    smuggled = head("GET /healthz HTTP/1.1", "Connection: close")

    answers = await said(world, broken + smuggled)

    assert statuses(answers) == [400], answers
    assert json.loads(answers.partition(b"\r\n\r\n")[2])["error"] == "BadUserInput"


async def test_a_chunk_that_breaks_off_an_upload_leaves_nothing(world):
    answers = await said(
        world, asked(world, f"{HUB}/packages/import", FORM, CHUNKED) + b"39\r\n" + PART + b"\r\n", b"oops\r\n" * 1000
    )

    assert statuses(answers) == [400]
    assert await none_left(world)


@pytest.mark.parametrize(
    "flood",
    [b"0\r\nX-More: " + b"a" * 4 * HEADER_BYTES, b"0\r\n" + b"X-More: a\r\n" * 40_000, b"1;" + b"a" * 4 * HEADER_BYTES],
    ids=["a trailer without end", "trailers without end", "an extension without end"],
)
async def test_what_comes_beside_a_body_is_bounded(world, flood):
    answers = await said(world, asked(world, "/graphql", "Content-Type: application/json", CHUNKED), flood)

    assert statuses(answers) == [400]


async def test_a_head_is_bounded_although_it_comes_at_once(world):
    answers = await said(world, head("GET /healthz HTTP/1.1", *["A: bcdefghijklmnopqrstuvwxyz"] * (HEADER_BYTES // 24)))

    assert statuses(answers) == [400]


async def test_a_trailer_is_no_header(world):
    request = head("POST /graphql HTTP/1.1", "Content-Type: application/json", CHUNKED, "Connection: close")
    token = f"Authorization: {bearer(world, 'acme')['Authorization']}\r\n"

    answers = await said(world, request, b"2\r\n{}\r\n0\r\n" + token.encode() + b"\r\n")

    assert statuses(answers) == [401]


@pytest.mark.parametrize("line", ["GET http://evil.example/healthz HTTP/1.1", "GET //evil.example/healthz HTTP/1.1"])
async def test_whatever_host_is_meant_only_the_path_decides(world, line):
    answers = await said(world, head(line, "X-Forwarded-Host: evil.example", "Connection: close", host="evil.example"))

    assert statuses(answers) == [200 if "http:" in line else 404]
    assert b"evil" not in answers


async def test_a_head_that_never_ends_is_cut_off(world):
    began = time.monotonic()

    answers = await said(world, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")

    assert statuses(answers) == [400]
    assert time.monotonic() - began < GRANTED + 3


async def test_nobody_keeps_a_connection_by_saying_little(world):
    """Blank lines, and the rest of a body that nobody wants, are no request."""
    refused = head("POST /nowhere HTTP/1.1", "Content-Length: 60000")
    began = time.monotonic()

    async def trickle(first: bytes, more: bytes) -> bytes:
        async with connected(world) as (reader, writer):
            listening = asyncio.create_task(heard(reader))
            writer.write(first)
            while not listening.done():
                writer.write(more)
                await asyncio.wait([listening], timeout=0.2)
            return await listening

    answers = await asyncio.gather(trickle(b"", b"\r\n"), trickle(head(ALIVE), b"\r\n"), trickle(refused, b"x"))

    assert [statuses(one) for one in answers] == [[], [200], [404]]
    assert time.monotonic() - began < 2 * GRANTED + 3


#: bodies of every kind; the Akana documents know no 408
SLOW = {
    f"{HUB}/packages/import": (FORM, 408),
    f"{HUB}/packages/export": ("Content-Type: application/json", 408),
    f"{HUB}/uploads": ("Content-Type: application/zip", 408),
    f"{HUB}/imports/imp-1/rollback": ("Content-Type: application/json", 408),
    "/graphql": ("Content-Type: application/json", 408),
    "/api/login": ("Content-Type: application/json", 400),
}


async def test_a_body_that_comes_too_slowly_is_refused_and_leaves_nothing(world):
    began = time.monotonic()

    answers = await asyncio.gather(
        *(said(world, asked(world, path, form, "Content-Length: 1000") + PART) for path, (form, _) in SLOW.items())
    )

    assert [statuses(one) for one in answers] == [[status] for _, status in SLOW.values()]
    assert time.monotonic() - began < 2 * GRANTED + 3
    assert await none_left(world)


async def test_a_body_that_says_nothing_of_its_length_is_counted(world):
    """Where a body may be left out, too."""
    chunk = b"10000\r\n" + bytes(1 << 16) + b"\r\n"

    answers = await said(world, asked(world, f"{HUB}/imports/imp-1/rollback", CHUNKED), *[chunk] * 64)

    assert statuses(answers) == [413]


async def test_who_does_not_take_an_answer_is_cut_off(world):
    """The document is larger than what the system takes in for us when our own window is small."""
    parts = urlsplit(world.url)
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect((parts.hostname, parts.port))
        idle.sendall(head("GET /openapi.json HTTP/1.1") * 200)
        idle.setblocking(False)

        async with asyncio.timeout(10):
            while not is_connected(world, idle.getsockname()):
                await asyncio.sleep(0.01)
            while is_connected(world, idle.getsockname()):
                await asyncio.sleep(0.05)


async def test_sixty_idle_sockets_harm_nobody_and_are_gone_in_time(world):
    async with AsyncExitStack() as opened:
        idle = [await opened.enter_async_context(connected(world)) for _ in range(60)]
        for _, writer in idle[:20]:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        for _, writer in idle[20:40]:
            writer.write(asked(world, f"{HUB}/packages/import", FORM, "Content-Length: 9999") + PART)
        answers = [await world.http.get("/readyz") for _ in range(20)]

        told = await asyncio.gather(*(heard(reader, 15) for reader, _ in idle))

    assert {answer.status_code for answer in answers} == {200}
    assert median(answer.elapsed.total_seconds() for answer in answers) < GRANTED / 10
    assert [statuses(one) for one in told] == [[400]] * 20 + [[408]] * 20 + [[]] * 20
    assert await none_left(world)


@pytest.mark.parametrize("asked_for", ["bytes=" + ",".join(f"{n}-{n}" for n in range(2000)), "bytes=0-" * 500])
async def test_a_flood_of_ranges_is_answered_once(world, asked_for):
    answer = await world.http.get("/openapi.json", headers={"Range": asked_for})

    assert answer.status_code == 200


def is_connected(world: World, address: object) -> bool:
    return any(getattr(one, "client", None) == address for one in world.serving.listener.server_state.connections)


async def none_left(world: World) -> bool:
    async with asyncio.timeout(5):
        while blob_files(world):
            await asyncio.sleep(0.02)
    return True
