"""What our code holds in the simulation in place of PostgreSQL: the model behind a link."""

import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

from service.access.policies.chain import AccessChain
from service.access.standings import AccessStandings
from service.domain.calls import CallKey, NewCall
from service.domain.standing import AccessStanding
from service.store.calls.call_store import CallStore
from service.store.calls.decisions import StoredDecision
from tests.simulation.call_hangups import CallRules
from tests.simulation.links import Link
from tests.simulation.tables import Tables

OWN = {"record_calls_within"}
"""Methods of `CallStore` that are no rule: bounds for other ones."""

QUESTIONS = sorted(
    name
    for name, method in vars(CallStore).items()
    if inspect.iscoroutinefunction(method) and name not in OWN
)


class ModelCallStore(CallStore):
    """`CallStore` on the model: every method is one statement over the link."""

    def __init__(self, rules: CallRules, link: Link) -> None:
        self.rules = rules
        self.link = link
        self.counting = self

    async def record_calls_within(
        self, calls: Sequence[NewCall], seconds: float
    ) -> tuple[set[CallKey], dict[CallKey, StoredDecision]]:
        found: tuple[set[CallKey], dict[CallKey, StoredDecision]] = await self.link.run(
            lambda: self.rules.record_calls(calls), seconds
        )
        return found


def remote(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A method that runs the rule of its name at the server."""
    assert callable(getattr(CallRules, name)), f"The model has no rule for CallStore.{name}."

    async def ask(self: ModelCallStore, *args: object, **given: object) -> Any:
        return await self.link.run(lambda: getattr(self.rules, name)(*args, **given))

    return ask


for question in QUESTIONS:
    setattr(ModelCallStore, question, remote(question))


class ModelStandings(AccessStandings):
    """Standings read from the model."""

    __slots__ = ("link", "tables")

    def __init__(self, tables: Tables, link: Link, chain: AccessChain) -> None:
        super().__init__(None, chain, "No access.", ring_default=False)  # type: ignore[arg-type]
        object.__setattr__(self, "tables", tables)
        object.__setattr__(self, "link", link)

    async def read(
        self, organization_ids: Sequence[UUID], *, under_way: bool = False
    ) -> dict[UUID, AccessStanding]:
        tables: Tables = self.tables  # type: ignore[attr-defined]
        link: Link = self.link  # type: ignore[attr-defined]

        def look() -> list[Any]:
            return [tables.entries[one] for one in organization_ids if one in tables.entries]

        entries = await link.run(look)
        now = tables.now()
        return {
            one.organization.id: await self.evaluate(one.organization, now, under_way=under_way)
            for one in entries
        }
