"""The log of real processes: every line is JSON, each request and each stage has one, and no secret is in any."""

from __future__ import annotations

import io
import json
import signal
import zipfile
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from server.keys import ensure_key_pair, public_keys_file
from tests.doors.graphql_world import IMPORT, B, exported, with_artifacts
from tests.makers import a_bundle, a_suite, an_agent
from tests.server.installation import a_server
from tests.world import a_world

SECRETS = {
    "name": "NameThatNobodyMayRead",
    "content": "content-that-nobody-may-read",
    "query": "query-that-nobody-may-read",
    "header": "header-that-nobody-may-read",
    "member": "member-that-nobody-may-read",
}
STAGES = [
    "Validation",
    "SecurityScan",
    "DependencyCheck",
    "Planning",
    "Installing",
    "PostInstallVerification",
    "Activation",
]


@pytest.fixture
def issued(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a server that is told whose tokens it takes, as in production."""
    keys = Path(environment["INSTALLHUB_DATA"]) / "keys"
    ensure_key_pair(keys)
    issuer = {"INSTALLHUB_JWKS": str(public_keys_file(keys)), "INSTALLHUB_ISSUER": "installhub-dev"}
    return environment | issuer


@pytest.mark.slow
def test_each_request_and_each_stage_has_its_line_and_no_line_has_a_secret(here, issued, tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_ISSUER", "installhub-dev")
    log = tmp_path / "log"
    with log.open("wb") as stderr, a_server(issued, "--host", "127.0.0.1", stderr=stderr.fileno()) as (process, url):
        here("tenant", "add", "acme-prod", "--plan", "Enterprise")
        token = here(
            "token", "--subject", "a@b.c", "--tenant", "acme-prod", "--scope", "installhub:admin"
        ).stdout.strip()
        imported = asked(url, "/api/installhub/packages/import", token, form(a_package()), "trace-of-the-import")
        refused = asked(
            url, "/api/installhub/packages/import", token, form(a_poisoned_package()), "trace-of-the-bad-one"
        )
        shown = asked(
            url, f"/api/installhub/imports/{imported['importId']}?x={SECRETS['query']}", token, None, "trace-3"
        )
        strange = asked(
            url, "/api/installhub/packages/preview", SECRETS["header"], (b"{}", "application/json"), "trace-4"
        )
        process.send_signal(signal.SIGTERM)
        process.wait(20)

    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    requests = {line["requestId"]: line for line in lines if line["logger"] == "server.access"}
    told = [line for line in lines if line.get("importId") == imported["importId"]]
    stages = [line for line in told if "stage" in line]
    assert (imported["status"], refused["status"], shown["status"]) == ("Success", "Failed", "Success")
    assert strange["error"] == "invalid_token"
    assert [(line["stage"], line["outcome"], line["tenant"]) for line in stages] == [
        (stage, "done", "acme-prod") for stage in STAGES
    ]
    assert all(line["ms"] >= 0 for line in stages)
    assert [line["requestId"] for line in told if line["message"].endswith("is submitted")] == ["trace-of-the-import"]
    assert (
        requests["trace-of-the-import"] | {"importId": imported["importId"], "tenant": "acme-prod"}
        == (requests["trace-of-the-import"])
    )
    assert (requests["trace-3"]["importId"], requests["trace-3"]["tenant"]) == (imported["importId"], "acme-prod")
    outcomes = {number: line["outcome"] for number, line in requests.items() if number.startswith("trace")}
    assert outcomes == {
        "trace-of-the-import": "answered",
        "trace-of-the-bad-one": "refused",
        "trace-3": "answered",
        "trace-4": "refused",
    }
    assert ("failed", refused["importId"]) in {(line.get("outcome"), line.get("importId")) for line in lines}
    assert {name: secret for name, secret in [*SECRETS.items(), ("token", token)] if secret in text} == {}


def a_package() -> bytes:
    secret = an_agent("agent-1", name=SECRETS["name"], instructions=SECRETS["content"])
    return a_bundle(*a_suite(), secret, name=SECRETS["name"], version="1.0.0")


def a_poisoned_package() -> bytes:
    """The same, with a file that no bundle may hold."""
    raw = io.BytesIO(a_package())
    with zipfile.ZipFile(raw, "a") as archive:
        archive.writestr(f"{SECRETS['member']}.exe", SECRETS["content"])
    return raw.getvalue()


def form(package: bytes) -> tuple[bytes, str]:
    options = json.dumps({"targetTenantId": "acme-prod"}).encode()
    parts = [
        (b'name="package"; filename="' + SECRETS["name"].encode() + b'.zip"', b"application/zip", package),
        (b'name="options"', b"application/json", options),
    ]
    body = b"".join(
        b"--cut\r\nContent-Disposition: form-data; %b\r\nContent-Type: %b\r\n\r\n%b\r\n" % part for part in parts
    )
    return body + b"--cut--\r\n", "multipart/form-data; boundary=cut"


def asked(url: str, path: str, token: str, sent: tuple[bytes, str] | None, number: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": number}
    body, media = sent or (None, None)
    request = Request(url + path, body, headers | ({"Content-Type": media} if media else {}))
    try:
        with urlopen(request, timeout=60) as answer:
            return dict(json.load(answer))
    except HTTPError as refused:
        return dict(json.load(refused))


RESOLVE = """mutation($id: ID!) { resolveConflicts(input: {importId: $id, decisions: []}) {
  importJob { id } refusal { code } } }"""
CANCEL = """mutation($id: ID!) { cancelImport(input: {importId: $id}) { importJob { id } refusal { code } } }"""
RETRY = """mutation($id: ID!) { retryImport(input: {importId: $id, idempotencyKey: "again"}) {
  importJob { id } refusal { code } } }"""


async def test_a_request_about_an_import_that_is_there_has_its_id_and_tenant_in_its_line(tmp_path, caplog):
    caplog.set_level("INFO", "server.access")
    async with a_world(tmp_path, role="web") as world:
        caller = await with_artifacts(world)
        source = {"tenantId": B, "source": {"packageId": await exported(caller)}, "idempotencyKey": "once"}
        made = (await caller.data(IMPORT, input={"request": source}))["importPackage"]["importJob"]["id"]
        caplog.clear()
        await caller.data(IMPORT, input={"request": source})
        for query in (RESOLVE, CANCEL, CANCEL):
            await caller.data(query, id=made)
        retried = [(await caller.data(RETRY, id=made))["retryImport"]["importJob"]["id"] for _ in range(2)]

    lines = [record.fields for record in caplog.records if record.name == "server.access"]
    assert [line.get("importId") for line in lines] == [made] * 4 + retried
    assert {line.get("tenant") for line in lines} == {B}
    assert len({made, *retried}) == 2
