"""What becomes of calls while Callgate is down, in words, for paying and for blocked callers. Pure."""

from dataclasses import dataclass

from service.domain.coverage.coverage import AtVapi, as_stored
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber

FOREIGN = "Inbound calls go to the fallback destination that somebody else set at Vapi."
UNANSWERED = "Inbound calls end with Vapi's own sentence: nobody tells it who answers."
OTHERS_GO_ON = "Outbound and web calls go on; campaigns that ask before they dial call nobody."
OTHERS_TALK = "Outbound and web calls talk on; campaigns that ask before they dial call nobody."
RINGING = (
    "Inbound calls hear the blocked message, which the ringing hook speaks at Vapi; where access "
    "ends meanwhile they are treated like paying ones."
)
FOUND = "What still talks when Callgate is back is hung up at its next event."


@dataclass(frozen=True, slots=True)
class Outage:
    """If Callgate is down: paying calls …, blocked calls …"""

    paying_calls: str
    blocked_calls: str


def outage_of(
    number: PhoneNumber, organization: Organization, seen: AtVapi | None, ring_gate_default: bool
) -> Outage:
    """What Vapi does by itself. `seen` None: by what is stored of the last look."""
    handling = organization.handling
    ring = ring_gate_default if handling.ring_gate is None else handling.ring_gate
    found = seen or as_stored(number)
    paying, blocked = [], []
    if not found.asks:
        paying.append("Inbound calls are answered as always: Vapi does not ask.")
        blocked.append("Inbound calls are answered like paying ones.")
    elif found.transfers_to not in (None, handling.transfer_when_down):
        paying.append(FOREIGN)
        blocked.append(FOREIGN)
    else:
        transfer = handling.transfer_when_down
        paying.append(f"Inbound calls are transferred to {transfer}." if transfer else UNANSWERED)
        blocked.append(UNANSWERED)
    if ring:
        paying.append("Whoever pays meanwhile stays blocked by the ringing hook until it is back.")
        blocked = [RINGING]
    return Outage(" ".join((*paying, OTHERS_GO_ON)), " ".join((*blocked, OTHERS_TALK, FOUND)))
