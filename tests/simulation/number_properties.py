"""What must hold for numbers at the end of a seed, once every fault is healed and time has passed."""

from collections.abc import Iterator

from service.domain.priority import BURST, SHARES, Priority
from tests.simulation.number_rows import NumberRow, WebhookRow
from tests.simulation.number_story import PlannedNumber
from tests.simulation.properties import Outcome
from tests.simulation.vapi_numbers import ModelNumber, VapiNumbers
from tests.simulation.whose import (
    PREFIX,
    carries_ours,
    headers_of,
    is_our_hook,
    owned_part,
    posts_to_us,
)

ABOUT_VAPI = frozenset(
    {"vapi_down", "vapi_throttles", "vapi_errors", "vapi_loses", "vapi_slow", "control_down"}
)
"""Faults that keep no replica from the shared budget in PostgreSQL."""
AT_ONCE = BURST + sum(
    SHARES[kind].burst for kind in (Priority.ACCESS, Priority.REPAIR, Priority.LOOK)
)
"""How many requests of the reconciler may go out over the rate."""
RING_SECONDS = 12.0
"""How long a change of access may take to reach Vapi, where nothing is in the way."""


def check_numbers(outcome: Outcome, numbers: VapiNumbers, lives: int) -> list[str]:
    """Every violation, as a sentence."""
    found = list(numbers.violations)
    for planned in outcome.story.numbers.numbers:
        model = numbers.numbers[planned.vapi_id]
        row = outcome.tables.numbers.get(planned.id)
        webhook = outcome.tables.webhooks.get(planned.id)
        found += check_tokens(outcome, planned, model)
        if row is None or webhook is None:
            found += check_left(outcome, planned, model)
        elif model.deleted:
            found += check_missing(planned, row, webhook)
        elif row.released_at is not None:
            found.append(f"{planned.vapi_id}: its release does not end: {webhook.last_error}")
        else:
            found += check_registered(outcome, planned, model, webhook)
    return found + list(check_budget(outcome, numbers, lives))


def check_registered(
    outcome: Outcome, planned: PlannedNumber, model: ModelNumber, webhook: WebhookRow
) -> Iterator[str]:
    """A registered number that Vapi has is configured, and known to be."""
    name, raw = planned.vapi_id, model.raw
    if webhook.state != "in_sync":
        yield f"{name}: {webhook.state}, {webhook.problem}: {webhook.last_error}"
    secrets = [value for value in headers_of(raw).values() if str(value).startswith(PREFIX)]
    owner = planned.organization_id
    assert owner is not None
    if not posts_to_us(raw) or raw["server"]["timeoutSeconds"] != 20 or len(secrets) != 1:
        yield f"{name}: its webhook at Vapi is not ours: {owned_part(raw)}"
    elif owner.hex not in str(secrets[0]):
        yield f"{name}: carries the secret of another organization"
    if planned.gate == "request" and raw.get("assistantId"):
        yield f"{name}: the request gate left an assistant at Vapi"
    if planned.gate == "event" and raw.get("assistantId") != planned.at_vapi.get("assistantId"):
        yield f"{name}: the assistant at Vapi changed"
    yield from check_hooks(outcome, planned, raw.get("hooks") or [])


def check_hooks(outcome: Outcome, planned: PlannedNumber, hooks: list[object]) -> Iterator[str]:
    """Our ringing hook stands first where an organization has no access and its ring gate is on.

    Callgate knows its hooks by their texts: where a failover lost these, a hook may stay.
    """
    if str(planned.id) in outcome.harmed:
        return
    owner, now = planned.organization_id, outcome.callers.loop.time()
    assert owner is not None
    ours = [hook for hook in hooks if is_our_hook(hook)]  # type: ignore[arg-type]
    ring = outcome.tables.entries[owner].organization.handling.ring_gate
    allowed = outcome.had_access(owner, now)
    if not ring and ours:
        yield f"{planned.vapi_id}: the ring gate is off, but our hook is there"
    since = now - RING_SECONDS
    steady = outcome.had_access(owner, since) == allowed
    if not ring or not steady or outcome.had_access_within(owner, since, now) != allowed:
        return
    if allowed and ours:
        yield f"{planned.vapi_id}: its organization has access, but our hook still blocks"
    elif not allowed and (len(ours) != 1 or hooks[0] is not ours[0]):
        yield f"{planned.vapi_id}: no access, but {len(ours)} hooks of ours, or not the first"


def check_left(outcome: Outcome, planned: PlannedNumber, model: ModelNumber) -> Iterator[str]:
    """A number that is not registered carries nothing of ours; a released one has back what it had."""
    name, raw, harmed = planned.vapi_id, model.raw, str(planned.id) in outcome.harmed
    if model.deleted:
        return
    if carries_ours(raw, hooks=not harmed):
        yield f"{name}: not registered, but it carries our webhook, secret or hook"
    elif not model.written:
        return
    elif model.former is not None and not model.raced and not harmed:
        now, moved = owned_part(raw), model.moved_at > 0
        if now != model.former and not moved:
            yield f"{name}: released, but {now} is not {model.former}"


def check_missing(planned: PlannedNumber, row: NumberRow, webhook: WebhookRow) -> Iterator[str]:
    """A number that Vapi no longer has is known to be missing; a release of it ends."""
    if row.released_at is not None or webhook.state != "missing":
        yield f"{planned.vapi_id}: deleted at Vapi, but {webhook.state} here"


def check_tokens(outcome: Outcome, planned: PlannedNumber, model: ModelNumber) -> Iterator[str]:
    """No two processes write a number under one fencing token; a failover may give one out again."""
    if str(planned.id) in outcome.harmed:
        return
    writers: dict[int, str] = {}
    for one in model.written:
        if writers.setdefault(one.token, one.life) != one.life:
            yield f"{planned.vapi_id}: two processes wrote under the token {one.token}"


def check_budget(outcome: Outcome, numbers: VapiNumbers, lives: int) -> Iterator[str]:
    """Requests stay within the budget. A replica that cannot ask PostgreSQL has a burst of its own."""
    rate, level, last, most = outcome.story.numbers.rate, 0.0, 0.0, 0.0
    for moment in numbers.sent:
        level = max(0.0, level - (moment - last) * rate) + 1
        last, most = moment, max(most, level)
    apart = any(fault.name not in ABOUT_VAPI for fault in outcome.story.faults)
    if most > AT_ONCE * (1 + lives if apart else 1) + 1:
        yield f"{most:.0f} requests more than the budget of {rate} a second"
