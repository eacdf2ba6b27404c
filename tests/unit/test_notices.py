"""Who is told in which ways, what it says, and how webhooks are signed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.errors import ErrorCode, Problem
from domain.import_model import Failure, ImportJob, ImportKind, ImportMode, ImportState, Stage
from domain.model import Actor
from domain.notices.model import (
    CHOOSABLE,
    EVERY_WAY,
    NO_WAY,
    Message,
    NoticeKind,
    OldSecret,
    Person,
    Ways,
    Webhook,
    WebhookId,
    bell_of,
    ways_of,
)
from domain.notices.signing import new_secret, signature
from domain.notices.wording import news_of_import, news_of_market
from tests.clocks import NOON
from tests.ports.rows import ACME, an_import

ANNA = Person("issuer anna", "anna@acme.example")
ROBOT = Person("issuer robot", None, is_service=True)
BELL_ONLY = Ways(in_app=True, email=False)
FIXED = [kind for kind in NoticeKind if kind not in CHOOSABLE]


def ended(state: ImportState, **fields: Any) -> ImportJob:
    problem = Problem(ErrorCode.SECURITY_SCAN_FAILED, "It says FAIL.")
    failure = Failure(Stage.SECURITY_SCAN, "SecurityScanFailed", "It says FAIL.", 403, (problem,), {})
    usual: dict[str, Any] = {
        "state": state,
        "package_name": "Starter",
        "package_version": "1.0.0",
        "failure": failure if state is ImportState.FAILED else None,
    }
    return replace(an_import("imp-1"), **(usual | fields))


def news(kind: str, **payload: Any) -> Any:
    message = Message(1, ACME, NOON, kind, {"listingId": "lst-1", "version": "2.0.0", "identity": "secret", **payload})
    return news_of_market(message, "Starter")


@pytest.mark.parametrize("kind", CHOOSABLE)
@pytest.mark.parametrize(
    ("person", "chosen", "of_tenant", "ways"),
    [
        (ANNA, None, None, EVERY_WAY),
        (ROBOT, None, None, NO_WAY),
        (ANNA, None, BELL_ONLY, BELL_ONLY),
        (ROBOT, None, BELL_ONLY, NO_WAY),
        (ANNA, EVERY_WAY, NO_WAY, EVERY_WAY),
        (ROBOT, EVERY_WAY, NO_WAY, EVERY_WAY),
        (ANNA, NO_WAY, EVERY_WAY, NO_WAY),
    ],
)
def test_an_own_choice_goes_first_then_the_tenants_and_service_accounts_are_not_told(
    kind, person, chosen, of_tenant, ways
):
    assert ways_of(person, kind, chosen=chosen, of_tenant=of_tenant) == ways


@pytest.mark.parametrize("kind", FIXED)
@pytest.mark.parametrize("person", [ANNA, ROBOT])
def test_installs_deprecations_and_advisories_are_told_whatever_was_chosen(kind, person):
    assert ways_of(person, kind, chosen=NO_WAY, of_tenant=NO_WAY) == EVERY_WAY


@pytest.mark.parametrize(
    ("kind", "state", "told", "title"),
    [
        (ImportKind.IMPORT, ImportState.SUCCEEDED, NoticeKind.IMPORT_SUCCEEDED, "Imported: Starter 1.0.0"),
        (ImportKind.INSTALL, ImportState.SUCCEEDED, NoticeKind.INSTALL_SUCCEEDED, "Installed: Starter 1.0.0"),
        (ImportKind.IMPORT, ImportState.FAILED, NoticeKind.IMPORT_FAILED, "The import of Starter 1.0.0 failed"),
        (
            ImportKind.INSTALL,
            ImportState.CANCELLED,
            NoticeKind.INSTALL_FAILED,
            "The install of Starter 1.0.0 was cancelled",
        ),
        (
            ImportKind.INSTALL,
            ImportState.EXPIRED,
            NoticeKind.INSTALL_FAILED,
            "The install of Starter 1.0.0 was given up, because nobody came for it in time",
        ),
    ],
)
def test_every_end_has_its_words(kind, state, told, title):
    found = news_of_import(ended(state, kind=kind))

    assert found is not None
    assert (found.kind, found.title) == (told, title)


def test_a_failure_is_told_as_the_documented_status_tells_it():
    found = news_of_import(ended(ImportState.FAILED))

    assert found is not None
    assert {name: found.facts[name] for name in ("status", "stage", "error", "message")} == {
        "status": "Failed",
        "stage": "SecurityScan",
        "error": "SecurityScanFailed",
        "message": "It says FAIL.",
    }


@pytest.mark.parametrize("state", [ImportState.QUEUED, ImportState.RUNNING, ImportState.WAITING_FOR_DECISIONS])
def test_nothing_is_told_before_the_end(state):
    assert news_of_import(ended(state)) is None


def test_nothing_is_told_of_what_changes_nothing():
    assert news_of_import(ended(ImportState.SUCCEEDED, mode=ImportMode.PLAN)) is None


def test_a_failure_before_anything_was_read_has_words_too():
    found = news_of_import(ended(ImportState.FAILED, package_name=None, package_version=None))

    assert found is not None
    assert found.title == "The import of a package failed"


def test_a_hostile_name_stays_one_short_line():
    found = news_of_import(ended(ImportState.SUCCEEDED, package_name="x\r\nBcc: y\u202e" + "z" * 500))

    assert found is not None
    assert found.title.isprintable()
    assert len(found.title) < 200


@pytest.mark.parametrize(
    ("kind", "payload", "title", "words"),
    [
        ("market.update", {}, "Starter 2.0.0 is available", "A new version can be installed."),
        ("market.update", {"isBreaking": True}, "Starter 2.0.0 is available", "may break"),
        ("market.deprecated", {"replacedBy": "3.0.0"}, "Urgent: Starter 2.0.0 is deprecated", "Use 3.0.0 instead."),
        ("market.deprecated", {"state": "Yanked"}, "Urgent: Starter 2.0.0 is yanked", "not installed anew"),
        ("market.advisory", {"severity": "High", "reason": "It leaks."}, "Security advisory: Starter 2.0.0", "High"),
        ("market.update", {"version": 7}, "Starter is available", "A new version"),
    ],
)
def test_news_of_the_marketplace_have_their_words(kind, payload, title, words):
    found = news(kind, **payload)

    assert found.title == title
    assert words in found.body


def test_a_webhook_is_not_told_whose_subscription_it_is():
    assert "secret" not in str(news("market.update").facts)


def test_a_signature_is_that_of_the_id_the_time_and_the_body():
    # the key is 32 zero bytes; worked out apart with another implementation of HMAC
    secret = "whsec_" + "A" * 43 + "="

    one = signature(secret, "msg-1", "1772452800", b"{}")

    assert one == "v1,XNKomGsB/Su3m6qmdyIanjOQfb6GcFEjCGcok+Mx6FY="
    others = [("msg-2", "1772452800", b"{}"), ("msg-1", "1772452801", b"{}"), ("msg-1", "1772452800", b"[]")]
    assert one not in [signature(secret, *other) for other in others]


def test_secrets_and_bells_are_each_ones_own():
    assert len({new_secret() for _ in range(10)}) == 10
    assert bell_of("issuer anna") == bell_of("issuer anna") != bell_of("issuer ben")
    assert "anna" not in bell_of("issuer anna")


def test_a_webhook_in_a_log_line_keeps_its_secrets():
    secrets = [new_secret(), new_secret()]
    webhook = Webhook(
        webhook_id=WebhookId("wh-1"),
        tenant_id=ACME,
        url="https://hook.example",
        kinds=(),
        secret=secrets[0],
        old_secrets=(OldSecret(secrets[1], NOON),),
        is_enabled=True,
        created_at=NOON,
        created_by=Actor("anna"),
    )

    assert not [secret for secret in secrets if secret in repr(webhook)]
