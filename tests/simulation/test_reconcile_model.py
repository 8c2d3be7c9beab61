"""The model of numbers against PostgreSQL: the same statements give the same answers and rows."""

import random
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from service.domain.organizations import Organization
from service.store.organizations.directory import DirectoryEntry
from service.store.phone_numbers import phone_numbers
from service.store.pool import Pool
from tests.simulation.number_pool import STATEMENTS
from tests.simulation.number_rows import (
    BudgetRow,
    ChangeRow,
    NumberRow,
    ReconciliationRow,
    SweepRow,
    WebhookRow,
)
from tests.simulation.sweep_rules import ReconcileRules
from tests.simulation.tables import Tables

OWNERS = UUID(int=1), UUID(int=2)
IDS = UUID(int=11), UUID(int=12), UUID(int=13)
STEPS = 120
OFTEN = (
    "claim", "record", "begin_change", "confirm", "register", "release", "delete", "mark_seen",
    "record_drift", "find_seen", "make_due", "begin_sweep", "wake_watched", "keep_gates",
    "find_unseen",
)  # fmt: skip
"""Drawn more often than the others."""
ADMIN = ("register", "release", "wake_watched")
NAMES = {rule: statement for statement, rule in STATEMENTS.items()}
REGISTER = """
INSERT INTO callgate.phone_numbers (id, organization_id, vapi_phone_number_id, gate)
VALUES ($1, $2, $3, $4)
"""
ORGANIZATION = "INSERT INTO callgate.organizations (id, name) VALUES ($1, 'A')"
TOUCH = "UPDATE callgate.organizations SET updated_at = now() WHERE id = $1"
TABLES = {
    "phone_numbers": NumberRow,
    "webhook_states": WebhookRow,
    "webhook_changes": ChangeRow,
    "sweeps": SweepRow,
    "reconciliation": ReconciliationRow,
}


def now() -> datetime:
    return datetime.now(UTC)


def vapi_id(phone_number_id: UUID) -> str:
    return f"number-{phone_number_id.int}"


def json_of(chance: random.Random) -> dict[str, Any]:
    return {name: chance.randint(0, 3) for name in ("server", "hooks") if chance.random() < 0.6}


def arguments(chance: random.Random, name: str, rules: ReconcileRules) -> tuple[Any, ...]:
    """Random arguments of a statement; its token and its sweep are often the newest."""
    one, token, owner = chance.choice(IDS), chance.randint(0, 6), chance.choice(OWNERS)
    if one in rules.webhooks and chance.random() < 0.6:
        token = rules.webhooks[one].claim
    seconds, some = chance.choice((-60.0, 60.0)), chance.sample(IDS, chance.randint(0, 3))
    yes, text, sweep = chance.random() < 0.5, chance.choice((None, "text")), chance.randint(1, 4)
    sweep = len(rules.sweeps) or sweep if chance.random() < 0.6 else sweep
    state = chance.choice(("pending", "in_sync", "in_sync", "drifted", "missing", "failed"))
    problem = chance.choice((None, "unauthorized", "number_refused"))
    drift = [{"field": "server.url", "desired": 1, "observed": 2}] if yes else []
    given: Mapping[str, tuple[Any, ...]] = {
        "claim": (one, seconds, yes),
        "renew": (one, token, seconds),
        "unclaim": (one, token),
        "keep_original": (one, token, json_of(chance)),
        "watch": (one,),
        "keep_gates": (one, token, ["a"], yes, [], chance.choice((None, {"assistantId": "x"}))),
        "keep_answer": (one, {"assistantId": "x"}),
        "record_identity": (one, text, text),
        "record": (
            one, token, state, chance.choice(("phone_number", "assistant")), drift, text, problem,
            chance.randint(0, 2), chance.choice((None, 0.0, 60.0)), yes,
            chance.choice((None, json_of(chance))), chance.randint(0, 4),
        ),
        "delete": (one, token),
        "start_again": (one, token),
        "begin_change": (
            one, token, "phone_number", vapi_id(one), chance.choice(("drift", "drift", "added")),
            "ada", "api", drift, json_of(chance), json_of(chance), yes,
        ),
        "confirm": (chance.randint(1, 6),),
        "find_due": (5,),
        "find_sync": (one,),
        "begin_sweep": ("schedule", yes),
        "advance_sweep": (sweep, 3),
        "end_this_sweep": (sweep, "done", {"checked": 1}, text),
        "find_seen": ([vapi_id(item) for item in some], sweep),
        "mark_seen": (sweep, some, [item for item in some if chance.random() < 0.5]),
        "record_drift": ([
            {"id": str(item), "claim": chance.randint(0, 6), "state": "drifted", "drift": drift,
             "error": text, "problem": problem} for item in some],),
        "make_due": (some, text, text),
        "find_unseen": (sweep,),
        "outcomes": (some,),
        "list_missing": (sweep,),
        "find_unlisted": (some,),
        "record_missing": (one, token, "gone"),
        "record_answers": ([
            {"phone_number_id": str(item), "attached": yes, "missing": text} for item in some],),
        "note_successors": (["+1"], ["elsewhere"], ["vapi"]),
        "claim_sweep": (seconds,),
        "extend_lease": (token, seconds),
        "end_sweep": (token, seconds),
        "set_held": (chance.choice((None, {"drifted": 3})),),
        "refuse_key": (chance.choice("ab"), seconds),
        "try_key": (chance.choice("ab"), seconds),
        "write_budget": (json_of(chance), 1.0 + token, token),
        "register": (one, owner, vapi_id(one), chance.choice(("event", "request"))),
        "release": (one,),
        "wake_watched": (owner,),
    }  # fmt: skip
    return given.get(name, ())


