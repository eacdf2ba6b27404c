"""The one way out: where it does not go, and what it does not take."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from ipaddress import ip_address, ip_network

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from domain.errors import ErrorCode, Refusal
from domain.notices.ports import UnreachableError
from server.outward import (
    AddressRefusedError,
    AnswerRefusedError,
    Bounds,
    Outward,
    TooLargeError,
    UnansweredError,
    is_public,
)
from tests.certificates import tls_pair
from tests.hostile import Hostile, a_hostile, endless, page, redirect, silence

BOUNDS = Bounds(bytes_max=1000, seconds=10)
BRIEF = Bounds(bytes_max=1 << 30, seconds=0.2)
HERE = ip_network("127.0.0.1/32")


class Says(AbstractResolver):
    """A resolver that gives these addresses, one a question."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list:
        address = self._addresses.pop(0)
        return [ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with a_hostile({"/good": page(b"content")}) as server:
        yield server


@pytest.fixture
async def outward() -> AsyncIterator[Outward]:
    made = Outward([HERE])
    yield made
    await made.aclose()


async def fetched(outward: Outward, url: str, bounds: Bounds = BOUNDS) -> bytes:
    async with outward.asked(url, bounds) as answer:
        return await answer.whole()


async def test_an_answer_of_an_allowed_address_is_read(outward, hostile):
    assert await fetched(outward, f"{hostile.url}/good") == b"content"


async def test_nothing_private_is_asked_unless_it_is_allowed(hostile):
    async with aclosing(Outward()) as outward:
        with pytest.raises(AddressRefusedError):
            await fetched(outward, f"{hostile.url}/good")
        with pytest.raises(AddressRefusedError):
            await fetched(outward, f"https{hostile.url.removeprefix('http')}/good")

    assert hostile.requests == []


@pytest.mark.parametrize("literal", ["2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0"])
async def test_another_spelling_of_this_machine_is_not_asked_either(hostile, literal):
    async with aclosing(Outward()) as outward:
        port = hostile.port

        with pytest.raises((AddressRefusedError, UnansweredError)):
            await fetched(outward, f"https://{literal}:{port}/good")

    assert hostile.requests == []


async def test_a_name_that_leads_inside_is_not_asked(hostile):
    async with aclosing(Outward(resolver=Says("127.0.0.1"))) as outward:
        with pytest.raises(AddressRefusedError, match="not public"):
            await fetched(outward, f"https://rebound.example:{hostile.port}/good")

    assert hostile.requests == []


async def test_a_name_that_leads_inside_the_second_time_is_not_asked_then(hostile):
    port = hostile.port
    hostile.answers["/first"] = redirect(f"http://rebound.example:{port}/second")
    async with aclosing(Outward([HERE], resolver=Says("127.0.0.1", "127.0.0.2"))) as outward:
        with pytest.raises(AddressRefusedError):
            await fetched(outward, f"http://rebound.example:{port}/first")

    assert hostile.paths == ["/first"]


async def test_without_tls_only_allowed_addresses_are_asked():
    async with aclosing(Outward(resolver=Says("93.184.215.14"))) as outward:
        with pytest.raises(AddressRefusedError, match="https://"):
            await fetched(outward, "http://public.example/")


@pytest.mark.parametrize("place", ["http://127.0.0.2:1/", "http://169.254.169.254/latest", "http://10.0.0.1/"])
async def test_a_redirect_inside_is_not_followed(outward, hostile, place):
    hostile.answers["/out"] = redirect(place)

    with pytest.raises(AddressRefusedError):
        await fetched(outward, f"{hostile.url}/out")


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://user:secret@127.0.0.1/"])
async def test_a_redirect_to_what_is_no_web_page_is_not_followed(outward, hostile, place):
    hostile.answers["/out"] = redirect(place)

    with pytest.raises(AddressRefusedError):
        await fetched(outward, f"{hostile.url}/out")


async def test_three_redirects_are_followed_and_not_four(outward, hostile):
    hostile.answers |= {f"/{n}": redirect(f"/{n - 1}") for n in range(1, 5)} | {"/0": page(b"there")}

    assert await fetched(outward, f"{hostile.url}/3") == b"there"
    with pytest.raises(AnswerRefusedError, match="3 others"):
        await fetched(outward, f"{hostile.url}/4")


async def test_what_is_sent_is_sent_nowhere_else(outward, hostile):
    hostile.answers["/hook"] = redirect("/good")

    async with outward.asked(f"{hostile.url}/hook", BOUNDS, method="POST", body=b"{}") as answer:
        status = answer.status

    assert (status, hostile.paths) == (302, ["/hook"])


async def test_an_answer_without_end_is_cut(outward, hostile):
    hostile.answers["/endless"] = endless

    with pytest.raises(TooLargeError):
        await fetched(outward, f"{hostile.url}/endless")


async def test_an_answer_that_says_it_is_too_large_is_not_read(outward, hostile):
    hostile.answers["/large"] = page(b"", length=1 << 40)

    with pytest.raises(TooLargeError):
        await fetched(outward, f"{hostile.url}/large")


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "identity, gzip"])
async def test_a_packed_answer_is_not_unpacked(outward, hostile, coding):
    hostile.answers["/bomb"] = page(gzip.compress(bytes(1 << 20)), headers={"Content-Encoding": coding})

    with pytest.raises(AnswerRefusedError, match="compressed"):
        await fetched(outward, f"{hostile.url}/bomb")


