"""The progress of a rotation of the webhook secret. Secrets are shown as fingerprints only.

The first secret is written to every number, and all are accepted. An old one may be removed once no
number carries it and no webhook has used it for a while.
"""

from dataclasses import dataclass
from datetime import datetime

from service.domain.fingerprint import fingerprint
from service.store.pool import Pool
from service.store.reconcile import secrets

QUIET_SECONDS = 900.0
"""Vapi retries deliveries for minutes, and calls that began with the old secret keep it."""

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class SecretStatus:
    """One secret. `position`: 1 is written to Vapi, higher ones are accepted, None is not accepted."""

    fingerprint: str
    position: int | None
    numbers: int
    last_used_at: datetime | None
    retired: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class SecretRotation:
    """Tracks which secrets are carried and used. `accepted` are all of them, the written one first."""

    pool: Pool
    accepted: tuple[str, ...]

    async def status(self) -> list[SecretStatus]:
        """The status of every accepted secret, then of rejected ones that are still in use."""
        uses = await secrets.uses(self.pool)
        carried = await secrets.carried(self.pool)
        names = [fingerprint(secret) for secret in self.accepted]
        recent = {name for name, (_, age) in uses.items() if age < DAY_SECONDS}
        strangers = sorted((set(carried) | recent) - set(names))
        found = []
        for place, name in enumerate([*names, *strangers], start=1):
            position = place if place <= len(names) else None
            used_at, age = uses.get(name, (None, float("inf")))
            numbers = carried.get(name, 0)
            quiet = numbers == 0 and age > QUIET_SECONDS
            verdict = self.describe_secret(position, numbers, age)
            found.append(SecretStatus(name, position, numbers, used_at, quiet, verdict))
        return found

    def describe_secret(self, position: int | None, numbers: int, age: float) -> str:
        """What an operator has to do about a secret."""
        if position == 1:
            return "Written to every number."
        if position is None:
            if not numbers:
                return "No longer accepted; no number carries it."
            return (
                f"Not accepted, but {numbers} numbers carry it: their events are rejected. Add it to "
                "VAPI_WEBHOOK_SECRET again, or run callgate reconcile."
            )
        if numbers:
            return f"{numbers} numbers still carry it: keep it until they are repaired."
        if age <= QUIET_SECONDS:
            return f"Used {round(age)} s ago: keep it until it is unused for {QUIET_SECONDS:.0f} s."
        return "No longer used: remove it from VAPI_WEBHOOK_SECRET."


def is_done(statuses: list[SecretStatus]) -> bool:
    """Whether every secret but the first may be removed."""
    return all(status.retired for status in statuses if status.position != 1)
