"""Use cases around organizations: together or not at all, one after the other, and at any size."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from policies.contract import Override, SubscriptionPlan
from service.access.preview import ChainPreview
from service.admin import changes, organizations
from service.admin.actor import Actor
from service.admin.organizations import Organizations
from service.domain.errors import ConflictError, ForbiddenError
from service.store import organizations as store
from service.store.audit import AuditEntry, list_audit
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
    """The directory's side: what it was told to read again."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []

    async def __call__(self, organization_id: UUID) -> None:
        self.ids.append(organization_id)


@pytest.fixture
def freshened() -> Freshened:
    return Freshened()


@pytest.fixture
def use_cases(pool: Pool, preview: ChainPreview, freshened: Freshened) -> Organizations:
    return Organizations(pool, freshened, preview)


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
    pool: Pool, preview: ChainPreview, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "FRESHEN_SECONDS", 0.1)

    async def fail(_: UUID) -> None:
        raise RuntimeError("broken")

    async def hang(_: UUID) -> None:
        await asyncio.sleep(60)

    for freshen in (fail, hang):
        use_cases = Organizations(pool, freshen, preview)
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


@pytest.fixture
async def many(pool: Pool) -> int:
    """More organizations than fit into a few pages; every tenth has a plan."""
    count = 20_000
    await pool.execute(
        """
        INSERT INTO callgate.organizations (name, external_id)
        SELECT 'org ' || lpad(n::text, 6, '0'), 'crm-' || n FROM generate_series(1, $1::int) n
        """,
        count,
    )
    await pool.execute(
        """
        INSERT INTO callgate.plans (organization_id, code, status)
        SELECT id, 'pro', 'active' FROM callgate.organizations WHERE name LIKE '%0'
        """
    )
    await pool.execute("ANALYZE callgate.organizations, callgate.plans")
    return count


async def test_a_late_page_of_many_is_read_by_the_index(pool: Pool, many: int) -> None:
    for after in (store.FIRST, ("org 015000", UUID(int=0))):
        plan = await pool.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {store.LIST}", None, *after, 51)
        text = str(plan)
        assert "organizations_name_idx" in text
        assert "Seq Scan on organizations" not in text
        began = time.perf_counter()
        page = await store.list_page(pool, query=None, after=after, limit=51)
        assert len(page) == 51
        assert time.perf_counter() - began < 0.5


async def test_a_filter_finds_the_last_of_many(
    use_cases: Organizations, pool: Pool, many: int
) -> None:
    last = await pool.fetchval(
        "DELETE FROM callgate.plans WHERE organization_id <> (SELECT id FROM "
        "callgate.organizations ORDER BY lower(name) DESC LIMIT 1)"
    )
    assert last is None
    found: list[str] = []
    after = None
    for _ in range(20):
        listing = await use_cases.list_page(query=None, allowed=True, after=after, limit=50)
        found += [organization.name for organization, _ in listing.found]
        after = listing.next
        if after is None:
            break
    assert found == [f"org {many:06}"]


async def test_a_filter_that_finds_too_little_in_time_says_where_to_go_on(
    use_cases: Organizations, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organizations, "LIST_SECONDS", 0.0)
    listing = await use_cases.list_page(query="org 0000", allowed=True, after=None, limit=200)
    assert (listing.found, listing.next is None) == ([], False)
    found = []
    while listing.next is not None:
        listing = await use_cases.list_page(
            query="org 0000", allowed=True, after=listing.next, limit=200
        )
        found += [organization.name for organization, _ in listing.found]
    assert found == [f"org 0000{number}0" for number in range(1, 10)]
