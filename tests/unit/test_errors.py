"""The one code that answers for several problems (decisions R15, X9-X11)."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode, Problem, Refusal

E_ = ErrorCode  # each row names several


@pytest.mark.parametrize(
    ("codes", "answer"),
    [
        ([E_.ARTIFACT_HASH_MISMATCH, E_.BUNDLE_CHECKSUM_MISMATCH], E_.CHECKSUM_MISMATCH),
        ([E_.ARTIFACT_NOT_FOUND, E_.INVALID_VERSION], E_.VALIDATION_FAILED),
        ([E_.ARTIFACT_NOT_FOUND, E_.TENANT_MISMATCH], E_.TENANT_MISMATCH),
        ([E_.VERSION_CONFLICT, E_.ARTIFACT_NOT_FOUND], E_.ARTIFACT_NOT_FOUND),
        ([E_.SECURITY_SCAN_FAILED, E_.MISSING_PACKAGE_DEPENDENCY], E_.MISSING_PACKAGE_DEPENDENCY),
        ([E_.MISSING_PACKAGE_DEPENDENCY, E_.INCOMPATIBLE_PACKAGE_DEPENDENCY], E_.MISSING_PACKAGE_DEPENDENCY),
        ([E_.SECURITY_SCAN_FAILED, E_.PLAN_STALE], E_.SECURITY_SCAN_FAILED),
        ([E_.UNDECLARED_ARTIFACT, E_.INVALID_ZIP], E_.INVALID_ZIP),
    ],
)
def test_what_refuses_first_answers_and_everything_is_listed(codes, answer):
    refusal = Refusal([Problem(code, code.wire) for code in codes])

    assert refusal.code is answer
    assert refusal.status == answer.status
    assert [problem.code for problem in refusal.problems] == codes


def test_a_refusal_without_a_problem_cannot_be_made():
    with pytest.raises(ValueError, match="at least one problem"):
        Refusal([])
