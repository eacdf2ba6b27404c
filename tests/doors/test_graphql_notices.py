"""Notifications and webhooks as people meet them: told once, live and later, to nobody else."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from tests.doors.graphql_world import A, B, C, a_socket, asking, exported, imported, submitted, with_artifacts
from tests.receivers import a_mail_server, an_endpoint, is_signed
from tests.world import a_world

pytestmark = pytest.mark.rules

SECONDS = 10
LIST = """query($unread: Boolean! = false, $first: Int = 20, $after: String) { viewer { unreadNotificationCount
  notifications(unreadOnly: $unread, first: $first, after: $after) { pageInfo { hasNextPage endCursor }
    nodes { id kind title body link isRead tenantId importJob { id state } } } } }"""
WATCH = "subscription { notifications { id kind title importJob { id } } }"
READ = """mutation($ids: [ID!]!) { markNotificationsRead(input: {ids: $ids}) {
  viewer { unreadNotificationCount } refusal { code } } }"""
CHOOSE = """mutation($input: SetNotificationChoiceInput!) { setNotificationChoice(input: $input) {
  choices { kind inApp email isChoosable } refusal { code problems { inputPath } } } }"""
SET = """mutation($input: SetTenantNoticesInput!) { setTenantNotices(input: $input) {
  choices { kind inApp email } refusal { code } } }"""
HOOK = "webhook { webhookId url kinds isEnabled deliveries { nodes { sequence kind state attempts status error } } }"
CREATE = (
    f"mutation($input: CreateWebhookInput!) {{ createWebhook(input: $input) {{ {HOOK} secret refusal {{ code }} }} }}"
)
UPDATE = (
    f"mutation($input: UpdateWebhookInput!) {{ updateWebhook(input: $input) {{ {HOOK} secret refusal {{ code }} }} }}"
)
TEST = f"mutation($input: TestWebhookInput!) {{ testWebhook(input: $input) {{ {HOOK} refusal {{ code }} }} }}"
DELETE = "mutation($input: DeleteWebhookInput!) { deleteWebhook(input: $input) { webhookId refusal { code } } }"
HOOKS = f"query($id: ID!) {{ webhooks(tenantId: $id) {{ {HOOK.removeprefix('webhook { ').removesuffix(' }')} }} }}"
HERE = {"allow_private_addresses": "127.0.0.0/8"}


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path, **HERE) as world:
        yield world


@pytest.fixture
async def quiet(tmp_path):
    """A world in which nobody works."""
    async with a_world(tmp_path, role="web", **HERE) as world:
        yield world


async def soon(ask, is_enough):
    """The first answer that is enough."""
    async with asyncio.timeout(SECONDS):
        while not is_enough(found := await ask()):
            await asyncio.sleep(0.01)
    return found


async def notifications(caller, count: int = 1):
    """The caller's notifications, once there are so many."""

    async def ask():
        return (await caller.data(LIST))["viewer"]["notifications"]["nodes"]

    return await soon(ask, lambda found: len(found) >= count)


async def test_an_import_is_told_live_in_the_list_by_mail_and_to_the_webhook(tmp_path, database_url):
    async with AsyncExitStack() as opened:
        server = await opened.enter_async_context(a_mail_server())
        endpoint = await opened.enter_async_context(an_endpoint([500]))
        settings = {"smtp_url": server.url, "public_url": "https://hub.example/", **HERE}
        world = await opened.enter_async_context(a_world(tmp_path, database_url=database_url, **settings))
        caller = await with_artifacts(world)
        made = await caller.data(CREATE, input={"tenantId": B, "url": endpoint.url})
        socket = await opened.enter_async_context(a_socket(world, token=world.token(tenants=[A, B])))
        await socket.ask("1", WATCH)
        await soon(watcher_count(world), lambda count: count == 1)
        import_id = await imported(caller)

        live = (await socket.heard())["payload"]["data"]["notifications"]
        (listed,) = await notifications(caller)
        await soon(as_question(lambda: len(server.letters)), lambda count: count == 1)

    assert live == {
        "id": listed["id"],
        "kind": "IMPORT_SUCCEEDED",
        "title": "Imported: Orders 1.0.0",
        "importJob": {"id": import_id},
    }
    assert (listed["tenantId"], listed["isRead"], listed["importJob"]["state"]) == (B, False, "SUCCEEDED")
    text = next(part.get_content() for part in server.letters[0].walk() if part.get_content_type() == "text/plain")
    assert f"https://hub.example/api/installhub/imports/{import_id}/audit" in text.split()
    assert server.letters[0]["To"] == "anna@acme.example"
    headers, body = endpoint.attempts[0]
    assert is_signed(made["createWebhook"]["secret"], headers, body)
    assert json.loads(body)["data"]["importId"] == import_id


