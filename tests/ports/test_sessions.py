"""Signing in: who may, how often, for how long; over SQLite and PostgreSQL."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from domain.access import ADMIN
from domain.errors import ErrorCode, Refusal
from domain.limits import Installation, Limits
from domain.passwords import Passwords
from domain.ports import Ports
from domain.sessions import LASTS_AT_MOST, Login, Sessions, Use
from domain.user_rows import Power, Protection
from domain.users import Users
from server.loading import local_caller
from storage.blobs import FileBlobs
from storage.limiter import MemoryLimiter
from tests.ports.rows import ACME, GLOBEX, with_tenants

ANNA, PASSWORD = "anna@acme.example", "correct horse"
HOST = local_caller("operator")
#: for tests that are about something else
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HALF_AN_HOUR = timedelta(minutes=30)


class Process:
    """What one process of the server has: its own limiter and services, the others' database."""

    def __init__(self, store, folder, bell, clock, *, hasher=QUICK, **limits):
        ports = Ports(store, FileBlobs(folder / "blobs", folder / "scratch"), bell, MemoryLimiter(), clock)
        passwords = Passwords(hasher)
        self.users = Users(ports, passwords)
        self.sessions = Sessions(ports, Installation(Limits(**limits)), passwords)

    async def log_in(self, email=ANNA, password=PASSWORD, *, tenant_id=None, address="192.0.2.1"):
        return await self.sessions.begin(Login(email, password, address, tenant_id))


@pytest.fixture
async def process(store, tmp_path, bell, clock):
    await with_tenants(store)
    made = Process(store, tmp_path, bell, clock)
    await made.users.add(HOST, ACME, ANNA, PASSWORD, Power.MODIFY)
    return made


@pytest.fixture
def another(store, tmp_path, bell, clock):
    return Process(store, tmp_path, bell, clock)


async def refused(attempt) -> Refusal:
    with pytest.raises(Refusal) as found:
        await attempt
    return found.value


async def test_who_signs_in_is_a_caller_with_what_the_power_gives(process):
    await process.users.add(HOST, ACME, "boss@acme.example", PASSWORD, Power.SITE_ADMIN)
    await process.users.add(HOST, ACME, "guest@acme.example", PASSWORD, Power.NONE)

    callers = [(await process.log_in(f"{who}@acme.example")).caller for who in ("anna", "boss", "guest")]

    assert [caller.scopes for caller in callers] == [
        {"installhub:import", "installhub:export"},
        {ADMIN},
        set(),
    ]
    assert {caller.tenants for caller in callers} == {frozenset({ACME})}
    assert [caller.email for caller in callers] == [ANNA, "boss@acme.example", "guest@acme.example"]


async def test_the_case_of_an_address_does_not_matter(process):
    session = await process.log_in("ANNA@Acme.Example")

    assert session.user.email == ANNA


async def test_nothing_tells_what_was_wrong_with_a_login(process):
    await process.users.add(HOST, ACME, "gone@acme.example", PASSWORD, Power.MODIFY)
    await process.users.enable(HOST, ACME, "gone@acme.example", is_enabled=False)

    refusals = [
        await refused(process.log_in(password="wrong horse")),
        await refused(process.log_in("nobody@acme.example")),
        await refused(process.log_in("gone@acme.example")),
        await refused(process.log_in(tenant_id=GLOBEX)),
        await refused(process.log_in(tenant_id="no-tenant\0")),
    ]

    assert {(one.code, one.message) for one in refusals} == {(ErrorCode.UNAUTHENTICATED, refusals[0].message)}


async def test_an_unknown_user_takes_as_long_to_refuse_as_a_wrong_password(store, process, tmp_path, bell, clock):
    thorough = Process(store, tmp_path, bell, clock, hasher=PasswordHasher())
    await thorough.users.set_password(HOST, ACME, ANNA, PASSWORD)

    took = []
    for email in (ANNA, "nobody@acme.example"):
        began = time.process_time()
        await refused(thorough.log_in(email, "wrong horse"))
        took.append(time.process_time() - began)

    # both hash once; without it the second would take a hundredth of the first
    assert took[1] > took[0] / 5


