"""Commands about bundles and keys that need no installation: ``keygen``, ``sign``, ``verify``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.scanning import ScanResult
from server.errands import CommandRefusedError
from server.logs import printable
from server.printing import say
from server.signing import make_key_pair, read_small, sign, signature_file
from server.verifying import Signing, Verdict, keys_of, verdict

_SHOWN_MAX = 50


def add_bundle_commands(commands: Any) -> None:
    """Say what can be given to them."""
    command = commands.add_parser("keygen", help="make a key pair that signs packages: FILE and FILE.pub")
    command.add_argument("file", type=Path, metavar="FILE")
    command.set_defaults(run=_keygen)
    command = commands.add_parser("sign", help="check a bundle and write its signature beside it, BUNDLE.dsse.json")
    command.add_argument("bundle", type=Path, metavar="BUNDLE")
    command.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key; see keygen")
    command.set_defaults(run=_sign)
    command = commands.add_parser(
        "verify", help="check a bundle offline: structure, checksums, scan, signature; the exit status is 0 or 1"
    )
    command.add_argument("bundle", type=Path, metavar="BUNDLE")
    command.add_argument("--signature", type=Path, metavar="FILE", help="instead of BUNDLE.dsse.json")
    command.add_argument(
        "--key", type=Path, action="append", default=[], metavar="PUB", help="a public key that may have signed"
    )
    command.add_argument("--json", action="store_true", help="everything that was found, as JSON")
    command.set_defaults(run=_verify)


def _keygen(given: argparse.Namespace) -> None:
    made = make_key_pair(given.file)
    say(f"Key {made}: {given.file} signs and stays here, {given.file}.pub is for everybody.")


def _sign(given: argparse.Namespace) -> None:
    found, key, place = sign(given.bundle, given.key)
    say(f"{printable(found.named)} is signed by {key}: {place}")


def _verify(given: argparse.Namespace) -> int:
    found = verdict(given.bundle, _signing(given))
    if given.json:
        say(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        for line in _lines(found):
            say(printable(line))
    return 0 if found.is_good else 1


def _signing(given: argparse.Namespace) -> Signing | None:
    """What the signature is to be held against; ``None`` when no key was given to hold it against."""
    if not given.key:
        if given.signature is not None:
            raise CommandRefusedError("a signature proves nothing without a key: name one with --key")
        return None
    keys = keys_of({str(place): read_small(place) for place in given.key})
    place = given.signature or signature_file(given.bundle)
    if given.signature is None and not place.exists():
        return Signing(None, keys)
    try:
        return Signing(json.loads(read_small(place)), keys)
    except (ValueError, RecursionError) as error:
        raise CommandRefusedError(f"{place}: this is no signature: {type(error).__name__}") from error


def _lines(found: Verdict) -> Iterator[str]:
    """The verdict for people, one check a line."""
    if found.checked is None:
        yield "structure   refused"
    else:
        manifest = found.checked.manifest
        yield f"package     {found.checked.named}, {len(manifest['artifacts'])} artifacts"
        yield "structure   good"
        yield f"checksums   good, {manifest['checksum']}"
        yield f"scan        {found.scan_result.value if found.scan_result else ''}"
        told = {"not checked": "not checked: no key was given"}
        yield f"signature   {told.get(found.signature, found.signature)}"
        worst = sorted(found.checked.findings, key=lambda finding: -finding.severity)
        yield from (f"            {one.artifact_id}{one.pointer}: {one.message}" for one in worst[:_SHOWN_MAX])
        yield from (f"warning     {one.message}" for one in found.checked.warnings[:_SHOWN_MAX])
    yield from (f"problem     {one.code.wire}: {one.message}" for one in found.problems[:_SHOWN_MAX])
    is_scan = found.scan_result is ScanResult.FAIL
    yield "verdict     good" if found.is_good else f"verdict     refused{' by the scan' if is_scan else ''}"
