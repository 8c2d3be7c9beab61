"""What a replica remembers once PostgreSQL has taken what its spool held."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from policies.contract import Effect
from service.access.corrected_calls import CorrectedCalls
from service.access.known_calls import KnownCalls, known_from_stored
from service.domain.decisions import Decision
from service.store.calls.decisions import StoredDecision

OURS, THEIRS = uuid4(), uuid4()
NO_STORE: Any = None


def stored_decision() -> StoredDecision:
    decision = Decision(
        uuid4(), Effect.ALLOW, "plan_active", "plan", "fresh", (), datetime.now(UTC)
    )
    return StoredDecision(
        "c",
        THEIRS,
        "number-1",
        blocked=False,
        gate="event",
        decision=decision,
        hung_up=False,
        owner_checked=False,
        started_at=datetime.now(UTC),
        lacks_facts=False,
    )


def test_a_spooled_call_that_another_organization_owns_becomes_a_claim_on_it() -> None:
    known, theirs = KnownCalls(), stored_decision()
    owner = replace(stored_decision(), organization_id=OURS, vapi_phone_number_id="number-0")
    known.put("c", known_from_stored(theirs))
    known.put("c", known_from_stored(owner))
    known.unconfirmed["c"] = None
    CorrectedCalls(NO_STORE, known).take({("c", THEIRS): replace(theirs, owner=owner)})
    main, claim = known.get("c"), known.find("c", THEIRS)
    assert main is not None
    assert claim is not None
    assert (main.organization_id, claim.organization_id) == (OURS, THEIRS)
    assert list(main.claims or ()) == [THEIRS]
    assert not known.unconfirmed
