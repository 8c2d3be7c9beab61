"""The rules of claims on calls, and of reading stored decisions, on the model's tables."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from service.domain.calls import CallKey, NewCall
from service.store.calls.claims import Claim, Contest
from service.store.calls.decisions import StoredDecision
from tests.simulation.call_closing import CloseRules, details_of
from tests.simulation.tables import CallRow, ClaimRow


class ClaimRules(CloseRules):
    """What records build on: a call's own decision, and those for other organizations."""

    def claim(self, call: NewCall) -> bool:
        """Keep a decision for another organization than the call's."""
        assert call.organization_id is not None
        if call.key in self.tables.claims:
            return False
        row = ClaimRow(
            call.vapi_call_id,
            call.organization_id,
            call.phone_number_id,
            call.vapi_phone_number_id,
            call.gate,
            call.blocked,
            call.decision,
            self.tables.now(),
        )
        self.tables.put(self.tables.claims, call.key, row)
        return True

    def stored(self, call_id: str) -> StoredDecision:
        row = self.tables.calls[call_id]
        return StoredDecision(
            row.vapi_call_id,
            row.organization_id,
            row.vapi_phone_number_id,
            row.blocked,
            row.gate,
            row.decision,
            hung_up=row.hangup_state is not None,
            owner_checked=row.owner_checked_at is not None,
            started_at=row.started_at,
            lacks_facts=lacks_facts(row),
            details=details_of(row),
            slots=() if row.ended_at else row.slots,
        )

    def stored_claim(self, claim: ClaimRow, owner: StoredDecision) -> StoredDecision:
        return replace(
            owner,
            organization_id=claim.organization_id,
            vapi_phone_number_id=claim.vapi_phone_number_id,
            blocked=claim.blocked,
            gate=claim.gate,
            decision=claim.decision,
            hung_up=False,
            owner=owner,
            slots=(),
        )

    def find_claims(self, owners: Mapping[str, StoredDecision]) -> dict[CallKey, StoredDecision]:
        return {
            key: self.stored_claim(claim, owners[key[0]])
            for key, claim in self.tables.claims.items()
            if key[0] in owners
        }

    def list_contested(self, since: datetime | None) -> tuple[datetime, list[str]]:
        changed = {
            claim.vapi_call_id
            for claim in self.tables.claims.values()
            if since is not None
            and (claim.created_at > since or (claim.settled_at and claim.settled_at > since))
        }
        return self.tables.now(), sorted(changed)

    def find_contest(self, vapi_call_id: str) -> Contest | None:
        row = self.tables.calls.get(vapi_call_id)
        if row is None:
            return None
        claims = {
            claim.organization_id: Claim(
                claim.organization_id,
                claim.phone_number_id,
                claim.vapi_phone_number_id,
                claim.gate,
                claim.decision,
            )
            for key, claim in self.tables.claims.items()
            if key[0] == vapi_call_id
        }
        checked, hung_up = row.owner_checked_at is not None, row.hangup_state is not None
        return Contest(
            row.organization_id,
            row.vapi_phone_number_id,
            row.type,
            row.started_at,
            checked,
            hung_up,
            claims,
        )


def lacks_facts(row: CallRow) -> bool:
    """Whether a later record of the call may complete its row."""
    silent = row.ended_at is None and row.control_url is None
    missing = None in (row.type, row.phone_number_id, row.vapi_phone_number_id)
    return silent or missing or not row.decision.trace
