"""Builds the web: webhook, API, panel, probes and metrics under their addresses."""

import asyncio
from dataclasses import dataclass
from math import nan

import aiohttp_jinja2
from aiohttp import web

from service.access.build import Access
from service.admin.use_cases import UseCases
from service.background import Background, BackgroundLoop
from service.core import Core
from service.files import raise_file_limit
from service.reconcile.build import Reconciling
from service.reconcile.desired import desired_webhook
from service.reconcile.steps import webhook_fields
from service.relay.delivery import Relay
from service.settings import Settings
from service.store.bounded import count_abandoned
from service.vapi.authenticity import rules_from
from service.vapi.campaigns import Campaigns
from service.vapi.reader import MessageReader
from service.web.answering import RuledAnswers
from service.web.api.build import build_api
from service.web.connections.budget import BodyBudgets
from service.web.connections.doors import Doors
from service.web.connections.limits import limits_from
from service.web.message_notes import MessageNotes
from service.web.metrics.background import BackgroundCollector
from service.web.metrics.conditions import ConditionMetrics
from service.web.metrics.limits import LimitCollector
from service.web.metrics.metrics import Metrics
from service.web.metrics.observers import ObserverCollector
from service.web.metrics.policies import PolicyCollector
from service.web.metrics.reconcile import ReconcileCollector
from service.web.metrics.relay import RelayCollector
from service.web.metrics.vapi import VapiCollector
from service.web.panel.build import build_panel
from service.web.panel.kit.public import HSTS, add_hsts
from service.web.plain_answers import AnswerWriter
from service.web.probes import Health
from service.web.relaying import Relaying
from service.web.replays import Replays
from service.web.routes import build_application, build_webhook_application
from service.web.secret_uses import SecretUses
from service.web.straight_way import StraightWay, most_bytes_of
from service.web.webhook import Webhook


@dataclass(frozen=True, slots=True)
class Web:
    """The applications of a replica, and the parts that it reports with.

    `webhook_app` serves the main listener where `app` has a listener of its own.
    """

    app: web.Application
    webhook_app: web.Application
    panel: web.Application
    webhook: Webhook
    straight: StraightWay
    doors: Doors
    health: Health
    metrics: Metrics
    collector: ReconcileCollector
    uses: SecretUses

    def background(self) -> list[BackgroundLoop]:
        """The loops of the web."""
        loops = [self.collector.background(), self.uses.background()]
        return [*loops, self.webhook.replays.background()]

    async def warm_up(self) -> None:
        """Compile the panel's templates beside the event loop, one after the other: each takes some
        10 ms, for which the first who asks for a page, a client without a session perhaps, must not stop
        the loop. Calls do not wait for it, nor does readiness."""
        templates = aiohttp_jinja2.get_env(self.panel)
        for name in templates.list_templates(extensions=["html"]):
            await asyncio.to_thread(templates.get_template, name)

    async def close(self) -> None:
        """Write what is not written yet."""
        await self.doors.close()
        await self.webhook.reader.close()
        await self.webhook.answers.relaying.close()
        await self.uses.flush()


def build_web(
    core: Core,
    access: Access,
    reconciling: Reconciling,
    cases: UseCases,
    background: Background,
    *,
    relay: Relay,
) -> Web:
    """Build everything that answers HTTP requests; `background` is only read."""
    settings = core.settings
    health, metrics = Health(), Metrics(settings.callgate_metrics_token.get_secret_value())
    doors = build_doors(settings)
    collector = ReconcileCollector(core.pool, reconciling.metrics, reconciling.key.fingerprint)
    uses = SecretUses(core.pool, settings.webhook_secrets)
    add_metrics(metrics, access)
    metrics.add(collector)
    metrics.add(BackgroundCollector(background.states))
    metrics.add(ConditionMetrics(cases.conditions.read_last))
    metrics.add(doors.counts)
    metrics.add(RelayCollector(relay))
    metrics.add(VapiCollector(core.client.reach))
    metrics.gauge(
        "callgate_database_abandoned_statements",
        "Statements that were abandoned at their deadline and may still run in PostgreSQL.",
        lambda: count_abandoned(core.pool, core.calls),
    )
    for kind, read in (("proved", doors.count_proved), ("unproved", doors.count_unproved)):
        metrics.add_connections(kind, read)
    webhook = build_webhook(core, access, doors=doors, relay=relay, metrics=metrics, uses=uses)
    panel = build_panel(cases, access, reconciling, background)
    app = build_application(
        doors=doors,
        webhook=webhook,
        health=health,
        metrics=metrics,
        api=build_api(cases, access),
        panel=panel,
    )
    if settings.public_origin.startswith("https:"):
        app.on_response_prepare.append(add_hsts)
    webhook_app = build_webhook_application(doors=doors, webhook=webhook, health=health)
    for one in (app, webhook_app):
        one.on_response_prepare.append(health.part)
    straight = build_straight_way(webhook, health, settings=settings)
    return Web(app, webhook_app, panel, webhook, straight, doors, health, metrics, collector, uses)


