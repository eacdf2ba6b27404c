"""The OpenAPI document: it tells of every route, of nothing else, and what it tells is what callers get."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from typing import Any

import pytest
from starlette.routing import Route

from domain.access import Right
from domain.strict_json import canonical
from rest_compat import OPERATIONS, installhub, shapes
from rest_compat.openapi import DESCRIBED_FORMS, printed
from server import cli
from server.app import create_app
from server.openapi import PRINTED
from tests.bundles.good import GOOD, README
from tests.bundles.writing import zipped
from tests.doors.onboarding import SUITE
from tests.doors.oracle import Oracle, events_of
from tests.doors.rest import EXAMPLES, HUB, bearer, upload
from tests.journeys.test_curation import FORBIDDEN
from tests.makers import an_agent
from tests.market import a_package
from tests.world import EVERYTHING, a_world

pytestmark = pytest.mark.rules

SCOPES = ("installhub:export", "installhub:import", "installhub:read")
ASYNC = {"prefer": "respond-async"}
#: an install is an import, too (decisions section 9.1)
BESIDES = {"marketplace:install": {"installhub:import"}}
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        for tenant, folder in (("acme-dev", "acme-source"), ("acme-prod", "acme-target")):
            await world.tenant(tenant)
            await world.load(tenant, EXAMPLES / folder)
        world.http.headers.update(bearer(world, "acme-dev", "acme-prod", scopes=SCOPES))
        yield world


@pytest.fixture
async def plain_world(tmp_path):
    """A server without artifacts, on SQLite."""
    async with a_world(tmp_path) as world:
        yield world


def test_the_document_in_the_repository_is_the_one_of_the_routes(capsys):
    cli.main(["print-openapi"])

    assert PRINTED.read_text(encoding="utf-8") == capsys.readouterr().out == printed(OPERATIONS), "run: make openapi"


async def test_every_route_is_in_the_document_and_every_operation_has_a_route(plain_world):
    routes = {
        (route.path, method.lower())
        for route in create_app(plain_world.runtime).routes
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in route.methods or ()
    }

    told = {(path, method) for path, methods in _document()["paths"].items() for method in methods}

    assert {(path, method) for path, method in routes if method != "head"} == told


def test_every_operation_says_what_it_is():
    operations = [one for methods in _document()["paths"].values() for one in methods.values()]

    names = [one["operationId"] for one in operations]
    tags = {tag["name"] for tag in _document()["tags"]}

    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []
    # these have two documented addresses
    assert [name for name in names if "At" in name] == [
        "resumeAtPackagesImportIdResume",
        "exportResourceAtResourcesResourceIDPackage",
    ]
    assert all(one["summary"] and set(one["tags"]) <= tags and one["security"] for one in operations)
    assert {status for one in operations for status in one["responses"]} >= {"200", "201", "202", "400", "401", "503"}


def test_every_reference_leads_somewhere_and_nothing_is_left_over():
    tree = _document()

    named = {value for key, value in _pairs(tree) if key == "$ref"}
    components = {
        f"#/components/{kind}/{name}"
        for kind, things in tree["components"].items()
        if kind != "securitySchemes"
        for name in things
    }

    assert named == components
    assert {name for key, value in _pairs(tree["paths"]) if key == "security" for one in value for name in one} == set(
        tree["components"]["securitySchemes"]
    )


def test_every_parameter_of_a_path_is_declared_and_every_other_one_only_once():
    found = []
    for path, methods in _document()["paths"].items():
        for one in methods.values():
            declared = [_resolved(parameter) for parameter in one.get("parameters", ())]
            in_path = [parameter["name"] for parameter in declared if parameter["in"] == "path"]
            places = [(parameter["in"], parameter["name"].lower()) for parameter in declared]
            found.append((in_path == re.findall(r"\{(\w+)\}", path), len(set(places)) == len(places)))

    assert set(found) == {(True, True)}


def test_the_document_has_the_form_that_openapi_3_1_asks_for():
    tree = _document()

    operations = [one for methods in tree["paths"].values() for one in methods.values()]
    responses = [_resolved(said) for one in operations for said in one["responses"].values()]
    contents = [content for said in responses for content in said.get("content", {}).values()]

    assert tree.keys() == {"openapi", "info", "servers", "tags", "paths", "components"}
    assert re.fullmatch(r"3\.1\.\d", tree["openapi"])
    assert all(methods.keys() <= METHODS and path.startswith("/") for path, methods in tree["paths"].items())
    assert all(said["description"] and said.keys() <= {"description", "headers", "content"} for said in responses)
    assert all(content.keys() <= {"schema"} for content in contents)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for kind in tree["components"].values() for name in kind)


def test_every_member_of_every_body_is_described():
    schemas = _document()["components"]["schemas"]

    silent = [
        f"{name}.{member}"
        for name, schema in schemas.items()
        for member, kind in schema.get("properties", {}).items()
        if not kind.get("description")
    ]

    assert silent == []
    assert [name for name, schema in schemas.items() if not schema.get("description")] == []


def test_no_body_is_promised_to_have_no_more_members():
    closed = [key for key, value in _pairs(_document()) if key == "additionalProperties" and value is False]

    assert closed == []


def test_what_is_ours_is_marked_and_what_is_documented_is_not():
    schemas = _document()["components"]["schemas"]
    marked = {
        name: {member for member, kind in schema.get("properties", {}).items() if shapes.OURS in kind["description"]}
        for name, schema in schemas.items()
    }

    assert marked["ExportAnswer"] == {"bindingTemplate", "bindingProperties", "warnings"}
    assert marked["PreviewAnswer"] == {"cycle", "externalReferences", "suggestedVersion"}
    assert marked["DecidedConflict"] == {"conflictId"}
    assert marked["ImportAnswer"] == {
        *("artifactsWritten", "artifactsUnchanged", "counts", "removed", "planId", "planHash"),
        *("backupPackageId", "backupPackageUrl", "retryOf", "packages", "powers", "newPowers", "endpointsMapped"),
        *("indexVersion", "undo", "undoes"),
    }


@pytest.mark.parametrize("form", DESCRIBED_FORMS, ids=lambda form: form.__name__)
def test_a_request_is_described_with_the_members_that_are_read(form):
    described = DESCRIBED_FORMS[form].model_json_schema()["properties"]

    assert described.keys() == form.model_json_schema()["properties"].keys()


def test_every_json_request_has_an_example_with_all_that_it_needs():
    operations = [one for methods in _document()["paths"].values() for one in methods.values()]
    contents = [one.get("requestBody", {}).get("content", {}).get("application/json") for one in operations]

    lacking = {
        content["schema"]["$ref"]: set(schema.get("required", ())) - shown.keys()
        for content in filter(None, contents)
        for schema in [_resolved(content["schema"])]
        for shown in [schema.get("examples", [{}])[0]]
        if not shown or set(schema.get("required", ())) - shown.keys()
    }

    assert lacking == {}


async def test_the_permissions_that_the_document_names_are_enough_and_no_others(plain_world):
    every = {scope for right in Right for scope in right.scopes}
    wrong = []
    for path, methods in _document()["paths"].items():
        for method, one in methods.items():
            enough = {scope for way in one["security"] for scope in way.get("token", ())}
            for scopes in [{scope} for scope in enough] + [every - enough] * bool(enough):
                headers = bearer(plain_world, scopes=sorted(scopes | BESIDES.get(min(scopes), set())))
                answer = await plain_world.http.request(method, re.sub(r"\{\w+\}", "nobody", path), headers=headers)
                is_refused = answer.status_code == 403 and answer.json()["error"] == "InsufficientPermission"
                if is_refused is not enough.isdisjoint(scopes):
                    wrong.append((method, path, scopes, answer.text))

    assert wrong == []


async def test_what_a_working_server_answers_is_what_the_document_says(world):
    oracle = Oracle()
    world.http.event_hooks["response"].append(oracle.look)

    package_id = await _exports(world)
    await _imports(world, package_id)
    await _plans(world, package_id)
    await _undos(world, package_id)
    await _bindings(world)
    await _exceptions(world)
    await _failures(world)
    await _lists(world)
    await world.http.delete(f"{HUB}/packages/{package_id}")

    told = {(one.endpoint.__name__, status) for one in installhub.OPERATIONS for status in one.answers}
    assert told - oracle.seen == set()


async def test_refusals_have_the_codes_that_the_document_names(world):
    oracle = Oracle()
    world.http.event_hooks["response"].append(oracle.look)

    for one in OPERATIONS:
        path = re.sub(r"\{\w+\}", "nobody", one.path)
        await world.http.request(one.method, path, headers={"authorization": "none"})
        await world.http.request(one.method, path, headers=bearer(world, "acme-dev", scopes=["nothing"]))
        await world.http.request(one.method, path, headers={"x-tenant-id": "of-somebody-else"})
        await world.http.request(one.method, path, json={})
        await world.http.request(one.method, path, json={"options": 1, "resolutions": 1, "artifactIds": 1})
        await world.http.request(one.method, path, content=b"x", headers={"content-type": "text/plain"})
        await world.http.request(one.method, path, params={"page": "x", "after": "x", "fromDate": "x", "tenantId": "x"})

    statuses = {status for _, status in oracle.seen}
    assert statuses >= {400, 401, 403, 404, 415}


async def test_what_nobody_knows_is_ignored_as_the_document_says(world):
    asked = {"tenantId": "acme-dev", "artifactIds": ["proc-1001"], "colour": "red"}

    preview = await world.http.post(f"{HUB}/packages/preview", json=asked)
    imports = await world.http.get(f"{HUB}/imports", params={"colour": "red"})

    assert (preview.status_code, [row["warning"] for row in preview.json()["warnings"]]) == (200, ["UnknownField"])
    assert (imports.status_code, imports.json()["totalCount"]) == (200, 0)


async def test_the_document_is_open_to_everybody_and_known_by_its_tag(plain_world):
    first = await plain_world.http.get("/openapi.json", headers={"origin": "http://localhost:5173"})

    again = await plain_world.http.get("/openapi.json", headers={"if-none-match": f'W/{first.headers["etag"]}, "x"'})
    other = await plain_world.http.get("/openapi.json", headers={"if-none-match": '"x"'})

    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    assert first.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert first.headers["cache-control"] == "no-cache"
    assert first.json() == _document()
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert other.content == first.content


async def test_the_page_has_every_operation_and_runs_and_fetches_nothing(plain_world):
    answer = await plain_world.http.get("/docs")

    page = answer.text
    sections = set(re.findall(r'id="([^"]+)"', page))
    operations = [one for methods in _document()["paths"].values() for one in methods.values()]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {one["operationId"] for one in operations} <= sections
    assert set(re.findall(r'href="#([^"]+)"', page)) <= sections
    assert set(re.findall(r'(?:href|src)="([^#"][^"]*)"', page)) == {"/openapi.json"}
    # an example may send an address: it stands there as text
    around = re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)
    assert re.findall(r"https?:", around) == re.findall(r"<script|<img|<link|@import|url\(", page) == []
    assert '<meta name="viewport" content="width=device-width' in page


async def test_the_page_lets_nothing_run_but_its_own_style(plain_world):
    policy = (await plain_world.http.get("/docs")).headers["content-security-policy"]

    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", rules.pop("style-src"))
    assert "unsafe" not in policy


async def test_every_operation_on_the_page_has_an_example_with_its_own_address(plain_world):
    page = (await plain_world.http.get("/docs")).text

    sections = dict(re.findall(r'<section id="([^"]+)">(.*?)</section>', page, re.DOTALL))
    wrong = []
    for path, methods in _document()["paths"].items():
        for one in methods.values():
            lines = [
                unescape(text)
                for text in re.findall(r"<pre><code>(.*?)</code>", sections[one["operationId"]], re.DOTALL)
            ]
            begin = '"$HUB' + re.sub(r"\{\w+\}.*", "$", path)
            forms = len(one.get("requestBody", {}).get("content", {})) or 1
            if len(lines) != forms or not all(line.startswith("curl ") and begin in line for line in lines):
                wrong.append((path, lines))
    assert wrong == []


async def _exports(world) -> str:
    """Everything about packages; gives one package's id."""
    await world.http.post(f"{HUB}/packages/preview", json={"tenantId": "acme-dev", "artifactIds": ["proc-1001"]})
    package_id = str((await world.http.post(f"{HUB}/packages/export", json=SUITE)).json()["packageId"])
    await world.http.post(f"{HUB}/packages/export", json=SUITE | {"artifactIds": ["proc-nobody"]})
    await world.http.get(f"{HUB}/packages/history", params={"tenantId": "acme-dev"})
    await world.http.get(f"{HUB}/packages/{package_id}")
    address = f"{HUB}/packages/{package_id}/download"
    whole = await world.http.get(address)
    await world.http.get(address, headers={"range": "bytes=0-9"})
    await world.http.get(address, headers={"range": "bytes=999999999-"})
    await world.http.get(address, headers={"if-none-match": whole.headers["etag"]})
    await world.services.rescans.scan_due()
    (scan, *_) = (await world.http.get(f"{HUB}/rescans")).json()["items"]
    await world.http.get(f"{HUB}/rescans/{scan['rescanId']}")
    return package_id


