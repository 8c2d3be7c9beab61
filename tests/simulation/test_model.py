"""The model of PostgreSQL against PostgreSQL: the same random changes give the same answers and rows."""

import random
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from policies.contract import Effect
from service.domain.call_records.details import CallDetails
from service.domain.calls import CallEnd, HangupState, NewCall, Refusal
from service.domain.decisions import Basis, Decision, SlotUse, TraceEntry
from service.domain.handling import Handling
from service.domain.organizations import Organization
from service.store.calls.call_store import CallStore
from service.store.calls.decisions import load_decision
from service.store.calls.details import ConnectedCall
from service.store.calls.hangups import HangupTarget, RoundResult
from service.store.calls.watch import CallListFindings
from service.store.organizations.directory import DirectoryEntry
from service.store.pool import Pool
from tests.simulation.call_hangups import CallRules
from tests.simulation.stores import QUESTIONS
from tests.simulation.tables import Tables, begun_watch

OWNERS = UUID(int=1), UUID(int=2)
CALLS = "a", "b"
STEPS = 50
CHANGES = (
    "record_calls", "let_calls_in", "record_end", "record_hangup", "reopen_hangup", "change_owner",
    "confirm_owner",
)  # fmt: skip
"""Drawn more often than the others."""
TIMES = (
    "quiet_until", "hangup_due_at", "hangup_claimed_until", "cut_at", "lived_seconds",
    "owner_checked_at", "corrected_at",
)  # fmt: skip
"""Columns that depend on the clock: only whether they are set is compared."""
COLUMNS = (
    "organization_id", "vapi_phone_number_id", "status", "blocked", "reason", "gate", "control_url",
    "hangup_state", "started_at", "ended_at", "ended_reason", "duration_seconds", "cost", "goodbye",
    "missed", "end_proved", "duration_claimed", "cost_claimed", "type",
    "hangup_attempts", "hangup_accepted", "hangup_rounds", "cut_reason", "cost_parts",
    "customer_number", "line_number", "assistant_id", "connected", "end_claimed_at",
)  # fmt: skip
LISTED = ", ".join((*COLUMNS, *TIMES))
ROWS = f"SELECT vapi_call_id, decision, {LISTED}, doubts, slots FROM callgate.calls"
JOBS = """
SELECT substring(dedupe_key FROM 8) AS call,
    execute_after <= clock_timestamp() + interval '3 seconds' AS due
FROM callgate.pgqueuer
"""
SOON = timedelta(seconds=3)
CLAIMS = """
SELECT vapi_call_id, organization_id, blocked, settled_at IS NOT NULL AS settled, decision
FROM callgate.call_claims
"""
EMPTY = "TRUNCATE callgate.calls, callgate.call_claims, callgate.pgqueuer CASCADE"
ORGANIZATION = "INSERT INTO callgate.organizations (id, name, handling) VALUES ($1, $2, $3)"


def now() -> datetime:
    return datetime.now(UTC)


PARTS = None, {"llm": 0.1}, {"llm": 0.2, "stt": 0.05}


def new_details(chance: random.Random) -> CallDetails:
    """Details of which each may be known, and two messages may differ in."""
    return CallDetails(
        chance.choice((None, "+4930111", "+4930222", "")),
        chance.choice((None, "+4930999")),
        chance.choice((None, "assistant-1", "assistant-2")),
        chance.choice((True, False)),
        chance.choice(((), (), ("cost",), ("duration", "started_at"))),
    )


