"""The hub on the command line: its index as plain files, its keys, its root."""

from __future__ import annotations

import json

import pytest
from securesystemslib.formats import encode_canonical

from tests.signers import a_signer

ROLES = ("root", "targets", "snapshot", "timestamp")


def shown(here) -> dict:
    found: dict = json.loads(here("hub", "show").stdout)
    return found


def test_a_hub_says_what_others_know_it_by(here):
    first, again = shown(here), shown(here)

    assert first["firstRoot"].startswith("sha256:")
    assert first == again
    assert (first["packages"], first["versions"]) == (0, dict.fromkeys(sorted(ROLES), 1))


@pytest.mark.parametrize("role", ROLES)
def test_a_key_is_changed_and_the_index_signed_with_it(here, role):
    before = shown(here)

    changed = here("hub", "rotate-key", role)

    after = shown(here)
    assert changed.stdout == f"The role {role} has a new key, since root version 2.\n"
    assert after["versions"][role] == 2
    assert after["firstRoot"] == before["firstRoot"]


def test_the_root_can_be_signed_elsewhere(here, tmp_path):
    offline, file = a_signer(), tmp_path / "root.json"
    signed = json.loads(here("hub", "root", "export").stdout)["signed"]
    signed["version"] = 2
    signed["keys"][offline.public_key.keyid] = offline.public_key.to_dict()
    signed["roles"]["root"]["keyids"] = [offline.public_key.keyid]
    signature = offline.sign(str(encode_canonical(signed)).encode()).to_dict()
    file.write_text(json.dumps({"signed": signed, "signatures": [signature]}))

    taken = here("hub", "root", "import", str(file))
    again = here("hub", "root", "import", str(file))

    assert (taken.returncode, taken.stdout) == (0, "Root version 2 is in force.\n")
    assert again.returncode == 1
    assert "The next root has version 3" in again.stderr


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * (1 << 21)])
def test_what_is_no_root_is_refused_in_a_line(here, tmp_path, content):
    file = tmp_path / "root.json"
    file.write_bytes(content)

    refused = here("hub", "root", "import", str(file))

    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)


def test_a_client_of_anothers_hub_has_none_of_its_own(here, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_HUB_URL", "https://hub.example")
    monkeypatch.setenv("INSTALLHUB_HUB_ROOT", "first-use")

    refused = here("hub", "show")

    assert (refused.returncode, "another's hub" in refused.stderr) == (1, True)


def test_a_hub_that_is_known_by_nothing_is_not_used(here, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_HUB_URL", "https://hub.example")

    refused = here("tenant", "list")

    assert refused.returncode == 2
    assert "INSTALLHUB_HUB_ROOT" in refused.stderr
