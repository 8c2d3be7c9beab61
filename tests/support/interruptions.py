"""What may happen to a number, and what has to be true in the end however often it is interrupted."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain.sweeps import SweepRequest
from service.reconcile.build import Reconciling
from service.store.vault import open_vault
from tests.support.lives import ASSISTANTS, ELSEWHERE, FORMER, MESSAGE, Life, foreign

Step = Callable[[Life], Awaitable[None]]
Run = Callable[[Reconciling, Life], Awaitable[None]]


async def look(parts: Reconciling, life: Life) -> None:
    """What the loop does with a due number."""
    await parts.reconciler.reconcile_due(life.id)


async def sweep(parts: Reconciling, _life: Life) -> None:
    """The periodic work of the loop."""
    await parts.sweeper.sweep(SweepRequest(seconds=None))


@dataclass(frozen=True)
class Case:
    """Something that happens to a number (`begin`), the process that deals with it (`run`), and what
    has to be true in the end. `least`: so many calls that process makes at least. `given` is how the
    number is added."""

    begin: Step
    check: Step
    least: int
    given: Mapping[str, Any] = field(default_factory=dict)
    run: Run = look


async def added(_life: Life) -> None:
    """Nothing more: the number was just added."""


async def drift(life: Life) -> None:
    await life.configure()
    life.edit(server={**FORMER, "url": ELSEWHERE, "staticIpAddressesEnabled": True})
    await life.due()


async def drift_unseen(life: Life) -> None:
    await drift(life)
    await life.pool.execute("UPDATE callgate.webhook_states SET next_attempt_at = NULL")


async def release(life: Life) -> None:
    await life.configure()
    await life.release()


async def release_at_once(life: Life) -> None:
    """Released before it was ever configured."""
    await life.release()


async def rotate(life: Life) -> None:
    await life.configure()
    life.rotate()
    await life.due()


async def move(life: Life) -> None:
    await life.configure()
    life.move()
    await life.due()


async def shadow(life: Life) -> None:
    await life.configure()
    await life.own_the_assistant()
    life.edit(assistantId=life.assistant_id)
    await life.due()


async def shadow_unseen(life: Life) -> None:
    await shadow(life)
    await life.pool.execute("UPDATE callgate.webhook_states SET next_attempt_at = NULL")


async def move_carried(life: Life) -> None:
    await shadow(life)
    await move(life)


async def rotate_carried(life: Life) -> None:
    await shadow(life)
    await rotate(life)


async def release_carried(life: Life) -> None:
    await shadow(life)
    await release(life)


async def release_moved(life: Life) -> None:
    """Released before any pass wrote the new address."""
    await shadow(life)
    await life.configure()
    life.move()
    await life.release()


async def let_go(life: Life) -> None:
    """The assistant no longer answers the number: it is given back."""
    await shadow(life)
    await life.configure()
    life.edit(assistantId=None)
    await life.due()


async def pay(life: Life) -> None:
    await life.configure()
    assert life.says() == [MESSAGE, "Welcome!"]
    await life.pool.execute(
        "INSERT INTO callgate.plans (organization_id, code, status) VALUES ($1, 'pro', 'active')",
        life.owner,
    )


async def stop_paying(life: Life) -> None:
    await pay(life)
    await life.configure()
    assert life.says() == ["Welcome!"]
    await life.pool.execute("DELETE FROM callgate.plans WHERE organization_id = $1", life.owner)


async def rebind(life: Life) -> None:
    await life.configure()
    assert life.number().get("assistantId") is None
    await life.pool.execute(
        "UPDATE callgate.phone_numbers SET gate = 'event' WHERE id = $1", life.id
    )
    await life.due()


async def in_sync(life: Life) -> None:
    await life.is_in_sync()


async def gone(life: Life) -> None:
    await life.is_gone()


async def alone(life: Life) -> None:
    """The number carries the webhook, its assistant nothing any more."""
    await life.is_in_sync()
    assert life.assistant()["server"] == ASSISTANTS


async def carried(life: Life) -> None:
    """The assistant carries the webhook too, and keeps what was its own."""
    await life.is_in_sync()
    assert life.posts_to_us(life.assistant())
    assert foreign(life.assistant()) == foreign(life.assistant_first)
    original = await life.pool.fetchval(
        "SELECT original FROM callgate.assistant_webhooks WHERE vapi_assistant_id = $1",
        life.assistant_id,
    )
    assert open_vault(life.settings).open_kept(original) == {"server": ASSISTANTS}


async def blocked(life: Life) -> None:
    await life.is_in_sync()
    assert life.says() == [MESSAGE, "Welcome!"]


async def unblocked(life: Life) -> None:
    await life.is_in_sync()
    assert life.says() == ["Welcome!"]


async def unbound(life: Life) -> None:
    await life.is_in_sync()
    assert life.number().get("assistantId") is None
    answer = await life.pool.fetchval(
        "SELECT answer_with FROM callgate.phone_numbers WHERE id = $1", life.id
    )
    assert answer == {"assistantId": life.assistant_id}


async def bound_again(life: Life) -> None:
    row = await life.state()
    assert life.number()["assistantId"] == life.assistant_id
    assert row["unbound"] is None


RING = {"ring_gate": True}
UNBIND = {"gate": "request"}

CASES = {
    "configure": Case(added, in_sync, 8),
    "drift": Case(drift, in_sync, 8),
    "drift found by a sweep": Case(drift_unseen, in_sync, 16, run=sweep),
    "rotate": Case(rotate, in_sync, 8),
    "move": Case(move, in_sync, 8),
    "release": Case(release, gone, 6),
    "release at once": Case(release_at_once, gone, 3),
    "shadow": Case(shadow, carried, 12),
    "shadow found by a sweep": Case(shadow_unseen, carried, 22, run=sweep),
    "rotate with assistant": Case(rotate_carried, carried, 12),
    "move with assistant": Case(move_carried, carried, 12),
    "let the assistant go": Case(let_go, alone, 8),
    "release with assistant": Case(release_carried, gone, 12),
    "release before the move was told": Case(release_moved, gone, 12),
    "ring on": Case(added, blocked, 10, RING),
    "ring off": Case(pay, unblocked, 8, RING),
    "ring on again": Case(stop_paying, blocked, 8, RING),
    "release with ring": Case(release, gone, 6, RING),
    "unbind": Case(added, unbound, 10, UNBIND),
    "rebind": Case(rebind, bound_again, 8, UNBIND),
    "release unbound": Case(release, gone, 6, UNBIND),
}
