"""What was said in a call, which is kept only where its organization asks for it. Pure."""

from dataclasses import dataclass

LONGEST_TRANSCRIPT = 500_000
"""Characters: a call of hours."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, and where the recording is. `keep_days`: for how long the organization keeps it."""

    text: str | None
    recording_url: str | None
    keep_days: int
