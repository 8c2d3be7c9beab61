"""Evaluates one policy: runs it in the fitting way, checks its answer, keeps its breaker and metrics."""

import asyncio
import contextvars
import resource
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog

from policies.contract import AccessRequest, Effect, Verdict
from policies.host.isolation import PolicyFailure
from policies.host.registration import HOST, RegisteredPolicy
from policies.host.running import SLOW_SECONDS, SLOW_STRIKES, AwaitableError, PolicyRunner
from service.access.policies.breaker import AFTER_BLOCKING_SECONDS, PolicyBreaker
from service.access.policies.combine import FAILED_REASON
from service.access.policies.health import PolicyHealth, PolicyMetrics
from service.access.policies.own_settings import OwnSettings
from service.access.policies.terms import terms_of
from service.domain.decisions import SlotUse, TraceEntry
from service.domain.policies.choices import OwnChoice

FORGIVEN = 0.01
"""How much of a strike each quick call removes: a busy machine can stop any function once."""
COUNTED_AS = {"allow": Effect.ALLOW, "deny": Effect.DENY, "abstain": Effect.ABSTAIN}

log = structlog.get_logger()


@dataclass(slots=True)
class PolicyAnswer:
    """What a policy's evaluation counts as, and its entry in the trace."""

    effect: Effect
    reason: str | None
    entry: TraceEntry
    until: datetime | None = None


