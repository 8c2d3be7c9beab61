"""Coverage: for each kind of call, where a blocked call is stopped, and the holes. Pure.

Facts about Vapi come from its documentation; the sentences are in `holes`.
"""

from dataclasses import dataclass
from typing import Literal

from service.domain.coverage.holes import Hole, hole
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber, SyncState

CallKind = Literal["inbound", "outbound", "web", "campaign", "sms"]
"""`sms`: sessions by text message, which are no calls; only of numbers that take messages."""
Place = Literal["ring", "request", "event", "predial", "list", "nothing"]
"""`list`: found in Vapi's list of calls, during the call or later. `nothing`: not stopped."""

MISSED_AFTER_SECONDS = 30
"""The age at which a call without a message counts as missed."""

CONFIGURED = (SyncState.IN_SYNC, SyncState.SHADOWED)
"""States in which the number's own webhook is in sync."""


@dataclass(frozen=True, slots=True)
class Answering:
    """An assistant that may answer a number. `ours`: its own server is our webhook. `versions`: over
    which Vapi splits its calls, with their shares; only the newest one can be read."""

    id: str | None
    name: str
    controllable: bool = True
    tells_early: bool = True
    ours: bool = False
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AtVapi:
    """A number's configuration at Vapi, as far as coverage depends on it.

    `asks`: nothing is attached, so Vapi asks who answers. `reaches_us`: all events of its inbound
    calls reach us; else `why_not` says in sentences which server gets them, and `remedy` what to do.
    `number_is_ours`: the number's own server is our webhook. `transfers_to`: where Vapi transfers
    callers when we do not answer. `texts`: Vapi answers text messages to the number.
    """

    asks: bool
    reaches_us: bool
    number_is_ours: bool
    why_not: tuple[str, ...] = ()
    remedy: str | None = None
    answering: tuple[Answering, ...] = ()
    transfers_to: str | None = None
    texts: bool = False


@dataclass(frozen=True, slots=True)
class Cover:
    """One kind of call. `then` are the gates after `stopped_at` that catch calls it misses, in order."""

    kind: CallKind
    stopped_at: Place
    then: tuple[Place, ...]
    heard: str
    lasts: str
    holes: tuple[Hole, ...]


def coverage_of(
    number: PhoneNumber,
    organization: Organization,
    seen: AtVapi | None,
    ring_gate_default: bool,
    watch_interval: float,
) -> tuple[Cover, ...]:
    """How each kind of call of a number is covered while its organization has no access.

    `seen` None: from the stored result of the last check. `watch_interval`: seconds between reads of
    Vapi's list of calls, 0: never.
    """
    ring = organization.handling.ring_gate
    covering = Covering(
        number,
        organization,
        seen or as_stored(number),
        ring_gate_default if ring is None else ring,
        watch_interval,
    )
    calls = (covering.inbound(), covering.outbound(), covering.web(), covering.campaign())
    return (*calls, covering.sms()) if covering.seen.texts else calls


def as_stored(number: PhoneNumber) -> AtVapi:
    """The result of the last check as stored; the worst case where it has no answer."""
    state = number.sync.state
    configured = state in CONFIGURED
    return AtVapi(
        asks=configured and (number.gate == "request" or number.unanswered == "nothing"),
        reaches_us=state is SyncState.IN_SYNC,
        number_is_ours=configured and number.sync.level == "phone_number",
        remedy=number.sync.last_error,
    )