def new_call(chance: random.Random) -> NewCall:
    """A call of an organization or of none, at its beginning or already over."""
    owner = chance.choice((*OWNERS, None))
    allowed, ended = chance.random() < 0.5, chance.random() < 0.2
    stopped = not allowed and owner is not None
    guessed = stopped and chance.random() < 0.3
    at = now() - timedelta(seconds=chance.choice((0, 0, 90)))
    effect = Effect.ALLOW if allowed else Effect.DENY
    decision_id = UUID(int=chance.getrandbits(128), version=4)
    basis: Basis = chance.choice(("fresh", "reconstructed"))
    trace = (new_entry(chance),) if chance.random() < 0.5 else ()
    decided_at = at - timedelta(seconds=chance.choice((0, 5)))
    return NewCall(
        vapi_call_id=chance.choice(CALLS),
        organization_id=owner,
        phone_number_id=None,
        vapi_phone_number_id=chance.choice(("number-1", None)),
        type="inboundPhoneCall",
        gate=chance.choice(("event", "request")),
        decision=Decision(
            decision_id, effect, f"reason_{allowed}", "plan", basis, trace, decided_at
        ),
        started_at=at,
        control_url=chance.choice(("https://phone.vapi.ai/1", None)),
        hangup_after_seconds=(5.0 if guessed else chance.choice((0.0, 8.0))) if stopped else None,
        ended_at=now() if ended else None,
        ended_reason="ended" if ended else None,
        duration_seconds=chance.choice((None, 3.0)) if ended else None,
        cost=chance.choice((None, Decimal("0.5"))) if ended else None,
        goodbye=chance.choice((None, "Goodbye.")) if stopped else None,
        missed=chance.random() < 0.1,
        end_proved=ended and chance.random() < 0.3,
        guessed=guessed,
        acted=chance.random() < 0.5,
        cost_parts=chance.choice(PARTS) if ended else None,
        details=new_details(chance),
        refusal=chance.choice(
            (None, Refusal(0.0), Refusal(5.0, True, goodbyes={"full": "Goodbye."}))
        ),
    )


def new_entry(chance: random.Random) -> TraceEntry:
    """A grant, some within limits of which there is little."""
    limits = tuple(SlotUse(name, chance.randint(0, 2), "full") for name in ("calls", "lines"))
    return TraceEntry("plan", "allow", limits=limits[: chance.randint(0, 2)])


def new_end(chance: random.Random) -> CallEnd:
    """An end by a message, by Vapi's record, or because Vapi no longer has the call."""
    return CallEnd(
        chance.choice(CALLS),
        now() - timedelta(seconds=chance.choice((0, 1, 50))),
        chance.choice((None, "customer-ended-call")),
        chance.choice((None, 2.0, 10.0**6)),
        chance.choice((None, Decimal("0.25"), Decimal(0), Decimal(10**6))),
        chance.choice((None, None, *OWNERS)),
        chance.choice(("message", "message", "missing", "vapi")),
        cost_parts=chance.choice(PARTS),
        details=new_details(chance),
    )


def arguments(chance: random.Random, name: str, model: CallRules) -> tuple[Any, ...]:
    """Random arguments of a method of the store."""
    call, owner = chance.choice(CALLS), chance.choice(OWNERS)
    match name:
        case "record_calls":
            calls = {
                one.key: one for one in (new_call(chance) for _ in range(chance.randint(1, 3)))
            }
            return (list(calls.values()),)
        case "let_calls_in":
            wanting = {
                one.key: one for one in (new_call(chance) for _ in range(20)) if one.wants_slots
            }
            return (list(wanting.values()),)
        case "change_owner":
            return (new_call(chance),)
        case "record_end":
            return (new_end(chance),)
        case "find_claims":
            return (model.find_decisions(list(CALLS)),)
        case "renew_watch":
            return (chance.randint(0, 3),)
        case "list_contested" | "list_corrected":
            return (chance.choice((None, now() - timedelta(hours=1))),)
        case "find_decisions" | "find_watched" | "read_slots":
            return (list(CALLS),)
        case "record_connected":
            told = {one: chance.choice((None, owner)) for one in chance.sample(CALLS, 2)}
            return (
                [ConnectedCall(*one, new_details(chance).assistant_id) for one in told.items()],
            )
        case "record_hangup":
            state, attempts = chance.choice(list(HangupState)), chance.randint(0, 3)
            due_in = chance.choice((None, -5.0, 60.0))
            return call, RoundResult(state, attempts, rounds=chance.randint(0, 3), due_in=due_in)
        case "claim_overdue_rounds":
            return (5,)
        case "record_goodbye":
            return call, chance.choice((0.0, 60.0))
        case "reopen_hangup":
            return (
                call,
                chance.choice((None, "https://phone.vapi.ai/2")),
                chance.choice((None, owner)),
            )
        case "ask_owner" | "confirm_owner":
            return call, chance.choice((None, owner))
        case "cut_calls":
            return owner, "plan_ended", now() + chance.choice((-1, 1)) * timedelta(hours=1)
        case "cut_long_calls":
            return chance.choice((0.0, 1000.0)), 0.0
        case "list_old_open":
            return now() + timedelta(seconds=1), 2
        case "release_watch":
            return (
                chance.randint(0, 3),
                chance.choice((0.0, 60.0)),
                CallListFindings(reached=chance.choice((None, now()))),
            )
    return () if name in WITHOUT else (call,)