async def _plans(world, package_id: str) -> None:
    """Plans that are put right, agreed to and applied, with somebody who waits and with nobody."""
    fresh = {"targetTenantId": "acme-prod", "defaultConflictStrategy": "Copy"}
    asked = {"sourcePackageId": package_id, "options": fresh}
    plans = [(await world.http.post(f"{HUB}/plans", json=asked)).json() for _ in range(2)]
    others = world.headers("acme-prod", scopes=("installhub:approve",), subject="ben")
    for planned in plans:
        await world.http.post(
            f"{HUB}/plans/{planned['planId']}/approve", json={"hash": planned["planHash"]}, headers=others
        )
    await world.http.post(f"{HUB}/plans/{plans[0]['planId']}/apply")
    await _apply_later(world, asked)
    later = (await world.http.post(f"{HUB}/packages/export", json=SUITE | {"version": "9.0.0"})).json()["packageId"]
    blocked = (await world.http.post(f"{HUB}/plans", json=asked | {"sourcePackageId": later})).json()
    (fix,) = blocked["blockers"][0]["fixes"]
    address = f"{HUB}/plans/{blocked['planId']}/fixes/{fix['fixId']}"
    for headers in ({}, ASYNC):
        allowed = world.headers("acme-prod", "acme-dev")
        await world.http.post(address, headers=allowed | headers)


