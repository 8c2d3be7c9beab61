"""Rules on messages of calls from memory: whose message it is, and what is decided already. No I/O."""

import time
from dataclasses import dataclass
from uuid import UUID

import msgspec

from service.access.directory import AccessDirectory, Registration
from service.access.known_calls import KnownCall, KnownCalls
from service.domain.decisions import NO_TERMS, CallTerms
from service.vapi.message_heads import MessageHead
from service.vapi.message_types import ASSISTANT_REQUEST
from service.vapi.messages import ServerMessage

RESTART_SECONDS = 2.0
"""A blocked call that still sends messages this long after a hang-up is hung up again."""


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """How to answer a message. `registration` is None for a number that is not registered.

    `first`: this message brought the decision about.
    """

    registration: Registration | None
    allowed: bool
    reason: str
    decision_id: str
    first: bool = False
    terms: CallTerms = NO_TERMS

    @property
    def diverted(self) -> bool:
        """Whether the call was denied and goes on elsewhere."""
        return not self.allowed and self.terms.divert_to is not None


@dataclass(frozen=True, slots=True)
class Rulings:
    """Rules by the directory and the known calls."""

    directory: AccessDirectory
    known: KnownCalls

    def find_settled(self, message: MessageHead, proved: UUID | None) -> Ruling | None:
        """The ruling on a message of a known call for which nothing is to be done; None if there may be.

        Only the plain case: the message names one organization, that of the call, and its secret
        proves that one's messages (`proved`) or all (None). `AccessGate.handle` rules alike.
        """
        call_id = message.call_id
        known = None if call_id is None else self.known.get(call_id)
        if known is None or known.claims or len(message.phone_number_ids) > 1:
            return None
        found = self.directory.find(message.phone_number_ids, message.assistant_ids)
        if found is None or found.organization.id != known.organization_id:
            return None
        if proved not in (None, known.organization_id):
            return None
        if message.ends_call or self.is_to_restart(message, known):
            return None
        if message.shows_connection and not known.connected:
            return None
        return ruling_of(known, found)

    def is_to_restart(self, message: MessageHead, known: KnownCall) -> bool:
        """Whether a message shows that a call still talks that was hung up, and it is time to do it
        again: every few seconds, or at once with its first control URL."""
        over = (not known.allowed and known.hung_up) or message.call_id in self.known.cut
        if not over or message.type == ASSISTANT_REQUEST:
            return False
        fresh_url = message.control_url is not None and not known.had_control_url
        return fresh_url or time.monotonic() - known.hung_up_at > RESTART_SECONDS

    def find_registration(self, message: ServerMessage, proved: UUID | None) -> Registration | None:
        """Whose message it is. A number that moves or is released during a call stays with the call's
        organization, and a message that names nothing registered belongs to the call.

        Such a message of a known call belongs to the only organization that its secret proves
        (`proved`): one that merely claimed the call must not speak for the other.
        """
        found = self.directory.find(message.phone_number_ids, message.assistant_ids)
        main = None if message.call_id is None else self.known.get(message.call_id)
        if main is None or main.organization_id is None:
            return found
        if found is None:
            owner = proved or main.organization_id
            return None if names_other_number(main, message) else self.find_owner(owner)
        number = found.phone_number
        if number is None or main.organization_id == found.organization.id:
            return found
        if main.number != number.vapi_phone_number_id:
            return found
        return self.find_owner(main.organization_id)

    def find_owner(self, organization_id: UUID | None) -> Registration | None:
        """The registration of an organization without a number; None if it was deleted."""
        entry = self.directory.entries.get(organization_id) if organization_id else None
        return None if entry is None else Registration(entry.organization, None)

    def find_known(self, call_id: str, registration: Registration | None) -> KnownCall | None:
        """The cached decision that this message belongs to; None: its organization is to be decided.

        A message without a registered number belongs to the call's organization, and so does one
        that names it by an assistant alone although the call has a number.
        """
        main = self.known.get(call_id)
        if main is None or registration is None:
            return main
        if main.organization_id is None:
            return main if main.owner_checked else None
        if registration.phone_number is None and main.number is not None:
            return main
        return self.known.find(call_id, registration.organization.id)

    def registration_of(
        self, known: KnownCall, registration: Registration | None
    ) -> Registration | None:
        """The registration that the reply is for: of the organization that was decided about.

        None where the message named another one: nothing of it is passed on to either's server.
        """
        if registration is None or registration.organization.id == known.organization_id:
            return registration
        return None if known.allowed else self.find_owner(known.organization_id)


def names_other_number(known: KnownCall, message: MessageHead) -> bool:
    """Whether a message names a number, and not the one that the call was recorded with."""
    return bool(
        known.number and message.phone_number_ids and known.number not in message.phone_number_ids
    )


def ruling_of(
    known: KnownCall, registration: Registration | None, *, first: bool = False
) -> Ruling:
    """The ruling by a decision."""
    return Ruling(registration, known.allowed, known.reason, known.decision_id, first, known.terms)
