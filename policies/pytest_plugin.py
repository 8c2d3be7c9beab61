"""Fixtures for tests of policies, loaded by pytest wherever Callgate is installed.

`callgate_clock` stands still, `callgate_request` builds requests at its instant, `callgate_policy` puts
a policy into the hands of the host, and `callgate_chain` decides with the service's own chain.
"""

# What is imported in fixtures is not needed by the other tests of an environment.
# ruff: noqa: PLC0415
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from policies.contract import AccessRequest

if TYPE_CHECKING:
    from policies.testing import FixedClock, PolicyHarness

Requests = Callable[..., AccessRequest]
Policies = Callable[..., "PolicyHarness"]
Chains = Callable[..., Any]


@pytest.fixture
def callgate_clock() -> "FixedClock":
    """The instant of the test's requests."""
    from policies.testing import FixedClock

    return FixedClock()


@pytest.fixture
def callgate_request(callgate_clock: "FixedClock") -> Requests:
    """Builds a request at the clock's instant, with the given facts."""
    from policies.testing import request

    def build(**changes: Any) -> AccessRequest:
        return request(**{"at": callgate_clock.now, **changes})

    return build


@pytest.fixture
def callgate_policy() -> Iterator[Policies]:
    """Starts a policy, with `settings` if given, and returns its harness: `ask(request)`."""
    from policies.testing import PolicyHarness

    with ExitStack() as stack:

        def begin(policy: object, settings: Mapping[str, object] | None = None) -> PolicyHarness:
            return stack.enter_context(PolicyHarness(policy, settings=settings))

        yield begin


@pytest.fixture
def callgate_chain() -> Iterator[Chains]:
    """Starts the given policies in a chain with the built-in ones: `decide(request)` is a decision with
    its trace. The test is skipped where the service cannot be imported."""
    kit = pytest.importorskip("service.access.policies.kit")
    with ExitStack() as stack:

        def begin(
            *policies: object, settings: Mapping[str, Mapping[str, object]] | None = None
        ) -> Any:
            return stack.enter_context(kit.ChainUnderTest(policies, settings))

        yield begin
