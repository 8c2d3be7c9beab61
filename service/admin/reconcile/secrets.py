"""The progress of a rotation of the webhook secret. Secrets are shown as fingerprints only.

Every number carries a secret that derives from the first master; what derives from any master is
accepted. An old master may be removed once no number carries a secret of it and no webhook has used
one for a while. A number that carries a master itself is rewritten like one with an old secret.
"""

from dataclasses import dataclass
from datetime import datetime

from service.domain.fingerprint import DERIVED, fingerprint
from service.domain.wording.labels import format_count
from service.store.pool import Pool
from service.store.reconcile import secrets

QUIET_SECONDS = 900.0
"""Vapi retries deliveries for minutes, and calls that began with the old secret keep it."""

DAY_SECONDS = 86_400.0
NEVER: tuple[datetime | None, float] = (None, float("inf"))


@dataclass(frozen=True, slots=True)
class SecretStatus:
    """One master. `position`: what derives from 1 is written to Vapi, from higher ones is accepted,
    from None is not.

    `numbers` carry a secret of it, `with_master` of them the master itself; `master_used_at`: when a
    message last carried the master itself.
    """

    fingerprint: str
    position: int | None
    numbers: int
    last_used_at: datetime | None
    retired: bool
    verdict: str
    with_master: int = 0
    master_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecretRotation:
    """Tracks which secrets are carried and used. `accepted` are all masters, the written one first."""

    pool: Pool
    accepted: tuple[str, ...]

    async def status(self) -> list[SecretStatus]:
        """The status of every accepted secret, then of rejected ones that are still in use."""
        uses = await secrets.uses(self.pool)
        carried = await secrets.carried(self.pool)
        names = [fingerprint(secret) for secret in self.accepted]
        recent = {
            name.removesuffix(DERIVED) for name, (_, age) in uses.items() if age < DAY_SECONDS
        }
        strangers = sorted((set(carried) | recent) - set(names))
        found = []
        for place, name in enumerate([*names, *strangers], start=1):
            position = place if place <= len(names) else None
            itself = uses.get(name, NEVER)
            used_at, age = min(itself, uses.get(name + DERIVED, NEVER), key=lambda use: use[1])
            numbers, with_master = carried.get(name, (0, 0))
            quiet = numbers == 0 and age > QUIET_SECONDS
            verdict = self.describe_secret(position, numbers, age, with_master)
            found.append(
                SecretStatus(
                    name, position, numbers, used_at, quiet, verdict, with_master, itself[0]
                )
            )
        return found

    def describe_secret(
        self, position: int | None, numbers: int, age: float, with_master: int
    ) -> str:
        """What an operator has to do about a secret."""
        carrying = format_count(numbers, "number carries it", "numbers carry it")
        if position == 1 and with_master:
            masters = format_count(with_master, "number carries", "numbers carry")
            return f"{masters} the master itself and will be rewritten."
        if position == 1:
            return "Every organization's own secret derives from it."
        if position is None:
            if not numbers:
                return "No longer accepted; no number carries it."
            return (
                f"Not accepted, but {carrying}: their events are rejected. Add it to "
                "VAPI_WEBHOOK_SECRET again, or run callgate reconcile."
            )
        if numbers:
            return f"{carrying}: keep it until they are repaired."
        if age <= QUIET_SECONDS:
            return f"Used {round(age)} s ago: keep it until it is unused for {QUIET_SECONDS:.0f} s."
        return "No longer used: remove it from VAPI_WEBHOOK_SECRET."


def is_done(statuses: list[SecretStatus]) -> bool:
    """Whether every secret but the first may be removed, and no number carries the first itself."""
    return all(
        not status.with_master if status.position == 1 else status.retired for status in statuses
    )
