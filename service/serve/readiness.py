"""Readiness: a view of the conditions, in the checks that probes and operators know."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from service.domain.conditions import CONDITIONS, Condition
from service.web.probes import Level, ReadinessCheck

SEE_PANEL = "See the overview of the panel, or run callgate doctor."
ALWAYS = ("directory", "database")
"""Checks that are also shown while they are ok."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The checks of one replica. Only a replica that cannot decide calls fails one."""

    read: Callable[[], Awaitable[Sequence[Condition]]]

    async def checks(self) -> list[ReadinessCheck]:
        """Every check, for `/readyz`."""
        found = [
            check_of(one, kind.check, stops=kind.stops)
            for one in await self.read()
            if (kind := CONDITIONS[one.kind]).check
        ]
        failing = {check.name for check in found}
        well = [ReadinessCheck(name, "ok") for name in ALWAYS if name not in failing]
        return [*well, *found]


def check_of(found: Condition, name: str, *, stops: bool) -> ReadinessCheck:
    """A condition as a check, in the words of its kind: `/readyz` needs no authentication, so
    exceptions, names and reasons stay in the panel, the log and the doctor."""
    level: Level = "failed" if stops else "degraded"
    kind = CONDITIONS[found.kind]
    remedy = SEE_PANEL if "{" in kind.remedy else kind.remedy
    detail = f"{found.text} {kind.meaning}" if kind.public else kind.meaning
    return ReadinessCheck(name, level, detail, remedy, found.kind)
