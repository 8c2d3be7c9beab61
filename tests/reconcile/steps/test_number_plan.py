"""For any number, desired state and claim: a dry run says what the pass then does, a second pass has
nothing to do, and no claim is changed in place. The pass is the real one, on a Vapi and a database in
memory."""

import asyncio
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from hypothesis import assume, given, reject
from hypothesis import strategies as st

from service.domain.phone_numbers import FieldDrift, SyncState
from service.domain.priority import Priority
from service.domain.reconcile import KeptFields, PassResult, WebhookClaim
from service.domain.standing import AccessStanding
from service.reconcile.desired import SECRET_HEADER, DesiredWebhook
from service.reconcile.failures import UNSURE
from service.reconcile.key_guard import KeyGuard
from service.reconcile.metrics import ReconcileMetrics
from service.reconcile.observe import Observer
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import applied_of
from service.reconcile.steps.assistants import AssistantWebhooks
from service.reconcile.steps.gate_step import GateStep
from service.reconcile.steps.number_facts import DesiredNumber, ObservedNumber
from service.reconcile.steps.number_pass import NumberPass
from service.reconcile.steps.number_plan import NumberPlan, number_plan
from service.reconcile.steps.writer import Writer
from service.store.reconcile import assistants, changes, claims
from service.store.vault import Vault
from service.vapi.bindings import bindings_of
from service.vapi.errors import VapiNotFoundError
from service.vapi.hooks import destination, ending_hook, ringing_hook
from service.vapi.resources import PhoneNumberView

Json = dict[str, Any]
ID, OWNER = UUID(int=1), UUID(int=2)
WEBHOOK = DesiredWebhook(
    "https://calls.agency.net/hook", "new-secret", accepted=("new-secret", "old-secret")
)
FORMER = DesiredWebhook(WEBHOOK.url, "old-secret", accepted=WEBHOOK.accepted)
MOVED = DesiredWebhook("https://before.agency.net/hook", "new-secret", accepted=WEBHOOK.accepted)
THEIRS = {"url": "https://theirs.example.net/hook", "headers": {"X-Theirs": "keep"}}
RING, OLD_RING, TRANSFER, OTHER = "No calls now.", "Before.", "+4930111", "+4930222"
THEIR_HOOK = ringing_hook("Welcome!")

SERVERS = st.sampled_from(
    [
        None,
        THEIRS,
        webhook_fields.merged(WEBHOOK, None),
        webhook_fields.merged(WEBHOOK, THEIRS),
        webhook_fields.merged(FORMER, None),
        webhook_fields.merged(MOVED, THEIRS),
        {**webhook_fields.merged(WEBHOOK, None), "timeoutSeconds": 5},
        {"url": WEBHOOK.url},
        {"url": WEBHOOK.url, "headers": {SECRET_HEADER: "not ours"}},
    ]
)
BINDINGS = st.sampled_from(
    [
        {},
        {"assistantId": "a1"},
        {"assistantId": "a2"},
        {"assistantId": "gone"},
        {"squadId": "s1"},
        {"workflowId": "w1"},
    ]
)
HOOKS = st.lists(
    st.sampled_from(
        [THEIR_HOOK, ringing_hook(RING), ringing_hook(OLD_RING), ending_hook(TRANSFER)]
    ),
    max_size=3,
    unique_by=str,
)


@st.composite
def vapis(draw: st.DrawFn) -> "Memory":
    """A number, the two assistants that may answer it, and what else may be bound to it."""
    number: Json = {"id": "n1", "provider": "vapi", **draw(BINDINGS)}
    number |= {key: value for key, value in (("server", draw(SERVERS)),) if value}
    if hooks := draw(HOOKS):
        number["hooks"] = hooks
    if fallback := draw(st.sampled_from([None, TRANSFER, OTHER])):
        number["fallbackDestination"] = destination(fallback)
    found: dict[str, Json] = {"n1": number}
    for name in ("a1", "a2"):
        server = draw(SERVERS)
        found[name] = {"id": name, "name": name} | ({"server": server} if server else {})
    overrides = draw(st.sampled_from([{}, {"server": THEIRS}]))
    members = [{"assistantId": "a1"}, {"assistantId": "a2", "assistantOverrides": overrides}]
    found["s1"] = {"id": "s1", "members": members}
    found["w1"] = {"id": "w1"} | draw(st.sampled_from([{}, {"server": THEIRS}]))
    return Memory(deepcopy(found), draw(st.sampled_from([None, THEIRS])))


