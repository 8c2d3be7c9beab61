"""Use cases around organizations: together or not at all, one after the other, and at any size."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from policies.entitlements import Override, SubscriptionPlan
from service.admin.actor import Actor
from service.admin.organizations.organizations import Organizations
from service.domain.audit import AuditEntry
from service.domain.errors import ConflictError, ForbiddenError
from service.store.audit import list_audit
from service.store.pool import Pool

PLAN = SubscriptionPlan("pro", "active")
BLANK: dict[str, Any] = {
    "external_id": None,
    "blocked_message": None,
    "forward_url": None,
    "attributes": {},
    "assistant_ids": [],
}


class Freshened:
    """The directory: the organizations it was asked to refresh."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []

    async def __call__(self, organization_id: UUID) -> None:
        self.ids.append(organization_id)


@pytest.fixture
def freshened() -> Freshened:
    return Freshened()


@pytest.fixture
def use_cases(pool: Pool, freshened: Freshened) -> Organizations:
    return Organizations(pool, freshened)


async def audit(pool: Pool) -> list[AuditEntry]:
    return await list_audit(
        pool, object_type=None, object_id=None, actor=None, before_id=None, limit=100
    )


async def test_the_audit_tells_who_and_whence(
    use_cases: Organizations, pool: Pool, admin: Actor
) -> None:
    made = await use_cases.create(admin, {**BLANK, "name": "Acme"})
    (entry,) = await audit(pool)
    assert (entry.actor, entry.source, entry.action) == ("ada", "cli", "organization.created")
    assert entry.object_id == str(made.id)


async def test_a_change_that_fails_leaves_neither_rows_nor_audit(
    use_cases: Organizations, pool: Pool, admin: Actor, freshened: Freshened
) -> None:
    await use_cases.create(admin, {**BLANK, "name": "One", "assistant_ids": ["a"]})
    made = await use_cases.create(admin, {**BLANK, "name": "Two"})
    freshened.ids.clear()
    with pytest.raises(ConflictError) as caught:
        await use_cases.change(admin, made.id, {"name": "Three", "assistant_ids": ["b", "a"]})
    assert caught.value.code == "assistant_taken"
    assert await use_cases.get(made.id) == made
    assert len(await audit(pool)) == 2
    assert freshened.ids == []


async def test_when_the_audit_cannot_be_written_nothing_is_changed(
    use_cases: Organizations, pool: Pool, admin: Actor
) -> None:
    made = await use_cases.create(admin, {**BLANK, "name": "One"})
    await pool.execute("ALTER TABLE callgate.audit ADD CONSTRAINT full_disk CHECK (id < 2)")
    with pytest.raises(asyncpg.CheckViolationError):
        await use_cases.put_plan(admin, made.id, PLAN)
    assert await use_cases.get(made.id) == made


async def test_a_directory_that_fails_or_hangs_does_not_fail_the_change(
    pool: Pool, admin: Actor
) -> None:
    async def fail(_: UUID) -> None:
        raise RuntimeError("broken")

    async def hang(_: UUID) -> None:
        await asyncio.sleep(60)

    for freshen in (fail, hang):
        use_cases = Organizations(pool, freshen, freshen_seconds=0.1)
        made = await use_cases.create(admin, {**BLANK, "name": "Acme"})
        assert (await use_cases.put_plan(admin, made.id, PLAN)).plan == PLAN


async def test_the_directory_is_told_of_changes_only(
    use_cases: Organizations, admin: Actor, freshened: Freshened
) -> None:
    made = await use_cases.create(admin, {**BLANK, "name": "Acme"})
    await use_cases.put_plan(admin, made.id, PLAN)
    await use_cases.put_plan(admin, made.id, PLAN)
    await use_cases.delete_entitlement(admin, made.id, "trial")
    await use_cases.delete(admin, made.id)
    assert freshened.ids == [made.id] * 3


async def test_changes_at_once_each_see_the_one_before(
    use_cases: Organizations, pool: Pool, admin: Actor
) -> None:
    made = await use_cases.create(admin, {**BLANK, "name": "0"})
    names = [str(number) for number in range(1, 9)]
    await asyncio.gather(
        *(use_cases.change(admin, made.id, {"name": name}) for name in names),
        use_cases.change(admin, made.id, {"external_id": "x"}),
    )
    found = await use_cases.get(made.id)
    assert found.external_id == "x"
    entries = [entry for entry in reversed(await audit(pool)) if "name" in (entry.after or {})]
    seen = [entry.after["name"] for entry in entries if entry.after]
    assert sorted(seen) == ["0", *names]
    assert [entry.before["name"] for entry in entries if entry.before] == seen[:-1]
    assert found.name == seen[-1]


async def test_organizations_that_swap_assistants_do_not_block_each_other_for_ever(
    use_cases: Organizations, admin: Actor
) -> None:
    one = await use_cases.create(admin, {**BLANK, "name": "1", "assistant_ids": ["a", "b"]})
    two = await use_cases.create(admin, {**BLANK, "name": "2", "assistant_ids": ["c", "d"]})
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(
            use_cases.change(admin, one.id, {"assistant_ids": ["c", "d"]}),
            use_cases.change(admin, two.id, {"assistant_ids": ["a", "b"]}),
            return_exceptions=True,
        )
    # Either order is right, and so is PostgreSQL's refusal of a ring (told as 503, try again).
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, ConflictError | asyncpg.TransactionRollbackError)
    owned = [(await use_cases.get(made.id)).assistant_ids for made in (one, two)]
    assert len({assistant for ids in owned for assistant in ids}) == sum(map(len, owned))


async def test_an_overrides_author_is_kept(use_cases: Organizations, admin: Actor) -> None:
    made = await use_cases.create(admin, {**BLANK, "name": "Acme"})
    changed = await use_cases.put_override(admin, made.id, Override("deny", "fraud", admin.name))
    assert changed.override == Override("deny", "fraud", "ada")


@pytest.mark.parametrize("role", ["viewer", "support"])
async def test_only_admins_change_organizations(
    use_cases: Organizations, pool: Pool, admin: Actor, role: Any
) -> None:
    made = await use_cases.create(admin, {**BLANK, "name": "Acme"})
    other = Actor("sue", role, "web")
    for change in (
        use_cases.create(other, {**BLANK, "name": "x"}),
        use_cases.change(other, made.id, {"name": "x"}),
        use_cases.put_plan(other, made.id, PLAN),
        use_cases.delete_entitlement(other, made.id, "plan"),
        use_cases.delete(other, uuid4()),
    ):
        with pytest.raises(ForbiddenError):
            await change
    assert len(await audit(pool)) == 1
