"""Holes in the coverage of calls, in words, each with its remedy. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

HoleKind = Literal[
    "not_in_sync",
    "shadowed",
    "still_bound",
    "no_answer",
    "control_disabled",
    "tells_late",
    "web_unregistered",
    "web_server",
    "outbound_late",
    "outbound_assistant",
    "ring_inbound_only",
    "campaign_not_asking",
    "unwatched",
]


@dataclass(frozen=True, slots=True)
class Hole:
    """Where blocked calls get through, or paying ones fail.

    `inherent`: it is in the nature of Vapi, or nobody can see from here whether it is closed.
    """

    kind: HoleKind
    text: str
    remedy: str
    inherent: bool = False


HOLES: Mapping[HoleKind, Hole] = {
    known.kind: known
    for known in (
        Hole(
            "not_in_sync",
            "What we need at Vapi may not be there: no gate is sure.",
            "Look at the number's sync; then POST /phone-numbers/{id}/sync.",
        ),
        Hole(
            "shadowed",
            "Events of these calls go to another server, before the number's: we see none.",
            "Clear the server of what answers, register the assistant to the organization "
            "(assistant_ids), or choose the gate request.",
        ),
        Hole(
            "still_bound",
            "Vapi asks nobody who answers: an assistant, squad or workflow is still attached.",
            "Sync the number: the request gate detaches it and keeps it as answer_with.",
        ),
        Hole(
            "no_answer",
            "Granted calls are answered by nobody: there is neither answer_with nor forward_url.",
            "Set the number's answer_with, or the organization's forward_url.",
        ),
        Hole(
            "control_disabled",
            "Calls cannot be hung up: monitorPlan.controlEnabled is off.",
            "Switch controlEnabled on, or choose the gate request or the ring gate.",
        ),
        Hole(
            "tells_late",
            "No event comes before the call is over: serverMessages leaves them all out.",
            "Add status-update to the assistant's serverMessages.",
        ),
        Hole(
            "web_unregistered",
            "Web calls name no number, and the organization has no registered assistant: nobody "
            "knows whose they are.",
            "Register the organization's assistants (assistant_ids).",
        ),
        Hole(
            "web_server",
            "Vapi posts a web call's events to its assistant's server, else to the Vapi "
            "organization's; that one of them is ours could not be seen.",
            "Set our webhook at the registered assistants, or as the Vapi organization's server.",
            inherent=True,
        ),
        Hole(
            "outbound_late",
            "Outbound calls cause no question: they are stopped at their first event, when somebody "
            "has been called and may have answered.",
            "None at Vapi; where it matters, ask Callgate before the call is created.",
            inherent=True,
        ),
        Hole(
            "outbound_assistant",
            "Whoever starts an outbound call chooses the assistant: one with a server of its own "
            "takes these events away.",
            "Register the organization's assistants, and leave their server empty or ours.",
            inherent=True,
        ),
        Hole(
            "ring_inbound_only",
            "The ringing hook is for inbound calls only.",
            "None at Vapi; the other gates stop the rest.",
            inherent=True,
        ),
        Hole(
            "campaign_not_asking",
            "Only a campaign that names our webhook as its server and has a predialPlan asks before "
            "it dials; calls of any other are outbound calls.",
            "Create campaigns with both; Vapi lets nobody change them afterwards.",
            inherent=True,
        ),
        Hole(
            "unwatched",
            "Calls that no event told us of are never found: nobody reads Vapi's list of calls.",
            "Set CALLGATE_CALL_WATCH_INTERVAL to something above 0.",
        ),
    )
}


def hole(kind: HoleKind, *details: str, remedy: str | None = None) -> Hole:
    """The hole in its words, with what is known of this case."""
    known = HOLES[kind]
    return Hole(kind, " ".join((known.text, *details)), remedy or known.remedy, known.inherent)
