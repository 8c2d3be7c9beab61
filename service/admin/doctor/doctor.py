"""`callgate doctor`: every condition of an installation with its remedy. It changes nothing."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp

from service.admin.conditions import call_conditions, format_since
from service.admin.doctor.check import (
    DISK,
    PLUGINS,
    POSTGRES,
    VAPI,
    WEBHOOK_URL,
    DoctorCheck,
    DoctorFinding,
)
from service.admin.doctor.coverage import examine_coverage
from service.admin.doctor.reconcile import examine_numbers, examine_reconciler
from service.admin.doctor.webhook import examine_webhook
from service.admin.reconcile.secrets import SecretRotation, is_done
from service.domain.conditions import Condition, clock_condition, condition
from service.domain.priority import Priority
from service.domain.wording.labels import format_count
from service.settings import Settings, is_local
from service.store import doctor as store
from service.store.installation import get_mode
from service.store.pool import Pool
from service.store.roles import is_too_powerful
from service.store.schema import SchemaError, check_schema
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError, VapiUnauthorizedError

DISK_SECONDS = 5.0
DATABASE_SECONDS = 15.0
VAPI_SECONDS = 15.0
WEBHOOK_SECONDS = 20.0
"""Two requests, each with a deadline of its own."""

PLUGIN_SECONDS = 60.0
"""Each plugin has a deadline of its own."""

QUEUE_SECONDS = 60.0
FREE_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Doctor:
    """Examines one installation. `unread` are settings that could not be parsed, one line each.

    Without a pool (`no_database` says why) the checks that need it are skipped. So are those that
    need an invalid setting: they would report a default, or send a secret to a wrong address.
    """

    settings: Settings
    pool: Pool | None
    client: VapiClient
    session: aiohttp.ClientSession
    unread: tuple[str, ...] = ()
    no_database: DoctorFinding | None = None
    database_seconds: float = DATABASE_SECONDS
    vapi_seconds: float = VAPI_SECONDS
    read_policies: Callable[[], Awaitable[Sequence[Condition]]] | None = None
    """The conditions of the access policies; None: they are not examined."""

    async def examine(self) -> list[DoctorFinding]:
        """Every check with a deadline of its own; none raises."""
        faults = [*self.unread, *self.settings.faults()]
        base = await self.examine_database()
        invalid = variables(faults)
        planned = [*self.independent(), *(self.stored() if fits(base) else ())]
        checks = [check for check in planned if not check.needs & invalid]
        found = [*describe_settings(faults), *base]
        for findings in await asyncio.gather(*(check.findings() for check in checks)):
            found += findings
        return [*found, *self.describe_skipped(checks)]

    def describe_skipped(self, made: Iterable[DoctorCheck]) -> Iterator[DoctorFinding]:
        """The checks that were not made, in one finding."""
        names = {check.name for check in made}
        every = (*self.independent(), *self.stored())
        skipped = [check.name for check in every if check.name not in names]
        if skipped:
            found = condition("checks_skipped", checks=", ".join(skipped))
            yield DoctorFinding.of("left_out", found)

    async def examine_database(self) -> list[DoctorFinding]:
        """First of all: the stored facts are only read when the schema fits."""
        if self.pool is None:
            away = DoctorFinding.of("database", condition("database_away"))
            return [self.no_database or away]
        found = await self.in_database("database", self.database).findings()
        if fits(found):
            found += await self.in_database("schema", self.schema).findings()
        return found

    def independent(self) -> Iterable[DoctorCheck]:
        """Checks that need no database."""
        yield DoctorCheck("disk", self.disk, DISK, DISK_SECONDS)
        needs = frozenset({"VAPI_API_KEY", "VAPI_API_URL"})
        yield DoctorCheck("key", self.key, VAPI, self.vapi_seconds, needs)
        needs = frozenset({"VAPI_WEBHOOK_URL", "VAPI_WEBHOOK_SECRET", "VAPI_WEBHOOK_AUTH"})
        yield DoctorCheck("webhook", self.webhook, WEBHOOK_URL, WEBHOOK_SECONDS, needs)
        if self.read_policies is not None:
            yield DoctorCheck("policies", self.policies, PLUGINS, PLUGIN_SECONDS)

    def stored(self) -> Iterable[DoctorCheck]:
        """Checks of what PostgreSQL stores."""
        yield self.in_database("installation", self.installation)
        yield self.in_database("budget", self.budget)
        yield self.in_database("reconcile", self.reconcile, "CALLGATE_RECONCILE_INTERVAL")
        yield self.in_database("numbers", self.numbers)
        yield self.in_database(
            "coverage", self.coverage, "CALLGATE_RING_GATE", "CALLGATE_CALL_WATCH_INTERVAL"
        )
        yield self.in_database("secrets", self.secrets, "VAPI_WEBHOOK_SECRET")
        yield self.in_database("hangups", self.hangups)

    def in_database(
        self, name: str, examine: Callable[[], AsyncIterator[DoctorFinding]], *needs: str
    ) -> DoctorCheck:
        return DoctorCheck(name, examine, POSTGRES, self.database_seconds, frozenset(needs))

    async def disk(self) -> AsyncIterator[DoctorFinding]:
        """Space for the embedded database and the spool."""
        place = self.settings.callgate_data_dir
        while not place.exists() and place != place.parent:
            place = place.parent
        free = (await asyncio.to_thread(shutil.disk_usage, place)).free
        if free < FREE_BYTES:
            yield DoctorFinding.of("disk", condition("disk_low", mebibytes=free // 2**20))

    async def policies(self) -> AsyncIterator[DoctorFinding]:
        """Every policy is loaded; where the service runs, none fails, hangs or is slow."""
        assert self.read_policies is not None
        found = await self.read_policies()
        for one in found:
            yield DoctorFinding.of("policies", one)
        if not found:
            yield DoctorFinding.ok("policies", "The access policies are loaded and answer.")

    async def database(self) -> AsyncIterator[DoctorFinding]:
        """PostgreSQL answers, and its clock is right."""
        assert self.pool is not None
        before, began = datetime.now(UTC), time.perf_counter()
        version, clock = await store.get_version_and_clock(self.pool)
        took = time.perf_counter() - began
        text = f"PostgreSQL {version} answers in {took * 1000:.1f} ms."
        yield DoctorFinding.ok("database", text)
        skewed = clock_condition((clock - before).total_seconds() - took / 2)
        if skewed is not None:
            yield DoctorFinding.of("clock", skewed)
        else:
            yield DoctorFinding.ok("clock", "The clocks agree.")

    async def schema(self) -> AsyncIterator[DoctorFinding]:
        """The tables are those of this version."""
        assert self.pool is not None
        try:
            await check_schema(self.pool)
        except SchemaError as exc:
            yield DoctorFinding.of("schema", condition("schema_outdated", problem=exc))
        else:
            yield DoctorFinding.ok("schema", "The schema fits.")

    async def installation(self) -> AsyncIterator[DoctorFinding]:
        """The database is of the right mode, and the role has no more than it needs."""
        assert self.pool is not None
        real = not is_local(urlsplit(self.settings.vapi_api_url).hostname or "")
        if real and await get_mode(self.pool) == "sandbox":
            yield DoctorFinding.of("installation", condition("database_of_sandbox"))
        elif await is_too_powerful(self.pool):
            yield DoctorFinding.of("installation", condition("database_role_too_powerful"))
        else:
            yield DoctorFinding.ok("installation", "The role owns no table.")

    async def key(self) -> AsyncIterator[DoctorFinding]:
        """Vapi accepts the private key."""
        try:
            page = await self.client.list_phone_numbers_page(1, 1, Priority.ADMIN)
        except VapiUnauthorizedError:
            yield DoctorFinding.of("key", condition("key_invalid"))
        except VapiError as exc:
            yield DoctorFinding.of("key", condition("vapi_away", problem=exc))
        else:
            some = "and lists phone numbers" if page.numbers else "and has no phone numbers"
            yield DoctorFinding.ok("key", f"Vapi accepts the key {some}.")

    async def webhook(self) -> AsyncIterator[DoctorFinding]:
        """The webhook URL answers as ours."""
        yield await examine_webhook(self.settings, self.session)

    async def budget(self) -> AsyncIterator[DoctorFinding]:
        """Requests to Vapi do not pile up."""
        assert self.pool is not None
        seconds = await store.get_budget_wait_seconds(self.pool)
        found = condition("requests_delayed", seconds=f"{seconds:.0f}")
        if seconds > QUEUE_SECONDS:
            yield DoctorFinding.of("budget", found)
        else:
            yield DoctorFinding.ok("budget", found.text)

    async def reconcile(self) -> AsyncIterator[DoctorFinding]:
        """Sweeps finish, and nothing stops them."""
        assert self.pool is not None
        async for finding in examine_reconciler(self.pool, self.settings):
            yield finding

    async def numbers(self) -> AsyncIterator[DoctorFinding]:
        """Every number is in sync."""
        assert self.pool is not None
        async for finding in examine_numbers(self.pool):
            yield finding

    async def coverage(self) -> AsyncIterator[DoctorFinding]:
        """Every kind of call is stopped while its organization has no access."""
        assert self.pool is not None
        for finding in await examine_coverage(self.pool, self.settings):
            yield finding

    async def secrets(self) -> AsyncIterator[DoctorFinding]:
        """A rotation of the webhook secret is finished."""
        assert self.pool is not None
        statuses = await SecretRotation(self.pool, self.settings.webhook_secrets).status()
        for status in statuses:
            if status.position is None and status.numbers:
                kind = "secret_not_accepted"
            elif status.position not in (None, 1) or status.with_master:
                kind = "secret_rotating"
            else:
                continue
            found = condition(
                kind,
                position=status.position,
                fingerprint=status.fingerprint,
                verdict=status.verdict,
            )
            yield DoctorFinding.of("secrets", found)
        if len(statuses) == 1 and is_done(statuses):
            yield DoctorFinding.ok("secrets", "One webhook secret, and no other is in use.")

    async def hangups(self) -> AsyncIterator[DoctorFinding]:
        """Blocked calls ended, and no call is claimed for two organizations."""
        assert self.pool is not None
        conditions = await call_conditions(self.pool)
        for found in conditions:
            yield DoctorFinding.of("hangups", found)
        since = await store.get_day_start(self.pool)
        pending = await store.count_pending_hangups(self.pool, since)
        if pending:
            calls = format_count(pending, "call", "calls")
            link = f"calls?hangup=pending&since={format_since(since)}"
            yield DoctorFinding.note("hangups", f"Hang-ups are in progress for {calls}.", link)
        elif not any(one.kind.startswith("hangups_") for one in conditions):
            yield DoctorFinding.ok("hangups", "Every hang-up of the last 24 hours is confirmed.")


def describe_settings(faults: Sequence[str]) -> Iterator[DoctorFinding]:
    """Each invalid setting, or that all are valid."""
    for fault in faults:
        yield DoctorFinding.of("settings", condition("settings_invalid", fault=fault))
    if not faults:
        yield DoctorFinding.ok("settings", "All settings are usable.")


def fits(found: Iterable[DoctorFinding]) -> bool:
    """Whether the database can be read; a wrong clock does not matter."""
    return not any(one.level == "failed" and one.name != "clock" for one in found)


def variables(faults: Iterable[str]) -> set[str]:
    """The variables at fault: each line begins with its variable."""
    return {fault.split(maxsplit=1)[0].rstrip(":,") for fault in faults}
