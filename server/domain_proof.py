"""Whether a domain shows what its owner was asked to show: in DNS, or in a file (installhub.md section 10.4)."""

from __future__ import annotations

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer

from domain.errors import ErrorCode, Refusal, refuse
from domain.market.model import VerificationMethod
from server.outward import AddressRefusedError, AnswerRefusedError, Bounds, Outward, OutwardError

_DNS_SECONDS = 5.0
_FILE = Bounds(bytes_max=16 << 10, seconds=10.0, silent_seconds=5.0)
_FOUND = 200
_GONE = frozenset({401, 403, 404, 410})


class DomainShows:
    """:class:`domain.market.ports.DomainProof` over the network."""

    def __init__(self, outward: Outward, resolver: Resolver | None = None) -> None:
        self._outward = outward
        self._resolver = resolver

    async def shows(self, domain: str, method: VerificationMethod, token: str) -> bool:
        wanted = f"bizfirstai-verify={token}"
        found = self._records(domain) if method is VerificationMethod.DNS else self._lines(domain)
        return wanted in await found

    async def _records(self, domain: str) -> list[str]:
        """The TXT records of a domain, the parts of each joined."""
        try:
            # made when it is needed: it reads the system's settings
            resolver = self._resolver or Resolver()
            answer = await resolver.resolve(domain, "TXT", lifetime=_DNS_SECONDS, search=False)
        except (NXDOMAIN, NoAnswer):
            return []
        except DNSException as error:
            raise _unknown(domain) from error
        return [b"".join(record.strings).decode(errors="replace") for record in answer]

    async def _lines(self, domain: str) -> list[str]:
        """The lines of a domain's well-known file."""
        url = f"https://{domain}/.well-known/bizfirstai-verify.txt"
        try:
            async with self._outward.asked(url, _FILE) as answer:
                if answer.status in _GONE:
                    return []
                if answer.status != _FOUND:
                    raise _unknown(domain)
                content = await answer.whole()
        except (AddressRefusedError, AnswerRefusedError):
            # what is shown there is not shown to the public, or is no such file
            return []
        except OutwardError as error:
            raise _unknown(domain) from error
        return [line.strip() for line in content.decode(errors="replace").splitlines()]


def _unknown(domain: str) -> Refusal:
    text = f"It cannot be found out now what {domain} shows. Try again later."
    return refuse(ErrorCode.SERVICE_UNAVAILABLE, text, retryAfter=60)
