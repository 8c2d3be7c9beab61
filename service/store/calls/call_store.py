"""Calls in PostgreSQL, as deciding, enforcing and the spool use them: one object over the pool.

The statements and their rules are in the modules of their tables. What these rooms need of calls is a
method here, so that a simulation can put a model of PostgreSQL in the place of this object.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from service.domain.calls import CallEnd, CallKey, NewCall
from service.store.bounded import at_most
from service.store.calls import (
    claims,
    corrections,
    decisions,
    details,
    ends,
    hangups,
    live,
    records,
    watch,
)
from service.store.calls.claims import Contest
from service.store.calls.closing import EndResult
from service.store.calls.decisions import StoredDecision
from service.store.calls.details import ConnectedCall
from service.store.calls.hangups import AskedOwner, HangupTarget, Reopened, RoundResult
from service.store.calls.limits import slots
from service.store.calls.limits.slots import SlotReading
from service.store.calls.live import CutCall
from service.store.calls.privacy.transcripts import keep_transcripts
from service.store.calls.watch import WatchedCall
from service.store.pool import Pool


class CallStore:
    """The tables of calls. Every method raises one of `UNAVAILABLE` while PostgreSQL is away.

    `counting` is the same through the connections that count limited calls, if they have their own.
    """

    def __init__(self, pool: Pool, counting: Pool | None = None) -> None:
        self.pool = pool
        self.counting = self if counting is None else CallStore(counting)

    async def record_calls(
        self, calls: Sequence[NewCall]
    ) -> tuple[set[CallKey], dict[CallKey, StoredDecision]]:
        """Insert new calls: the keys that were first, and the stored decisions of the others."""
        async with self.pool.acquire() as connection:
            recorded = await records.record_calls(connection, calls)
        await keep_transcripts(self.pool, calls)
        return recorded

    async def record_calls_within(
        self, calls: Sequence[NewCall], seconds: float
    ) -> tuple[set[CallKey], dict[CallKey, StoredDecision]]:
        """`record_calls`, bounded: a connection that hangs is abandoned."""
        async with at_most(seconds):
            return await self.record_calls(calls)

    async def list_corrected(self, since: datetime | None) -> tuple[datetime, list[str]]:
        """Now, and the calls whose decision was exchanged since an instant; None: no calls."""
        return await corrections.list_corrected(self.pool, since)

    async def record_end(self, end: CallEnd) -> EndResult:
        """Close a call, or have Vapi asked whether it has ended."""
        result = await ends.record_end(self.pool, end)
        if result in ("closed", "claimed"):
            await keep_transcripts(self.pool, [end])
        return result

    async def record_connected(self, connected: Sequence[ConnectedCall]) -> None:
        """Note that both sides of calls, each given once, were connected."""
        await details.record_connected(self.pool, connected)

    async def find_decisions(self, vapi_call_ids: Sequence[str]) -> dict[str, StoredDecision]:
        """The stored decisions of these calls, by their id at Vapi."""
        return await decisions.find_decisions(self.pool, vapi_call_ids)

    async def let_calls_in(self, calls: Sequence[NewCall]) -> dict[CallKey, NewCall]:
        """Count calls that want slots, and record those that are let in."""
        return await slots.let_calls_in(self.pool, calls)

    async def read_slots(self, vapi_call_ids: Sequence[str]) -> SlotReading:
        """The slots of limits in use, and how these calls stand."""
        return await slots.read_slots(self.pool, vapi_call_ids)

    async def find_organizations_of_call(self, vapi_call_id: str) -> set[UUID]:
        """The organizations that a call is recorded for, or that claimed it."""
        return await records.find_organizations_of_call(self.pool, vapi_call_id)

    async def find_hangup_target(self, vapi_call_id: str) -> HangupTarget | None:
        """A call to be hung up, or whose organization is to be settled."""
        return await hangups.find_hangup_target(self.pool, vapi_call_id)

    async def claim_round(self, vapi_call_id: str) -> bool:
        """Claim the next round of a hang-up; False while another replica runs one."""
        return await hangups.claim_round(self.pool, vapi_call_id)

    async def claim_overdue_rounds(self, limit: int) -> list[str]:
        """Claim rounds of hang-ups that should have begun."""
        return await hangups.claim_overdue(self.pool, limit)

    async def record_hangup(self, vapi_call_id: str, result: RoundResult) -> bool:
        """Record a round of a hang-up, and give its claim back; False if it is the next no more."""
        return await hangups.record_hangup(self.pool, vapi_call_id, result)

    async def record_goodbye(self, vapi_call_id: str, seconds: float) -> None:
        """Record that the goodbye is being spoken, for `seconds`."""
        await hangups.record_goodbye(self.pool, vapi_call_id, seconds)

    async def reopen_hangup(
        self,
        vapi_call_id: str,
        control_url: str | None = None,
        organization_id: UUID | None = None,
    ) -> Reopened:
        """Restart the hang-up of a call that still talks, and claim its next round."""
        return await hangups.reopen_hangup(self.pool, vapi_call_id, control_url, organization_id)

    async def ask_owner(self, vapi_call_id: str, claimed_by: UUID | None) -> AskedOwner:
        """Have Vapi asked whose call it is, which an organization claims."""
        return await hangups.ask_owner(self.pool, vapi_call_id, claimed_by)

    async def list_contested(self, since: datetime | None) -> tuple[datetime, list[str]]:
        """Now, and the calls with a claim that was recorded or settled since an instant."""
        return await claims.list_contested(self.pool, since)

    async def find_claims(
        self, owners: Mapping[str, StoredDecision]
    ) -> dict[CallKey, StoredDecision]:
        """The claims on calls, given the decisions of the calls' own organizations."""
        return await claims.find_claims(self.pool, owners)

    async def find_contest(self, vapi_call_id: str) -> Contest | None:
        """The row of a call and the claims on it."""
        return await claims.find_contest(self.pool, vapi_call_id)

    async def confirm_owner(self, vapi_call_id: str, organization_id: UUID | None) -> bool:
        """Record that the call is this organization's; False if its row is another's."""
        return await claims.confirm_owner(self.pool, vapi_call_id, organization_id)

    async def change_owner(self, call: NewCall) -> bool:
        """Give a call to its true organization; False if another replica was first."""
        return await claims.change_owner(self.pool, call)

    async def list_organizations_to_cut(self) -> tuple[datetime, list[UUID]]:
        """Now, and the organizations with calls under way that are to end with their access."""
        return await live.list_organizations(self.pool)

    async def cut_calls(
        self, organization_id: UUID, reason: str, as_of: datetime
    ) -> Sequence[CutCall]:
        """Order the hang-up of an organization's granted calls that were recorded by then, and claim its
        first round."""
        return await live.cut_calls(self.pool, organization_id, reason, as_of)

    async def cut_long_calls(self, seconds: float, slack: float) -> Sequence[CutCall]:
        """Order the hang-up of granted calls that last too long, and claim its first round."""
        return await live.cut_long_calls(self.pool, seconds, slack)

    async def list_cut_calls(self) -> set[str]:
        """Calls that were cut and whose end is not proved, by their id at Vapi."""
        return await live.list_cut(self.pool)

    async def claim_watch(self) -> tuple[int, datetime, datetime] | None:
        """Claim the comparison with Vapi's list: the claim, compared up to, and now."""
        return await watch.claim(self.pool)

    async def renew_watch(self, claim: int) -> bool:
        """Renew the lease on the comparison; False once another replica has taken it over."""
        return await watch.renew(self.pool, claim)

    async def release_watch(
        self, claim: int, next_in: float, found: watch.CallListFindings
    ) -> None:
        """Release the claim on the comparison; if it reached nothing, the mark stays."""
        await watch.release(self.pool, claim, next_in, found)

    async def get_seconds_to_watch(self) -> float:
        """Seconds until the next comparison may be claimed."""
        return await watch.get_seconds_to_next(self.pool)

    async def find_watched(self, vapi_call_ids: Sequence[str]) -> Mapping[str, WatchedCall]:
        """Which of these calls are recorded, by their id at Vapi."""
        return await watch.find_known(self.pool, vapi_call_ids)

    async def reopen_call(self, vapi_call_id: str) -> None:
        """Take back the end of a granted call that still goes on."""
        await watch.reopen_call(self.pool, vapi_call_id)

    async def list_old_open(self, before: datetime, limit: int) -> list[str]:
        """Open calls that began before an instant, the longest unchecked first."""
        return await watch.list_old_open(self.pool, before, limit)

    async def record_check(self, vapi_call_id: str) -> None:
        """Note that a call was checked."""
        await watch.record_check(self.pool, vapi_call_id)
