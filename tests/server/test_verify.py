"""The commands ``keygen``, ``sign`` and ``verify``, which need no installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.makers import a_bundle, a_process, a_suite


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    place = tmp_path / "starter.zip"
    place.write_bytes(a_bundle(*a_suite()))
    return place


@pytest.fixture
def key(here, tmp_path: Path) -> Path:
    place = tmp_path / "publisher.pem"
    assert here("keygen", str(place)).returncode == 0
    return place


def test_a_signed_bundle_is_verified_offline(here, bundle, key, environment):
    signed = here("sign", str(bundle), "--key", str(key))

    verified = here("verify", str(bundle), "--key", f"{key}.pub")

    assert (signed.returncode, verified.returncode) == (0, 0)
    assert "signature   verified" in verified.stdout
    assert verified.stdout.endswith("verdict     good\n")
    assert not Path(environment["INSTALLHUB_DATA"]).exists()


def test_everything_that_was_found_is_there_as_json(here, bundle, key):
    here("sign", str(bundle), "--key", str(key))

    found = json.loads(here("verify", str(bundle), "--key", f"{key}.pub", "--json").stdout)

    shown = {name: found[name] for name in ("good", "name", "version", "artifacts", "scan", "signature", "problems")}
    assert shown == {
        "good": True,
        "name": "Starter",
        "version": "1.0.0",
        "artifacts": 4,
        "scan": "PASS",
        "signature": "verified",
        "problems": [],
    }


def test_a_bundle_without_a_signature_is_refused_where_one_is_asked_for(here, bundle, key):
    refused = here("verify", str(bundle), "--key", f"{key}.pub")

    assert refused.returncode == 1
    assert "SignatureInvalid: The package is not signed." in refused.stdout


def test_without_a_key_the_signature_is_not_checked_and_that_is_said(here, bundle):
    verified = here("verify", str(bundle))

    assert verified.returncode == 0
    assert "signature   not checked: no key was given" in verified.stdout


def test_a_signature_without_a_key_proves_nothing(here, bundle, key):
    here("sign", str(bundle), "--key", str(key))

    refused = here("verify", str(bundle), "--signature", f"{bundle}.dsse.json")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "proves nothing without a key" in refused.stderr


def test_a_signature_of_another_bundle_is_refused(here, bundle, key, tmp_path):
    here("sign", str(bundle), "--key", str(key))
    other = tmp_path / "other.zip"
    other.write_bytes(a_bundle(*a_suite(), version="2.0.0"))

    refused = here("verify", str(other), "--key", f"{key}.pub", "--signature", f"{bundle}.dsse.json")

    assert refused.returncode == 1
    assert "with version 1.0.0, not 2.0.0" in refused.stdout


def test_a_bundle_that_was_changed_is_refused(here, tmp_path):
    place = tmp_path / "changed.zip"
    place.write_bytes(a_bundle(*a_suite(), files={"ent-44": b"{}"}))

    refused = here("verify", str(place), "--json")

    assert refused.returncode == 1
    found = json.loads(refused.stdout)
    assert {"ArtifactHashMismatch", "BundleChecksumMismatch"} <= {problem["code"] for problem in found["problems"]}


def test_a_bundle_that_the_scan_forbids_is_refused(here, tmp_path):
    place = tmp_path / "dangerous.zip"
    place.write_bytes(a_bundle(a_process(nodes=[{"nodeId": "n1", "config": {"expression": "eval(input)"}}])))

    refused = here("verify", str(place))

    assert refused.returncode == 1
    assert "verdict     refused by the scan" in refused.stdout


def test_nobody_signs_a_bundle_that_is_not_sound(here, key, tmp_path):
    place = tmp_path / "torn.zip"
    place.write_bytes(a_bundle(*a_suite())[:-30])

    refused = here("sign", str(place), "--key", str(key))

    assert refused.returncode == 1
    assert not (tmp_path / "torn.zip.dsse.json").exists()


@pytest.mark.parametrize(
    ("content", "named"), [(b"nonsense", "no private key in PEM"), (b"\0" * (1 << 21), "too large")]
)
def test_what_is_no_key_signs_nothing(here, bundle, tmp_path, content, named):
    place = tmp_path / "nonsense.pem"
    place.write_bytes(content)

    refused = here("sign", str(bundle), "--key", str(place))

    assert refused.returncode == 1
    assert named in refused.stderr


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_signature_is_refused_in_a_line(here, bundle, key, content):
    Path(f"{bundle}.dsse.json").write_bytes(content)

    refused = here("verify", str(bundle), "--key", f"{key}.pub")

    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


def test_a_key_is_never_written_over(here, key):
    before = key.read_bytes()

    refused = here("keygen", str(key))

    assert refused.returncode == 1
    assert key.read_bytes() == before
    assert key.stat().st_mode & 0o077 == 0