def as_question(ask):
    async def answer():
        return ask()

    return answer


def watcher_count(world):
    return as_question(lambda: world.services.notices.watcher_count)


async def test_a_watcher_who_goes_away_leaves_nothing_behind(quiet):
    await with_artifacts(quiet)
    bell = quiet.runtime.ports.bell
    before = bell.listener_count
    token = quiet.token(tenants=[A, B])

    async with a_socket(quiet, token=token) as completing, a_socket(quiet, token=token) as leaving:
        for socket in (completing, leaving):
            await socket.ask("1", WATCH)
        while_watched = await soon(watcher_count(quiet), lambda count: count == 2), bell.listener_count
        await completing.say({"id": "1", "type": "complete"})
        await soon(watcher_count(quiet), lambda count: count == 1)
    await soon(watcher_count(quiet), lambda count: count == 0)

    assert while_watched == (2, before + 2)
    assert bell.listener_count == before


async def test_what_was_read_is_marked_and_counted(world):
    caller = await with_artifacts(world)
    package_id = await exported(caller)
    for _ in range(2):
        await caller.events(await submitted(caller, package_id, defaultStrategy="REPLACE"))
    newest, oldest = await notifications(caller, 2)

    marked = await caller.data(READ, ids=[oldest["id"], "ntc-unknown", "nonsense"])
    again = await caller.data(READ, ids=[oldest["id"]])
    unread = (await caller.data(LIST, unread=True))["viewer"]
    paged = (await caller.data(LIST, first=1))["viewer"]["notifications"]
    rest = (await caller.data(LIST, first=1, after=paged["pageInfo"]["endCursor"]))["viewer"]["notifications"]

    assert [one["markNotificationsRead"]["viewer"]["unreadNotificationCount"] for one in (marked, again)] == [1, 1]
    assert [one["id"] for one in unread["notifications"]["nodes"]] == [newest["id"]]
    assert ([one["id"] for one in paged["nodes"]], paged["pageInfo"]["hasNextPage"]) == ([newest["id"]], True)
    assert [(one["id"], one["isRead"]) for one in rest["nodes"]] == [(oldest["id"], True)]


async def test_a_list_of_notifications_does_not_show_other_tenants_or_other_people(world):
    caller = await with_artifacts(world)
    await imported(caller)
    (mine,) = await notifications(caller)
    others = {
        "another person": asking(world, A, B, subject="ben@acme.example"),
        "an administrator of all": asking(world, subject="boss", scopes=("installhub:platform", "installhub:admin")),
        "the same person elsewhere": asking(world, A),
    }

    seen = {}
    for name, other in others.items():
        viewer = (await other.data(LIST))["viewer"]
        node = await other.data("query($id: ID!) { node(id: $id) { id } }", id=mine["id"])
        await other.data(READ, ids=[mine["id"]])
        seen[name] = viewer["notifications"]["nodes"], viewer["unreadNotificationCount"], node["node"]
    own = await caller.data("query($id: ID!) { node(id: $id) { id __typename } }", id=mine["id"])

    assert seen == dict.fromkeys(others, ([], 0, None))
    assert own["node"] == {"id": mine["id"], "__typename": "Notification"}
    assert (await caller.data(LIST))["viewer"]["unreadNotificationCount"] == 1


async def test_another_persons_cursor_is_refused(world):
    caller = await with_artifacts(world)
    await imported(caller)
    await notifications(caller)
    page = (await caller.data(LIST, first=1))["viewer"]["notifications"]

    code = await asking(world, A, B, subject="ben").code(LIST, after=page["pageInfo"]["endCursor"])

    assert code == "BAD_USER_INPUT"


async def test_a_failed_import_is_told_with_its_reason_and_a_cancelled_one_too(quiet):
    caller = await with_artifacts(quiet)
    import_id = await submitted(caller, await exported(caller))
    await caller.data("mutation($id: ID!) { cancelImport(input: {importId: $id}) { refusal { code } } }", id=import_id)
    await quiet.services.relay.empty()

    (told,) = await notifications(caller)

    assert (told["kind"], told["title"]) == ("IMPORT_FAILED", "The import of a package was cancelled")
    assert "ImportCancelled" in told["body"]
    assert told["link"].endswith(f"{import_id}/audit")


