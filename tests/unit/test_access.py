"""Who asks, what they may do, and which tenant they mean."""

from __future__ import annotations

import pytest

from domain.access import ADMIN, PLATFORM, Caller, Right, reach_of, require, tenant_of
from domain.errors import ErrorCode, Refusal
from domain.line import admit
from domain.model import TenantId
from domain.options import ImportOptions
from tests.clocks import NOON

A, B, C = TenantId("a"), TenantId("b"), TenantId("c")


def a_caller(*tenants, default=None, scopes=()):
    return Caller(
        subject="anna",
        issuer="tests",
        tenants=frozenset(tenants),
        scopes=frozenset(scopes),
        expires_at=NOON,
        default_tenant=default,
    )


@pytest.mark.parametrize(
    ("caller", "body", "header", "expected"),
    [
        (a_caller(A, B, default=A), None, None, A),
        (a_caller(A, B, default=A), B, None, B),
        (a_caller(A, B, default=A), None, B, B),
        (a_caller(A, B, default=A), B, B, B),
        (a_caller(A, B), A, None, A),
        (a_caller(A), None, None, A),
        (a_caller(A, B, default=A), None, "", A),
        (a_caller(A, B, default=A), "", None, ErrorCode.INVALID_TENANT_ID),
        (a_caller(A, B), None, None, ErrorCode.INVALID_TENANT_ID),
        (a_caller(), None, None, ErrorCode.INVALID_TENANT_ID),
        (a_caller(A, B, default=A), A, B, ErrorCode.TENANT_MISMATCH),
        (a_caller(A, B, default=A), C, None, ErrorCode.TENANT_MISMATCH),
        (a_caller(A, B, default=A), None, C, ErrorCode.TENANT_MISMATCH),
        (a_caller(A, B, default=A), C, C, ErrorCode.TENANT_MISMATCH),
        (a_caller(A, default=C), None, None, ErrorCode.TENANT_MISMATCH),
        (a_caller(A, scopes=[PLATFORM]), C, None, C),
        (a_caller(scopes=[PLATFORM]), None, None, ErrorCode.INVALID_TENANT_ID),
    ],
)
def test_the_tenant_of_a_request_is_the_bodys_else_the_headers_else_the_tokens(caller, body, header, expected):
    if isinstance(expected, str):
        assert tenant_of(caller, body=body, header=header) == expected
        return
    with pytest.raises(Refusal) as caught:
        tenant_of(caller, body=body, header=header)

    assert caught.value.code is expected


def test_a_foreign_tenant_and_one_that_does_not_exist_are_answered_alike():
    answers = []
    for name in ("c", "no-such-tenant"):
        with pytest.raises(Refusal) as caught:
            tenant_of(a_caller(A), body=name)
        answers.append((caught.value.code, caught.value.message, caught.value.details))

    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("caller", "header", "expected"),
    [
        (a_caller(A, B, default=A), None, {A, B}),
        (a_caller(A, B, default=A), "", {A, B}),
        (a_caller(A, B, default=A), B, {B}),
        (a_caller(A, scopes=[PLATFORM]), None, None),
        (a_caller(A, scopes=[PLATFORM]), C, {C}),
    ],
)
def test_an_id_is_looked_up_in_the_tokens_tenants_narrowed_by_the_header(caller, header, expected):
    assert reach_of(caller, header) == expected


def test_a_header_outside_of_the_token_is_a_mismatch_for_lookups_too():
    with pytest.raises(Refusal) as caught:
        reach_of(a_caller(A), C)

    assert caught.value.code is ErrorCode.TENANT_MISMATCH


#: decisions section 9.1, row by row
HOLDERS = {
    Right.EXPORT: {"installhub:export"},
    Right.IMPORT: {"installhub:import"},
    Right.OVERRIDE_SECURITY: {"installhub:import:override-security-warnings"},
    Right.OVERRIDE_MAJOR: {"installhub:import:override-major-version"},
    Right.READ_IMPORTS: {"installhub:import", "installhub:rollback", "installhub:approve", "installhub:read"},
    Right.READ_ARTIFACTS: {"installhub:read", "installhub:export", "installhub:import", "installhub:artifacts"},
    Right.EDIT_ARTIFACTS: {"installhub:artifacts"},
    Right.ADMINISTER: set(),
}
OTHER_SCOPES = {ADMIN, PLATFORM, "marketplace:install", "installhub", ""}
EVERY_SCOPE = OTHER_SCOPES.union(*HOLDERS.values())


@pytest.mark.parametrize("right", HOLDERS, ids=lambda right: right.name)
def test_a_right_is_given_by_its_scopes_and_by_admin_and_by_nothing_else(right):
    given = {scope for scope in EVERY_SCOPE if a_caller(A, scopes=[scope]).has(right)}

    assert given == HOLDERS[right] | {ADMIN}


def test_only_the_platform_makes_tenants():
    assert {scope for scope in EVERY_SCOPE if a_caller(A, scopes=[scope]).has(Right.MAKE_TENANTS)} == {PLATFORM}


def test_a_missing_right_is_refused_with_the_permission_it_takes():
    with pytest.raises(Refusal) as caught:
        require(a_caller(A, scopes=["installhub:import"]), Right.EXPORT)

    assert caught.value.code is ErrorCode.INSUFFICIENT_PERMISSION
    assert caught.value.details == {"required": "installhub:export"}


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        ({"allow_security_warnings": True}, "installhub:import:override-security-warnings"),
        ({"allow_major_version_upgrade": True}, "installhub:import:override-major-version"),
    ],
)
def test_an_option_that_overrides_needs_its_scope_whether_it_is_needed_or_not(options, scope):
    with pytest.raises(Refusal) as caught:
        admit(a_caller(A, scopes=["installhub:import"]), ImportOptions(**options))

    assert caught.value.details == {"required": scope}
    admit(a_caller(A, scopes=["installhub:import", scope]), ImportOptions(**options))
