"""Builds the reconciler's parts, the same for the service and for commands."""

from dataclasses import dataclass

from service.background import BackgroundLoop
from service.core import Core
from service.domain.fingerprint import fingerprint
from service.reconcile.desired import desired_webhook
from service.reconcile.key_guard import KeyGuard
from service.reconcile.loop import ReconcileLoop
from service.reconcile.metrics import ReconcileMetrics
from service.reconcile.observe import Observer
from service.reconcile.probe import VapiProbe
from service.reconcile.reconciler import Reconciler
from service.reconcile.steps.assistants import AssistantWebhooks
from service.reconcile.steps.gate_step import GateStep, StandingReader
from service.reconcile.steps.number_pass import NumberPass
from service.reconcile.steps.release import Release
from service.reconcile.steps.writer import Writer
from service.reconcile.sweep import Sweeper
from service.reconcile.sweep_loop import SweepLoop
from service.settings import Settings
from service.store.pool import Pool
from service.store.reconcile.sealing import Sealing
from service.store.vault import Vault, open_vault
from service.vapi.client import VapiClient


@dataclass(frozen=True, slots=True)
class Reconciling:
    """The parts that reconcile."""

    reconciler: Reconciler
    sweeper: Sweeper
    key: KeyGuard
    metrics: ReconcileMetrics
    vault: Vault


def build_reconciling(
    settings: Settings, pool: Pool, client: VapiClient, standings: StandingReader | None = None
) -> Reconciling:
    """Build the parts by the settings; nothing runs yet. Without `standings`, fields that depend on
    access, such as ringing hooks, are left as they are."""
    desired, metrics, observer = desired_webhook(settings), ReconcileMetrics(), Observer(client)
    vault = open_vault(settings)
    writer = Writer(pool, observer, desired, vault)
    assistants = AssistantWebhooks(pool, writer, desired)
    key = KeyGuard(pool, client, fingerprint(settings.vapi_api_key.get_secret_value()))
    number_pass = NumberPass(
        pool,
        observer,
        writer,
        GateStep(pool, writer, standings),
        assistants,
        desired,
        metrics,
        key,
        on_assistants=settings.callgate_assistant_webhooks == "owned",
        enforcing=settings.callgate_reconcile_mode == "enforce",
    )
    reconciler = Reconciler(pool, observer, number_pass, Release(writer, assistants, desired))
    sweeper = Sweeper(pool, client, reconciler, settings.callgate_reconcile_max_changes)
    return Reconciling(reconciler, sweeper, key, metrics, vault)


def build_loops(core: Core, parts: Reconciling) -> list[BackgroundLoop]:
    """The loops of this room: the due numbers, and the sweeps."""
    interval = core.settings.callgate_reconcile_interval
    sweeps = SweepLoop(core.pool, parts.sweeper, parts.key, interval)
    due = ReconcileLoop(core.dsn, core.pool, parts.reconciler, parts.key, sweeps)
    sealing = Sealing(core.pool, parts.vault)
    probe = VapiProbe(core.client, parts.key)
    return [due.background(), *sweeps.background(), sealing.background(), probe.background()]
