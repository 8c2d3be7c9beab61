"""The service's own chain for tests of policies, on the event loop that `policies.testing` asks on."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from policies.admin_override import AdminOverridePolicy
from policies.contract import AccessRequest
from policies.host.harness import PolicyHarness, PolicyTestError
from policies.host.loop_thread import TESTS
from policies.host.registration import HOST, fit_policy
from policies.host.settings import UnfitSettingsError
from policies.plan import PlanPolicy
from policies.trial import TrialPolicy
from service.access.policies.chain import AccessChain
from service.domain.decisions import Decision

Settings = Mapping[str, Mapping[str, object]]


class ChainUnderTest:
    """The built-in policies and the given ones. As a context manager it starts and stops them.

    `settings` are values by the policy's name. Raises `PolicyTestError` for an unfit policy.
    """

    def __init__(self, policies: Iterable[object], settings: Settings | None = None) -> None:
        given = settings or {}
        own = [fit_policy(one(), HOST, "0", {}) for one in BUILT_IN]
        fitted = [PolicyHarness(one).policy for one in policies]
        if unknown := given.keys() - {one.name for one in fitted if one.settings is not None}:
            raise PolicyTestError(f"no policy with settings: {', '.join(sorted(unknown))}")
        for place, one in enumerate(fitted):
            if one.name in given and one.settings is not None:
                try:
                    merged = one.settings.merged(given[one.name])
                except UnfitSettingsError as exc:
                    raise PolicyTestError(f"{one.name}: {exc}") from exc
                fitted[place] = replace(one, settings=replace(one.settings, default=merged))
        self.chain = AccessChain([*own, *fitted])

    def __enter__(self) -> Self:
        """Start the policies. Raises `PolicyTestError` if one does not start."""
        TESTS.run(self.chain.start())
        if self.chain.problems:
            raise PolicyTestError(self.chain.problems[0].message)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the policies."""
        TESTS.run(self.chain.stop())

    def decide(self, request: AccessRequest) -> Decision:
        """The decision with its trace."""
        return TESTS.run(self.chain.decide(request, basis="fresh"))


BUILT_IN = (AdminOverridePolicy, PlanPolicy, TrialPolicy)