async def _apply_later(world, asked) -> None:
    planned = (await world.http.post(f"{HUB}/plans", json=asked)).json()
    await world.http.post(f"{HUB}/plans/{planned['planId']}/apply", headers=ASYNC)


async def _imports(world, package_id: str) -> None:
    """Plans, imports that wait, that are decided, given up and tried again, and one that nobody waits for."""
    asked = {"sourcePackageId": package_id, "options": {"targetTenantId": "acme-prod"}}
    planned = (await world.http.post(f"{HUB}/plans", json=asked)).json()
    await world.http.post(f"{HUB}/plans", json=asked, headers=ASYNC)
    await world.http.get(f"{HUB}/plans/{planned['planId']}")
    await world.http.get(f"{HUB}/plans/{planned['planId']}/actions", params={"pageSize": 2})
    await world.http.post(f"{HUB}/packages/import", params={"dryRun": "true"}, json=asked)
    first, second, third = [await _imported(world, asked) for _ in range(3)]
    for path in (f"/imports/{first}", f"/packages/{first}/conflicts", f"/packages/{first}/conflicts/conf-001/diff"):
        await world.http.get(f"{HUB}{path}")
    await world.http.post(f"{HUB}/imports/{third}/cancel")
    await world.http.post(f"{HUB}/imports/{third}/retry")
    decided = {"resolutions": [{"conflictId": "conf-001", "strategy": "Replace"}]}
    await world.http.post(f"{HUB}/packages/import/{first}/resume", json={"resolutions": []})
    await world.http.post(f"{HUB}/packages/import/{first}/resume", json=decided, headers=ASYNC)
    await _streamed(world, first)
    await world.http.post(f"{HUB}/packages/{second}/resume", json=decided)
    await world.http.post(f"{HUB}/packages/{second}/resume", json=decided)
    await _streamed(world, await _imported(world, asked, **ASYNC))
    await world.http.get(f"{HUB}/imports/{third}")
    await world.http.post(f"{HUB}/imports/{third}/retry")
    await _streamed(world, (await world.http.post(f"{HUB}/imports/{third}/retry", headers=ASYNC)).json()["importId"])
    for import_id in (first, second, third):
        for path in (f"/imports/{import_id}", f"/packages/{import_id}/conflicts", f"/imports/{import_id}/audit"):
            await world.http.get(f"{HUB}{path}")
    await world.http.get(f"{HUB}/imports/{first}/scan-report")


