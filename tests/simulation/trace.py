"""The history of a seed: what happened, when and where; readable, and hashed to compare two runs."""

import hashlib
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from tests.simulation.loop import LIFE, VirtualLoop

HIDDEN = frozenset({"exception", "exc_info", "error_detail"})
SKIPPED = frozenset({"directory.loaded", "call.hangup_sent_again"})


@dataclass(eq=False)
class Trace:
    """Lines in the order of virtual time."""

    loop: VirtualLoop
    lines: list[str] = field(default_factory=list)

    def note(self, event: str, **facts: object) -> None:
        """Add a line."""
        life = LIFE.get()
        where = life.name if life else "-"
        told = " ".join(f"{name}={value}" for name, value in facts.items() if name not in HIDDEN)
        self.lines.append(f"{self.loop.virtual - 1000:8.3f} {where:<6} {event} {told}".rstrip())

    def take_log(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
        """A processor of structlog that turns our own log into lines of the trace."""
        name = str(event.pop("event"))
        if name not in SKIPPED:
            failure = event.pop("exc_info", None)
            if failure:
                event["raised"] = repr(sys.exc_info()[1])
            self.note(name, **event)
        raise structlog.DropEvent

    @property
    def digest(self) -> str:
        """The hash of the history; two runs of a seed have the same one."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]
