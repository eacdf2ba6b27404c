"""The manifest of a bundle that was read before: no other file of it is looked at, and today's limits still hold."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from domain.bundle import read_known_manifest, read_manifest_alone
from domain.errors import ErrorCode, Refusal
from tests.bundles import make
from tests.makers import a_bundle, a_suite, limits

ACCEPTED = make.accepted()
SUITE = a_bundle(*a_suite())


def known(raw, bounds=None):
    return read_known_manifest(io.BytesIO(raw), bounds or limits())


def refused(raw, bounds=None):
    with pytest.raises(Refusal) as caught:
        known(raw, bounds)
    return caught.value.code


@pytest.mark.parametrize("name", ACCEPTED)
def test_it_says_what_the_strict_reader_said_of_the_same_bytes(name):
    raw = ACCEPTED[name]

    assert known(raw) == read_manifest_alone(io.BytesIO(raw), limits())


def test_what_a_tenant_may_not_bring_any_more_is_refused():
    size = len(SUITE)
    archive = limits().archive

    assert refused(SUITE, limits(artifacts_max=3)) is ErrorCode.TOO_MANY_ARTIFACTS
    assert refused(SUITE, limits(archive=replace(archive, bytes_max=size - 1))) is ErrorCode.PAYLOAD_TOO_LARGE
    assert refused(SUITE, limits(archive=replace(archive, total_bytes_max=100))) is ErrorCode.INVALID_ZIP


def test_what_is_not_what_it_was_is_refused():
    other = a_bundle(*a_suite(), edit=lambda tree: tree.update(description="Another one."), is_resealed=False)
    begin = SUITE.index(b'"packageId"')
    damaged = SUITE[:begin] + b"X" + SUITE[begin + 1 :]

    assert refused(other) is ErrorCode.CHECKSUM_MISMATCH
    assert refused(damaged) is ErrorCode.INVALID_ZIP
    assert refused(SUITE.replace(b"manifest.json", b"manifest.jsop")) is ErrorCode.INVALID_ZIP
    assert refused(SUITE[: len(SUITE) // 2]) is ErrorCode.INVALID_ZIP
