"""Where a bucket is: ``s3://bucket/prefix?endpoint=…&region=…&style=path``. Credentials never stand in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from storage.addresses import split_address

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(/[A-Za-z0-9._-]+)*/?")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_STYLES = frozenset({"path", "host"})
_ASKED = frozenset({"endpoint", "region", "style"})


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket and where it is spoken to; what is empty is left to the variables ``AWS_*`` of the environment."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    is_host_style: bool

    @property
    def is_plain(self) -> bool:
        """Without TLS, because the address says so."""
        return self.endpoint.startswith("http://")


def s3_place(url: str) -> S3Place:
    """Raises ``ValueError`` with what is wrong; the address itself is not repeated."""
    parts = split_address(url)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme != "s3" or parts.fragment or not _BUCKET.fullmatch(parts.netloc):
        raise ValueError("give s3://bucket or s3://bucket/folder; credentials come from AWS_ACCESS_KEY_ID and the like")
    folders = parts.path.strip("/")
    if not _PREFIX.fullmatch(parts.path) or {".", ".."} & set(folders.split("/")):
        raise ValueError("the folder in the bucket has other characters than letters, digits, '.', '_' and '-'")
    if unknown := sorted(asked.keys() - _ASKED):
        raise ValueError(f"{unknown[0]} is none of endpoint, region and style")
    endpoint, region = asked.get("endpoint", "").rstrip("/"), asked.get("region", "")
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        raise ValueError("the endpoint is no address such as https://objects.example.com")
    if region and not _REGION.fullmatch(region):
        raise ValueError("the region is no name such as eu-central-1")
    style = asked.get("style", "path" if endpoint else "host")
    if style not in _STYLES:
        raise ValueError("the style is path or host")
    return S3Place(parts.netloc, folders, endpoint, region, style == "host")
