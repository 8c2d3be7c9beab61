"""What happens to calls while Callgate is down, for granted and for blocked callers. Pure."""

from dataclasses import dataclass

from service.domain.coverage.coverage import AtVapi, as_stored
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber

FOREIGN = "Inbound calls go to the fallback destination that another system set at Vapi."
UNANSWERED = "Inbound calls end with Vapi's own sentence: Vapi gets no answer."
OTHERS_GO_ON = "Outbound and web calls continue; campaigns that ask before they dial do not call."
OTHERS_TALK = "Outbound and web calls continue; campaigns that ask before they dial do not call."
RINGING = (
    "Inbound callers hear the blocked message from the ringing hook at Vapi; if access ends "
    "meanwhile, they are treated like granted calls."
)
FOUND = "Calls still active when Callgate is back are hung up at their next event."


@dataclass(frozen=True, slots=True)
class Outage:
    """What happens to granted and to blocked calls."""

    paying_calls: str
    blocked_calls: str


def outage_of(
    number: PhoneNumber, organization: Organization, seen: AtVapi | None, ring_gate_default: bool
) -> Outage:
    """What Vapi does on its own. `seen` None: from the stored result of the last check."""
    handling = organization.handling
    ring = ring_gate_default if handling.ring_gate is None else handling.ring_gate
    found = seen or as_stored(number)
    paying, blocked = [], []
    if not found.asks:
        paying.append("Inbound calls are answered as usual: Vapi does not ask.")
        blocked.append("Inbound calls are answered like granted ones.")
    elif found.transfers_to not in (None, handling.transfer_when_down):
        paying.append(FOREIGN)
        blocked.append(FOREIGN)
    else:
        transfer = handling.transfer_when_down
        paying.append(f"Inbound calls are transferred to {transfer}." if transfer else UNANSWERED)
        blocked.append(UNANSWERED)
    if ring:
        paying.append("Callers whose access begins meanwhile stay blocked by the ringing hook.")
        blocked = [RINGING]
    return Outage(" ".join((*paying, OTHERS_GO_ON)), " ".join((*blocked, OTHERS_TALK, FOUND)))
