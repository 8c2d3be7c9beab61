"""What admins do with the data of callers: forget a number on request."""

import hashlib
import hmac
from dataclasses import asdict, dataclass

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.domain.call_records.details import canonical_number
from service.domain.errors import InvalidError
from service.store.calls.privacy.forgetting import ForgottenCaller, forget_number
from service.store.pool import Pool

PURPOSE = "callgate:caller:"
DIGITS = 16
LONGEST = 100
SYSTEM = Actor("system", "admin", "system")


@dataclass(frozen=True, slots=True)
class Callers:
    """`key` names numbers in the audit log, where they must not stand themselves."""

    pool: Pool
    key: str

    async def forget(self, actor: Actor, text: str) -> ForgottenCaller:
        """Remove a number from all calls, with transcripts and with messages that are kept for clients'
        servers; durations and costs stay. Audited, even if nothing was found.

        Raises `InvalidError` for an empty text; one that is no phone number counts as written.
        """
        actor.require_admin()
        number = canonical_number(text.strip()[:LONGEST])
        if not number:
            raise InvalidError("Enter the number of the caller.")
        async with transaction(self.pool) as connection:
            forgotten = await forget_number(connection, number)
            name = self.fingerprint(number)
            await record(connection, actor, "caller.forgotten", name, after=asdict(forgotten))
        return forgotten

    async def record_expired(self, kind: str, count: int) -> None:
        """Audit that retention deleted calls; rows of other kinds say nothing of callers."""
        if kind == "calls":
            async with transaction(self.pool) as connection:
                await record(
                    connection, SYSTEM, "calls.expired", "retention", after={"rows": count}
                )

    def fingerprint(self, number: str) -> str:
        """A name of a number that does not reveal it without the key: there are few numbers to try."""
        made = hmac.new(self.key.encode(), (PURPOSE + number).encode(), hashlib.sha256)
        return made.hexdigest()[:DIGITS]