KEPT = st.builds(
    KeptFields,
    ring_texts=st.sampled_from([(), (RING,), (OLD_RING,), (OLD_RING, RING)]),
    ring_on=st.booleans(),
    fallback_numbers=st.sampled_from([(), (TRANSFER,)]),
    unbound=st.sampled_from([None, {"assistantId": "a1"}, {"squadId": "s1"}]),
)
IDS = st.lists(st.sampled_from(["a1", "a2"]), max_size=2, unique=True).map(tuple)
CLAIMS = st.builds(
    WebhookClaim,
    phone_number_id=st.just(ID),
    vapi_phone_number_id=st.just("n1"),
    organization_id=st.just(OWNER),
    gate=st.sampled_from(["event", "request"]),
    answer_with=st.sampled_from([None, {"assistantId": "a1"}]),
    problem=st.sampled_from([None, "unsure", "number_refused"]),
    original=st.sampled_from([None, {"server": THEIRS}]),
    last_applied=st.sampled_from([None, *map(applied_of, (WEBHOOK, FORMER, MOVED))]),
    assistant_ids=IDS,
    owned_assistants=IDS,
    kept=KEPT,
    watched=st.just(True),
    ordered_by=st.sampled_from([None, "ada"]),
    paused=st.booleans(),
    fights=st.integers(0, 3),
)
STANDINGS = st.none() | st.builds(
    AccessStanding,
    allowed=st.booleans(),
    reason=st.just("plan_active"),
    message=st.just(RING),
    ring=st.booleans(),
    transfer_to=st.sampled_from([None, TRANSFER]),
    changes_at=st.none(),
    changes_in=st.none(),
)


@dataclass
class Memory:
    """Vapi and the tables of one claim, in memory: PATCH replaces whole fields, null clears one."""

    found: dict[str, Json]
    former: Json | None
    made: list[tuple[str, str, str, tuple[FieldDrift, ...]]] = field(default_factory=list)
    kept: KeptFields | None = None
    assistant_ids: tuple[str, ...] | None = None

    async def get(self, item_id: str, _priority: Priority) -> Json:
        if item_id not in self.found:
            raise VapiNotFoundError("Vapi has no object with this id.")
        return deepcopy(self.found[item_id])

    get_phone_number = get_assistant = get_squad = get_workflow = get

    async def patch(self, item_id: str, body: Mapping[str, Any], _priority: Priority) -> Json:
        raw = {**self.found[item_id], **deepcopy(dict(body))}
        self.found[item_id] = {key: value for key, value in raw.items() if value is not None}
        return deepcopy(self.found[item_id])

    patch_phone_number = patch_assistant = patch

    async def execute(self, query: str, *given: Any) -> None:
        if query == claims.KEEP_ASSISTANTS:
            self.assistant_ids = tuple(given[2])

    async def fetchval(self, query: str, *given: Any) -> Any:
        if query == assistants.USED_BY_OTHERS:
            return False
        if query == claims.KEEP_GATES:
            self.kept = KeptFields(tuple(given[2]), given[3], tuple(given[4]), given[5])
        if query == changes.BEGIN:
            _, _, level, vapi_id, cause, _, _, fields, *_ = given
            drift = tuple(FieldDrift(**entry) for entry in fields)
            self.made.append((level, vapi_id, cause, drift))
        return 1

    async def fetchrow(self, query: str, *_given: Any) -> Any:
        assert query == assistants.CLAIM
        return {"claim": 1, "original": {"server": self.former}}


@dataclass
class Standings:
    """The standing of every organization."""

    standing: AccessStanding | None

    async def read(self, ids: Sequence[UUID]) -> Mapping[UUID, AccessStanding]:
        return dict.fromkeys(ids, self.standing) if self.standing else {}


def pass_over(
    vapi: Memory, standing: AccessStanding | None, *, on_assistants: bool, enforcing: bool
) -> NumberPass:
    stub: Any = vapi
    observer = Observer(stub)
    writer = Writer(stub, observer, WEBHOOK, Vault(["a key of the test"]))
    return NumberPass(
        stub,
        observer,
        writer,
        GateStep(stub, writer, Standings(standing)),
        AssistantWebhooks(stub, writer, WEBHOOK),
        WEBHOOK,
        ReconcileMetrics(),
        KeyGuard(stub, stub, "key"),
        on_assistants,
        enforcing,
    )


