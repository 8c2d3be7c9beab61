"""Conditions: what an operator has to know or do, of which every display is a view."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "notice"]
"""`error`: calls may be decided or stopped wrongly, or repairs stand still. `warning`: it will become
an error, or a part works less well. `notice`: intended, and worth remembering (a pause)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds now. `kind` is a stable slug; `link` is a path of the panel, "" for none."""

    kind: str
    severity: Severity
    text: str
    remedy: str = ""
    link: str = ""
