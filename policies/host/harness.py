"""Runs one policy as the service does, for tests: the same checks, copies, deadlines and event loop."""

import asyncio
import contextvars
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from policies.contract import AccessRequest, Verdict, abstain
from policies.host.facts import copy_request, differs
from policies.host.isolation import PolicyFailure
from policies.host.lifecycle import start_policy, stop_policy
from policies.host.loop_thread import TESTS
from policies.host.registration import BUILT_IN, UnfitPolicyError, fit_policy
from policies.host.running import AwaitableError, PolicyRunner
from policies.host.settings import UnfitSettingsError

BEAT_SECONDS = 0.01
BUDGET_SECONDS = 2.0

MEANINGS = {
    "no_verdict": "evaluate returned no Verdict: build one with allow, deny or abstain",
    "bad_reason": "its reason is missing or no slug such as 'fair_use', of at most 100 characters",
    "bad_text": "its note or warning is not one line of printable text of at most 200 characters",
    "bad_message": "its message is not up to 1000 printable characters, with no braces but those of "
    "{organization}, {reason}, {date} and {until}",
    "bad_divert_to": "its divert_to is no phone number such as '+15550100200' and no answer that Vapi "
    "takes, such as {'assistantId': '…'}",
    "bad_max_duration": "its max_duration_seconds is not a number of 0 or more",
    "bad_limits": "its limits are no tuple of at most 8, each from limit() and of another name, with "
    "slugs and a capacity from 0 up, or the verdict denies",
    "bad_until": "its until is not a datetime with an offset",
    "late": "evaluate took longer than timeout_seconds",
    "changed_facts": "evaluate changed the facts of the request",
}


class PolicyTestError(AssertionError):
    """The service could not use the policy, or its answer; the message says why."""


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """What the service would make of one ask. `skipped` says why the policy was not asked.

    `seconds` is how long it took; `blocked` the longest time that the event loop stood still.
    """

    verdict: Verdict
    skipped: str | None = None
    seconds: float = 0.0
    blocked: float = 0.0


class PolicyHarness:
    """One policy in the hands of the host. As a context manager it starts and stops the policy.

    `settings` are values for its model, over those of `environment` (default: none). Raises
    `PolicyTestError` if the service would refuse the policy.
    """

    def __init__(
        self,
        policy: object,
        *,
        settings: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        try:
            fitted = fit_policy(policy, "tested", "0", environment or {})
            if settings is not None and fitted.settings is None:
                raise UnfitPolicyError(f"{fitted.name}: it has no settings model")
            if fitted.name in BUILT_IN and not type(policy).__module__.startswith("policies."):
                raise UnfitPolicyError(f"the name {fitted.name!r} is reserved")
            if settings is not None and fitted.settings is not None:
                own = fitted.settings.merged(settings)
                fitted = replace(fitted, settings=replace(fitted.settings, default=own))
        except (UnfitPolicyError, UnfitSettingsError) as exc:
            raise PolicyTestError(str(exc)) from exc
        self.policy = fitted
        self.runner = PolicyRunner(fitted)

    def __enter__(self) -> Self:
        """Start the policy. Raises `PolicyTestError` if its start fails."""
        error = TESTS.run(start_policy(self.policy))
        if error is not None:
            raise PolicyTestError(f"{self.policy.name}: its start failed: {error}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the policy."""
        failed = TESTS.run(stop_policy(self.policy))
        if failed is not None and error is None:
            raise PolicyTestError(f"{self.policy.name}: its stop failed: {failed}")

    def ask(self, request: AccessRequest) -> Verdict:
        """Its verdict; `abstain()` where the service would not ask it. Raises `PolicyTestError` where
        the service would count a failure."""
        return self.answer(request).verdict

    def answer(self, request: AccessRequest) -> HostAnswer:
        """Its verdict, with how it came about. Raises `PolicyTestError`."""
        policy = self.policy
        skipped = self.runner.skips(request)
        if policy.settings is not None and policy.settings.default is None:
            skipped = "not_configured"
        if skipped is not None:
            return HostAnswer(abstain(), skipped)
        own = None if policy.settings is None else policy.settings.default
        true = copy_request(replace(request, settings=own))
        seen = copy_request(true)
        try:
            answer = TESTS.run(self.run(seen))
            if differs(seen, true):
                raise PolicyFailure("changed_facts")
        except PolicyFailure as exc:
            slug = str(exc)
            meaning = MEANINGS.get(slug, "evaluate raised")
            raise PolicyTestError(f"{policy.name}: {slug}: {meaning}") from exc.__cause__
        return answer

    async def run(self, seen: AccessRequest) -> HostAnswer:
        """Its answer, on the event loop of the tests, which is watched meanwhile."""
        began = time.perf_counter()
        given: object = None
        if self.runner.in_place:
            try:
                verdict = self.runner.run_in_place(seen, contextvars.copy_context())
            except AwaitableError as exc:
                given = exc.given
            else:
                seconds = time.perf_counter() - began
                return HostAnswer(verdict, None, seconds, seconds)
        beats = Beats()
        watching = asyncio.create_task(beats.watch())
        await asyncio.sleep(0)
        try:
            ends_at = time.monotonic() + BUDGET_SECONDS
            verdict = await self.runner.run_beside(seen, ends_at, given)
        finally:
            beats.note()
            watching.cancel()
        return HostAnswer(verdict, None, time.perf_counter() - began, beats.longest)


class Beats:
    """The longest time between two turns of the event loop, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.last = time.perf_counter()

    def note(self) -> None:
        """Note a turn."""
        now = time.perf_counter()
        self.longest, self.last = max(self.longest, now - self.last), now

    async def watch(self) -> None:
        """Note turns until cancelled."""
        while True:
            self.note()
            await asyncio.sleep(BEAT_SECONDS)