async def dry_run(vapi: Memory, claim: WebhookClaim, desired: DesiredNumber) -> NumberPlan:
    """What a sweep plans, which reads what answers the number now and what it gets back."""
    stub: Any = vapi
    view = PhoneNumberView(await vapi.get("n1", Priority.REPAIR))
    answering = PhoneNumberView({**(claim.kept.unbound or {}), **view.raw})
    bound = await Observer(stub).bound(answering, Priority.REPAIR)
    return number_plan(desired, ObservedNumber(view, bound), claim)


def run(number_pass: NumberPass, claim: WebhookClaim) -> PassResult:
    """One pass. One that has to look twice before it believes that an assistant lost our webhook is no
    example."""
    result = asyncio.run(number_pass.run(claim, Priority.REPAIR))
    if result.problem == UNSURE:
        reject()
    return result


def summary(result: PassResult) -> tuple[object, ...]:
    return (result.state, result.problem, result.drift, result.error, result.level)


@given(
    vapi=vapis(), claim=CLAIMS, standing=STANDINGS, flags=st.tuples(st.booleans(), st.booleans())
)
def test_a_dry_run_says_what_the_pass_then_does(
    vapi: Memory, claim: WebhookClaim, standing: AccessStanding | None, flags: tuple[bool, bool]
) -> None:
    on_assistants, enforcing = flags
    number_pass = pass_over(vapi, standing, on_assistants=on_assistants, enforcing=enforcing)
    desired = number_pass.desired_for(claim, standing)
    before, original = deepcopy(vapi.found), deepcopy(claim)

    plan = asyncio.run(dry_run(vapi, claim, desired))
    assert (vapi.found, claim) == (before, original), "a dry run changes nothing"
    result = run(number_pass, claim)
    assert claim == original, "the claim is not changed in place"

    # What an assistant gets back is known to the pass only, and may change who gets the events.
    restored = {one.vapi_id for one in plan.changes if one.kind == "give_back"}
    bound = bindings_of(vapi.found["n1"])
    answering = {"a1", "a2"} if bound.get("squadId") else {bound.get("assistantId")}
    assume(not restored & answering)
    repairs = [
        ("phone_number" if one.on_number else "assistant", one.vapi_id, one.cause, one.fields)
        for one in plan.changes
        if one.kind != "give_back" and one.fields
    ]
    made = [one for one in vapi.made if one[2] != "released"]
    assert [(level, item, fields) for level, item, _, fields in made] == [
        (level, item, fields) for level, item, _, fields in repairs
    ]
    assert [cause for level, _, cause, _ in made if level == "phone_number"] == [
        cause for level, _, cause, _ in repairs if level == "phone_number"
    ]
    assert summary(result) == summary(plan.result)
    if not plan.changes:
        assert summary(plan.found) == summary(plan.result)
        assert vapi.found == before, "nothing is written"


@given(vapi=vapis(), claim=CLAIMS, standing=STANDINGS, on_assistants=st.booleans())
def test_a_second_pass_has_nothing_to_do(
    vapi: Memory, claim: WebhookClaim, standing: AccessStanding | None, *, on_assistants: bool
) -> None:
    number_pass = pass_over(vapi, standing, on_assistants=on_assistants, enforcing=True)
    first = run(number_pass, claim)
    # A number that took no webhook is tried again after anything else was said of it.
    assume(claim.problem in (None, "unsure") or first.problem == claim.problem)
    stored = replace(
        claim,
        kept=claim.kept if vapi.kept is None else vapi.kept,
        assistant_ids=claim.assistant_ids if vapi.assistant_ids is None else vapi.assistant_ids,
        last_applied=first.applied or claim.last_applied,
        problem=first.problem,
        original=claim.original or {"server": None},
    )
    if first.state is SyncState.IN_SYNC:
        stored = replace(stored, ordered_by=None, ordered_from=None)
    after, number_of = deepcopy(vapi.found), len(vapi.made)
    second = run(number_pass, stored)
    assert vapi.made[number_of:] == []
    assert vapi.found == after
    assert summary(second) == summary(first)
