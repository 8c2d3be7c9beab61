"""What a kind of condition is. Pure."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "notice"]
"""`error`: calls may be decided or stopped wrongly, or repairs stand still. `warning`: a part works
less well, or it will become an error. `notice`: intended, and worth remembering (a pause)."""


@dataclass(frozen=True, slots=True)
class ConditionKind:
    """A kind of condition. `sentence`, `remedy` and `link` may have {placeholders}.

    `link` is the page of the panel that solves it, below the panel's root. `check` is the readiness
    check that shows it ("": none does); `stops` kinds make a replica not ready. `doctor_only` kinds
    are found by the doctor alone, never watched by a replica. `public` kinds have a sentence that
    readiness may show without authentication: it names figures only.
    """

    slug: str
    severity: Severity
    sentence: str
    meaning: str
    remedy: str
    link: str = ""
    check: str = ""
    stops: bool = False
    doctor_only: bool = False
    public: bool = False
