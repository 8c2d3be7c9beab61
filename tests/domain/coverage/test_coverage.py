"""Where blocked calls are stopped, kind by kind, and what keeps that from being true."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from service.domain.coverage.coverage import Answering, AtVapi, CallKind, Cover, coverage_of
from service.domain.coverage.holes import HOLES
from service.domain.coverage.outage import outage_of
from service.domain.handling import Handling
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber, Sync, SyncState
from service.reconcile.coverage import at_vapi
from service.reconcile.steps.route import Bound
from service.vapi.resources import PhoneNumberView

ID = UUID(int=1)
ASSISTANT = Answering("asst", "the assistant Anna (asst)")
BOUND = AtVapi(asks=False, reaches_us=True, number_is_ours=True, answering=(ASSISTANT,))
ASKING = AtVapi(asks=True, reaches_us=True, number_is_ours=True)
SHADOWED = AtVapi(
    asks=False,
    reaches_us=False,
    number_is_ours=True,
    why_not=("`server.url` of the assistant goes before the phone number's server.",),
    remedy="Clear it.",
    answering=(ASSISTANT,),
)


def number(state: SyncState = SyncState.IN_SYNC, **fields: Any) -> PhoneNumber:
    return PhoneNumber(ID, ID, "pn", sync=Sync(state=state, last_error="Why."), **fields)


def organization(*assistant_ids: str, forward_url: str | None = None, **handling: Any) -> Any:
    return Organization(
        ID,
        "Bakery",
        assistant_ids=assistant_ids,
        forward_url=forward_url,
        handling=Handling(**handling),
    )


def covers(
    of: PhoneNumber,
    owner: Organization,
    seen: AtVapi | None = BOUND,
    *,
    ring: bool = False,
    watch: float = 60,
) -> dict[CallKind, Cover]:
    return {cover.kind: cover for cover in coverage_of(of, owner, seen, ring, watch)}


def holes(cover: Cover) -> set[str]:
    return {hole.kind for hole in cover.holes}


def places(cover: Cover) -> tuple[str, ...]:
    return (cover.stopped_at, *cover.then)


def test_an_attached_assistant_is_stopped_at_its_events() -> None:
    found = covers(number(), organization())
    assert places(found["inbound"]) == ("event", "list")
    assert found["inbound"].holes == ()
    assert places(found["outbound"]) == ("event", "list")
    assert holes(found["outbound"]) == {"outbound_late", "outbound_assistant"}
    assert places(found["campaign"]) == ("predial", "event", "list")
    assert "campaign_not_asking" in holes(found["campaign"])


def test_what_is_asked_for_is_refused_whichever_gate_is_chosen() -> None:
    for gate in ("event", "request"):
        found = covers(
            number(gate=gate, answer_with={"assistantId": "asst"}), organization(), ASKING
        )
        assert places(found["inbound"]) == ("request", "list")
        assert found["inbound"].holes == ()
        assert found["inbound"].lasts.startswith("0 s of conversation")


def test_a_request_gate_needs_somebody_to_answer_granted_calls() -> None:
    alone = covers(number(gate="request"), organization(), ASKING)["inbound"]
    assert holes(alone) == {"no_answer"}
    relayed = organization(forward_url="https://client.example/vapi")
    assert covers(number(gate="request"), relayed, ASKING)["inbound"].holes == ()


def test_a_request_gate_whose_assistant_is_still_attached_is_an_event_gate() -> None:
    found = covers(number(gate="request", answer_with={"assistantId": "asst"}), organization())
    assert places(found["inbound"]) == ("event", "list")
    assert holes(found["inbound"]) == {"still_bound"}


def test_the_ringing_hook_comes_first_and_for_inbound_calls_only() -> None:
    for owner, default in ((organization(ring_gate=True), False), (organization(), True)):
        found = covers(number(), owner, ring=default)
        assert places(found["inbound"]) == ("ring", "event", "list")
        for kind in ("outbound", "web", "campaign"):
            assert "ring_inbound_only" in holes(found[kind])
    assert covers(number(), organization(ring_gate=False), ring=True)["inbound"].then == ("list",)


def test_a_shadowed_number_is_only_found_in_the_list() -> None:
    found = covers(number(SyncState.SHADOWED), organization(), SHADOWED)
    assert places(found["inbound"]) == ("list",)
    [hole] = found["inbound"].holes
    assert hole.kind == "shadowed"
    assert SHADOWED.why_not[0] in hole.text
    assert hole.remedy == "Clear it."
    assert found["inbound"].lasts.startswith("About 90 s")
    assert found["outbound"].stopped_at == "event"


def test_without_the_watch_a_shadowed_number_is_stopped_by_nothing() -> None:
    found = covers(number(SyncState.SHADOWED), organization(), SHADOWED, watch=0)
    assert places(found["inbound"]) == ("nothing",)
    assert holes(found["inbound"]) == {"shadowed", "unwatched"}


def test_calls_that_cannot_be_controlled_are_stopped_before_they_are_answered_or_not_at_all() -> (
    None
):
    deaf = AtVapi(
        asks=False,
        reaches_us=True,
        number_is_ours=True,
        answering=(Answering("asst", "the assistant Anna", controllable=False),),
    )
    found = covers(number(), organization(), deaf)["inbound"]
    assert places(found) == ("nothing",)
    assert holes(found) == {"control_disabled"}
    assert "the assistant Anna" in found.holes[0].text
    ringing = covers(number(), organization(ring_gate=True), deaf)["inbound"]
    assert ringing.stopped_at == "ring"


def test_an_assistant_that_tells_nothing_before_the_end_is_found_in_the_list() -> None:
    silent = AtVapi(
        asks=False,
        reaches_us=True,
        number_is_ours=True,
        answering=(Answering("asst", "the assistant Anna", tells_early=False),),
    )
    found = covers(number(), organization(), silent)["inbound"]
    assert places(found) == ("list",)
    assert holes(found) == {"tells_late"}


def test_web_calls_are_known_by_registered_assistants_only() -> None:
    found = covers(number(), organization())["web"]
    assert places(found) == ("nothing",)
    assert holes(found) == {"web_unregistered"}
    registered = covers(number(), organization("asst"))["web"]
    assert places(registered) == ("event", "list")
    assert holes(registered) == {"web_server"}
    ours = AtVapi(
        asks=False,
        reaches_us=True,
        number_is_ours=True,
        answering=(Answering("asst", "the assistant Anna", ours=True),),
    )
    assert covers(number(), organization("asst"), ours)["web"].holes == ()
    answering = number(gate="request", answer_with={"assistantId": "asst"})
    assert places(covers(answering, organization(), ASKING)["web"]) == ("event", "list")


@pytest.mark.parametrize(
    "state", [SyncState.PENDING, SyncState.DRIFTED, SyncState.MISSING, SyncState.FAILED]
)
def test_by_what_is_stored_an_unwell_number_is_the_worst(state: SyncState) -> None:
    found = covers(number(state), organization(), None, ring=True)
    assert places(found["inbound"]) == ("list",)
    [hole] = found["inbound"].holes
    assert (hole.kind, hole.remedy) == ("not_in_sync", "Why.")
    assert state.value in hole.text
    assert places(found["outbound"]) == ("list",)


def test_by_what_is_stored_a_well_number_is_covered() -> None:
    assert places(covers(number(), organization(), None)["inbound"]) == ("event", "list")
    asked = number(gate="request", answer_with={"squadId": "sq"})
    assert places(covers(asked, organization(), None)["inbound"]) == ("request", "list")
    shadowed = covers(number(SyncState.SHADOWED), organization(), None)["inbound"]
    assert (places(shadowed), holes(shadowed)) == (("list",), {"shadowed"})
    by_assistant = PhoneNumber(ID, ID, "pn", sync=Sync(state=SyncState.IN_SYNC, level="assistant"))
    found = covers(by_assistant, organization(), None)
    assert found["inbound"].stopped_at == "event"
    assert found["outbound"].stopped_at == "list"


def test_a_goodbye_is_heard_and_costs_time() -> None:
    plain = covers(number(), organization())["inbound"]
    spoken = covers(number(), organization(goodbye=True))["inbound"]
    assert "blocked message" not in plain.heard
    assert "then the blocked message" in spoken.heard
    assert "goodbye" in spoken.lasts


def test_every_hole_has_a_remedy_and_those_of_the_setup_are_not_inherent() -> None:
    assert all(hole.text and hole.remedy for hole in HOLES.values())
    assert {kind for kind, hole in HOLES.items() if hole.inherent} == {
        "web_server",
        "outbound_late",
        "outbound_assistant",
        "ring_inbound_only",
        "campaign_not_asking",
    }


def test_if_callgate_is_down() -> None:
    bound = outage_of(number(), organization(), BOUND, False)
    assert bound.paying_calls.startswith("Inbound calls are answered as usual")
    assert bound.blocked_calls.startswith("Inbound calls are answered like granted ones")

    asked = number(gate="request", answer_with={"assistantId": "asst"})
    alone = outage_of(asked, organization(), ASKING, False)
    assert "end with Vapi's own sentence" in alone.paying_calls
    assert "end with Vapi's own sentence" in alone.blocked_calls

    owner = organization(transfer_when_down="+15550100777")
    transferred = outage_of(asked, owner, ASKING, False)
    assert "transferred to +15550100777" in transferred.paying_calls
    assert "+15550100777" not in transferred.blocked_calls

    theirs = AtVapi(asks=True, reaches_us=True, number_is_ours=True, transfers_to="+15550100111")
    for told in (organization(), owner):
        found = outage_of(asked, told, theirs, False)
        assert "another system set" in found.paying_calls
        assert "another system set" in found.blocked_calls

    ringing = outage_of(number(), organization(), BOUND, True)
    assert ringing.blocked_calls.startswith("Inbound callers hear the blocked message")
    assert "stay blocked by the ringing hook" in ringing.paying_calls


def test_text_messages_are_a_hole_of_numbers_that_take_them() -> None:
    texting = replace(BOUND, texts=True)
    found = covers(number(), organization(), texting)
    assert places(found["sms"]) == ("nothing",)
    assert holes(found["sms"]) == {"sms_not_stopped"}
    assert not HOLES["sms_not_stopped"].inherent
    for seen in (BOUND, None):
        assert "sms" not in covers(number(), organization(), seen)


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        ({"provider": "twilio"}, True),
        ({"provider": "twilio", "smsEnabled": True}, True),
        ({"provider": "twilio", "smsEnabled": False}, False),
        ({"provider": "vapi"}, False),
        ({}, False),
    ],
)
def test_only_numbers_of_twilio_answer_text_messages(raw: dict[str, object], texts: bool) -> None:
    view = PhoneNumberView({"id": "n1", **raw})
    assert at_vapi("https://ours.example.net", view, Bound({})).texts is texts
