"""Vapi's word on whose call it is counts for the organization that it was asked about."""

from typing import Any
from uuid import UUID, uuid4

from service.access.directory import AccessDirectory
from service.access.enforcement.call_owners import CallOwners
from service.store.calls.call_store import CallStore
from service.store.calls.claims import Contest
from service.store.pool import Pool
from service.vapi.calls.view import CallView
from tests.support.calls import new_call, record

NEW = "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"
CHECKED = "SELECT owner_checked_at IS NOT NULL FROM callgate.calls WHERE vapi_call_id = 'c'"
SETTLED = "SELECT settled_at IS NOT NULL FROM callgate.call_claims WHERE vapi_call_id = 'c'"
NOTHING: Any = None


class TakenOver(CallStore):
    """A message that names an organization takes the row over, once it was read."""

    def __init__(self, pool: Pool, owner: UUID) -> None:
        super().__init__(pool)
        self.owner = owner
        self.found: list[UUID | None] = []

    async def find_contest(self, vapi_call_id: str) -> Contest | None:
        contest = await super().find_contest(vapi_call_id)
        assert contest is not None
        self.found.append(contest.organization_id)
        await record(self.pool, new_call("c", organization_id=self.owner))
        return contest


async def test_a_call_that_is_taken_over_meanwhile_is_settled_for_its_own_organization(
    pool: Pool,
) -> None:
    owner = await pool.fetchval(NEW)
    await record(pool, new_call("c"))
    calls = TakenOver(pool, owner)
    owners = CallOwners(calls, NOTHING, AccessDirectory(), NOTHING)
    assert not await owners.settle("c", CallView({"id": "c"}))
    assert calls.found == [None, owner], "what Vapi said was compared with the row as it was"
    assert await pool.fetchval(CHECKED)


async def test_vapis_word_settles_the_organization_that_was_read_only(pool: Pool) -> None:
    owner, other = await pool.fetchval(NEW), await pool.fetchval(NEW)
    await record(pool, new_call("c", organization_id=owner))
    await record(pool, new_call("c", organization_id=other))
    calls = CallStore(pool)
    for wrong in (None, other, uuid4()):
        assert not await calls.confirm_owner("c", wrong)
    assert (await pool.fetchval(CHECKED), await pool.fetchval(SETTLED)) == (False, False)
    assert await calls.confirm_owner("c", owner)
    assert (await pool.fetchval(CHECKED), await pool.fetchval(SETTLED)) == (True, True)