async def test_an_address_known_in_two_tenants_needs_the_tenant_named(process):
    await process.users.add(HOST, GLOBEX, ANNA, "another horse", Power.NONE)

    unnamed = await refused(process.log_in())
    acme = await process.log_in(tenant_id=ACME)
    globex = await process.log_in(password="another horse", tenant_id=GLOBEX)
    crossed = await refused(process.log_in(tenant_id=GLOBEX))

    assert (unnamed.status, crossed.status) == (401, 401)
    assert (acme.tenant_id, globex.tenant_id) == (ACME, GLOBEX)


async def test_a_session_is_known_in_its_tenant_alone(process):
    session = await process.log_in()

    assert await process.sessions.find(session.token_id, ACME) is not None
    assert await process.sessions.find(session.token_id, GLOBEX) is None
    assert await process.sessions.find("somebody-elses", ACME) is None


async def test_a_session_lasts_half_an_hour_and_renewed_half_an_hour_more(process, clock):
    session = await process.log_in()

    clock.advance(HALF_AN_HOUR - timedelta(seconds=1))
    renewed = await process.sessions.renew(session)
    clock.advance(HALF_AN_HOUR - timedelta(seconds=1))
    still = await process.sessions.find(session.token_id, ACME)
    clock.advance(1)
    over = await process.sessions.find(session.token_id, ACME)

    assert session.expires_at - session.issued_at == HALF_AN_HOUR
    assert renewed.expires_at - renewed.issued_at == HALF_AN_HOUR
    assert still is not None
    assert over is None


async def test_no_session_outlives_twelve_hours_however_often_it_is_renewed(process, clock):
    first = session = await process.log_in()

    while session.expires_at < first.issued_at + LASTS_AT_MOST:
        clock.advance(HALF_AN_HOUR - timedelta(minutes=1))
        session = await process.sessions.renew(session)
    clock.advance(HALF_AN_HOUR)

    assert session.expires_at == first.issued_at + timedelta(hours=12)
    assert await process.sessions.find(session.token_id, ACME) is None


async def test_signed_out_in_one_process_is_signed_out_in_all(process, another):
    session, other = await process.log_in(), await process.log_in()

    known = await another.sessions.find(session.token_id, ACME)
    await another.sessions.end(session)

    assert known is not None
    assert await process.sessions.find(session.token_id, ACME) is None
    assert await process.sessions.find(other.token_id, ACME) is not None


@pytest.mark.parametrize("change", ["passwd", "disable", "power"])
async def test_a_changed_user_has_no_session_left(process, another, change):
    session = await process.log_in()

    if change == "passwd":
        await another.users.set_password(HOST, ACME, ANNA, "a better horse")
    elif change == "disable":
        await another.users.enable(HOST, ACME, ANNA, is_enabled=False)
    else:
        await another.users.set_power(HOST, ACME, ANNA, Power.NONE)

    assert await process.sessions.find(session.token_id, ACME) is None


async def test_a_password_that_changes_while_it_is_checked_opens_nothing(process, another):
    async def changed(*_: object) -> bool:
        await another.users.set_password(HOST, ACME, ANNA, "a better horse")
        return True

    process.sessions._passwords.fits = changed

    late = await refused(process.log_in())

    assert late.code is ErrorCode.UNAUTHENTICATED


async def test_an_old_hash_is_made_anew_at_the_next_login(store, process, tmp_path, bell, clock):
    later = Process(store, tmp_path, bell, clock, hasher=PasswordHasher())

    before = await later.log_in()
    after = await later.log_in()

    assert "m=64,t=1,p=1" in before.user.password_hash
    # RFC 9106's second recommendation
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in after.user.password_hash


async def test_so_many_logins_a_minute_for_a_user_wherever_they_come_from(store, process, tmp_path, bell, clock):
    strict = Process(store, tmp_path, bell, clock, logins_per_user_minute=3)

    for n in range(3):
        await refused(strict.log_in(password="wrong horse", address=f"192.0.2.{n}"))
    too_many = await refused(strict.log_in("Anna@acme.example", address="192.0.2.9"))
    other = await refused(strict.log_in("ben@acme.example"))

    assert too_many.code is ErrorCode.RATE_LIMIT_EXCEEDED
    assert 0 < too_many.details["retryAfter"] <= 60
    assert other.code is ErrorCode.UNAUTHENTICATED


