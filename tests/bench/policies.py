"""What the chain costs, each figure beside its goal.

    python -m tests.bench policies [--decisions 20000]

Printed are the processor's microseconds of a decision by the built-in policies and of each further plain
policy, and what a blocking policy of 1 ms does at 100 calls at once. Each is the best of several rounds.
"""

import argparse
import asyncio
import logging
import time
from datetime import timedelta

import structlog
import uvloop

from policies import AccessRequest, SubscriptionPlan, Verdict, abstain
from policies.host.registration import RegisteredPolicy
from policies.testing import NOW, request
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import PolicyChoice, load_policies

PAYING = request(plan=SubscriptionPlan("pro", "active", NOW + timedelta(days=3)))
ROUNDS = 5
FURTHER = 50
AT_ONCE = 100


def plain(number: int) -> RegisteredPolicy:
    """A third-party policy without an opinion."""
    return RegisteredPolicy(
        f"plain_{number}", 50, lambda _request: abstain(), "third-party", "1", pure=True
    )


async def microseconds(chain: AccessChain, decisions: int) -> float:
    """The microseconds of one decision, in the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(decisions):
            await chain.decide(PAYING, basis="fresh")
        best = min(best, time.process_time() - began)
    return best / decisions * 1e6


async def run_blocking() -> tuple[int, float]:
    """100 calls at once with a policy that blocks for 1 ms: failed verdicts, and seconds for all."""

    def block(_request: AccessRequest) -> Verdict:
        time.sleep(0.001)
        return abstain()

    chain = AccessChain(
        [*BUILT_IN, RegisteredPolicy("blocking", 50, block, "third-party", "1", on_failure="deny")]
    )
    began = time.perf_counter()
    await asyncio.gather(*(chain.decide(PAYING, basis="fresh") for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - began
    (found,) = (one.health for one in chain.describe() if one.name == "blocking")
    return found.failed, seconds


def show(what: str, figure: float, unit: str, goal: float) -> None:
    """A line: the figure, its goal, and whether it holds."""
    word = "ok" if figure <= goal else "MISSED"
    print(f"{what:<52} {figure:>8.2f} {unit:<3} goal {goal:g} {unit:<3} {word}")


async def run(decisions: int) -> None:
    own = await microseconds(AccessChain(BUILT_IN), decisions)
    show("a decision by the built-in policies", own, "µs", 20)
    more = AccessChain([*BUILT_IN, *map(plain, range(FURTHER))])
    each = (await microseconds(more, max(decisions // FURTHER, 1)) - own) / FURTHER
    show("each further plain policy", each, "µs", 3)
    failed, seconds = await run_blocking()
    show(f"a policy of 1 ms at {AT_ONCE} calls at once: failed", failed, "", 0)
    show(f"a policy of 1 ms at {AT_ONCE} calls at once: all answered", seconds * 1000, "ms", 500)


BUILT_IN = load_policies(PolicyChoice(third_party=False)).policies


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=20_000)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(run(parser.parse_args().decisions))
