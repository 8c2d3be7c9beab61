"""One thing that the doctor examined."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined; what is not well has a remedy."""

    name: str
    level: Level
    detail: str
    remedy: str | None = None