async def test_so_many_logins_a_minute_from_an_address_whoever_they_name(store, process, tmp_path, bell, clock):
    strict = Process(store, tmp_path, bell, clock, logins_per_address_minute=3)

    for n in range(3):
        await refused(strict.log_in(f"{n}@acme.example"))
    too_many = await refused(strict.log_in())
    elsewhere = await strict.log_in(address="192.0.2.2")

    assert too_many.code is ErrorCode.RATE_LIMIT_EXCEEDED
    assert elsewhere.user.email == ANNA


async def test_all_processes_sign_alike_and_for_one_use_at_a_time(process, another):
    signatures = [await one.sessions.signature(Use.SESSION, "text") for one in (process, another)]

    assert signatures[0] == signatures[1] != await process.sessions.signature(Use.CSRF, "text")


async def test_neither_passwords_nor_tokens_stand_in_the_database(process, store):
    session = await process.log_in()

    async with store._engines.reader.connect() as connection:
        rows = [
            str(row)
            for table in ("tenant_user", "user_session", "audit")
            for row in await connection.exec_driver_sql(f"SELECT * FROM {table}")
        ]

    assert len(rows) == 3
    assert not any(PASSWORD in row or session.token_id in row for row in rows)
    assert any("$argon2id$" in row for row in rows)


async def test_what_the_host_does_with_users_is_audited_under_its_login(process, store):
    await process.users.set_password(HOST, ACME, ANNA, "a better horse")
    await process.users.enable(HOST, ACME, ANNA, is_enabled=False)
    await process.users.enable(HOST, ACME, ANNA, is_enabled=True)
    await process.users.set_power(HOST, ACME, ANNA, Power.SITE_ADMIN)

    async with store._engines.reader.connect() as connection:
        rows = [str(row) for row in await connection.exec_driver_sql("SELECT * FROM audit ORDER BY 1")]

    actions = ["user.added", "user.passwordChanged", "user.disabled", "user.enabled", "user.powerChanged"]
    assert all(
        action in row and "local:operator" in row and ANNA in row for action, row in zip(actions, rows, strict=True)
    )


async def test_whoever_administers_the_tenant_says_what_its_business_demands(process):
    await process.users.add(HOST, ACME, "boss@acme.example", PASSWORD, Power.SITE_ADMIN)
    boss, anna = await process.log_in("boss@acme.example"), await process.log_in()

    lacking = await refused(process.sessions.protect(anna.caller, ACME, Protection()))
    foreign = await refused(process.sessions.protect(boss.caller, GLOBEX, Protection()))
    await process.sessions.protect(boss.caller, ACME, Protection(reads=True))
    seen = await process.sessions.find(anna.token_id, ACME)

    assert (lacking.code, foreign.code) == (ErrorCode.INSUFFICIENT_PERMISSION, ErrorCode.TENANT_MISMATCH)
    assert seen is not None
    assert seen.protection == Protection(reads=True, writes=True)


@pytest.mark.parametrize(
    ("tenant", "email", "password", "code"),
    [
        (ACME, "no address", PASSWORD, ErrorCode.BAD_USER_INPUT),
        (ACME, "new@acme.example", "too short", ErrorCode.BAD_USER_INPUT),
        (ACME, "new@acme.example", "x" * 1025, ErrorCode.BAD_USER_INPUT),
        (ACME, ANNA.upper(), PASSWORD, ErrorCode.BAD_USER_INPUT),
        ("nobody", "new@acme.example", PASSWORD, ErrorCode.INVALID_TENANT_ID),
    ],
)
async def test_a_user_that_cannot_be_is_not_made(process, tenant, email, password, code):
    found = await refused(process.users.add(HOST, tenant, email, password, Power.NONE))

    assert found.code is code


async def test_a_user_that_is_not_there_is_not_changed(process):
    for change in (
        process.users.set_password(HOST, GLOBEX, ANNA, PASSWORD),
        process.users.set_power(HOST, GLOBEX, ANNA, Power.NONE),
        process.users.enable(HOST, ACME, "nobody@acme.example", is_enabled=True),
    ):
        assert (await refused(change)).code is ErrorCode.NOT_FOUND