async def test_people_choose_and_tenants_set_what_is_told(world):
    caller = await with_artifacts(world)
    kind = {"tenantId": B, "kind": "IMPORT_SUCCEEDED"}

    usual = (await caller.data('{ viewer { notificationChoices(tenantId: "tenant-b") { kind inApp email } } }'))[
        "viewer"
    ]
    by_tenant = await caller.data(SET, input=kind | {"inApp": False, "email": True})
    chosen = await caller.data(CHOOSE, input=kind | {"inApp": True, "email": False})
    other = (await asking(world, B, subject="ben").data(
        '{ viewer { notificationChoices(tenantId: "tenant-b") { kind inApp email } } }'
    ))["viewer"]  # fmt: skip

    assert all(one["inApp"] and one["email"] for one in usual["notificationChoices"])
    assert {"kind": "IMPORT_SUCCEEDED", "inApp": False, "email": True} in by_tenant["setTenantNotices"]["choices"]
    mine = {one["kind"]: one for one in chosen["setNotificationChoice"]["choices"]}
    assert mine["IMPORT_SUCCEEDED"] == {"kind": "IMPORT_SUCCEEDED", "inApp": True, "email": False, "isChoosable": True}
    assert mine["INSTALL_FAILED"]["isChoosable"] is False
    assert {"kind": "IMPORT_SUCCEEDED", "inApp": False, "email": True} in other["notificationChoices"]


@pytest.mark.parametrize(
    "kind", ["INSTALL_SUCCEEDED", "INSTALL_FAILED", "ADVISORY", "MARKET_DEPRECATED", "WEBHOOK_TEST"]
)
async def test_what_is_always_told_cannot_be_switched_off(quiet, kind):
    caller = await with_artifacts(quiet)
    off = {"tenantId": B, "kind": kind, "inApp": False, "email": False}

    chosen = (await caller.data(CHOOSE, input=off))["setNotificationChoice"]
    by_tenant = (await caller.data(SET, input=off))["setTenantNotices"]

    assert chosen["refusal"] == {"code": "BAD_USER_INPUT", "problems": [{"inputPath": ["input", "kind"]}]}
    assert by_tenant["refusal"] == {"code": "BAD_USER_INPUT"}


async def test_settings_and_webhooks_are_for_the_tenants_administrators(quiet):
    caller = await with_artifacts(quiet)
    made = (await caller.data(CREATE, input={"tenantId": B, "url": "http://127.0.0.1:9/hook"}))["createWebhook"]
    key = made["webhook"]["webhookId"]
    plain = asking(quiet, A, B, scopes=("installhub:import", "installhub:read"))
    stranger = asking(quiet, C)

    refused = [
        (await plain.data(mutation, input=given))[name]["refusal"]["code"]
        for mutation, name, given in (
            (CREATE, "createWebhook", {"tenantId": B, "url": "https://x.example/"}),
            (UPDATE, "updateWebhook", {"webhookId": key, "rotateSecret": True}),
            (DELETE, "deleteWebhook", {"webhookId": key}),
            (TEST, "testWebhook", {"webhookId": key}),
            (SET, "setTenantNotices", {"tenantId": B, "kind": "MARKET_UPDATE", "inApp": True, "email": True}),
        )
    ]
    unknown = [
        (await stranger.data(mutation, input={"webhookId": key}))[name]["refusal"]["code"]
        for mutation, name in ((UPDATE, "updateWebhook"), (DELETE, "deleteWebhook"), (TEST, "testWebhook"))
    ]

    assert refused == ["INSUFFICIENT_PERMISSION"] * 5
    assert unknown == ["NOT_FOUND"] * 3
    assert await plain.code(HOOKS, id=B) == "INSUFFICIENT_PERMISSION"
    assert await stranger.code(HOOKS, id=B) == "TENANT_MISMATCH"
    assert [one["webhookId"] for one in (await caller.data(HOOKS, id=B))["webhooks"]] == [key]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "BAD_USER_INPUT"),
        ("ftp://x.example/", "BAD_USER_INPUT"),
        ("https://user:pass@x.example/", "BAD_USER_INPUT"),
        ("https://x.example/#here", "BAD_USER_INPUT"),
        ("https:///nothing", "BAD_USER_INPUT"),
        ("https://x.example/\r\nHost: y", "BAD_USER_INPUT"),
        ("https://x.example:99999/", "BAD_USER_INPUT"),
        ("https://x.example/" + "a" * 3000, "BAD_USER_INPUT"),
        ("https://10.0.0.1/", "ADDRESS_NOT_ALLOWED"),
        ("https://[::1]/", "ADDRESS_NOT_ALLOWED"),
        ("https://169.254.169.254/latest", "ADDRESS_NOT_ALLOWED"),
        ("http://93.184.216.34/", "ADDRESS_NOT_ALLOWED"),
    ],
)
async def test_an_address_inside_is_refused_at_once(quiet, url, code):
    caller = await with_artifacts(quiet)

    made = (await caller.data(CREATE, input={"tenantId": B, "url": url}))["createWebhook"]

    assert (made["webhook"], made["secret"], made["refusal"]) == (None, None, {"code": code})
    assert (await caller.data(HOOKS, id=B))["webhooks"] == []