WITHOUT = {"list_organizations_to_cut", "list_cut_calls", "claim_watch", "get_seconds_to_watch"}


async def answer(work: Awaitable[Any]) -> Any:
    """An answer, or the class of the error: a rule and a statement fail alike."""
    try:
        return comparable(await work)
    except (KeyError, LookupError) as exc:
        return type(exc).__name__


async def called(rule: Any, *given: Any) -> Any:
    return rule(*given)


def comparable(value: Any) -> Any:
    """An answer without what depends on the clock."""
    if isinstance(value, HangupTarget):
        quiet = round(value.quiet_seconds, -1)
        return replace(value, age=0.0, quiet_seconds=quiet, claimed_seconds=0.0)
    if isinstance(value, tuple):
        return [comparable(one) for one in value if not isinstance(one, datetime)]
    if isinstance(value, list):
        return sorted(value, key=str)
    if value == "busy":
        return "reopened"
    if isinstance(value, float):
        return value > 0
    return value


async def rows_of(pool: Pool) -> dict[str, Any]:
    """The rows of PostgreSQL as values to compare."""
    calls = {}
    for row in await pool.fetch(ROWS):
        told = {name: row[name] for name in COLUMNS}
        told |= {name: row[name] is not None for name in TIMES} | {"doubts": tuple(row["doubts"])}
        told |= {"decision": load_decision(row["decision"]), "slots": tuple(row["slots"] or ())}
        calls[row["vapi_call_id"]] = told
    jobs = {row["call"]: row["due"] for row in await pool.fetch(JOBS)}
    claims = {
        (row["vapi_call_id"], row["organization_id"]): (
            row["blocked"],
            row["settled"],
            load_decision(row["decision"]),
        )
        for row in await pool.fetch(CLAIMS)
    }
    return {"calls": calls, "jobs": jobs, "claims": claims}


def rows_of_model(tables: Tables) -> dict[str, Any]:
    """The rows of the model in the same shape."""
    calls = {}
    for call_id, row in tables.calls.items():
        told = {name: getattr(row, name) for name in COLUMNS}
        told |= {name: getattr(row, name) is not None for name in TIMES} | {"doubts": row.doubts}
        calls[call_id] = told | {"decision": row.decision, "slots": row.slots}
    claims = {
        key: (row.blocked, row.settled_at is not None, row.decision)
        for key, row in tables.claims.items()
    }
    jobs = {call_id: job.execute_after <= now() + SOON for call_id, job in tables.jobs.items()}
    return {"calls": calls, "jobs": jobs, "claims": claims}


def build_model() -> CallRules:
    tables = Tables(now)
    tables.watch.update(begun_watch(now()))
    handling = Handling(when_access_ends="hang_up")
    for owner in OWNERS:
        tables.entries[owner] = DirectoryEntry(Organization(owner, "A", handling=handling), ())
    return CallRules(tables)


@pytest.mark.parametrize("seed", range(8))
async def test_the_model_answers_like_postgresql(pool: Pool, seed: int) -> None:
    chance = random.Random(seed)
    store, model = CallStore(pool), build_model()
    for owner in OWNERS:
        await pool.execute(ORGANIZATION, owner, "A", Handling(when_access_ends="hang_up").stored())
    history = []
    for _ in range(STEPS):
        name = chance.choice((*QUESTIONS, *CHANGES * 5))
        given = arguments(chance, name, model)
        history.append((name, given))
        real = await answer(getattr(store, name)(*given))
        modelled = await answer(called(getattr(model, name), *given))
        # Whether a claim of two seconds is over depends on the clock.
        assert modelled == real or name == "claim_round", history
        assert rows_of_model(model.tables) == await rows_of(pool), history