async def _bindings(world) -> None:
    """An agent that needs a credential: exported, planned for, and the file that supplies it."""
    folder = world.settings.data / "agents"
    folder.mkdir()
    agent = an_agent("agent-1", llmConfig={"credentialId": "cred-dev"})
    (folder / "agent-1.json").write_bytes(canonical(agent))
    await world.load("acme-dev", folder)
    wish = {"packageName": "Agents", "packageType": "agent-package", "version": "1.0.0", "artifactIds": ["agent-1"]}
    wish |= {"tenantId": "acme-dev", "dependencyMode": "Refer"}
    await world.http.post(f"{HUB}/packages/preview", json={name: wish[name] for name in ("tenantId", "artifactIds")})
    made = (await world.http.post(f"{HUB}/packages/export", json=wish)).json()
    asked = {"sourcePackageId": made["packageId"], "options": {"targetTenantId": "acme-prod"}}
    plan = (await world.http.post(f"{HUB}/plans", json=asked)).json()
    pair = {"sourceTenantId": "acme-dev", "targetTenantId": "acme-prod"}
    await world.http.put(f"{HUB}/bindings", params=pair, json={"agent-1/llmConfig/credentialId": "cred-prod"})
    await world.http.get(f"{HUB}/bindings", params=pair)
    await world.http.get(f"{HUB}/plans/{plan['planId']}/bindings")