def build_doors(settings: Settings) -> Doors:
    """The limits of this process, as many files as it may open."""
    budgets = BodyBudgets(settings.callgate_unproved_body_bytes, settings.callgate_max_body_bytes)
    return Doors(limits_from(settings, raise_file_limit()), budgets)


def build_webhook(
    core: Core, access: Access, *, doors: Doors, relay: Relay, metrics: Metrics, uses: SecretUses
) -> Webhook:
    """The webhook that Vapi posts to."""
    settings = core.settings
    desired, rules = desired_webhook(settings), rules_from(settings)
    answers = RuledAnswers(
        access.gate,
        Relaying(relay, rules.secrets),
        lambda owner: webhook_fields.merged(desired.of(owner), None),
        settings.callgate_blocked_message,
        desired.timeout_seconds,
        settings.callgate_max_call_seconds,
    )
    return Webhook(
        doors,
        MessageReader(),
        access.gate,
        rules,
        metrics,
        answers,
        uses,
        Replays(core.pool, rules.replayable_seconds),
        Campaigns(core.client),
        MessageNotes(access.events),
        settings.callgate_max_body_bytes,
    )


def build_straight_way(webhook: Webhook, health: Health, *, settings: Settings) -> StraightWay:
    """The straight way of the main listener, beside the webhook whose parts it takes."""
    alone = settings.callgate_admin_port is None
    secure = alone and settings.public_origin.startswith("https:")
    return StraightWay(
        webhook.rules,
        webhook.gate,
        webhook.answers,
        AnswerWriter(HSTS if secure else {}),
        webhook.uses,
        webhook.notes,
        webhook.metrics,
        most_bytes_of(webhook.max_body_bytes),
        lambda: health.draining,
    )


def add_metrics(metrics: Metrics, access: Access) -> None:
    """The metrics of access: directory, spool, hang-ups, policies."""
    chain = access.policies.chain
    metrics.add(
        PolicyCollector(chain.describe, lambda: chain.shadows.dropped + access.shadows.dropped)
    )
    metrics.add(ObserverCollector(access.observers.describe))
    metrics.add(LimitCollector(access.limits.memory))
    metrics.gauge(
        "callgate_event_loop_blocked_seconds",
        "Seconds for which the event loop was blocked, since the start.",
        lambda: access.watchdog.seconds,
    )
    metrics.gauge(
        "callgate_directory_age_seconds",
        "Seconds since the last heartbeat of the notifications.",
        lambda: access.directory.age_seconds,
    )
    metrics.gauge(
        "callgate_clock_offset_seconds",
        "Seconds that the database's clock is ahead of this machine's; NaN before it was read.",
        lambda: nan if (ahead := access.directory.clock.ahead_seconds) is None else ahead,
    )
    metrics.gauge(
        "callgate_directory_organizations",
        "Organizations in the access directory.",
        lambda: len(access.directory.entries),
    )
    metrics.gauge(
        "callgate_unconfirmed_decisions",
        "Cached decisions made without PostgreSQL, not compared with the stored ones yet.",
        lambda: len(access.gate.recorder.known.unconfirmed),
    )
    metrics.gauge(
        "callgate_snapshot_age_seconds",
        "Seconds since the snapshot of the directory was written; NaN before the first one.",
        access.snapshots.seconds_since_written,
    )
    metrics.gauge(
        "callgate_spool_records",
        "Records that wait on disk for PostgreSQL.",
        lambda: access.spool.waiting,
    )
    metrics.gauge(
        "callgate_call_events_dropped",
        "Steps of calls that were not written, since the start.",
        lambda: float(access.events.dropped),
    )
    metrics.gauge(
        "callgate_hangup_worker_alive",
        "1 while the hang-up worker has its connection.",
        lambda: float(access.worker.alive),
    )
