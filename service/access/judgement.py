"""Judges a call under way as of its beginning: for replicas that did not see its first message.

Every replica keeps the same history of what decides, so all come to the same answer without asking each
other. Access that began after the call helps it no more; access that ended follows the organization's
`when_access_ends`. The stored decision of the beginning replaces what was judged so.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from policies.contract import CallFacts, Purpose
from service.access.beginnings import find_beginning, may_begin
from service.access.directory import AccessDirectory, Registration
from service.access.first_message import deny_unknown
from service.access.past_directory import find_registration_at
from service.access.policies.chain import DecisionChain
from service.access.policies.combine import FAILED_REASON
from service.access.policies.request import build_request
from service.domain.decisions import Basis, Decision
from service.domain.organizations import Organization
from service.domain.policies.limits import apply_limits
from service.store.organizations.directory import DirectoryEntry
from service.store.organizations.past_changes import KEPT
from service.store.organizations.past_entries import find_entry_at
from service.vapi.message_types import ASSISTANT_REQUEST, CAMPAIGN_PREDIAL
from service.vapi.messages import ServerMessage

BEFORE, AFTER = timedelta(seconds=2), timedelta(seconds=5)
"""How far the decision of the first message may lie from what a message calls the beginning: clocks
differ, a call rings, and a change takes a moment to reach a replica."""
MOST_INSTANTS = 50
MOMENT = timedelta(microseconds=1)
"""PostgreSQL's and Python's finest: just before a change."""


@dataclass(frozen=True, slots=True)
class Lines:
    """What names the organization of a call, and the facts of the call that policies see."""

    phone_number_ids: tuple[str, ...]
    assistant_ids: tuple[str, ...]
    facts: CallFacts | None = None
    purpose: Purpose = "call"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision, and the registration that it was made for. `guessed`: a denial that other facts of the
    beginning could have turned into a grant; its call is not hung up before it is recorded."""

    registration: Registration | None
    decision: Decision
    guessed: bool = False

    def agrees(self, other: "Judgement") -> bool:
        """Whether both say the same, for the same organization."""
        one, two = self.decision, other.decision
        same = (one.effect, one.reason) == (two.effect, two.reason)
        return same and self.is_of(other.registration)

    def is_of(self, registration: Registration | None) -> bool:
        """Whether it was made for the organization of a registration."""
        mine = self.registration
        return (mine and mine.organization.id) == (registration and registration.organization.id)


