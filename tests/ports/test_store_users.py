"""Users, their sessions and what businesses demand, over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.user_rows import Power, Protection, Session, User
from tests.clocks import NOON
from tests.ports.rows import ACME, GLOBEX, with_tenants

LATER = NOON + timedelta(minutes=30)


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


def a_user(user_id="u-1", tenant_id=ACME, email="anna@acme.example", **fields) -> User:
    made = User(user_id, tenant_id, email, email, "$argon2id$", Power.MODIFY, is_enabled=True, created_at=NOON)
    return replace(made, **fields)


def a_session(token="t-1", user_id="u-1", *, tenant_id=ACME, expires_at=LATER) -> Session:
    return Session(token, tenant_id, user_id, NOON, expires_at)


async def added(store, *users: User) -> list[bool]:
    async with store.platform_unit() as unit:
        return [await unit.users.add(user) for user in users]


async def begun(store, *sessions: Session) -> None:
    async with store.platform_unit() as unit:
        for session in sessions:
            await unit.users.begin_session(session)


async def standing(store, token="t-1", now=NOON):
    async with store.platform_view() as unit:
        return await unit.users.session(token, now)


async def test_a_user_comes_back_as_it_was_kept(store):
    await added(store, a_user(email="änna@acme.example"))

    async with store.platform_view() as unit:
        found = await unit.users.find(ACME, "änna@acme.example")
        elsewhere = await unit.users.find(GLOBEX, "änna@acme.example")

    assert (found, elsewhere) == (a_user(email="änna@acme.example"), None)


async def test_an_address_is_taken_once_in_a_tenant_and_again_in_another(store):
    first, same, other = await added(store, a_user(), a_user("u-2"), a_user("u-3", GLOBEX))

    async with store.platform_view() as unit:
        having = await unit.users.having("anna@acme.example", first=5)
        one = await unit.users.having("anna@acme.example", first=1)

    assert (first, same, other) == (True, False, True)
    assert [user.user_id for user in having] == ["u-1", "u-3"]
    assert [user.user_id for user in one] == ["u-1"]


async def test_the_list_of_users_does_not_show_other_tenants_and_has_pages(store):
    await added(store, *(a_user(f"u-{n}", email=f"{n}@acme.example") for n in range(3)), a_user("u-x", GLOBEX))

    async with store.platform_view() as unit:
        first = await unit.users.page(ACME, first=2, after=None)
        rest = await unit.users.page(ACME, first=2, after=first.items[-1].email_key)

    assert ([user.user_id for user in first.items], first.has_next) == (["u-0", "u-1"], True)
    assert ([user.user_id for user in rest.items], rest.has_next) == (["u-2"], False)


async def test_a_session_stands_with_its_user_and_the_documented_demands(store):
    await added(store, a_user())
    await begun(store, a_session())

    found = await standing(store)

    assert found is not None
    assert (found.session, found.user) == (a_session(), a_user())
    assert found.protection == Protection(reads=False, writes=True)


async def test_a_session_ends_with_its_time_and_can_be_given_more(store):
    await added(store, a_user())
    await begun(store, a_session())

    before, at_end = await standing(store, now=LATER - timedelta(milliseconds=1)), await standing(store, now=LATER)
    async with store.platform_unit() as unit:
        await unit.users.extend_session("t-1", LATER + timedelta(minutes=1))
    extended = await standing(store, now=LATER)

    assert before is not None
    assert at_end is None
    assert extended is not None
    assert extended.session.expires_at == LATER + timedelta(minutes=1)


async def test_nobody_has_the_session_of_a_disabled_user(store):
    await added(store, a_user())
    await begun(store, a_session())
    async with store.platform_unit() as unit:
        await unit.users.change(replace(a_user(), is_enabled=False, power=Power.SITE_ADMIN, password_hash="$new$"))

    found = await standing(store)

    async with store.platform_view() as unit:
        user = await unit.users.find(ACME, "anna@acme.example")
    assert found is None
    assert user == a_user(is_enabled=False, power=Power.SITE_ADMIN, password_hash="$new$")


async def test_sessions_end_one_by_one_all_of_a_user_or_by_their_age(store):
    await added(store, a_user(), a_user("u-2", email="ben@acme.example"))
    old = a_session("t-old", "u-2", expires_at=NOON)
    await begun(store, a_session(), a_session("t-2"), a_session("t-3"), a_session("t-4", "u-2"), old)

    async with store.platform_unit() as unit:
        await unit.users.end_session("t-1")
    after_one = [token for token in ("t-1", "t-2", "t-3", "t-4") if await standing(store, token)]
    async with store.platform_unit() as unit:
        await unit.users.end_sessions("u-1")
        forgotten = await unit.users.forget_sessions(NOON)
    after_all = [token for token in ("t-1", "t-2", "t-3", "t-4") if await standing(store, token)]

    assert (after_one, after_all, forgotten) == (["t-2", "t-3", "t-4"], ["t-4"], 1)


async def test_what_a_business_demands_is_its_own(store):
    await added(store, a_user(), a_user("u-2", GLOBEX))
    await begun(store, a_session(), a_session("t-2", "u-2", tenant_id=GLOBEX))

    async with store.platform_unit() as unit:
        await unit.users.protect(ACME, Protection(reads=False, writes=False))
        await unit.users.protect(ACME, Protection(reads=True, writes=False))
        said, unsaid = await unit.users.protection(ACME), await unit.users.protection(GLOBEX)

    found = [(await standing(store, token)) for token in ("t-1", "t-2")]
    assert (said, unsaid) == (Protection(reads=True, writes=False), Protection())
    assert [one.protection for one in found if one] == [said, unsaid]


async def test_a_locked_user_is_not_changed_by_others_meanwhile(store):
    await added(store, a_user())
    order: list[str] = []

    async def change() -> None:
        async with store.platform_unit() as unit:
            await unit.users.find(ACME, "anna@acme.example", lock=True)
            order.append("second")

    async with store.platform_unit() as unit:
        await unit.users.find(ACME, "anna@acme.example", lock=True)
        waiting = asyncio.create_task(change())
        await asyncio.wait([waiting], timeout=0.1)
        order.append("first")
    await waiting

    assert order == ["first", "second"]
