"""Undo restores the previous state, once, with the needed role, unless the object has changed since."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from policies.entitlements import Override, SubscriptionPlan
from service.access.policies.preview import ChainPreview
from service.admin.actor import Actor
from service.admin.changes import RecordedChanges
from service.admin.organizations.access import OrganizationAccess
from service.admin.organizations.organizations import Organizations
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.admin.reconcile.numbers import NumberWebhooks
from service.admin.reconcile.sweeps import ReconcileCases
from service.admin.timeline import Timeline
from service.admin.undo import Undo
from service.domain.audit import AuditEntry, can_undo
from service.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from service.domain.phone_numbers import Sync
from service.domain.wording.audit import describe_change
from service.store.audit import find_names, list_audit
from service.store.pool import Pool

BLANK: dict[str, Any] = {
    "external_id": None,
    "blocked_message": None,
    "forward_url": None,
    "attributes": {},
    "assistant_ids": [],
}
SOON = datetime.now(UTC).replace(microsecond=123) + timedelta(days=3)


class VapiAway:
    """The reconciler while Vapi cannot be asked: what is to be done waits."""

    async def probe(self, vapi_phone_number_id: str) -> None:
        return None

    async def reconcile(self, phone_number_id: UUID) -> Sync | None:
        return None


async def freshen(_: UUID) -> None:
    """No listener."""


@dataclass
class Cases:
    """All use cases whose changes can be undone, and who makes them."""

    pool: Pool
    undo: Undo
    admin: Actor

    async def last(self) -> AuditEntry:
        (entry,) = await list_audit(self.pool, limit=1)
        return entry

    async def back(self, actor: Actor | None = None) -> AuditEntry:
        """Undo the last change, and return the entry of that."""
        undone = await self.last()
        assert can_undo(undone)
        await self.undo.undo(actor or self.admin, undone.id)
        entry = await self.last()
        assert (entry.undoes, entry.before, entry.after) == (undone.id, undone.after, undone.before)
        return entry


@pytest.fixture
def cases(pool: Pool, admin: Actor) -> Cases:
    numbers = PhoneNumbers(pool, freshen, VapiAway())
    undo = Undo(
        pool,
        Organizations(pool, freshen),
        numbers,
        NumberWebhooks(pool, cast("Any", None)),
        UnknownNumbers(pool, numbers),
        ReconcileCases(pool, cast("Any", None), "enforce"),
        cast("Any", None),
    )
    return Cases(pool, undo, admin)


async def test_entitlements_go_back_and_forth(cases: Cases) -> None:
    organizations, admin = cases.undo.organizations, cases.admin
    made = await organizations.create(admin, {**BLANK, "name": "Acme"})
    plan = SubscriptionPlan("pro", "active", SOON)
    override = Override("allow", "goodwill", "ada", None, SOON)
    await organizations.put_trial(admin, made.id, None, SOON)
    with_trial = await organizations.get(made.id)
    await organizations.put_plan(admin, made.id, plan)
    await cases.back()
    assert (await organizations.get(made.id)).plan is None
    await cases.back()  # the undo is a change like any other
    assert (await organizations.get(made.id)).plan == plan
    await organizations.put_override(admin, made.id, override)
    await organizations.delete_entitlement(admin, made.id, "override")
    await cases.back()
    assert (await organizations.get(made.id)).override == override
    await organizations.delete_entitlement(admin, made.id, "trial")
    await cases.back()
    assert (await organizations.get(made.id)).trial == with_trial.trial


async def test_own_fields_go_back(cases: Cases) -> None:
    organizations, admin = cases.undo.organizations, cases.admin
    made = await organizations.create(
        admin,
        {**BLANK, "name": "Acme", "assistant_ids": ["a", "b"], "handling": {"goodbye": True}},
    )
    before = await organizations.get(made.id)
    await organizations.change(
        admin,
        made.id,
        {
            "name": "Other",
            "assistant_ids": ["c"],
            "handling": {"ring_gate": True},
            "blocked_messages": [{"text": "x", "reason": None, "language": None}],
        },
    )
    entry = await cases.back()
    after = await organizations.get(made.id)
    assert (after.name, after.assistant_ids, after.handling, after.blocked_messages) == (
        before.name,
        before.assistant_ids,
        before.handling,
        before.blocked_messages,
    )
    described = describe_change(entry, await find_names(cases.pool, [entry.object_id]))
    assert described.sentence.startswith(f"Undid change {entry.undoes}: changed the ")
    assert {change.field for change in described.changes} >= {"name", "handling.ring_gate"}


async def test_numbers_and_pauses_go_back(cases: Cases) -> None:
    organizations, numbers, admin = cases.undo.organizations, cases.undo.numbers, cases.admin
    made = await organizations.create(admin, {**BLANK, "name": "Acme"})
    other = await organizations.create(admin, {**BLANK, "name": "Other"})
    values = {"vapi_phone_number_id": "pn-1", "label": None, "gate": "event", "answer_with": None}
    number = await numbers.create(admin, {**values, "organization_id": made.id})
    assert not can_undo(await cases.last())
    await numbers.change(admin, number.id, {"organization_id": other.id, "label": "front"})
    await cases.back()
    found = await numbers.get(number.id)
    assert (found.organization_id, found.label) == (made.id, None)
    await cases.undo.webhooks.pause(admin, number.id, reason="repairs", until=SOON)
    await cases.back()
    assert (await numbers.get(number.id)).pause is None
    await cases.back()
    paused = (await numbers.get(number.id)).pause
    assert paused is not None
    assert (paused.reason, paused.until) == ("repairs", SOON)
    await cases.undo.reconciliation.pause(admin, reason="all", until=None)
    await cases.back()
    assert (await cases.undo.reconciliation.status()).pause is None
    await cases.back()
    await cases.undo.reconciliation.pause(admin, reason="again", until=None)
    assert not can_undo(await cases.last())


async def test_the_inbox_goes_back(cases: Cases) -> None:
    await cases.pool.execute(
        "INSERT INTO callgate.unknown_numbers (vapi_phone_number_id) VALUES ('pn-9')"
    )
    await cases.undo.unknown.ignore(cases.admin, "pn-9")
    await cases.back()
    assert len(await cases.undo.unknown.list_page(ignored=False, after=None, limit=9)) == 1


async def test_what_was_changed_since_stays(cases: Cases) -> None:
    organizations, admin = cases.undo.organizations, cases.admin
    made = await organizations.create(admin, {**BLANK, "name": "Acme"})
    await organizations.put_plan(admin, made.id, SubscriptionPlan("pro", "active"))
    first = (await cases.last()).id
    await organizations.put_plan(admin, made.id, SubscriptionPlan("max", "active"))
    with pytest.raises(ConflictError) as caught:
        await cases.undo.undo(admin, first)
    assert caught.value.code == "changed_since"
    found = (await organizations.get(made.id)).plan
    assert found is not None
    assert found.code == "max"
    await organizations.delete_entitlement(admin, made.id, "plan")
    count = len(await list_audit(cases.pool, limit=99))
    with pytest.raises(ConflictError):  # already as it was before
        await cases.undo.undo(admin, first)
    assert len(await list_audit(cases.pool, limit=99)) == count


async def test_an_undo_needs_the_right_to_the_opposite(cases: Cases) -> None:
    organizations, admin = cases.undo.organizations, cases.admin
    sue, viewer = Actor("sue", "support", "web"), Actor("vic", "viewer", "web")
    made = await organizations.create(admin, {**BLANK, "name": "Acme"})
    await organizations.put_plan(admin, made.id, SubscriptionPlan("pro", "active"))
    with pytest.raises(ForbiddenError):
        await cases.undo.undo(sue, (await cases.last()).id)
    await organizations.put_override(sue, made.id, Override("allow", "x", "sue", None, SOON))
    with pytest.raises(ForbiddenError):
        await cases.undo.undo(viewer, (await cases.last()).id)
    entry = await cases.back(sue)
    assert (entry.actor, (await organizations.get(made.id)).override) == ("sue", None)


async def test_what_cannot_be_undone_is_refused(cases: Cases) -> None:
    await cases.undo.organizations.create(cases.admin, {**BLANK, "name": "Acme"})
    with pytest.raises(InvalidError):
        await cases.undo.undo(cases.admin, (await cases.last()).id)
    with pytest.raises(NotFoundError):
        await cases.undo.undo(cases.admin, 999)


async def test_somebody_noted_knows_their_entries(cases: Cases) -> None:
    noted = RecordedChanges.of(cases.admin)
    await cases.undo.organizations.create(noted, {**BLANK, "name": "Acme"})
    assert noted.entries == [(await cases.last()).id]


def test_whoever_is_noted_may_do_no_more_than_before() -> None:
    actor = Actor("t", "support", "api", scopes=frozenset({"calls"}), expires_at=SOON)
    noted = RecordedChanges.of(actor)
    for field in fields(Actor):
        assert getattr(noted, field.name) == getattr(actor, field.name)


async def test_the_timeline_merges_changes_numbers_and_stopped_calls(cases: Cases) -> None:
    organizations, numbers, admin = cases.undo.organizations, cases.undo.numbers, cases.admin
    made = await organizations.create(admin, {**BLANK, "name": "Acme"})
    other = await organizations.create(admin, {**BLANK, "name": "Other"})
    values = {"vapi_phone_number_id": "pn-1", "label": None, "gate": "event", "answer_with": None}
    number = await numbers.create(admin, {**values, "organization_id": other.id})
    await numbers.change(admin, number.id, {"label": "theirs"})
    await numbers.change(admin, number.id, {"organization_id": made.id})
    await organizations.put_trial(admin, made.id, None, SOON)
    await cases.undo.webhooks.pause(admin, number.id, reason="repairs", until=None)
    await numbers.delete(admin, number.id)
    await cases.pool.execute(
        """
        INSERT INTO callgate.calls (vapi_call_id, organization_id, status, blocked, reason, gate,
            decision, created_at, cut_at)
        SELECT 'c-' || n, $1, 'failed', n % 3 > 0, 'no_plan_or_trial', 'event', '{}',
            date_trunc('day', now()) - n * interval '8 hours', CASE WHEN n % 3 = 0 THEN now() END
        FROM generate_series(1, 9) n
        """,
        made.id,
    )
    timeline = Timeline(cases.pool)
    whole = (await timeline.page(made.id, after=None, limit=50)).found
    trial = f"Gave Acme a trial until {SOON:%Y-%m-%d %H:%M} UTC."
    assert [event.description.sentence for event in whole] == [
        "Removed the number theirs.",
        "Paused theirs: “repairs”.",
        trial,
        "Changed the organization of theirs from “Other” to “Acme”.",
        "Added the organization Acme.",
        *["2 calls were blocked and 1 call was cut off."] * 3,
    ]
    for limit in (1, 2, 3):
        paged, after = [], None
        while True:
            page = await timeline.page(made.id, after=after, limit=limit)
            paged += page.found
            after = page.next
            if after is None:
                break
        assert paged == whole


async def test_what_comes_is_told_in_order(cases: Cases, preview: ChainPreview) -> None:
    organizations, admin = cases.undo.organizations, cases.admin
    made = await organizations.create(admin, {**BLANK, "name": "Acme"})
    grace = SubscriptionPlan("pro", "active", SOON, SOON + timedelta(days=3))
    await organizations.put_plan(admin, made.id, grace)
    explained = await OrganizationAccess(organizations, preview).explain(made.id)
    assert explained.until == SOON
    assert [(turn.at, turn.decision.reason) for turn in explained.turns] == [
        (SOON, "plan_in_grace"),
        (SOON + timedelta(days=3), "plan_ended"),
    ]
    later = await OrganizationAccess(organizations, preview).explain(
        made.id, SOON + timedelta(days=9)
    )
    assert (later.decision.allowed, later.until) == (False, None)
    with pytest.raises(NotFoundError):
        await OrganizationAccess(organizations, preview).explain(uuid4())