async def ask(pool: Pool, name: str, given: tuple[Any, ...]) -> Any:
    """What PostgreSQL answers."""
    if name == "register":
        await pool.execute(REGISTER, *given)
        await pool.execute(phone_numbers.MAKE_DUE, given[0], "ada", "api")
    elif name == "release":
        await pool.execute(phone_numbers.RELEASE, given[0])
        await pool.execute(phone_numbers.MAKE_DUE, given[0], "ada", "api")
    elif name == "wake_watched":
        await pool.execute(TOUCH, *given)
    elif name == "wake":
        await pool.execute(NAMES[name])
    else:
        return [dict(row) for row in await pool.fetch(NAMES[name], *given)]
    return []


def comparable(value: Any, name: str = "") -> Any:
    """A value without what depends on the clock: an instant is over, to come, or missing."""
    if isinstance(value, datetime):
        return value > now() + timedelta(seconds=30) if name in DUE else "set"
    if isinstance(value, Mapping):
        return {key: comparable(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [comparable(item) for item in value]
    if isinstance(value, float | Decimal) and name != "all_at":
        return value > 30
    return value


DUE = ("next_attempt_at", "claimed_until", "next_sweep_at", "key_retry_at")


def answer_of(rows: Any) -> list[Any]:
    """Rows in one order, by their values where the columns have other names in the model."""
    told = [comparable(row) for row in rows or []]
    shown = [next(iter(row.values())) if len(row) == 1 else row for row in told]
    return sorted(shown, key=str)


async def rows_of(pool: Pool) -> dict[str, list[Any]]:
    """The rows of PostgreSQL, as far as the model has their columns."""
    found = {}
    for table, kind in TABLES.items():
        columns = ", ".join(one.name for one in fields(kind))
        rows = await pool.fetch(f"SELECT {columns} FROM callgate.{table}")
        found[table] = sorted((comparable(dict(row)) for row in rows), key=str)
    budget = await pool.fetch("SELECT state, version FROM callgate.vapi_budget")
    return found | {"budget": [dict(row) for row in budget]}


def rows_of_model(tables: Tables) -> dict[str, list[Any]]:
    """The rows of the model in the same shape."""
    held: dict[str, dict[Any, Any]] = {
        "phone_numbers": tables.numbers,
        "webhook_states": tables.webhooks,
        "webhook_changes": tables.changes,
        "sweeps": tables.sweeps,
        "reconciliation": tables.reconciliation,
    }
    found = {
        table: sorted((comparable(columns_of(row)) for row in rows.values()), key=str)
        for table, rows in held.items()
    }
    budget: BudgetRow = tables.budget[0]
    return found | {"budget": [{"state": budget.state, "version": budget.version}]}


def columns_of(row: Any) -> dict[str, Any]:
    return {one.name: getattr(row, one.name) for one in fields(row)}


def possible(name: str, given: tuple[Any, ...], rules: ReconcileRules) -> bool:
    """Whether our code would do this now: it registers a number once, and knows its sweeps."""
    if name == "register":
        return given[0] not in rules.numbers
    if name == "release":
        return given[0] in rules.numbers
    return name != "advance_sweep" or given[0] in rules.sweeps


@pytest.mark.parametrize("seed", range(8))
async def test_the_model_of_numbers_answers_like_postgresql(pool: Pool, seed: int) -> None:
    chance, tables = random.Random(seed), Tables(now)
    for owner in OWNERS:
        await pool.execute(ORGANIZATION, owner)
        tables.entries[owner] = DirectoryEntry(Organization(owner, "A"), ())
    rules, history = ReconcileRules(tables), []
    for _ in range(STEPS):
        name = chance.choice((*NAMES, *ADMIN, *OFTEN * 5))
        given = arguments(chance, name, rules)
        if not possible(name, given, rules):
            continue
        history.append((name, given))
        real = await ask(pool, name, given)
        modelled = getattr(rules, name)(*given)
        assert answer_of(modelled) == answer_of(real), history[-6:]
        assert rows_of_model(tables) == await rows_of(pool), history[-6:]