class Evaluator(PolicyRunner):
    """One policy with its state: slow calls, breaker, stuck evaluations, metrics."""

    def __init__(self, policy: RegisteredPolicy) -> None:
        super().__init__(policy)
        self.registered = policy
        """As its plugin declares it; in `policy` the operator's choices replace the plugin's."""
        self.own_settings = None if policy.settings is None else OwnSettings(policy.settings)
        self.slow = 0.0
        self.breaker = PolicyBreaker()
        self.probes = set[asyncio.Task[PolicyAnswer]]()
        self.metrics = PolicyMetrics()
        self.is_conditional = policy.applies_to is not None or policy.settings is not None
        """Whether there are requests that it is not asked about."""
        self.trusted = policy.plugin == HOST
        """A built-in policy sees the directory's own facts, and a busy machine does not move it off
        the event loop."""
        self.shadow: Evaluator | None = None
        self.limits_calls = False

    @property
    def is_predictable(self) -> bool:
        """Whether its verdict changes with the organization's facts only: a built-in policy that
        computes from them alone."""
        return self.trusted and self.policy.pure and self.own_settings is None

    @property
    def answers_at_once(self) -> bool:
        """Whether its verdict is the whole decision, on the event loop: it only computes, is not
        suspended, and has never stated a limit, which is counted when the call is recorded."""
        return self.in_place and not self.breaker.is_open and not self.limits_calls

    def sleeps(self, own: OwnChoice | None) -> bool:
        """Whether it is not asked for an organization with this choice: it has no settings."""
        if own is None and self.policy.opt_in:
            return True
        settings = self.policy.settings
        return (
            settings is not None
            and settings.default is None
            and (own is None or own.settings is None)
        )

    def settings_for(self, organization_id: UUID, own: OwnChoice | None) -> object:
        """The settings that it sees; None: it has none. Raises `UnfitSettingsError`."""
        if self.own_settings is None:
            return None
        return self.own_settings.read(organization_id, own)

    def apart(self) -> "Evaluator":
        """The same policy for evaluations in shadow: with threads and a breaker of its own, so that they
        neither delay nor suspend the enforced ones. Both count in the same metrics."""
        if self.shadow is None:
            self.shadow = Evaluator(self.registered)
            self.shadow.metrics, self.shadow.own_settings = self.metrics, self.own_settings
        self.shadow.policy = self.policy
        return self.shadow

    @property
    def health(self) -> PolicyHealth:
        """Its metrics and its state as of now."""
        others = () if self.shadow is None else (self.shadow,)
        return self.metrics.read(
            suspended=any(one.breaker.is_open for one in (self, *others)),
            stuck=sum(one.beside.stuck for one in (self, *others)),
            timeout_ms=self.policy.timeout_seconds * 1000,
            moved=self.policy.pure and not self.in_place and not self.is_async,
        )

    def ask_in_place(self, request: AccessRequest, context: contextvars.Context) -> PolicyAnswer:
        """Its answer, on the event loop; `context` keeps it away from our log's bindings.

        Raises `AwaitableError` for an answer that is to be awaited: only `ask_beside` waits.
        """
        stops = count_stops() if self.slow else None
        probing = False
        began = time.perf_counter()
        try:
            probing = self.breaker.is_open and self.pass_breaker()
            verdict = self.run_in_place(request, context)
        except PolicyFailure as exc:
            return self.fail(exc, began, probing=probing)
        except AwaitableError as exc:
            raise AwaitableError(exc.given, probing=probing) from None
        seconds = time.perf_counter() - began
        if seconds > SLOW_SECONDS:
            self.note_slow(stops)
        elif self.slow:
            self.slow = max(self.slow - FORGIVEN, 0.0)
        return self.succeed(verdict, seconds, probing=probing)

    async def ask_beside(
        self,
        request: AccessRequest,
        ends_at: float,
        given: object = None,
        *,
        probing: bool = False,
    ) -> PolicyAnswer:
        """Its answer, from a thread or a task, until `ends_at` on the monotonic clock at the latest.

        Its own time begins when it runs: waiting for a free thread is measured apart. `given` is
        what it already returned, to be awaited, and `probing` whether it was the probe that did.
        """
        if given is None and self.breaker.is_open:
            return self.refuse(request, ends_at)
        return await self.run_and_record(request, ends_at, given, probing=probing)

    def refuse(self, request: AccessRequest, ends_at: float) -> PolicyAnswer:
        """Its failure while it is suspended. A probe runs by itself: no call waits for a policy that is
        known to fail, and the next one is asked as ever if the probe succeeds."""
        began = time.perf_counter()
        with suppress(PolicyFailure):
            self.pass_breaker()
            task = asyncio.create_task(self.run_and_record(request, ends_at, None, probing=True))
            self.probes.add(task)
            task.add_done_callback(self.probes.discard)
        return self.fail(PolicyFailure("breaker_open", blamed=False), began)

    async def run_and_record(
        self, request: AccessRequest, ends_at: float, given: object, *, probing: bool
    ) -> PolicyAnswer:
        """Its answer, counted."""
        began = time.perf_counter()
        try:
            verdict = await self.run_beside(
                request, ends_at, given, probing=probing, waited=self.metrics.record_wait
            )
        except PolicyFailure as exc:
            return self.fail(exc, began, probing=probing)
        return self.succeed(verdict, time.perf_counter() - began, probing=probing)

    def pass_breaker(self) -> bool:
        """Whether this evaluation is the probe of a suspended policy. Raises `PolicyFailure` if it is
        suspended and not probed now."""
        if not self.breaker.is_open:
            return False
        if not self.breaker.may_probe(time.monotonic()):
            raise PolicyFailure("breaker_open", blamed=False)
        return True

    def succeed(self, verdict: Verdict, seconds: float, *, probing: bool) -> PolicyAnswer:
        """Record a verdict."""
        if self.breaker.failures:
            self.breaker.succeed(probing=probing)
        took = int(seconds * 1_000_000) / 1000
        effect, reason = verdict.effect, verdict.reason
        self.metrics.record_verdict(effect, took)
        note, warning = verdict.note, verdict.warning
        terms = terms_of(verdict)
        entry = TraceEntry(self.policy.name, effect.value, reason, None, took, note, warning, terms)
        if verdict.limits:
            self.limits_calls = True
            stated = ((one.name, one.capacity, one.reason) for one in verdict.limits)
            entry = replace(entry, limits=tuple(SlotUse(*one) for one in stated))
        return PolicyAnswer(effect, reason, entry, verdict.until)

    def fail(self, failure: PolicyFailure, began: float, *, probing: bool = False) -> PolicyAnswer:
        """Record a failure: what it counts as is declared by the policy. Failures that are the host's
        do not count towards its suspension."""
        policy, slug = self.policy, str(failure)
        took = int((time.perf_counter() - began) * 1_000_000) / 1000
        self.metrics.record_failure(slug, took)
        if slug != "breaker_open":
            self.count_failure(failure, probing=probing)
        effect = COUNTED_AS[policy.on_failure]
        reason = None if effect is Effect.ABSTAIN else FAILED_REASON
        entry = TraceEntry(policy.name, "failed", slug, policy.on_failure, took)
        return PolicyAnswer(effect, reason, entry)

    def count_failure(self, failure: PolicyFailure, *, probing: bool) -> None:
        """Log a failure, and count it towards the suspension unless the host is to blame."""
        policy, slug = self.policy, str(failure)
        opened = False
        if slug == "changed_facts":
            opened = self.breaker.count_damage(time.monotonic())
        elif failure.blamed:
            opened = self.breaker.fail(time.monotonic(), probing=probing)
        log.warning(
            "policy.failed",
            policy=policy.name,
            plugin=policy.plugin,
            error=slug,
            failures=self.breaker.failures,
        )
        if opened:
            self.log_suspended(self.breaker.pause)

    def suspend_for_blocking(self, failure: str = "blocked_the_event_loop") -> None:
        """Suspend a policy that delayed every call: it blocked the event loop, or computes without
        end."""
        if self.shadow is not None:
            self.shadow.breaker.suspend(time.monotonic(), AFTER_BLOCKING_SECONDS)
        self.metrics.record_failure(failure, 0.0)
        self.breaker.suspend(time.monotonic(), AFTER_BLOCKING_SECONDS)
        self.log_suspended(AFTER_BLOCKING_SECONDS)

    def note_slow(self, stops: int | None) -> None:
        """Count a slow call, unless the system stopped this thread meanwhile: `stops` before it."""
        if self.trusted or (stops is not None and count_stops() != stops):
            return
        self.slow += 1
        self.in_place = self.slow < SLOW_STRIKES
        log.warning(
            "policy.slow",
            policy=self.policy.name,
            plugin=self.policy.plugin,
            in_place=self.in_place,
        )

    def log_suspended(self, seconds: float) -> None:
        log.error(
            "policy.suspended",
            policy=self.policy.name,
            plugin=self.policy.plugin,
            seconds=seconds,
        )


def count_stops() -> int:
    """How often the system took the processor away from this thread."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