async def test_silence_ends_at_the_deadline(outward, hostile):
    hostile.answers["/silence"] = silence

    with pytest.raises(UnansweredError, match="in time"):
        await fetched(outward, f"{hostile.url}/silence", BRIEF)


async def test_an_answer_that_goes_on_and_on_ends_at_the_deadline(outward, hostile):
    hostile.answers["/endless"] = endless

    with pytest.raises(UnansweredError, match="in time"):
        await fetched(outward, f"{hostile.url}/endless", BRIEF)


async def test_an_answer_that_drips_is_not_waited_for(outward, hostile):
    hostile.answers["/endless"] = endless
    bounds = Bounds(bytes_max=1 << 40, seconds=10, rate_min=1 << 50, grace_seconds=0)

    with pytest.raises(UnansweredError, match="too slowly"):
        await fetched(outward, f"{hostile.url}/endless", bounds)


async def test_an_answer_that_breaks_off_is_no_answer(outward, hostile):
    hostile.answers["/short"] = page(b"abc", length=10)

    with pytest.raises(UnansweredError):
        await fetched(outward, f"{hostile.url}/short")


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"])
async def test_what_is_not_http_is_no_answer(outward, hostile, answer):
    hostile.answers["/odd"] = answer

    with pytest.raises((AnswerRefusedError, UnansweredError)):
        await fetched(outward, f"{hostile.url}/odd")


@pytest.mark.parametrize("url", ["", "nonsense", "https://", "http://[::1", "https://user@host.example/", "//host/"])
async def test_what_is_no_address_is_not_asked(outward, url):
    with pytest.raises(AddressRefusedError):
        await fetched(outward, url)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.1", "192.0.2.1"),
        *("192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1"),
        *("64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "fc00::1", "fd12::1", "fe80::1"),
        *("fe80::1%eth0", "fec0::1", "ff02::1", "3fff::1", "5f00::1"),
    ],
)
def test_addresses_that_are_not_public_are_known(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_known(address):
    assert is_public(ip_address(address))


async def test_a_certificate_that_nobody_vouches_for_is_no_answer():
    async with (
        a_hostile({"/": page(b"content")}, tls=tls_pair("good.example")[0]) as hostile,
        aclosing(Outward([HERE], resolver=Says("127.0.0.1"))) as outward,
    ):
        with pytest.raises(UnansweredError, match="certificate"):
            await fetched(outward, f"https://good.example:{hostile.port}/")


async def test_a_name_is_vouched_for_and_no_other():
    server, client = tls_pair("good.example")
    async with (
        a_hostile({"/": page(b"content")}, tls=server) as hostile,
        aclosing(Outward([HERE], resolver=Says("127.0.0.1", "127.0.0.1"), tls=client)) as outward,
    ):
        assert await fetched(outward, f"https://good.example:{hostile.port}/") == b"content"
        with pytest.raises(UnansweredError, match="certificate"):
            await fetched(outward, f"https://other.example:{hostile.port}/")


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "nonsense", "http://8.8.8.8/"]
)
async def test_an_address_that_would_not_be_asked_is_refused_beforehand(url):
    async with aclosing(Outward()) as outward:
        with pytest.raises(Refusal) as refused:
            await outward.check(url)

    assert refused.value.code is ErrorCode.ADDRESS_NOT_ALLOWED


async def test_a_name_that_leads_inside_is_refused_beforehand():
    async with aclosing(Outward(resolver=Says("192.168.1.1"))) as outward:
        with pytest.raises(Refusal):
            await outward.check("https://inside.example/hook")


@pytest.mark.parametrize("url", ["https://8.8.8.8/", "http://127.0.0.1:9/", "https://nowhere.invalid/"])
async def test_an_address_that_may_be_asked_is_not_refused_beforehand(outward, url):
    await outward.check(url)


async def test_a_message_is_posted_and_its_answers_status_told(outward, hostile):
    hostile.answers["/hook"] = page(b"", status="202 Accepted")

    assert await outward.post(f"{hostile.url}/hook", b"{}", {"X-Kind": "a"}) == 202
    assert "X-Kind: a" in hostile.requests[0]


async def test_a_message_was_taken_however_its_answer_is_packed(outward, hostile):
    hostile.answers["/hook"] = page(gzip.compress(b"thanks"), headers={"Content-Encoding": "gzip"})

    assert await outward.post(f"{hostile.url}/hook", b"{}", {}) == 200


@pytest.mark.parametrize("host", ["a..b", ".example", "xn--", "xn--a", f"{'a' * 64}.example"])
async def test_what_cannot_be_a_name_is_refused(outward, host):
    with pytest.raises(AddressRefusedError, match="no address"):
        await fetched(outward, f"https://{host}/")
    with pytest.raises(Refusal, match="asked"):
        await outward.check(f"https://{host}/")


async def test_names_that_nobody_answers_for_keep_no_files_waiting(monkeypatch):
    answer, asked = threading.Event(), socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: answer.wait(20) and asked(*given, **more))
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with aclosing(Outward([HERE])) as outward:
        looking = [asyncio.create_task(outward.check("http://localhost/")) for _ in range(3)]
        await asyncio.sleep(0)

        async with asyncio.timeout(10):
            await asyncio.to_thread(int)

        answer.set()
        await asyncio.gather(*looking)


async def test_a_message_that_nobody_takes_is_told_without_the_address(outward, hostile):
    hostile.answers["/hook?secret"] = b""

    with pytest.raises(UnreachableError) as told:
        await outward.post(f"{hostile.url}/hook?secret", b"{}", {})

    assert "secret" not in str(told.value)