async def _exceptions(world) -> None:
    """A false alarm of an import's scan, and what is said of it."""
    boss = world.headers("acme-prod", scopes=EVERYTHING)
    forbidden = (await upload(world, a_package(artifacts=[FORBIDDEN]), targetTenantId="acme-prod")).json()
    address, wish = f"{HUB}/imports/{forbidden['importId']}/scan-exception", {"findingIndex": 0, "explanation": "Shown"}
    asked = (await world.http.post(address, json=wish, headers=boss)).json()
    decision = {"decision": "Reject", "details": "It is run"}
    await world.http.post(f"{address}/{asked['exceptionId']}/decide", json=decision, headers=boss)
    await world.http.get(f"{HUB}/scan-exceptions", headers=boss)


async def _undos(world, package_id: str) -> None:
    """Imports that are held and switched on, taken back, and brought back; a package that is uninstalled."""
    options = {"targetTenantId": "acme-prod", "activation": "Manual", "defaultConflictStrategy": "Replace"}
    asked = {"sourcePackageId": package_id, "options": options}
    for headers in ({}, ASYNC):
        held = await _imported(world, asked)
        await world.http.get(f"{HUB}/imports/{held}")
        await world.http.get(f"{HUB}/imports", params={"status": "PendingActivation"})
        await world.http.post(f"{HUB}/imports/{held}/activate", headers=headers)
        await _streamed(world, held)
        await world.http.post(f"{HUB}/imports/{held}/rollback", params={"dryRun": "true"})
        answer = await world.http.post(f"{HUB}/imports/{held}/rollback", headers=headers)
        await _streamed(world, answer.json()["importId"])
        await world.http.get(f"{HUB}/imports/{held}")
        await world.http.post(f"{HUB}/imports/{answer.json()['importId']}/rollback")
        address = f"{HUB}/installed/{SUITE['packageName']}/uninstall"
        wish = {"tenantId": "acme-prod", "blockers": "UndoThoseToo"}
        answer = await world.http.post(address, json=wish, headers=headers)
        await _streamed(world, answer.json()["importId"])


