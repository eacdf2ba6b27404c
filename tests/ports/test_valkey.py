"""A Valkey that counts: whom it lets in, and what it shows and keeps."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import aclosing

import pytest

from storage.valkey import SharedLimiter, _keys
from storage.valkey_place import ValkeyPlace, valkey_place
from tests.certificates import tls_pair
from tests.engines import a_valkey
from tests.faults.proxy import a_proxy, at_port

pytestmark = pytest.mark.valkey
WINDOW = ("user:anna@acme.example", 5, 60)


async def test_processes_that_count_at_once_let_through_the_limit_and_no_more(valkey):
    place = valkey_place(f"valkey://127.0.0.1:{valkey}/1")
    async with aclosing(SharedLimiter(place, patience=10)) as one, aclosing(SharedLimiter(place, patience=10)) as other:
        answers = await asyncio.gather(*(limiter.take([WINDOW]) for limiter in (one, other) for _ in range(10)))

        assert sorted(answers) == [0] * 5 + [60] * 15
        assert [await limiter.left(WINDOW) for limiter in (one, other)] == [0, 0]


async def test_a_window_shows_no_name_and_ends_by_itself(valkey):
    async with aclosing(SharedLimiter(valkey_place(f"valkey://127.0.0.1:{valkey}/2"), patience=10)) as limiter:
        await limiter.take([WINDOW])

        (key,) = await limiter._valkey.keys()
        assert b"anna" not in key
        assert 0 < await limiter._valkey.pttl(key) <= 60_000


async def test_what_lies_ahead_of_a_clock_that_was_set_back_keeps_nobody_out(valkey):
    async with aclosing(SharedLimiter(valkey_place(f"valkey://127.0.0.1:{valkey}/3"), patience=10)) as limiter:
        seconds, _ = await limiter._valkey.time()
        await limiter._valkey.rpush(*_keys([WINDOW]), *[(seconds + 3600) * 1000] * 5)

        answers = [await limiter.take([WINDOW]) for _ in range(6)]

        assert answers == [0] * 5 + [60]


async def test_it_is_reached_by_tls_and_with_a_password(tmp_path):
    for_server, for_client = tls_pair("localhost")
    trusted = tmp_path / "authority.pem"
    trusted.write_text(ssl.DER_cert_to_PEM_cert(for_client.get_ca_certs(binary_form=True)[0]), encoding="utf-8")
    with a_valkey(tmp_path / "valkey", "--requirepass", "pass/word") as port:
        async with a_proxy(at_port(port), tls=for_server) as door:
            addresses = {
                "right": f"valkeys://:pass%2Fword@localhost:{door.port}?ca={trusted}",
                "no password": f"valkeys://localhost:{door.port}?ca={trusted}",
                "no trust": f"valkeys://:pass%2Fword@localhost:{door.port}",
                "another name": f"valkeys://:pass%2Fword@127.0.0.1:{door.port}?ca={trusted}",
            }
            answers = {}
            for name, address in addresses.items():
                async with aclosing(SharedLimiter(valkey_place(address), patience=10)) as limiter:
                    answers[name] = await limiter.is_shared()

    assert answers == {"right": True, "no password": False, "no trust": False, "another name": False}


def test_an_address_says_where_and_never_shows_its_password():
    place = valkey_place(f"valkeys://hub:p%40ss@cache.example:7000/2?ca={__file__}")

    assert place == ValkeyPlace("cache.example", 7000, 2, "hub", "p@ss", is_tls=True, ca=__file__)
    assert "p@ss" not in repr(place)
    assert valkey_place("valkey://cache") == ValkeyPlace("cache", 6379, 0, "", "")
