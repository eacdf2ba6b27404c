"""Publishers' signatures: what they bind, and that nothing else counts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from domain.errors import ErrorCode
from domain.manifest import content_checksum
from domain.manifest_writing import manifest_of
from domain.market.signatures import PAYLOAD_TYPE, key_id, signature_problems, signed, stated_checksum, statement
from domain.strict_json import canonical, jcs, trusted
from tests.makers import a_manifest, a_suite
from tests.signers import a_signer, in_force, public_pem

HOURLY = a_signer()
_RSA_PEM = CryptoSigner.generate_rsa(scheme="rsassa-pss-sha256").public_key.keyval["public"]


def manifest(**changes: Any) -> dict[str, Any]:
    trees = a_suite()
    made = manifest_of(a_manifest(trees, [canonical(tree) for tree in trees]), roots=["proc-1001"]) | changes
    return made | {"contentChecksum": content_checksum(made)}


def texts(envelope: object, about: dict[str, Any] | None = None, *signers: CryptoSigner) -> str:
    """What is wrong with the envelope, in one line."""
    problems = signature_problems(envelope, manifest=about or manifest(), keys=in_force(*signers))
    assert {problem.code for problem in problems} <= {ErrorCode.SIGNATURE_INVALID}
    return " ".join(problem.message for problem in problems)


def signed_again(envelope: dict[str, Any], payload: bytes, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """A good signature over something else."""
    made = Envelope(payload, payload_type, {})
    made.sign(HOURLY)
    return envelope | made.to_dict()


def test_a_bundle_counts_as_signed_by_a_key_in_force():
    envelope = signed(manifest(), HOURLY)

    assert texts(envelope, None, HOURLY) == ""


def test_a_restated_bundle_counts_as_signed_by_the_same_envelope():
    exported = manifest()

    changed = exported | {"tenantId": "pub-1", "exportedBy": "contact@example.com", "packageId": "pkg-2"}
    restated = changed | {"exportedAt": "2027-01-01T00:00:00Z", "readmeHash": "sha256:" + "0" * 64}
    restated |= {"contentChecksum": content_checksum(restated)}

    assert restated != exported
    assert texts(signed(exported, HOURLY), restated, HOURLY) == ""


def test_a_member_that_is_null_is_one_that_is_not_there():
    assert stated_checksum(manifest() | {"author": None}) == stated_checksum(manifest())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"name": "Other"}, "with name Starter, not Other"),
        ({"version": "2.0.0"}, "with version 1.0.0, not 2.0.0"),
        ({"checksum": "sha256:" + "1" * 64}, "with checksum sha256:"),
        ({"description": "Now with more"}, "with statedChecksum sha256:"),
        ({"unknownMember": [1]}, "with statedChecksum sha256:"),
    ],
)
def test_a_signature_is_for_one_package_alone(changes, named):
    envelope = signed(manifest(), HOURLY)

    assert named in texts(envelope, manifest(**changes), HOURLY)


def test_a_package_without_a_signature_does_not_count_as_signed():
    assert texts(None, None, HOURLY) == "The package is not signed."


def test_a_revoked_key_verifies_nothing():
    revoked, other = a_signer(), a_signer()

    told = texts(signed(manifest(), revoked), None, other)

    assert "unknown or revoked" in told
    assert revoked.public_key.keyid in told


def test_without_a_key_in_force_nothing_counts_as_signed():
    assert "no key in force" in texts(signed(manifest(), HOURLY))


def test_while_keys_change_either_of_two_signs():
    old, new = a_signer(), a_signer()

    assert texts(signed(manifest(), old), None, old, new) == texts(signed(manifest(), new), None, old, new) == ""


def test_a_key_under_another_keys_name_verifies_nothing():
    other = a_signer()

    keys = {HOURLY.public_key.keyid: public_pem(other)}
    problems = signature_problems(signed(manifest(), HOURLY), manifest=manifest(), keys=keys)

    assert "does not fit" in problems[0].message


def test_a_signature_over_other_bytes_does_not_fit():
    envelope = signed(manifest(), HOURLY)
    payload = bytearray(b64decode(envelope["payload"]))
    payload[-2] ^= 1

    assert "does not fit" in texts(envelope | {"payload": b64encode(payload).decode()}, None, HOURLY)


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b"not JSON", "cannot be read"),
        (b'{"_type":"a","_type":"b"}', "cannot be read"),
        (b"[]", "not a statement about a package"),
        (jcs({"_type": "https://in-toto.io/Statement/v1", "predicateType": "other"}), "not a statement"),
        (jcs(trusted(statement(manifest())) | {"predicate": 5}), "with name None"),
        (jcs(trusted(statement(manifest())) | {"subject": []}), "subject is another package"),
    ],
)
def test_a_good_signature_over_something_else_does_not_count(payload, named):
    envelope = signed_again({}, payload)

    assert named in texts(envelope, None, HOURLY)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"payloadType": "text/plain"}, "payloadType"),
        ({"payload": "%%%"}, "payload is not base64"),
        ({"payload": "é"}, "payload is not base64"),
        ({"payload": "A" * (1 << 20)}, "payload is not a text of at most"),
        ({"payload": 7}, "payload is not a text"),
        ({"signatures": []}, "signatures is not a list"),
        ({"signatures": {}}, "signatures is not a list"),
        ({"signatures": [None]}, "does not name its key"),
        ({"signatures": [{"keyid": 1, "sig": ""}]}, "does not name its key"),
        ({"signatures": [{"keyid": HOURLY.public_key.keyid, "sig": None}]}, "sig is not a text"),
        ({"signatures": [{"keyid": HOURLY.public_key.keyid, "sig": ""}]}, "does not fit"),
        ({"signatures": [{"keyid": HOURLY.public_key.keyid, "sig": "AAAA"}] * 2}, "signed twice"),
        ({"signatures": [{"keyid": "k", "sig": "AAAA"}] * 17}, "signatures is not a list"),
    ],
)
def test_what_is_no_envelope_does_not_count(changes, named):
    assert named in texts(signed(manifest(), HOURLY) | changes, None, HOURLY)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([HOURLY.public_key.keyid]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["payload", "payloadType", "signatures", "keyid", "sig"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_whatever_is_sent_as_a_signature_is_told_as_a_problem(envelope):
    assert texts(envelope, None, HOURLY)


def test_a_key_is_called_as_other_tools_call_it():
    assert key_id(public_pem(HOURLY)) == HOURLY.public_key.keyid


@pytest.mark.parametrize("pem", ["", "nonsense", _RSA_PEM, public_pem(HOURLY).replace("A", "*"), "\0", "é"])
def test_only_ed25519_keys_are_taken(pem):
    with pytest.raises(ValueError, match="public key"):
        key_id(pem)