async def test_a_webhook_is_tested_changed_and_dropped(world):
    caller = await with_artifacts(world)
    async with an_endpoint() as endpoint:
        made = await caller.data(CREATE, input={"tenantId": B, "url": endpoint.url, "kinds": ["IMPORT_FAILED"]})
        key, first = made["createWebhook"]["webhook"]["webhookId"], made["createWebhook"]["secret"]
        changed = (await caller.data(UPDATE, input={"webhookId": key, "rotateSecret": True, "kinds": []}))[
            "updateWebhook"
        ]
        plain = (await caller.data(UPDATE, input={"webhookId": key, "isEnabled": True}))["updateWebhook"]
        for _ in range(2):
            await caller.data(TEST, input={"webhookId": key, "idempotencyKey": "one"})

        async def sent():
            (found,) = (await caller.data(HOOKS, id=B))["webhooks"]
            return found["deliveries"]["nodes"]

        tested = await soon(sent, lambda nodes: nodes and nodes[0]["state"] == "SENT")
        dropped = (await caller.data(DELETE, input={"webhookId": key}))["deleteWebhook"]

    assert tested == [
        {"sequence": 1, "kind": "WEBHOOK_TEST", "state": "SENT", "attempts": 1, "status": 204, "error": None}
    ]
    ((headers, body),) = endpoint.attempts
    assert all(is_signed(secret, headers, body) for secret in (first, changed["secret"]))
    assert (first != changed["secret"], plain["secret"], changed["webhook"]["kinds"]) == (True, None, [])
    assert (dropped["webhookId"], (await caller.data(HOOKS, id=B))["webhooks"]) == (key, [])


async def test_a_webhook_asked_for_again_under_its_key_is_the_first(quiet):
    caller = await with_artifacts(quiet)
    asked = {"tenantId": B, "url": "http://127.0.0.1:9/hook", "idempotencyKey": "mine"}

    first, again = [(await caller.data(CREATE, input=asked))["createWebhook"] for _ in range(2)]
    other = (await caller.data(CREATE, input=asked | {"url": "http://127.0.0.1:9/other"}))["createWebhook"]

    assert first == again
    assert other["refusal"] == {"code": "IDEMPOTENCY_KEY_REUSED"}
    assert len((await caller.data(HOOKS, id=B))["webhooks"]) == 1


async def test_a_tenant_has_five_webhooks_however_many_are_asked_for_at_once(quiet):
    caller = await with_artifacts(quiet)

    made = await asyncio.gather(
        *(caller.data(CREATE, input={"tenantId": B, "url": f"http://127.0.0.1:9/{n}"}) for n in range(7))
    )

    refused = [one["createWebhook"]["refusal"] for one in made if one["createWebhook"]["refusal"]]
    assert (len(refused), len((await caller.data(HOOKS, id=B))["webhooks"])) == (2, 5)


async def test_a_secret_is_nowhere_but_in_the_answer_that_made_it(quiet):
    caller = await with_artifacts(quiet)
    made = (await caller.data(CREATE, input={"tenantId": B, "url": "http://127.0.0.1:9/hook"}))["createWebhook"]

    listed = json.dumps(await caller.data(HOOKS, id=B))

    assert made["secret"].startswith("whsec_")
    assert made["secret"] not in listed


async def test_without_a_mail_server_mails_lie_in_a_folder(world):
    caller = await with_artifacts(world)
    import_id = await imported(caller)
    folder = world.settings.data / "mail"

    (letter,) = await soon(as_question(lambda: list(folder.glob("*.eml"))), bool)

    assert import_id in letter.read_text().replace("=\n", "")
    assert folder.stat().st_mode & 0o077 == 0


async def test_more_than_a_hundred_cannot_be_marked_at_once(quiet):
    caller = await with_artifacts(quiet)

    marked = await caller.data(READ, ids=[f"ntc-{n}" for n in range(101)])

    assert marked["markNotificationsRead"]["refusal"] == {"code": "BAD_USER_INPUT"}
