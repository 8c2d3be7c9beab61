"""`callgate doctor`: everything that is not well, each with its remedy. Looks only, changes nothing."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import aiohttp

from service.admin.doctor_check import Finding
from service.admin.doctor_coverage import examine_coverage
from service.admin.doctor_webhook import examine_webhook
from service.admin.secret_rotation import SecretRotation, is_done
from service.domain.budget import Priority
from service.settings import Settings
from service.store import doctor as store
from service.store import reconciliation, sweeps, webhook_states
from service.store.pool import UNAVAILABLE, Pool
from service.store.schema import SchemaError, check_schema
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError, VapiUnauthorizedError

CHECK_SECONDS = 15.0
MOST = 20
SKEW_SECONDS, WRONG_SECONDS = 2.0, 60.0
QUEUE_SECONDS = 60.0
FREE_BYTES = 2**30

UNWELL_STATES: dict[str, tuple[Literal["warning", "failed"], str]] = {
    "missing": ("failed", "Remove the number here, or import it again."),
    "failed": ("failed", "See the error; then sync the number."),
    "shadowed": ("failed", "See the error."),
    "drifted": ("warning", "Look at the dry run: callgate reconcile --dry-run."),
    "pending": ("warning", "Is a service running? See its log; or run callgate reconcile."),
    "paused": ("warning", "End the pause when it is no longer needed."),
}

Check = Callable[[], AsyncIterator[Finding]]


@dataclass(frozen=True, slots=True)
class Doctor:
    """Examines one installation. Without a pool (PostgreSQL is away) what needs it is left out."""

    settings: Settings
    pool: Pool | None
    client: VapiClient
    session: aiohttp.ClientSession

    async def examine(self) -> list[Finding]:
        """Every check with a time limit of its own; none raises."""
        found = [
            Finding("settings", "failed", fault, "Set it and start again.")
            for fault in self.settings.faults()
        ] or [Finding("settings", "ok", "All settings are usable.")]
        checks: list[tuple[str, Check]] = [("disk", self.disk)]
        if self.pool is None:
            text = "PostgreSQL does not answer: what is kept there cannot be examined."
            found.append(Finding("database", "failed", text, "Check DATABASE_URL and the server."))
        else:
            checks += [("database", self.database), ("schema", self.schema)]
        if self.settings.vapi_api_key.get_secret_value():
            checks.append(("key", self.key))
        if self.settings.webhook_url and self.settings.webhook_secrets:
            checks.append(("webhook", self.webhook))
        if self.pool is not None:
            checks += [
                ("budget", self.budget),
                ("reconcile", self.reconcile),
                ("numbers", self.numbers),
                ("coverage", self.coverage),
                ("secrets", self.secrets),
                ("hangups", self.hangups),
            ]
        for name, check in checks:
            found += await limited(name, check)
        return found

    async def disk(self) -> AsyncIterator[Finding]:
        """Room for the embedded database and the spool."""
        place = self.settings.callgate_data_dir
        while not place.exists() and place != place.parent:
            place = place.parent
        free = shutil.disk_usage(place).free
        if free < FREE_BYTES:
            text = f"{free // 2**20} MiB are free in CALLGATE_DATA_DIR."
            yield Finding("disk", "warning", text, "Make room: records of calls wait there.")

    async def database(self) -> AsyncIterator[Finding]:
        """PostgreSQL answers, and its clock is right."""
        assert self.pool is not None
        before = datetime.now(UTC)
        version, clock = await store.version_and_clock(self.pool)
        took = (datetime.now(UTC) - before).total_seconds()
        text = f"PostgreSQL {version} answers in {took * 1000:.1f} ms."
        yield Finding("database", "ok", text)
        skew = (clock - before).total_seconds()
        remedy = "Set the clocks (NTP): instants of plans and trials come from the database's."
        if abs(skew) > SKEW_SECONDS:
            level: Literal["warning", "failed"] = (
                "failed" if abs(skew) > WRONG_SECONDS else "warning"
            )
            text = f"The database's clock is {skew:+.1f} s from this machine's."
            yield Finding("clock", level, text, remedy)
        else:
            yield Finding("clock", "ok", "The clocks agree.")

    async def schema(self) -> AsyncIterator[Finding]:
        """The tables are those of this version."""
        assert self.pool is not None
        try:
            await check_schema(self.pool)
        except SchemaError as exc:
            yield Finding("schema", "failed", str(exc), "callgate migrate")
        else:
            yield Finding("schema", "ok", "The schema fits.")

    async def key(self) -> AsyncIterator[Finding]:
        """Vapi takes the private key."""
        try:
            page = await self.client.list_phone_numbers_page(1, 1, Priority.ADMIN)
        except VapiUnauthorizedError as exc:
            yield Finding("key", "failed", str(exc), "Copy the private key from Vapi's dashboard.")
        except VapiError as exc:
            text = f"Vapi cannot be asked: {exc}"
            yield Finding("key", "failed", text, "Check VAPI_API_URL and the way out.")
        else:
            some = "and lists phone numbers" if page.numbers else "and has no phone numbers"
            yield Finding("key", "ok", f"Vapi takes the key {some}.")

    async def webhook(self) -> AsyncIterator[Finding]:
        """The webhook URL answers as ours."""
        yield await examine_webhook(self.settings, self.session)

    async def budget(self) -> AsyncIterator[Finding]:
        """Requests to Vapi do not pile up."""
        assert self.pool is not None
        seconds = await store.budget_seconds(self.pool)
        text = f"A request to Vapi waits {seconds:.0f} s."
        if seconds > QUEUE_SECONDS:
            remedy = "Raise CALLGATE_VAPI_REQUESTS_PER_SECOND if Vapi allows it, or wait."
            yield Finding("budget", "warning", text, remedy)
        else:
            yield Finding("budget", "ok", text)

    async def reconcile(self) -> AsyncIterator[Finding]:
        """Sweeps come to their end, and nothing holds them up."""
        assert self.pool is not None
        row = await reconciliation.get(self.pool)
        well = True
        if row.pause is not None:
            end = f" until {row.pause.until.isoformat()}" if row.pause.until else ""
            text = f"All repairs are paused by {row.pause.by}{end}: {row.pause.reason}"
            well = False
            yield Finding("reconcile", "warning", text, "DELETE /api/v1/reconcile/pause")
        if row.held is not None:
            text = f"A sweep would change {row.held.get('drifted')} numbers and asks first."
            remedy = f"callgate reconcile --dry-run, then --plan {row.held.get('plan')}"
            well = False
            yield Finding("reconcile", "failed", text, remedy)
        last = await sweeps.find_last_full(self.pool)
        interval = self.settings.callgate_reconcile_interval
        if last is not None and interval and last.age > 3 * interval + 60:
            text = f"The last full sweep ended {last.age:.0f} s ago."
            well = False
            yield Finding("reconcile", "warning", text, "Is a service running? See its log.")
        if well:
            text = "No sweep yet." if last is None else f"Last full sweep {last.age:.0f} s ago."
            yield Finding("reconcile", "ok", text)

    async def numbers(self) -> AsyncIterator[Finding]:
        """Every number is in sync; else which are not, and what to do."""
        assert self.pool is not None
        counts = await webhook_states.count_by_state(self.pool)
        in_sync = counts.get("in_sync", 0)
        text = f"{in_sync} of {sum(counts.values())} numbers are in sync."
        yield Finding("numbers", "ok", text)
        for state, (level, remedy) in UNWELL_STATES.items():
            found = await store.find_unwell(self.pool, state, MOST)
            for one in found:
                owner = f" of {one.owner}" if one.owner else ""
                why = one.last_error or ""
                if state == "paused":
                    why = f"by {one.paused_by}: {one.paused_reason}"
                text = f"{one.name}{owner} is {state}. {why}".rstrip()
                yield Finding("numbers", level, text, remedy)
            if len(found) == MOST and counts.get(state, 0) > MOST:
                more = counts[state] - MOST
                yield Finding("numbers", level, f"… and {more} more are {state}.", remedy)
        if releasing := await store.count_releasing(self.pool):
            text = f"{releasing} numbers that were given up still carry our webhook."
            yield Finding("numbers", "warning", text, "Vapi refuses or is away: see the log.")
        if silent := await store.count_silent(self.pool):
            text = f"{silent} numbers are in sync for a week and no call of theirs was ever seen."
            remedy = "If they have calls, see GET /phone-numbers/{id}/route."
            yield Finding("numbers", "warning", text, remedy)

    async def coverage(self) -> AsyncIterator[Finding]:
        """Every kind of call is stopped somewhere while its organization has no access."""
        assert self.pool is not None
        for finding in await examine_coverage(self.pool, self.settings):
            yield finding

    async def secrets(self) -> AsyncIterator[Finding]:
        """A change of the webhook secret is through, or how far it is."""
        assert self.pool is not None
        statuses = await SecretRotation(self.pool, self.settings.webhook_secrets).status()
        for status in statuses:
            if status.position is None and status.numbers:
                remedy = "callgate reconcile"
                yield Finding("secrets", "failed", status.verdict, remedy)
            elif status.position not in (None, 1):
                text = f"Secret {status.position} ({status.fingerprint}): {status.verdict}"
                yield Finding("secrets", "warning", text, "callgate secrets")
        if len(statuses) == 1 and is_done(statuses):
            yield Finding("secrets", "ok", "One webhook secret, and nothing uses another.")

    async def hangups(self) -> AsyncIterator[Finding]:
        """Blocked calls were really ended."""
        assert self.pool is not None
        counts = await store.count_hangups(self.pool)
        for state, count in sorted(counts.items()):
            text = f"{count} hang-ups of the last 24 h are {state}."
            remedy = "GET /api/v1/calls?blocked=true: is controlEnabled off in their monitor plan?"
            yield Finding("hangups", "warning", text, remedy)
        if not counts:
            yield Finding("hangups", "ok", "Every hang-up of the last 24 h was proved.")


async def limited(name: str, check: Check) -> list[Finding]:
    """A check's findings within its time; what goes wrong in it is a finding, too."""

    async def collect() -> list[Finding]:
        return [finding async for finding in check()]

    work: Awaitable[list[Finding]] = collect()
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await work
    except UNAVAILABLE as exc:
        text = f"Cannot be examined: {type(exc).__name__}."
        return [Finding(name, "failed", text, "Is PostgreSQL reachable, and not too slow?")]
