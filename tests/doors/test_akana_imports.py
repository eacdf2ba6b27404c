"""What the Akana-compatible door lets in and what not, and how it says so (akana.md sections 3, 4 and 6)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from domain.model import Actor, ArtifactStatus, TenantId, TenantPlan
from domain.user_rows import Power
from storage.store import SqlStore
from storage.tables import tenant as tenants
from storage.user_tables import session as sessions
from tests.clocks import NOON
from tests.doors.akana_client import a_client, a_user, code_of, names_in, report_of, save
from tests.doors.rest import BUNDLE, HUB, bearer, blob_files
from tests.makers import a_bundle, a_process, a_rule_set, an_agent, an_entity
from tests.world import a_world

MIB = 1 << 20
IMPORT = "/api/tenants/acme/packages"
#: a scan warns about the one, and forbids the other
WORRYING = a_bundle(
    a_process("proc-1", nodes=[{"nodeId": "n", "nodeType": "DataFetchNode", "config": {"query": "EXEC sp_who"}}])
)
FORBIDDEN = a_bundle(a_rule_set("rule-1", rules=[{"ruleId": "r", "condition": "eval('1 + 1') == 2"}]))
PACKAGE = ("business-export.zip", BUNDLE, "application/zip")


@pytest.fixture
async def world(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_ZIP_MB_STANDARD", "1")
    monkeypatch.setenv("INSTALLHUB_LIMIT_ARTIFACTS_STANDARD", "2")
    async with a_world(tmp_path) as world:
        await world.tenant("acme", TenantPlan.STANDARD)
        await a_user(world, "acme")
        yield world


@pytest.fixture
async def client(world):
    """Anna, signed in."""
    async with a_client(world) as client:
        await client.sign_in()
        yield client


async def with_all(world, table, **values):
    """Change every row of a table."""
    assert isinstance(world.runtime.ports.store, SqlStore)
    async with world.runtime.ports.store._engines.writer.begin() as connection:
        await connection.execute(update(table).values(**values))


async def imports_of(world):
    return (await world.http.get(f"{HUB}/imports", headers=bearer(world, "acme"))).json()["items"]


async def test_a_refused_import_names_its_code_and_itself_and_changes_nothing(world, client):
    for bundle, status, code in (
        (b"no ZIP at all", 400, "InvalidZip"),
        (b"", 400, "InvalidZip"),
        (a_bundle(an_entity(), platform_version="4.2.1"), 400, "PlatformVersionIncompatible"),
        (a_bundle(an_entity(), platform_version="4.1.0"), 400, "PlatformVersionIncompatible"),
        (a_bundle(an_entity(), checksum="sha256:" + "0" * 64), 400, "ChecksumMismatch"),
        (FORBIDDEN, 400, "SecurityScanFailed"),
        (WORRYING, 400, "SecurityWarningsNotAllowed"),
        (a_bundle(*[an_entity(f"ent-{number}") for number in range(3)]), 413, "TooManyArtifacts"),
    ):
        answer = await client.bring("acme", bundle)

        assert code_of(answer) == (status, code)
        assert answer.json()["faultcode"] == "client"
        assert (await imports_of(world))[0]["importId"] == answer.json()["importId"]
    assert await names_in(world) == {}


async def test_what_holds_here_holds_when_it_is_tried_again_at_another_door(world, client):
    refused = await client.bring("acme", a_bundle(an_entity(), platform_version="4.1.0"))

    again = await world.http.post(f"{HUB}/imports/{refused.json()['importId']}/retry", headers=bearer(world, "acme"))

    assert (again.status_code, again.json()["error"]) == (400, "PlatformVersionIncompatible")


async def test_a_request_that_is_no_import_leaves_nothing_behind(world, client):
    mapping = ("m.properties", b"http\\://a = http://b", "text/plain")
    for files, status, code in (
        ({"MappingProperties": mapping}, 400, "MissingRequiredField"),
        ({"package": PACKAGE}, 400, "BadUserInput"),
        ({"Package": PACKAGE, "mappingproperties": mapping}, 400, "BadUserInput"),
        ({"Package": PACKAGE, "MappingProperties": ("m", b"a = \\u12x4", "text/plain")}, 400, "BadUserInput"),
        (
            {"Package": PACKAGE, "MappingProperties": ("m", b"ftp\\://a = http://b", "text/plain")},
            400,
            "InvalidOptions",
        ),
        ({"Package": PACKAGE, "MappingProperties": ("m", b"#" * (MIB + 1), "text/plain")}, 413, "PayloadTooLarge"),
        ({"Package": ("big.zip", b"x" * (MIB + 1), "application/zip")}, 413, "PayloadTooLarge"),
    ):
        answer = await client.ask("POST", IMPORT, files=files)

        assert code_of(answer) == (status, code)
        assert "importId" not in answer.json()
    assert (await imports_of(world), blob_files(world)) == ([], [])


async def test_anything_but_a_form_is_an_unsupported_media_type(client):
    for media in ("application/zip", "application/json", "multipart/mixed; boundary=b", ""):
        answer = await client.ask("POST", IMPORT, content=BUNDLE, headers={"Content-Type": media})

        assert code_of(answer) == (415, "UnsupportedMediaType")


async def test_what_cannot_be_accepted_and_wrong_verbs_are_told_as_documented(world, client):
    picture = await client.bring("acme", BUNDLE, headers={"Accept": "image/png"})
    export = await client.take("acme", headers={"Accept": "image/png"})
    verbs = [await client.ask(verb, IMPORT) for verb in ("GET", "PUT", "DELETE")]

    assert [(answer.status_code, answer.headers["content-type"]) for answer in (picture, export)] == [
        (404, "text/plain; charset=utf-8")
    ] * 2
    assert [code_of(answer) for answer in verbs] == [(405, "MethodNotAllowed")] * 3
    assert await names_in(world) == {}


async def test_a_fault_comes_in_the_form_that_is_accepted(client):
    in_xml = await client.bring("acme", b"", headers={"Accept": "application/vnd.soa.v81+xml"})
    for_people = await client.bring("acme", b"", headers={"Accept": "text/html, */*;q=0.1"})
    in_json = await client.bring("acme", b"", headers={"Accept": "application/vnd.soa.v71+json"})

    assert in_xml.headers["content-type"] == "application/vnd.soa.v81+xml; charset=utf-8"
    assert "<Fault><faultcode>client</faultcode>" in in_xml.text
    assert for_people.text.startswith("InvalidZip: ")
    assert in_json.headers["content-type"] == "application/vnd.soa.v71+json"


async def test_who_shows_no_good_session_neither_brings_nor_takes_anything(world, client):
    await save(world, an_entity())
    before = await names_in(world)
    good = dict(client.cookies)

    async def tried(**changed):
        client.cookies = {name: value for name, value in (good | changed).items() if value}
        return [(await client.bring("acme", BUNDLE)).status_code, (await client.take("acme")).status_code]

    found = {
        "no CSRF token": await tried(**{"Csrf-Token_acme": ""}),
        "another CSRF token": await tried(**{"Csrf-Token_acme": good["Csrf-Token_acme"][:-2] + "xx"}),
        "no session": await tried(AtmoAuthToken_acme=""),
        "a session cookie of one's own": await tried(AtmoAuthToken_acme=good["AtmoAuthToken_acme"][:-2] + "xx"),
    }
    await with_all(world, sessions, expires_at=NOON)
    found["a session that has expired"] = await tried()
    await client.sign_in()
    good = dict(client.cookies)
    await client.ask("POST", "/api/login/logout", params={"fedmemberId": "acme"})
    found["a session that was ended"] = await tried()

    assert found == {
        "no CSRF token": [401, 200],
        "another CSRF token": [401, 200],
        "no session": [401, 401],
        "a session cookie of one's own": [401, 401],
        "a session that has expired": [401, 401],
        "a session that was ended": [401, 401],
    }
    assert (await names_in(world), await imports_of(world)) == (before, [])


async def test_a_session_of_another_tenant_brings_nothing_here_and_sees_nothing(world, client):
    await world.tenant("globex")
    await save(world, an_entity(), tenant="globex")

    brought = await client.bring("globex", BUNDLE)
    taken = await client.take("globex")
    alone = await client.ask("GET", "/api/tenants/ent-44.globex/package")
    nowhere = await client.take("nowhere")

    assert [answer.status_code for answer in (brought, taken, alone, nowhere)] == [401] * 4
    assert taken.content == alone.content == nowhere.content
    assert (await names_in(world, "globex")).keys() == {"EntitySchema 44"}


async def test_a_bearer_token_is_nobody_here(world):
    async with a_client(world) as client:
        client.own = bearer(world, "acme")

        assert code_of(await client.bring("acme", BUNDLE)) == (401, "invalid_token")
        assert code_of(await client.take("acme")) == (401, "invalid_token")


async def test_who_may_sign_in_and_no_more_neither_imports_nor_exports(world):
    await a_user(world, "acme", "sam@acme.example", Power.NONE)
    async with a_client(world) as client:
        await client.sign_in("sam@acme.example")

        assert code_of(await client.bring("acme", BUNDLE)) == (403, "InsufficientPermission")
        assert code_of(await client.take("acme")) == (403, "InsufficientPermission")
        assert code_of(await client.ask("GET", "/api/tenants/ent-44.acme/package")) == (403, "InsufficientPermission")


async def test_a_site_admin_imports_and_exports(world):
    await a_user(world, "acme", "ada@acme.example", Power.SITE_ADMIN)
    async with a_client(world) as client:
        await client.sign_in("ada@acme.example")

        assert (await client.bring("acme", BUNDLE)).status_code == 200
        assert (await client.take("acme")).status_code == 200


async def test_a_form_without_its_own_size_that_is_too_large_is_refused_while_it_comes(world, client):
    async def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="Package"; filename="p.zip"\r\n\r\n'
        for _ in range(2 * MIB // 65_536):
            yield b"x" * 65_536

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.ask("POST", IMPORT, content=endless(), headers=headers)

    assert code_of(answer) == (413, "PayloadTooLarge")
    assert blob_files(world) == []


async def test_warnings_of_the_scan_pass_where_the_tenant_accepts_them(world, client):
    await with_all(world, tenants, accepts_warnings=True)

    worrying, forbidden = await client.bring("acme", WORRYING), await client.bring("acme", FORBIDDEN)

    assert worrying.status_code == 200
    assert [row["warning"] for row in (await report_of(world, worrying))["warnings"]] == ["SecurityWarning"]
    assert code_of(forbidden) == (400, "SecurityScanFailed")
    found = await world.http.get(forbidden.json()["scanReportUrl"], headers=bearer(world, "acme"))
    assert found.json()["overallResult"] == "FAIL"


async def test_what_nobody_can_decide_here_is_refused_and_does_not_stay_in_the_line(world, client):
    await client.bring("acme", a_bundle(an_entity("ent-44", name="Old")))
    await save(world, an_entity("ent-2", name="New"))
    before = await names_in(world)

    answer = await client.bring("acme", a_bundle(an_entity("ent-44", name="New")))

    assert code_of(answer) == (400, "ConflictRequiresResolution")
    assert await names_in(world) == before
    [given_up, _] = await imports_of(world)
    assert (given_up["importId"], given_up["status"]) == (answer.json()["importId"], "Cancelled")


async def test_addresses_are_mapped_and_people_and_credentials_told_in_the_report(world, client):
    agent = an_agent(owner="anna@acme.example", llmConfig={"credentialId": "vault-1"})
    mapping = b"# nothing there calls it\nhttps\\://old.example/ = https://new.example/\n"

    answer = await client.bring("acme", a_bundle(agent, bindings=[("agent-1", "/llmConfig/credentialId")]), mapping)

    report = await report_of(world, answer)
    told = {row["warning"] for row in report["warnings"]}
    assert (answer.status_code, report["status"]) == (200, "Success")
    assert {"UserRelationship", "BindingMissing"} <= told
    assert await names_in(world) == {"AgentDefinition 1": (1, ArtifactStatus.LOCKED)}


async def test_an_import_that_takes_long_goes_on_after_its_answer_and_too_many_have_to_wait(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_REST_WAIT", "1")
    monkeypatch.setenv("INSTALLHUB_LIMIT_QUEUED_IMPORTS", "1")
    async with a_world(tmp_path, role="web") as world, a_client(world) as client:
        await world.tenant("acme")
        await a_user(world, "acme")
        await client.sign_in()

        answer = await client.bring("acme", BUNDLE)
        another = await client.bring("acme", BUNDLE)

        assert (answer.status_code, answer.content) == (202, b"")
        assert (await report_of(world, answer))["status"] == "InProgress"
        assert code_of(another) == (429, "RateLimitExceeded")
        assert int(another.headers["retry-after"]) > 0


async def test_a_frozen_tenant_lets_nothing_in_and_says_when_to_ask_again(world, client):
    await world.services.freezing.apply(TenantId("acme"), "The year is being closed.", Actor("host"))

    answer = await client.bring("acme", BUNDLE)

    assert code_of(answer) == (503, "TenantFrozen")
    assert int(answer.headers["retry-after"]) > 0
    assert await imports_of(world) == []


async def test_an_import_that_somebody_stops_is_told_so(tmp_path):
    async with a_world(tmp_path, role="web") as world, a_client(world) as client:
        await world.tenant("acme")
        await a_user(world, "acme")
        await client.sign_in()

        waiting = asyncio.ensure_future(client.bring("acme", BUNDLE))
        while not (begun := await imports_of(world)):
            pass
        stop = f"{HUB}/imports/{begun[0]['importId']}/cancel"
        await world.http.post(stop, headers=bearer(world, "acme"))

        answer = await waiting
        assert code_of(answer) == (500, "ImportCancelled")
        assert answer.json()["importId"] == begun[0]["importId"]


async def test_where_reading_needs_the_token_a_download_may_carry_it_in_its_address(world):
    await a_user(world, "acme", "ada@acme.example", Power.SITE_ADMIN)
    await save(world, an_entity())
    async with a_client(world) as client:
        await client.sign_in("ada@acme.example")
        settings = {"ReadRequestCSRFSupport": "com.soa.feature.enabled"}
        await client.ask("PUT", "/api/businesses/tenantbusiness.acme/securitysettings", json=settings)

        as_header = await client.take("acme")
        token = client.cookies.pop("Csrf-Token_acme")
        without = await client.take("acme")
        path = "/api/businesses/tenantbusiness.acme/package"
        in_address = await client.ask("GET", path, params={"X-Csrf-Token_acme": token})

        assert [answer.status_code for answer in (as_header, without, in_address)] == [200, 401, 200]


async def test_the_same_request_under_one_key_is_carried_out_once(world, client):
    first, again = [await client.bring("acme", BUNDLE, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    other = await client.bring("acme", WORRYING, headers={"Idempotency-Key": "k"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.headers["location"] == again.headers["location"]
    assert code_of(other) == (400, "IdempotencyKeyReused")
    assert len(await imports_of(world)) == 1