async def _imported(world, asked: Any, **headers: str) -> str:
    """The id of an import."""
    answer = await world.http.post(f"{HUB}/packages/import", json=asked, headers=headers)
    return str(answer.json()["importId"])


async def _streamed(world, import_id: str) -> None:
    """An import's events to the end, in both forms, and what a browser is told who has seen them all."""
    address = f"{HUB}/imports/{import_id}/events"
    lines = events_of(await world.http.get(address))
    sent = events_of(await world.http.get(address, headers={"accept": "text/event-stream"}))
    assert lines[-1]["isFinal"]
    assert sent[-1] == lines[-1]
    seen = {"accept": "text/event-stream", "last-event-id": str(lines[-1]["seq"])}
    await world.http.get(address, headers=seen)


async def _failures(world) -> None:
    """Bundles that cannot be imported: sent as a form, sent ahead, and repeated under their key."""
    options = json.dumps({"targetTenantId": "acme-prod"})
    for bundle in (b"no archive", zipped([one for one in GOOD if one is not README]), zipped(GOOD)):
        files: dict[str, Any] = {
            "package": ("any.zip", bundle, "application/zip"),
            "options": (None, options, "application/json"),
        }
        answer = await world.http.post(f"{HUB}/packages/import", files=files)
        await world.http.get(f"{HUB}/imports/{answer.json()['importId']}")
        await world.http.get(f"{HUB}/imports/{answer.json()['importId']}/scan-report")
    sent = {"content-type": "application/zip", "x-tenant-id": "acme-prod"}
    upload = (await world.http.post(f"{HUB}/uploads", content=b"no archive", headers=sent)).json()
    asked = {"uploadId": upload["uploadId"], "options": {"targetTenantId": "acme-prod"}}
    failed = await _imported(world, asked, **{"idempotency-key": "once"})
    assert await _imported(world, asked, **{"idempotency-key": "once"}) == failed
    changed = asked | {"options": {"targetTenantId": "acme-prod", "allowVersionDowngrade": True}}
    await world.http.post(f"{HUB}/packages/import", json=changed, headers={"idempotency-key": "once"})
    await world.http.post(f"{HUB}/imports/{failed}/retry")


async def _lists(world) -> None:
    for path in ("/imports", "/installed", "/audit"):
        await world.http.get(f"{HUB}{path}", params={"tenantId": "acme-prod", "artifactName": "EmployeeForm"})
    await world.http.get(f"{HUB}/imports", params={"includeDryRuns": "true", "pageSize": 100})
    for path in ("processes", "forms", "apps"):
        await world.http.get(f"/api/{path}", params={"tenantId": "acme-dev"})


@cache
def _document() -> dict[str, Any]:
    """The document as it stands in the repository."""
    tree: dict[str, Any] = json.loads(PRINTED.read_text(encoding="utf-8"))
    return tree


def _resolved(thing: dict[str, Any]) -> dict[str, Any]:
    """What a reference into the document names."""
    found: Any = _document() if "$ref" in thing else thing
    for step in thing.get("$ref", "#").split("/")[1:]:
        found = found[step]
    return dict(found)


def _pairs(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at every depth."""
    if isinstance(tree, dict):
        yield from tree.items()
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _pairs(value)
