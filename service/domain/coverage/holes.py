"""Holes in the coverage of calls, each with a sentence and a remedy. Pure."""

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
    "sms_not_stopped",
    "split_versions",
]


@dataclass(frozen=True, slots=True)
class Hole:
    """A way for blocked calls to get through, or for granted calls to fail.

    `inherent`: Vapi offers no way to close it, or Callgate cannot see whether it is closed.
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
            "The webhook at Vapi may be missing or different: no gate is certain.",
            "See the last error on the number's page; then choose Sync now there.",
        ),
        Hole(
            "shadowed",
            "Events of these calls go to another server before the number's, so Callgate sees none.",
            "Clear the server of the assistant that answers, register it to the organization "
            "(its page, Edit), or choose the gate request.",
        ),
        Hole(
            "still_bound",
            "Vapi does not ask who answers: an assistant, squad or workflow is still attached.",
            "Sync the number: the request gate detaches it and keeps it as answer_with.",
        ),
        Hole(
            "no_answer",
            "Granted calls are not answered: the number has neither answer_with nor forward_url.",
            "Set the number's answer_with, or the organization's forward_url.",
        ),
        Hole(
            "control_disabled",
            "Calls cannot be hung up: monitorPlan.controlEnabled is off.",
            "Turn controlEnabled on, or choose the gate request or the ring gate.",
        ),
        Hole(
            "tells_late",
            "No event arrives before the call ends: serverMessages excludes them all.",
            "Add status-update to the assistant's serverMessages.",
        ),
        Hole(
            "web_unregistered",
            "Web calls have no number, and the organization has no registered assistant, so "
            "Callgate cannot tell whose they are.",
            "Register the organization's assistants on its page (Edit).",
        ),
        Hole(
            "web_server",
            "Vapi posts a web call's events to its assistant's server, else to the Vapi "
            "organization's; Callgate could not see that one of them is ours.",
            "Set our webhook at the registered assistants, or as the Vapi organization's server.",
            inherent=True,
        ),
        Hole(
            "outbound_late",
            "Vapi does not ask before an outbound call: it is stopped at its first event, when the "
            "phone already rings or was answered.",
            "None at Vapi; if it matters, ask Callgate before you create the call.",
            inherent=True,
        ),
        Hole(
            "outbound_assistant",
            "The creator of an outbound call chooses the assistant: one with its own server gets "
            "these events instead.",
            "Register the organization's assistants, and leave their server empty or ours.",
            inherent=True,
        ),
        Hole(
            "ring_inbound_only",
            "The ringing hook works for inbound calls only.",
            "None at Vapi; the other gates stop the rest.",
            inherent=True,
        ),
        Hole(
            "campaign_not_asking",
            "Only a campaign that names our webhook as its server and has a predialPlan asks before "
            "it dials; calls of any other are outbound calls.",
            "Create campaigns with both; Vapi does not allow changes afterwards.",
            inherent=True,
        ),
        Hole(
            "unwatched",
            "Calls without any event are never found: the call watch is off.",
            "Set CALLGATE_CALL_WATCH_INTERVAL above 0.",
        ),
        Hole(
            "split_versions",
            "It is not sure that all calls are stopped: Vapi splits them over published versions of the "
            "assistant, of which only the newest can be read; another may have another server.",
            "End the split at Vapi (allocationIntent follow-latest), or give all versions that it "
            "names no server of their own, or ours.",
        ),
        Hole(
            "sms_not_stopped",
            "Text messages to the number are answered whether the organization has access or not: "
            "they start a session, which is no call, and Callgate can neither refuse nor end it.",
            "Set smsEnabled of the number to false at Vapi, unless its texts are free of charge.",
        ),
    )
}


def hole(kind: HoleKind, *details: str, remedy: str | None = None) -> Hole:
    """A hole with the details of this case."""
    known = HOLES[kind]
    return Hole(kind, " ".join((known.text, *details)), remedy or known.remedy, known.inherent)
