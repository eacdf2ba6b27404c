"""What domains show in DNS and in their well-known file, asked of real servers on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from ipaddress import ip_network

import dns.message
import dns.rcode
import dns.rrset
import pytest
from dns.asyncresolver import Resolver

from domain.errors import ErrorCode, Refusal
from domain.market.model import VerificationMethod
from server.domain_proof import DomainShows
from server.outward import Outward
from tests.certificates import tls_pair
from tests.hostile import a_hostile, page, redirect
from tests.server.test_outward import Says

FILE = "/.well-known/bizfirstai-verify.txt"


class Names(asyncio.DatagramProtocol):
    """A DNS server that knows these TXT records; it fails for names it is told to fail for."""

    def __init__(self, records: Mapping[str, list[str]]) -> None:
        self._records = records

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, data, addr) -> None:
        asked = dns.message.from_wire(data)
        answer, name = dns.message.make_response(asked), asked.question[0].name.to_text(omit_final_dot=True)
        if name == "broken.example":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self._records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif self._records[name]:
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *self._records[name]))
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def a_resolver(records: Mapping[str, list[str]]) -> AsyncIterator[Resolver]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Names(records), local_addr=("127.0.0.1", 0))
    made = Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
    try:
        yield made
    finally:
        transport.close()


@pytest.mark.parametrize(
    ("records", "is_shown"),
    [
        ({"a.example": ['"bizfirstai-verify=abc"']}, True),
        ({"a.example": ['"other"', '"bizfirstai-verify=abc"']}, True),
        ({"a.example": ['"bizfirstai-" "verify=abc"']}, True),
        ({"a.example": ['"bizfirstai-verify=abcd"']}, False),
        ({"a.example": []}, False),
        ({"b.example": ['"bizfirstai-verify=abc"']}, False),
    ],
)
async def test_a_domain_shows_a_token_in_one_of_its_txt_records(records, is_shown):
    async with a_resolver(records) as resolver, aclosing(Outward()) as outward:
        found = await DomainShows(outward, resolver).shows("a.example", VerificationMethod.DNS, "abc")

    assert found is is_shown


@pytest.mark.parametrize("domain", ["broken.example", "a..example", "a" * 300])
async def test_what_cannot_be_found_out_in_dns_is_said_so(domain):
    async with a_resolver({}) as resolver, aclosing(Outward()) as outward:
        with pytest.raises(Refusal) as refused:
            await DomainShows(outward, resolver).shows(domain, VerificationMethod.DNS, "abc")

    assert refused.value.code is ErrorCode.SERVICE_UNAVAILABLE


@pytest.mark.parametrize(
    ("answer", "is_shown"),
    [
        (page(b"bizfirstai-verify=abc"), True),
        (page(b"# ours\r\nbizfirstai-verify=abc\r\n"), True),
        (page(b"bizfirstai-verify=abcd"), False),
        (page(b"\xff\xfe"), False),
        (page(b"bizfirstai-verify=abc", status="404 Not Found"), False),
        (page(b"", length=1 << 30), False),
        (redirect("http://127.0.0.1/"), False),
    ],
)
async def test_a_domain_shows_a_token_in_its_well_known_file(answer, is_shown):
    server, client = tls_pair("a.example")
    async with (
        a_hostile({FILE: answer}, tls=server) as hostile,
        aclosing(Outward([ip_network("127.0.0.0/8")], resolver=Says("127.0.0.1"), tls=client)) as outward,
    ):
        found = await DomainShows(outward).shows(f"a.example:{hostile.port}", VerificationMethod.FILE, "abc")

    assert found is is_shown


async def test_a_server_that_fails_shows_neither_one_nor_the_other():
    server, client = tls_pair("a.example")
    async with (
        a_hostile({FILE: page(b"", status="503 Busy")}, tls=server) as hostile,
        aclosing(Outward([ip_network("127.0.0.0/8")], resolver=Says("127.0.0.1"), tls=client)) as outward,
    ):
        with pytest.raises(Refusal) as refused:
            await DomainShows(outward).shows(f"a.example:{hostile.port}", VerificationMethod.FILE, "abc")

    assert refused.value.code is ErrorCode.SERVICE_UNAVAILABLE


async def test_a_domain_that_leads_inside_shows_nothing():
    async with aclosing(Outward(resolver=Says("10.0.0.1"))) as outward:
        assert not await DomainShows(outward).shows("inside.example", VerificationMethod.FILE, "abc")
