"""Plugins that misbehave: at import, in registration, in every style of `evaluate`, and beside it."""

from tests.support.plugins import REGISTER, policy_module

SECRET_TEXT = "hunter2-of-the-plugin"
"""In exception texts: it may reach the operator's log, and nothing without authentication."""

UNLOADABLE = {
    "syntax": "def broken(:\n",
    "missing_module": "import a_module_that_is_not_installed\n",
    "import_raises": f"raise RuntimeError({SECRET_TEXT!r})\n",
    "import_exits": "import sys\nsys.exit(0)\n",
    "import_interrupts": "raise KeyboardInterrupt\n",
    "no_hook": "x = 1\n",
    "async_hook": """
from policies import hookimpl
@hookimpl
async def register_access_policies():
    return []
""",
    "endless_hook": """
import itertools
from policies import hookimpl
@hookimpl
def register_access_policies():
    return itertools.count()
""",
    "old_api": policy_module("old_api", "return allow('x')", "api_version = 0"),
    "takes_a_name": policy_module("admin_override", "return allow('x')"),
    "odd_name": policy_module("x' OR 1=1", "return allow('x')"),
    "odd_exception": """
class Meta(type):
    __name__ = property(lambda self: 1 / 0)
class Odd(Exception, metaclass=Meta):
    def __str__(self): raise SystemExit
raise Odd
""",
    "replaces_verdicts": policy_module("replaces_verdicts", "return abstain()")
    + "import policies.contract\npolicies.contract.deny = policies.deny = policies.allow\n",
    "replaces_the_chain": policy_module("replaces_the_chain", "return abstain()")
    + "from service.access.policies.chain import AccessChain\n"
    + "async def decide(self, request, **more): raise RuntimeError\nAccessChain.decide = decide\n",
    "replaces_the_clock": policy_module("replaces_the_clock", "return abstain()")
    + "time.monotonic = lambda: 0.0\n",
    "start_raises": f"""
from policies import abstain
class Policy:
    name, order = "start_raises", 50
    async def start(self, context): raise RuntimeError({SECRET_TEXT!r})
    def evaluate(self, request): return abstain()
{REGISTER}""",
    "start_takes_nothing": f"""
from policies import abstain
class Policy:
    name, order = "start_takes_nothing", 50
    async def start(self): return None
    def evaluate(self, request): return abstain()
{REGISTER}""",
}
"""By the plugin's name: modules that bring no policy into the chain."""


def awaited(name: str, body: str, attributes: str = "pure = False") -> str:
    """A module with one policy, whose `evaluate` is a coroutine function with this body."""
    return policy_module(name, body, attributes).replace("    def eval", "    async def eval")


FAILING = {
    "raises": policy_module("raises", f"raise RuntimeError({SECRET_TEXT!r})"),
    "exits": policy_module("exits", "raise SystemExit(3)", "pure = False"),
    "interrupts": policy_module("interrupts", "raise KeyboardInterrupt"),
    "exits_task": awaited("exits_task", "raise SystemExit(3)"),
    "cancels": awaited("cancels", "raise asyncio.CancelledError"),
    "recurses": policy_module("recurses", "return self.evaluate(request)"),
    "out_of_memory": policy_module("out_of_memory", "raise MemoryError"),
    "returns_none": policy_module("returns_none", "return None"),
    "returns_true": policy_module("returns_true", "return True", "pure = False"),
    "returns_type": policy_module("returns_type", "return allow"),
    "yields": policy_module("yields", "yield allow('x')"),
    "huge_reason": policy_module("huge_reason", "return deny('x' * 10_000_000)"),
    "odd_reason": policy_module("odd_reason", "return deny(type('R', (), {})())"),
    "odd_until": policy_module("odd_until", "return deny('x', until='tomorrow')"),
    "huge_note": policy_module("huge_note", "return deny('x', note='n' * 1_000_000)"),
    "mutates": policy_module(
        "mutates",
        "request.plan and object.__setattr__(request.plan, 'status', 'unpaid'); "
        "object.__setattr__(request.organization, 'name', 'x'); return abstain()",
    ),
    "hangs": awaited("hangs", "await asyncio.sleep(600)", "timeout_seconds = 0.1"),
    "sleeps": policy_module("sleeps", "time.sleep(600)", "timeout_seconds = 0.1"),
    "swallows": awaited(
        "swallows",
        "\n        while True:\n            try: await asyncio.sleep(1)\n"
        "            except BaseException: pass",
        "timeout_seconds = 0.1",
    ),
    "spawns": policy_module(
        "spawns",
        "__import__('threading').Thread(target=time.sleep, args=(600,), daemon=True).start(); "
        "raise RuntimeError",
        "pure = False",
    ),
    "leaks": policy_module("leaks", "KEPT.append(bytes(100_000)); return len(KEPT)").replace(
        "import asyncio, time", "import asyncio, time\nKEPT = []"
    ),
    "wraps": policy_module("wraps", "return Lookalike(allow('x').effect, 'x')").replace(
        "\n\nclass Policy", "\nclass Lookalike(type(abstain())): pass\n\nclass Policy"
    ),
}
"""By the policy's name: policies that are loaded, and give no usable answer."""

BLOCKING = {
    "sleeps_on_the_loop": awaited("sleeps_on_the_loop", "time.sleep(1.0); return abstain()"),
    "computes_on_the_loop": awaited(
        "computes_on_the_loop",
        "\n        ends = time.monotonic() + 1\n        while time.monotonic() < ends: pass\n"
        "        return abstain()",
    ),
}
"""By the policy's name: policies that block the event loop."""

NEVER_STOPS = f"""
import asyncio
from policies import abstain


class Policy:
    name, order = "never_stops", 50

    async def stop(self):
        while True:
            try: await asyncio.sleep(1)
            except BaseException: pass

    def evaluate(self, request): return abstain()

{REGISTER}"""
"""A policy whose stop swallows its cancellation."""

CROWD = f"""
import time
from policies import abstain


class Policy:
    order = 50
    timeout_seconds = 0.2

    def __init__(self, number):
        self.name = f"crowd_{{number}}"

    def evaluate(self, request):
        time.sleep(1)
        return abstain()

{REGISTER.replace("[Policy()]", "[Policy(number) for number in range(100)]")}"""
"""A hundred policies that each take a second."""

SPINNING = """
import threading
def spin():
    while True: pass
"""
GREEDY = {
    "spins": policy_module("spins", "\n        while True: pass", "timeout_seconds = 0.1"),
    "spins_beside": policy_module("spins_beside", "return abstain()").replace(
        "import asyncio, time",
        f"{SPINNING}\nfor _ in range(2): threading.Thread(target=spin, daemon=True).start()\n",
    ),
    "spins_stubbornly": policy_module("spins_stubbornly", "return abstain()").replace(
        "import asyncio, time",
        f"""{SPINNING}
def stay():
    while True:
        try: spin()
        except BaseException: pass
threading.Thread(target=stay, daemon=True).start()
""",
    ),
    "hoards_threads": policy_module(
        "hoards_threads",
        "for _ in range(20): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "        return abstain()",
        "pure = False",
    ).replace("import asyncio, time", "import threading, time"),
}
"""By the policy's name: policies that answer, or are late, and keep processors or threads busy."""

KINDS = {
    "unloadable": UNLOADABLE,
    "failing": FAILING,
    **{name: {name: module} for name, module in (BLOCKING | GREEDY).items()},
    "crowd": {"crowd": CROWD, "crowd_two": CROWD.replace("crowd_", "mob_")},
}
"""What is installed together, by a name."""
