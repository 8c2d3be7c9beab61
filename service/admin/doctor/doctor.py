"""`callgate doctor`: everything that is not well, each with its remedy. Looks only, changes nothing."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from service.admin.doctor.check import (
    DISK,
    POSTGRES,
    VAPI,
    WEBHOOK_URL,
    DoctorCheck,
    DoctorFinding,
    Level,
)
from service.admin.doctor.coverage import examine_coverage
from service.admin.doctor.reconcile import examine_numbers, examine_reconciler
from service.admin.doctor.webhook import examine_webhook
from service.admin.reconcile.secrets import SecretRotation, is_done
from service.domain.priority import Priority
from service.settings import Settings
from service.store import doctor as store
from service.store.pool import Pool
from service.store.schema import SchemaError, check_schema
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError, VapiUnauthorizedError

DISK_SECONDS = 5.0
DATABASE_SECONDS = 15.0
VAPI_SECONDS = 15.0
WEBHOOK_SECONDS = 20.0
"""The webhook URL is asked twice, and each answer may take its own time."""

SKEW_SECONDS, WRONG_SECONDS = 2.0, 60.0
QUEUE_SECONDS = 60.0
FREE_BYTES = 2**30

SET_AGAIN = "Mend it in the environment of every replica and start again; see deploy/README.md."


@dataclass(frozen=True, slots=True)
class Doctor:
    """Examines one installation. `unread` are settings that could not be read, one line each.

    Without a pool (`no_database` says why) what needs it is left out, and so is what needs a
    setting at fault: it would tell of a default, or show a secret to whoever is at a wrong address.
    """

    settings: Settings
    pool: Pool | None
    client: VapiClient
    session: aiohttp.ClientSession
    unread: tuple[str, ...] = ()
    no_database: DoctorFinding | None = None

    async def examine(self) -> list[DoctorFinding]:
        """Every check with a deadline of its own; none raises."""
        faults = [*self.unread, *self.settings.faults()]
        found = [DoctorFinding("settings", "failed", fault, SET_AGAIN) for fault in faults]
        if not faults:
            found.append(DoctorFinding("settings", "ok", "All settings are usable."))
        base = await self.examine_database()
        at_fault = variables(faults)
        planned = [*self.independent(), *(self.stored() if fits(base) else ())]
        checks = [check for check in planned if not check.needs & at_fault]
        found += base
        for findings in await asyncio.gather(*(check.findings() for check in checks)):
            found += findings
        made = {check.name for check in checks}
        left_out = [
            one.name for one in (*self.independent(), *self.stored()) if one.name not in made
        ]
        if left_out:
            text = f"Not examined, as it needs what failed above: {', '.join(left_out)}."
            found.append(
                DoctorFinding("left_out", "warning", text, "Mend that, then examine again.")
            )
        return found

    async def examine_database(self) -> list[DoctorFinding]:
        """First of all: what is kept there is only worth a look when the schema fits."""
        if self.pool is None:
            remedy = "Check DATABASE_URL and the server."
            away = DoctorFinding("database", "failed", "PostgreSQL does not answer.", remedy)
            return [self.no_database or away]
        found = await self.in_database("database", self.database).findings()
        if fits(found):
            found += await self.in_database("schema", self.schema).findings()
        return found

    def independent(self) -> Iterable[DoctorCheck]:
        """What is examined whatever the database does."""
        yield DoctorCheck("disk", self.disk, DISK, DISK_SECONDS)
        needs = frozenset({"VAPI_API_KEY", "VAPI_API_URL"})
        yield DoctorCheck("key", self.key, VAPI, VAPI_SECONDS, needs)
        needs = frozenset({"VAPI_WEBHOOK_URL", "VAPI_WEBHOOK_SECRET", "VAPI_WEBHOOK_AUTH"})
        yield DoctorCheck("webhook", self.webhook, WEBHOOK_URL, WEBHOOK_SECONDS, needs)

    def stored(self) -> Iterable[DoctorCheck]:
        """What is kept in PostgreSQL."""
        yield self.in_database("budget", self.budget)
        yield self.in_database("reconcile", self.reconcile, "CALLGATE_RECONCILE_INTERVAL")
        yield self.in_database("numbers", self.numbers)
        yield self.in_database(
            "coverage", self.coverage, "CALLGATE_RING_GATE", "CALLGATE_CALL_WATCH_INTERVAL"
        )
        yield self.in_database("secrets", self.secrets, "VAPI_WEBHOOK_SECRET")
        yield self.in_database("hangups", self.hangups)

    def in_database(
        self, name: str, look: Callable[[], AsyncIterator[DoctorFinding]], *needs: str
    ) -> DoctorCheck:
        return DoctorCheck(name, look, POSTGRES, DATABASE_SECONDS, frozenset(needs))

    async def disk(self) -> AsyncIterator[DoctorFinding]:
        """Room for the embedded database and the spool."""
        place = self.settings.callgate_data_dir
        while not place.exists() and place != place.parent:
            place = place.parent
        free = (await asyncio.to_thread(shutil.disk_usage, place)).free
        if free < FREE_BYTES:
            text = f"{free // 2**20} MiB are free in CALLGATE_DATA_DIR."
            yield DoctorFinding("disk", "warning", text, "Make room: records of calls wait there.")

    async def database(self) -> AsyncIterator[DoctorFinding]:
        """PostgreSQL answers, and its clock is right."""
        assert self.pool is not None
        before = datetime.now(UTC)
        version, clock = await store.get_version_and_clock(self.pool)
        took = (datetime.now(UTC) - before).total_seconds()
        text = f"PostgreSQL {version} answers in {took * 1000:.1f} ms."
        yield DoctorFinding("database", "ok", text)
        skew = (clock - before).total_seconds()
        remedy = "Set the clocks (NTP): instants of plans and trials come from the database's."
        if abs(skew) > SKEW_SECONDS:
            level: Level = "failed" if abs(skew) > WRONG_SECONDS else "warning"
            text = f"The database's clock is {skew:+.1f} s from this machine's."
            yield DoctorFinding("clock", level, text, remedy)
        else:
            yield DoctorFinding("clock", "ok", "The clocks agree.")

    async def schema(self) -> AsyncIterator[DoctorFinding]:
        """The tables are those of this version."""
        assert self.pool is not None
        try:
            await check_schema(self.pool)
        except SchemaError as exc:
            yield DoctorFinding("schema", "failed", str(exc), "callgate migrate")
        else:
            yield DoctorFinding("schema", "ok", "The schema fits.")

    async def key(self) -> AsyncIterator[DoctorFinding]:
        """Vapi takes the private key."""
        try:
            page = await self.client.list_phone_numbers_page(1, 1, Priority.ADMIN)
        except VapiUnauthorizedError as exc:
            yield DoctorFinding(
                "key", "failed", str(exc), "Copy the private key from Vapi's dashboard."
            )
        except VapiError as exc:
            text = f"Vapi cannot be asked: {exc}"
            yield DoctorFinding("key", "failed", text, "Check VAPI_API_URL and the way out.")
        else:
            some = "and lists phone numbers" if page.numbers else "and has no phone numbers"
            yield DoctorFinding("key", "ok", f"Vapi takes the key {some}.")

    async def webhook(self) -> AsyncIterator[DoctorFinding]:
        """The webhook URL answers as ours."""
        yield await examine_webhook(self.settings, self.session)

    async def budget(self) -> AsyncIterator[DoctorFinding]:
        """Requests to Vapi do not pile up."""
        assert self.pool is not None
        seconds = await store.get_budget_wait_seconds(self.pool)
        text = f"A request to Vapi waits {seconds:.0f} s."
        if seconds > QUEUE_SECONDS:
            remedy = "Raise CALLGATE_VAPI_REQUESTS_PER_SECOND if Vapi allows it, or wait."
            yield DoctorFinding("budget", "warning", text, remedy)
        else:
            yield DoctorFinding("budget", "ok", text)

    async def reconcile(self) -> AsyncIterator[DoctorFinding]:
        """Sweeps come to their end, and nothing holds them up."""
        assert self.pool is not None
        async for finding in examine_reconciler(self.pool, self.settings):
            yield finding

    async def numbers(self) -> AsyncIterator[DoctorFinding]:
        """Every number is in sync; else which are not, and what to do."""
        assert self.pool is not None
        async for finding in examine_numbers(self.pool):
            yield finding

    async def coverage(self) -> AsyncIterator[DoctorFinding]:
        """Every kind of call is stopped somewhere while its organization has no access."""
        assert self.pool is not None
        for finding in await examine_coverage(self.pool, self.settings):
            yield finding

    async def secrets(self) -> AsyncIterator[DoctorFinding]:
        """A change of the webhook secret is through, or how far it is."""
        assert self.pool is not None
        statuses = await SecretRotation(self.pool, self.settings.webhook_secrets).status()
        for status in statuses:
            if status.position is None and status.numbers:
                remedy = "callgate reconcile"
                yield DoctorFinding("secrets", "failed", status.verdict, remedy)
            elif status.position not in (None, 1):
                text = f"Secret {status.position} ({status.fingerprint}): {status.verdict}"
                yield DoctorFinding("secrets", "warning", text, "callgate secrets")
        if len(statuses) == 1 and is_done(statuses):
            yield DoctorFinding("secrets", "ok", "One webhook secret, and nothing uses another.")

    async def hangups(self) -> AsyncIterator[DoctorFinding]:
        """Blocked calls were really ended."""
        assert self.pool is not None
        counts = await store.count_hangups(self.pool)
        for state, count in sorted(counts.items()):
            text = f"{count} hang-ups of the last 24 h are {state}."
            remedy = "GET /api/v1/calls?blocked=true: is controlEnabled off in their monitor plan?"
            yield DoctorFinding("hangups", "warning", text, remedy)
        if not counts:
            yield DoctorFinding("hangups", "ok", "Every hang-up of the last 24 h was proved.")


def fits(found: Iterable[DoctorFinding]) -> bool:
    """Whether there is a database to work on; one whose clock is wrong is one."""
    return not any(one.level == "failed" and one.name != "clock" for one in found)


def variables(faults: Iterable[str]) -> set[str]:
    """The variables at fault: each line begins with the name of its own."""
    return {fault.split(maxsplit=1)[0].rstrip(":,") for fault in faults}
