"""Builds the room of access: policies, directory, gate, and what enforces decisions."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TypedDict

from service.access.call_recorder import CallRecorder
from service.access.contested_calls import ContestedCalls
from service.access.corrected_calls import CorrectedCalls
from service.access.directory import AccessDirectory
from service.access.enforcement.call_cutter import CallCutter
from service.access.enforcement.call_owners import CallOwners
from service.access.enforcement.first_attempts import FirstAttempts
from service.access.enforcement.hangup_ladder import HangupLadder
from service.access.enforcement.hangup_sweep import HangupSweep
from service.access.enforcement.hangup_worker import HangupWorker, StoredHangups
from service.access.enforcement.missed_calls import CallWatch
from service.access.feed.directory_feed import DirectoryFeed
from service.access.feed.snapshot import SnapshotKeeper
from service.access.gate import AccessGate
from service.access.known_calls import KnownCalls
from service.access.limits.feed import LimitFeed
from service.access.observers.call_observer import CallObserver
from service.access.observers.call_observers import CallObservers
from service.access.policies.chain import AccessChain
from service.access.policies.choices import ChoicesInForce
from service.access.policies.plugins import LoadedPolicies
from service.access.policies.preview import ChainPreview
from service.access.policies.watching.watchdog import LoopWatchdog
from service.access.policy_build import Policies, build_policies
from service.access.usage.caller_feed import CallerFeed
from service.access.usage.feed import UsageFeed
from service.access.usage.memory import UsageMemory
from service.background import BackgroundLoop
from service.core import Core
from service.settings import Settings
from service.store.calls.call_store import CallStore
from service.store.calls.event_writer import CallEventWriter
from service.store.calls.spool import Spool
from service.store.calls.writer import CallWriter
from service.store.organizations.feed_source import FeedSource
from service.store.organizations.snapshot import SnapshotFile, name_database
from service.store.policies.shadow_writer import ShadowWriter
from service.store.pool import UNAVAILABLE
from service.store.vault import open_vault
from service.vapi.control import ControlClient
from service.vapi.lookups import Lookups

DRAIN_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Access:
    """Deciding calls and enforcing the decisions, in one replica."""

    policies: Policies
    directory: AccessDirectory
    feed: DirectoryFeed
    snapshots: SnapshotKeeper
    preview: ChainPreview
    gate: AccessGate
    spool: Spool
    events: CallEventWriter
    shadows: ShadowWriter
    control: ControlClient
    worker: HangupWorker
    sweep: HangupSweep
    cutter: CallCutter
    contested: ContestedCalls
    corrected: CorrectedCalls
    usage: UsageFeed
    callers: CallerFeed
    limits: LimitFeed
    watch: CallWatch
    watchdog: LoopWatchdog
    observers: CallObservers

    def background(self) -> list[BackgroundLoop]:
        """The loops of this room."""
        return [
            self.feed.background(),
            *self.snapshots.background(),
            self.spool.background(),
            self.events.background(),
            self.shadows.background(),
            *self.worker.background(),
            self.sweep.background(),
            self.cutter.background(),
            self.contested.background(),
            self.corrected.background(),
            self.usage.background(),
            self.callers.background(),
            self.limits.background(),
            self.gate.recorder.recent.background(),
            self.gate.recorder.connected.background(),
            *self.watch.background(),
            self.watchdog.background(),
        ]

    async def close(self) -> None:
        """Finish what is being recorded; close files and connections."""
        await self.gate.recorder.drain(DRAIN_SECONDS)
        await self.sweep.drain(DRAIN_SECONDS)
        with suppress(*UNAVAILABLE):
            await self.gate.recorder.connected.write()
        await self.events.close()
        await self.shadows.close()
        await self.snapshots.close()
        self.spool.close()
        await self.control.close()
        await self.observers.stop()
        await self.policies.chain.stop()


class Shared(TypedDict):
    """Parts of the room that enforce decisions together."""

    attempts: FirstAttempts
    known: KnownCalls
    observers: CallObservers


def build_access(core: Core, loaded: LoadedPolicies) -> Access:
    """Build the room; nothing runs yet."""
    settings, pool = core.settings, core.pool
    policies = build_policies(settings, pool, loaded)
    calls, directory, known = CallStore(core.calls, core.counting), AccessDirectory(), KnownCalls()
    observers = CallObservers([CallObserver(one) for one in loaded.observers], directory, known)
    choices = policies.chain.choices
    feed = DirectoryFeed(FeedSource(core.dsn), pool, directory, choices)
    snapshots = build_snapshots(settings, directory, choices)
    events = CallEventWriter(pool)
    lookups = Lookups(settings.callgate_name_servers, keep_last=True)
    control = ControlClient(settings.vapi_control_hosts, lookups)
    stop_unknown = settings.callgate_unknown_calls == "hang_up"
    owners = CallOwners(
        calls, core.client, directory, policies.chain, stop_unknown, events.record, observers
    )
    hangups = StoredHangups(calls, owners)
    ladder = HangupLadder(core.client, control, hangups, events.record, directory.clock, observers)
    spool = Spool(settings.callgate_data_dir / "spool", calls)
    attempts = FirstAttempts(ladder)
    usage = UsageMemory()
    shadows = ShadowWriter(pool)
    recorder = CallRecorder(
        calls, CallWriter(calls), spool, attempts, events.record, known, observers, usage=usage
    )
    connect_chain(policies.chain, recorder, shadows)
    corrected = CorrectedCalls(calls, known)
    spool.on_stored, spool.on_refused = corrected.take, corrected.give_up
    shared = Shared(attempts=attempts, known=known, observers=observers)
    cutter = CallCutter(
        calls,
        directory,
        policies.standings,
        max_seconds=settings.callgate_max_call_seconds,
        **shared,
    )
    blocked_message = settings.callgate_blocked_message
    usage_feed = UsageFeed(pool, directory, usage)
    feed.followers += [usage_feed.wake, cutter.wake, snapshots.note_change]
    return Access(
        policies=policies,
        directory=directory,
        feed=feed,
        snapshots=snapshots,
        preview=ChainPreview(policies.chain, directory),
        gate=AccessGate(directory, policies.chain, recorder, owners, blocked_message, stop_unknown),
        spool=spool,
        events=events,
        shadows=shadows,
        control=control,
        worker=HangupWorker(core.dsn, pool, ladder),
        sweep=HangupSweep(calls, ladder),
        cutter=cutter,
        contested=ContestedCalls(calls, known),
        corrected=corrected,
        callers=CallerFeed(core.pool, directory, recorder.callers),
        usage=usage_feed,
        limits=recorder.slots.feed,
        watch=CallWatch(
            calls,
            core.client,
            directory,
            settings.callgate_call_watch_interval,
            owners,
            **shared,
        ),
        watchdog=LoopWatchdog(policies.chain.evaluators),
        observers=observers,
    )


def connect_chain(chain: AccessChain, recorder: CallRecorder, shadows: ShadowWriter) -> None:
    """Let the chain read what is counted of calls, and record what policies in shadow say."""
    chain.usage, chain.callers = recorder.usage, recorder.callers
    chain.limits = recorder.slots.memory
    chain.shadows.record = shadows.record


def build_snapshots(
    settings: Settings, directory: AccessDirectory, choices: ChoicesInForce
) -> SnapshotKeeper:
    """What keeps the directory on disk; a replica that may never start from a snapshot writes none."""
    writes = bool(settings.callgate_snapshot_max_age)
    return SnapshotKeeper(directory, snapshot_file(settings), writes, choices)


def snapshot_file(settings: Settings) -> SnapshotFile:
    """The snapshot of this data folder, signed with the keys of this installation."""
    database = name_database("" if settings.embedded else settings.database_url.get_secret_value())
    path = settings.callgate_data_dir / "directory.snapshot"
    return SnapshotFile(path, open_vault(settings).keys, database)