@dataclass(frozen=True, slots=True)
class Covering:
    """The facts about one number, and the coverage that follows."""

    number: PhoneNumber
    organization: Organization
    seen: AtVapi
    ring: bool
    watch_interval: float

    def inbound(self) -> Cover:
        """Calls to the number."""
        places: list[Place] = []
        holes = self.of_the_number()
        if self.ring and self.number.sync.state in CONFIGURED:
            places.append("ring")
        if self.seen.asks:
            if self.seen.reaches_us:
                places.append("request")
            if not self.number.answer_with and not self.organization.forward_url:
                holes.append(hole("no_answer"))
            return self.cover("inbound", places, holes)
        if self.number.gate == "request":
            holes.append(hole("still_bound"))
        return self.by_events("inbound", self.seen.answering, self.seen.reaches_us, places, holes)

    def outbound(self) -> Cover:
        """Calls that are created by Vapi's API and show the number."""
        holes = [*self.of_the_number(), hole("outbound_late"), hole("outbound_assistant")]
        if self.ring:
            holes.append(hole("ring_inbound_only"))
        return self.by_events("outbound", (), self.seen.number_is_ours, [], holes)

    def web(self) -> Cover:
        """Calls without a number: only their assistant identifies the organization."""
        registered = set(self.organization.assistant_ids)
        answering = (self.number.answer_with or {}).get("assistantId")
        if isinstance(answering, str):
            registered.add(answering)
        holes = [hole("ring_inbound_only")] if self.ring else []
        if not registered:
            return self.cover("web", [], [*holes, hole("web_unregistered")], looked_for=False)
        known = tuple(one for one in self.seen.answering if one.id in registered)
        if not registered <= {one.id for one in known if one.ours}:
            holes.append(hole("web_server"))
        return self.by_events("web", known, True, [], holes)

    def campaign(self) -> Cover:
        """Outbound calls of a campaign, which may ask before it dials."""
        called = self.outbound()
        rest = [place for place in (called.stopped_at, *called.then) if place != "nothing"]
        return self.cover(
            "campaign",
            ["predial", *rest],
            [hole("campaign_not_asking"), *called.holes],
            looked_for=False,
        )

    def sms(self) -> Cover:
        """Sessions by text message: Vapi asks nothing before one, and no command ends one."""
        return Cover(
            "sms",
            "nothing",
            (),
            "The assistant's answers, by text message.",
            "The whole session.",
            (hole("sms_not_stopped"),),
        )

    def of_the_number(self) -> list[Hole]:
        """The hole of a number that is not in sync."""
        sync = self.number.sync
        if sync.state in CONFIGURED:
            return []
        return [hole("not_in_sync", f"The number is {sync.state.value}.", remedy=sync.last_error)]

    def by_events(
        self,
        kind: CallKind,
        answering: tuple[Answering, ...],
        reaches_us: bool,
        places: list[Place],
        holes: list[Hole],
    ) -> Cover:
        """The event gate: events must reach us early, and Vapi must accept our command."""
        deaf = [one.name for one in answering if not one.controllable]
        silent = [one.name for one in answering if not one.tells_early]
        if not reaches_us and self.number.sync.state in CONFIGURED:
            holes.append(hole("shadowed", *self.seen.why_not, remedy=self.seen.remedy))
        if deaf:
            holes.append(hole("control_disabled", f"Of: {', '.join(deaf)}."))
        if silent:
            holes.append(hole("tells_late", f"Of: {', '.join(silent)}."))
        holes.extend(
            hole("split_versions", f"{one.name}: {', '.join(one.versions)}.")
            for one in answering
            if one.versions
        )
        if reaches_us and not deaf and not silent:
            places.append("event")
        return self.cover(kind, places, holes, looked_for=not deaf)

    def cover(
        self,
        kind: CallKind,
        places: list[Place],
        holes: list[Hole],
        *,
        looked_for: bool = True,
    ) -> Cover:
        """Build the result. `looked_for`: a call found in Vapi's list can be hung up."""
        if looked_for and self.watch_interval:
            places.append("list")
        if not self.watch_interval:
            holes.append(hole("unwatched"))
        first: Place = places[0] if places else "nothing"
        return Cover(
            kind,
            first,
            tuple(places[1:]),
            self.heard(first),
            self.lasts(first),
            tuple(dict.fromkeys(holes)),
        )

    def heard(self, place: Place) -> str:
        """What a blocked caller hears."""
        if place == "event" and self.organization.handling.goodbye:
            return "The beginning of the greeting, then the blocked message."
        if place in ("list", "nothing"):
            return "The assistant, as in a granted call."
        return {
            "ring": "The blocked message, and nothing else.",
            "request": "The blocked message, and nothing else.",
            "event": "The beginning of the assistant's greeting.",
            "predial": "Nothing: the call is not dialed.",
        }[place]

    def lasts(self, place: Place) -> str:
        """How long a blocked call lasts at most."""
        if place == "list":
            longest = self.watch_interval + MISSED_AFTER_SECONDS
            return (
                f"About {longest:.0f} s: Vapi's list is read every {self.watch_interval:.0f} s, and a "
                f"call counts as missed when it is {MISSED_AFTER_SECONDS} s old."
            )
        if place == "event":
            spoken = " The goodbye comes on top, 15 s at most."
            return (
                "Usually under 2 s after it is answered: one event, one command. A command that Vapi "
                "does not accept costs up to 2.5 s and is repeated for about 9 minutes; the assistant's "
                "own limit (600 s unless it sets maxDurationSeconds) ends it anyway."
            ) + (spoken if self.organization.handling.goodbye else "")
        return {
            "ring": "0 s of conversation; the sentence takes about 1 s for 14 characters.",
            "request": "0 s of conversation; the sentence takes about 1 s for 14 characters.",
            "predial": "0 s.",
            "nothing": "The whole call; the assistant's own limit (600 s unless set) ends it.",
        }[place]