@dataclass(frozen=True, slots=True)
class CallJudge:
    """Judges by the directory and its history."""

    directory: AccessDirectory
    chain: DecisionChain

    async def judge_first(
        self, message: ServerMessage, registration: Registration | None
    ) -> tuple[Judgement, Callable[[], Awaitable[Judgement]] | None]:
        """The judgement to record if PostgreSQL knows no other, and how to judge if it cannot be asked.

        Another replica may have seen the beginning of the call, and its record may be in its spool.
        """
        lines = lines_of(message)
        present = await self.judge_registered(lines, registration)
        if message.type == ASSISTANT_REQUEST:
            return present, None
        began_at, begins = find_beginning(message, self.directory.now()), may_begin(message)

        async def judge_alone() -> Judgement:
            if begins and began_at is None:
                return present
            then = await self.judge_then(lines, began_at)
            return present if begins and then.agrees(present) else then

        if begins:
            return present, judge_alone
        then = await judge_alone()
        if began_at is None:
            return replace(present, guessed=then.guessed), judge_alone
        return present if then.agrees(present) else then, judge_alone

    def judge_at_once(self, message: ServerMessage, registration: Registration) -> Judgement | None:
        """The judgement on an assistant-request, if all policies only compute; None if they are to be
        awaited."""
        at, basis, lines = self.directory.now(), self.directory.basis, lines_of(message)
        organization, number = registration.organization, registration.phone_number
        request = build_request(organization, at, number, lines.facts, lines.purpose)
        decision = self.chain.decide_at_once(request, basis=basis, own=organization.policies)
        return None if decision is None else Judgement(registration, decision)

    async def judge_now(self, lines: Lines) -> Judgement:
        """Judge by the present facts: the answer to the first message of a call."""
        found = self.directory.find(lines.phone_number_ids, lines.assistant_ids)
        return await self.judge_registered(lines, found)

    async def judge_registered(self, lines: Lines, registration: Registration | None) -> Judgement:
        """Judge a call of a registration by the present facts."""
        at, basis = self.directory.now(), self.directory.basis
        return Judgement(registration, await self.decide(lines, registration, at, basis))

    async def judge_then(self, lines: Lines, began_at: datetime | None) -> Judgement:
        """Judge a call that is under way.

        Without a known beginning, or if nothing was registered then, the present facts decide: the
        rule of a call without a past. A denial is then a guess unless no instant of the history grants.
        Rejecting the messages of a granted call for a while is repaired, hanging it up is not; and a
        blocked call is hung up by the replica that blocked it.
        """
        now = self.directory.now()
        past = None if began_at is None else self.find(lines, began_at)
        if began_at is None or past is None:
            present = await self.judge_now(lines)
            decision = replace(present.decision, basis="reconstructed")
            guessed = not decision.allowed and await self.may_be_granted(lines, now - KEPT, now)
            return Judgement(present.registration, decision, guessed)
        decision = await self.decide(lines, past, began_at, "reconstructed")
        if (current := self.find_cutting(past)) is not None:
            present = await self.judge_registered(lines, current)
            if not present.decision.allowed and present.decision.reason != FAILED_REASON:
                # Denied at the beginning or cut since: in either case the call is to end.
                ended = replace(present.decision, basis="reconstructed")
                return Judgement(past, ended if decision.allowed else decision)
        guessed = not decision.allowed and await self.may_be_granted(
            lines, began_at - BEFORE, min(began_at + AFTER, now)
        )
        return Judgement(past, decision, guessed)

    def find(self, lines: Lines, at: datetime) -> Registration | None:
        """The registration at an instant."""
        ids = lines.phone_number_ids, lines.assistant_ids
        return find_registration_at(self.directory, *ids, at)

    def find_cutting(self, past: Registration) -> Registration | None:
        """The registration with its organization as it is now, if that ends calls with its access."""
        entry = self.directory.entries.get(past.organization.id)
        if entry is None or entry.organization.handling.when_access_ends != "hang_up":
            return None
        return Registration(entry.organization, past.phone_number)

    async def may_be_granted(self, lines: Lines, since: datetime, until: datetime) -> bool:
        """Whether facts or entitlements between two instants grant the call; True if in doubt."""
        instants = self.list_instants(lines, since, until)
        if len(instants) > MOST_INSTANTS:
            return True
        for at in instants:
            found = self.find(lines, at)
            if found is not None:
                decision = await self.decide(lines, found, at, "reconstructed")
                if decision.allowed:
                    return True
        return False

    def list_instants(self, lines: Lines, since: datetime, until: datetime) -> list[datetime]:
        """The two instants, and those between them at which the answer may become a grant: changes, and
        what the facts that held meanwhile say. Incomplete if there are more than `MOST_INSTANTS`."""
        found = {since, until}
        for entry in self.entries(lines):
            changed = {change.at for change in entry.changes if since < change.at <= until}
            found |= changed
            if len(found) > MOST_INSTANTS:
                break
            for at in (until, *(one - MOMENT for one in changed)):
                if (past := find_entry_at(entry, at)) is not None:
                    found |= instants_of(past.organization)
        return sorted(at for at in found if since <= at <= until)

    def entries(self, lines: Lines) -> Iterator[DirectoryEntry]:
        """The organizations that the call may belong to, by present and former registrations."""
        directory, owners = self.directory, set()
        for vapi_id in (*lines.phone_number_ids, *lines.assistant_ids):
            owners |= directory.former.get(vapi_id) | directory.answering.get(vapi_id, set())
            current = directory.numbers.get(vapi_id)
            owners |= {current.organization_id} if current else set()
            owners |= {directory.assistants[vapi_id]} if vapi_id in directory.assistants else set()
        return (directory.entries[owner] for owner in owners if owner in directory.entries)

    async def decide(
        self, lines: Lines, registration: Registration | None, at: datetime, basis: Basis
    ) -> Decision:
        """Ask the chain at an instant; what is not registered is denied without it.

        Limits are counted when a call is recorded. A campaign that asks before it dials is answered by
        what memory counts.
        """
        if registration is None:
            return deny_unknown(at, basis)
        organization, number = registration.organization, registration.phone_number
        request = build_request(organization, at, number, lines.facts, lines.purpose)
        decision = await self.chain.decide(request, basis=basis, own=organization.policies)
        counts = lines.purpose == "predial"
        return apply_limits(decision, lambda limit: limit) if counts else decision


def instants_of(organization: Organization) -> set[datetime]:
    """When an entitlement begins to grant, or an override that denies ends."""
    trial, override = organization.trial, organization.override
    found = {trial.starts_at} if trial else set()
    if override is not None:
        found |= {at for at in (override.starts_at, override.expires_at) if at is not None}
    return found


def lines_of(message: ServerMessage) -> Lines:
    """What a message says of its call to policies."""
    facts = None
    if message.call_id is not None:
        facts = CallFacts(
            message.call_id,
            message.call_type,
            message.caller_number,
            message.assistant_ids[0] if message.assistant_ids else None,
            message=message.type,
        )
    purpose: Purpose = "predial" if message.type == CAMPAIGN_PREDIAL else "call"
    return Lines(message.phone_number_ids, message.assistant_ids, facts, purpose)
