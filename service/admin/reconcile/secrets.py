"""How far the change of the webhook secret is. Secrets are named by fingerprint, never shown.

The first accepted secret is written to every number, all are accepted; an old one may be retired
once no number carries it and nothing came with it for a while.
"""

from dataclasses import dataclass
from datetime import datetime

from service.domain.fingerprint import fingerprint
from service.store.pool import Pool
from service.store.reconcile import secrets

QUIET_SECONDS = 900.0
"""Vapi repeats deliveries for minutes, and calls that began with the old secret go on with it."""

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class SecretStatus:
    """One secret. `position`: 1 is written to Vapi, others are accepted, None is not accepted."""

    fingerprint: str
    position: int | None
    numbers: int
    last_used_at: datetime | None
    retired: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class SecretRotation:
    """Watches which secrets are carried and used. `accepted` are all, the written one first."""

    pool: Pool
    accepted: tuple[str, ...]

    async def status(self) -> list[SecretStatus]:
        """Every accepted secret, then those that still turn up although they are not."""
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
            verdict = self.verdict(position, numbers, age)
            found.append(SecretStatus(name, position, numbers, used_at, quiet, verdict))
        return found

    def verdict(self, position: int | None, numbers: int, age: float) -> str:
        """What to do about a secret."""
        if position == 1:
            return "Written to every number."
        if position is None:
            if not numbers:
                return "Not accepted any more; nothing carries it."
            return (
                f"Not accepted, and {numbers} numbers carry it: their events are refused. Accept it "
                "again (VAPI_WEBHOOK_SECRET) or run callgate reconcile."
            )
        if numbers:
            return f"{numbers} numbers still carry it: keep it until the reconciler is through."
        if age <= QUIET_SECONDS:
            return f"Used {round(age)} s ago: keep it until it is quiet for {QUIET_SECONDS:.0f} s."
        return "No longer used: take it out of VAPI_WEBHOOK_SECRET."


def is_done(statuses: list[SecretStatus]) -> bool:
    """Whether every secret but the first may go."""
    return all(status.retired for status in statuses if status.position != 1)
