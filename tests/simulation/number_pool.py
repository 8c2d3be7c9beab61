"""What the reconciler holds in place of its pool: each statement is the rule of the model that it names.

The modules of `service.store.reconcile` are the real ones: only what PostgreSQL does is modelled.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.reconcile.loop import ReconcileLoop
from service.store.limits import REQUESTS
from service.store.phone_numbers import successors, unanswered
from service.store.reconcile import (
    changes,
    claims,
    missing,
    request_budget,
    state,
    states,
    sweeps,
)
from tests.simulation.links import Link
from tests.simulation.number_tables import Row
from tests.simulation.sweep_rules import ReconcileRules

Rule = Callable[..., list[Row]]

STATEMENTS: dict[str, str] = {
    claims.CLAIM: "claim",
    claims.RENEW: "renew",
    claims.UNCLAIM: "unclaim",
    claims.KEEP_ORIGINAL: "keep_original",
    claims.WATCH: "watch",
    claims.KEEP_GATES: "keep_gates",
    claims.KEEP_ANSWER: "keep_answer",
    claims.RECORD_IDENTITY: "record_identity",
    claims.RECORD: "record",
    claims.DELETE: "delete",
    claims.START_AGAIN: "start_again",
    changes.BEGIN: "begin_change",
    changes.CONFIRM: "confirm",
    states.FIND_DUE: "find_due",
    states.NEXT_DUE: "seconds_to_next",
    states.GET: "find_sync",
    states.WAKE: "wake",
    states.WAKE_UNAUTHORIZED: "wake_unauthorized",
    sweeps.BEGIN: "begin_sweep",
    sweeps.ADVANCE: "advance_sweep",
    sweeps.END: "end_this_sweep",
    sweeps.TRIM: "trim_sweeps",
    sweeps.SEEN: "find_seen",
    sweeps.MARK_SEEN: "mark_seen",
    sweeps.RECORD_DRIFT: "record_drift",
    sweeps.MAKE_DUE: "make_due",
    sweeps.UNSEEN: "find_unseen",
    sweeps.OUTCOMES: "outcomes",
    missing.LIST: "list_missing",
    missing.FIND: "find_unlisted",
    missing.RECORD: "record_missing",
    unanswered.RECORD: "record_answers",
    successors.ANY_MISSING: "any_missing",
    successors.NOTE: "note_successors",
    state.GET: "get_whole",
    state.CLAIM_SWEEP: "claim_sweep",
    state.EXTEND_LEASE: "extend_lease",
    state.END_SWEEP: "end_sweep",
    state.SECONDS_TO_SWEEP: "seconds_to_sweep",
    state.SET_HELD: "set_held",
    state.REFUSE_KEY: "refuse_key",
    state.ACCEPT_KEY: "accept_key",
    state.TRY_KEY: "try_key",
    request_budget.READ: "read_budget",
    request_budget.WRITE: "write_budget",
}

WRITING: ContextVar[tuple[UUID, int] | None] = ContextVar("writing", default=None)
"""The number, and the fencing token, whose change at Vapi was last recorded in this task."""


class ModelPool:
    """The methods of a pool that the reconciler uses, over a link."""

    def __init__(self, rules: ReconcileRules, link: Link) -> None:
        self.rules = rules
        self.link = link

    async def fetch(self, statement: str, *given: Any) -> list[Row]:
        rule: Rule = getattr(self.rules, STATEMENTS[statement])
        found: list[Row] = await self.link.run(lambda: rule(*given), REQUESTS.command_seconds)
        if statement is changes.BEGIN and found:
            WRITING.set((given[0], given[1]))
        return found

    async def fetchrow(self, statement: str, *given: Any) -> Row | None:
        rows = await self.fetch(statement, *given)
        return rows[0] if rows else None

    async def fetchval(self, statement: str, *given: Any) -> Any:
        row = await self.fetchrow(statement, *given)
        return None if row is None else next(iter(row.values()))

    async def execute(self, statement: str, *given: Any) -> None:
        await self.fetch(statement, *given)


@dataclass(eq=False)
class ModelListener:
    """A connection on which a replica hears of due numbers, while its link lets it."""

    rules: ReconcileRules
    link: Link
    hear: Callable[[str], None] | None = None
    on_loss: Callable[[], None] | None = None

    def add_termination_listener(self, listener: Callable[[object], None]) -> None:
        self.on_loss = lambda: listener(self)
        self.link.on_cut.append(self.on_loss)

    async def add_listener(self, wanted: str, listener: Callable[..., None]) -> None:
        generation = self.link.generation
        await self.link.run(lambda: None)

        def hear(channel: str) -> None:
            if channel == wanted:
                self.link.notify(generation, listener)

        self.hear = hear
        self.rules.tables.listeners.append(hear)

    def terminate(self) -> None:
        if self.hear is not None:
            self.rules.tables.listeners.remove(self.hear)
            self.hear = None
        if self.on_loss in self.link.on_cut:
            self.link.on_cut.remove(self.on_loss)


class ModelReconcileLoop(ReconcileLoop):
    """The loop of due numbers, which hears of them over a link."""

    rules: ReconcileRules
    link: Link

    async def connect(self) -> Any:
        await self.link.run(lambda: None)
        return ModelListener(self.rules, self.link)
