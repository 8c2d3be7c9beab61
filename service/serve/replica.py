"""The composition root: builds every part once, starts what runs in the background, ends it all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

import aiohttp
import structlog
from aiohttp import web

from service.access.call_recorder import CallRecorder
from service.access.directory import AccessDirectory
from service.access.enforcement.call_cutter import CallCutter
from service.access.enforcement.hangup_ladder import HangupLadder
from service.access.enforcement.hangup_worker import HangupWorker, StoredHangups
from service.access.enforcement.missed_calls import CallWatch
from service.access.feed import DirectoryFeed
from service.access.gate import AccessGate
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import LoadedPolicies, load_policies
from service.access.policies.preview import ChainPreview
from service.access.standings import AccessStandings
from service.admin.calls.story import CallStories
from service.admin.imports.imports import Imports
from service.admin.imports.jobs import ImportJobs
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.search import OrganizationList
from service.admin.people.tokens import Tokens
from service.admin.phone_numbers.coverage import Coverages
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.admin.reconcile.sweeps import ReconciliationCases
from service.admin.reconcile.webhooks import Webhooks
from service.background import Background
from service.reconcile.build import Reconciling, build_reconciling
from service.reconcile.desired import desired_webhook
from service.reconcile.loop import ReconcileLoop
from service.reconcile.steps import webhook_fields
from service.reconcile.sweep_loop import SweepLoop
from service.relay.delivery import Relay
from service.serve.readiness import Readiness
from service.settings import Settings
from service.store.calls.event_writer import CallEventWriter
from service.store.calls.spool import Spool
from service.store.calls.writer import CallWriter
from service.store.pool import UNAVAILABLE, Pool, create_pool
from service.store.reconcile.request_budget import Budget
from service.store.schema import SchemaError, check_schema, is_empty, migrate
from service.vapi.authenticity import rules_from
from service.vapi.campaigns import Campaigns
from service.vapi.client import VapiClient
from service.vapi.control import ControlClient
from service.web.api.application import build_api
from service.web.api.audit import AuditOperations
from service.web.api.calls import CallOperations
from service.web.api.coverage import CoverageOperations
from service.web.api.organizations import OrganizationOperations
from service.web.api.phone_numbers import PhoneNumberOperations
from service.web.api.policies import PolicyOperations
from service.web.api.reconcile import ReconcileOperations
from service.web.api.tokens import TokenOperations
from service.web.api.unknown_numbers import UnknownNumberOperations
from service.web.metrics.metrics import Metrics
from service.web.metrics.policies import PolicyFigures
from service.web.metrics.reconcile import ReconcileFigures
from service.web.panel.build import Parts, panel_of
from service.web.probes import Health
from service.web.routes import build_web
from service.web.secret_uses import SecretUses
from service.web.webhook import Webhook

START_SECONDS = 30.0
LOAD_SECONDS = 20.0

log = structlog.get_logger()


class StartError(Exception):
    """The service cannot start; the message says why and what to do."""


@dataclass(slots=True)
class Service:
    """One replica: what it is made of, and the tasks that keep it going."""

    settings: Settings
    pool: Pool
    session: aiohttp.ClientSession
    loaded: LoadedPolicies
    directory: AccessDirectory
    feed: DirectoryFeed
    spool: Spool
    gate: AccessGate
    control: ControlClient
    relay: Relay
    worker: HangupWorker
    loop: ReconcileLoop
    reconciling: Reconciling
    health: Health
    metrics: Metrics
    figures: ReconcileFigures
    uses: SecretUses
    cutter: CallCutter
    watch: CallWatch
    events: CallEventWriter
    imports: ImportJobs
    app: web.Application
    background: Background = field(default_factory=Background)

    async def start(self) -> None:
        """Load the directory, then start the rest; raises `StartError` if that takes too long."""
        self.background.add(
            [
                self.feed.background(),
                self.spool.background(),
                self.figures.background(),
                self.uses.background(),
                self.cutter.background(),
                *self.watch.background(),
                *self.events.background(),
                self.imports.background(),
                *self.worker.background(),
                self.loop.background(),
                *self.loop.sweeps.background(),
            ]
        )
        self.background.start()
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                while not self.directory.loaded:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise StartError("The access directory could not be read from PostgreSQL.") from None

    async def stop(self) -> None:
        """Let what runs finish, give claims back, close everything."""
        self.health.draining = True
        await self.background.stop()
        await self.gate.recorder.drain(3.0)
        await self.uses.flush()
        await self.events.close()
        self.spool.close()
        await self.close_clients()
        try:
            async with asyncio.timeout(3.0):
                await self.pool.close()
        except (TimeoutError, *UNAVAILABLE):
            self.pool.terminate()

    async def close_clients(self) -> None:
        """Let go of everything that connects to others but PostgreSQL."""
        await self.control.close()
        await self.relay.close()
        await self.session.close()


async def prepare_database(dsn: str, *, own: bool) -> None:
    """See that the schema fits. Our own embedded server, and an empty database, are migrated; any
    other is refused with the command that mends it. PostgreSQL may take a moment to come up.

    Raises `StartError`.
    """
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        try:
            if own or await is_empty(dsn):
                await migrate(dsn)
            pool = await create_pool(dsn, 2)
            try:
                await check_schema(pool)
            finally:
                await pool.close()
        except SchemaError as exc:
            raise StartError(str(exc)) from exc
        except UNAVAILABLE as exc:
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(
                    f"PostgreSQL does not answer ({type(exc).__name__}): check DATABASE_URL."
                ) from None
            await asyncio.sleep(0.5)
        else:
            return


async def build(settings: Settings, dsn: str) -> Service:
    """Put the parts together; nothing runs yet."""
    pool = await create_pool(dsn, settings.callgate_pool_size)
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    budget = Budget(pool, settings.callgate_vapi_requests_per_second)
    client = VapiClient(
        session, settings.vapi_api_url, settings.vapi_api_key, budget.pace, budget.back_off
    )
    control = ControlClient(settings.vapi_control_hosts)
    loaded = load_policies()
    for fault in loaded.problems:
        log.error("plugin.refused", plugin=fault.plugin, error=fault.message)
    chain = AccessChain(loaded.policies)
    directory = AccessDirectory()
    feed = DirectoryFeed(dsn, pool, directory)
    preview = ChainPreview(chain, directory)
    events = CallEventWriter(pool)
    ladder = HangupLadder(client, control, StoredHangups(pool), events.record)
    worker = HangupWorker(dsn, pool, ladder)
    spool = Spool(settings.callgate_data_dir / "spool", pool)
    recorder = CallRecorder(pool, CallWriter(pool), spool, ladder.attempt_now, events.record)
    gate = AccessGate(directory, chain, recorder, settings.callgate_blocked_message)
    standings = AccessStandings(
        pool, chain, settings.callgate_blocked_message, settings.callgate_ring_gate
    )
    reconciling = build_reconciling(settings, pool, client, standings)
    cutter = CallCutter(pool, directory, standings)
    feed.followers.append(cutter.wake)
    watch = CallWatch(pool, client, directory, chain, settings.callgate_call_watch_interval)
    health, metrics = Health(), Metrics()
    relay = Relay(settings.callgate_relay_hosts)
    uses = SecretUses(pool, settings.webhook_secrets)
    webhook = Webhook(
        gate,
        rules_from(settings),
        metrics,
        relay,
        uses,
        Campaigns(client),
        events,
        webhook_fields.merged(desired_webhook(settings), None),
        settings.callgate_max_body_bytes,
        settings.callgate_blocked_message,
    )
    organizations = Organizations(pool, feed.refresh_now, preview)
    tokens = Tokens(pool, settings.callgate_admin_token.get_secret_value())
    numbers = PhoneNumbers(pool, feed.refresh_now, reconciling.reconciler)
    unknown = UnknownNumbers(pool, numbers)
    webhooks = Webhooks(pool, reconciling.reconciler)
    cases = ReconciliationCases(pool, reconciling.sweeper, settings.callgate_reconcile_mode)
    coverages = Coverages(
        pool,
        reconciling.reconciler,
        settings.callgate_ring_gate,
        settings.callgate_call_watch_interval,
    )
    imports = ImportJobs(pool, Imports.patient(pool, client))
    panel = panel_of(
        Parts(
            settings=settings,
            pool=pool,
            session=session,
            client=client,
            chain=chain,
            preview=preview,
            plugin_problems=loaded.problems,
            organizations=organizations,
            numbers=numbers,
            webhooks=webhooks,
            unknown=unknown,
            reconciliation=cases,
            reconciler=reconciling.reconciler,
            coverages=coverages,
            tokens=tokens,
            imports=imports,
        )
    )
    operations = [
        *OrganizationOperations(
            organizations,
            OrganizationList(pool, preview),
            preview,
            settings.callgate_relay_hosts,
        ).operations(),
        *PhoneNumberOperations(numbers).operations(),
        *UnknownNumberOperations(unknown).operations(),
        *CoverageOperations(coverages).operations(),
        *ReconcileOperations(cases, webhooks).operations(),
        *CallOperations(pool, CallStories(pool)).operations(),
        *PolicyOperations(chain.describe, loaded.problems).operations(),
        *AuditOperations(pool).operations(),
        *TokenOperations(tokens).operations(),
    ]
    service = Service(
        settings=settings,
        pool=pool,
        session=session,
        loaded=loaded,
        directory=directory,
        feed=feed,
        spool=spool,
        gate=gate,
        control=control,
        relay=relay,
        worker=worker,
        loop=ReconcileLoop(
            dsn,
            pool,
            reconciling.reconciler,
            reconciling.key,
            SweepLoop(
                pool,
                reconciling.sweeper,
                reconciling.key,
                settings.callgate_reconcile_interval,
            ),
        ),
        reconciling=reconciling,
        health=health,
        metrics=metrics,
        uses=uses,
        cutter=cutter,
        watch=watch,
        events=events,
        imports=imports,
        figures=ReconcileFigures(pool, reconciling.tally, reconciling.key.fingerprint),
        app=build_web(
            webhook=webhook,
            health=health,
            metrics=metrics,
            api=build_api(operations, tokens),
            panel=panel,
        ),
    )
    health.probes.append(
        Readiness(directory, pool, service.figures, worker, spool, loaded.problems).checks
    )
    metrics.add(service.figures)
    metrics.add(PolicyFigures(chain.describe))
    metrics.gauge(
        "callgate_directory_age_seconds",
        "Seconds since changes were last proved to arrive.",
        lambda: directory.age_seconds,
    )
    metrics.gauge(
        "callgate_directory_organizations",
        "Organizations in the access directory.",
        lambda: len(directory.entries),
    )
    metrics.gauge(
        "callgate_spool_records",
        "Records that wait on disk for PostgreSQL.",
        lambda: spool.waiting,
    )
    metrics.gauge(
        "callgate_call_events_dropped",
        "Steps of calls that were never written, since the start.",
        lambda: float(events.dropped),
    )
    metrics.gauge(
        "callgate_hangup_worker_alive",
        "1 while the hang-up worker has its connection.",
        lambda: float(worker.alive),
    )
    log.info("service.built", version=version("callgate"), policies=len(loaded.policies))
    return service


@asynccontextmanager
async def running(settings: Settings, dsn: str) -> AsyncIterator[Service]:
    """A started service, stopped on the way out whatever happens."""
    service = await build(settings, dsn)
    try:
        await service.start()
        yield service
    finally:
        await service.stop()
