"""The policies in the panel: what decided the calls of a day, and the health of policies and observers
here, in this replica."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from service.access.observers.call_observer import ObserverHealth
from service.access.observers.conditions import FAILURES, STUCK_SECONDS
from service.access.policies.info import PolicyInfo
from service.access.policies.plugins import PluginProblem
from service.domain.decisions import DEFAULT
from service.domain.wording.labels import label_slug
from service.store.bounded import at_most
from service.store.calls.metrics import DecidedCalls, count_decided
from service.store.clock import get_now
from service.store.pool import UNAVAILABLE, Pool
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.policies.choosing import describe_choice
from service.web.shapes.fields import in_utc

DAY = timedelta(hours=24)
COUNT_SECONDS = 1.0
"""How long the page waits for its figures, which need the decision of each call of the day."""
NO_POLICY = "No policy: the default"
COUNTS_AS: Mapping[str, str] = {"abstain": "no opinion", "allow": "allowed", "deny": "blocked"}


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy as the page prints it. Durations are texts in milliseconds; `mode` is empty where it is
    the usual one."""

    policy: PolicyInfo
    badge: Badge
    mode: str
    counts_as: str
    p50: str
    p95: str


def row_of(policy: PolicyInfo) -> PolicyRow:
    """What is wrong comes first; else a mode in which the answers do not count."""
    health = policy.health
    if health.suspended:
        badge = Badge("Suspended", "bad")
    elif health.stuck:
        badge = Badge("Stuck", "bad")
    elif health.slow:
        badge = Badge("Slow", "wait")
    elif health.failed:
        badge = Badge("Has failed", "wait")
    elif policy.mode == "shadow":
        badge = Badge("Shadow" if policy.share is None else f"Shadow, {policy.share:.0%}", "wait")
    elif policy.mode == "off":
        badge = Badge("Off")
    else:
        badge = Badge("OK", "good")
    counts_as = COUNTS_AS[policy.on_failure]
    mode = "" if policy.mode == "enforce" else describe_choice(policy)
    return PolicyRow(policy, badge, mode, counts_as, millis(health.p50_ms), millis(health.p95_ms))


def millis(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f} ms"


@dataclass(frozen=True, slots=True)
class ObserverRow:
    """An observer as the page prints it."""

    observer: ObserverHealth
    badge: Badge


def observer_row(observer: ObserverHealth) -> ObserverRow:
    if observer.busy_seconds >= STUCK_SECONDS:
        badge = Badge("Stuck", "bad")
    elif observer.failing >= FAILURES:
        badge = Badge("Keeps failing", "bad")
    elif observer.failed or observer.dropped:
        badge = Badge("Has failed", "wait")
    else:
        badge = Badge("OK", "good")
    return ObserverRow(observer, badge)


@dataclass(frozen=True, slots=True)
class DecidedRow:
    """What decided calls, how many, and the addresses of the lists with these calls."""

    policy: str
    title: str
    calls: int
    blocked: int
    address: str
    blocked_address: str


def decided_rows(
    found: Mapping[str, DecidedCalls], chain: Sequence[str], since: datetime, until: datetime
) -> list[DecidedRow]:
    """The policies in the order of the chain, those that are no longer in it, then the default."""
    gone = sorted(set(found) - {*chain, DEFAULT})
    rows = []
    for name in (*chain, *gone, DEFAULT):
        one = found.get(name, DecidedCalls(name))
        filters = {"policy": name, "since": in_utc(since), "until": in_utc(until)}
        address = f"{ROOT}/calls?{urlencode(filters)}"
        title = NO_POLICY if name == DEFAULT else label_slug(name)
        rows.append(
            DecidedRow(name, title, one.calls, one.blocked, address, f"{address}&blocked=true")
        )
    return rows


@dataclass(frozen=True, slots=True)
class PolicyPages:
    """`describe` lists the chain, `observers` those of calls; `read_problems` plugins that could not be
    loaded."""

    pool: Pool
    describe: Callable[[], Sequence[PolicyInfo]]
    read_problems: Callable[[], Sequence[PluginProblem]]
    observers: Callable[[], Sequence[ObserverHealth]]

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "/policies", self.list_page)]

    async def list_page(self, visit: Visit) -> web.Response:
        """What decided the calls of the last 24 hours, then the chain as this replica evaluated it."""
        chain = self.describe()
        until = await get_now(self.pool)
        found = await self.count(until - DAY, until)
        names = [policy.name for policy in chain]
        return await visit.show(
            "policies/list.html",
            rows=[row_of(policy) for policy in chain],
            total=describe_total(len(chain), "policy"),
            uncounted=found is None,
            decided=decided_rows(found or {}, names, until - DAY, until),
            problems=self.read_problems(),
            observers=[observer_row(one) for one in self.observers()],
        )

    async def count(self, since: datetime, until: datetime) -> Mapping[str, DecidedCalls] | None:
        """What decided the calls of a period; None if they cannot be counted in time: many calls must
        not keep the chain from who looks for a failure."""
        try:
            async with at_most(COUNT_SECONDS):
                return await count_decided(self.pool, since, until)
        except UNAVAILABLE:
            return None
