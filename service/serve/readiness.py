"""Readiness: whether this replica can decide calls, and which of its parts work less well."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from service.access.build import Access
from service.background import Background
from service.store.pool import UNAVAILABLE, Pool
from service.web.metrics.reconcile import ReconcileFigures
from service.web.probes import ReadinessCheck

READY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """The checks of one replica. Only a replica that cannot decide calls fails one."""

    pool: Pool
    access: Access
    figures: ReconcileFigures
    background: Background

    async def checks(self) -> list[ReadinessCheck]:
        """Every check, for `/readyz`."""
        return [
            *self.directory_checks(),
            await self.database_check(),
            *self.reconcile_checks(),
            *self.call_checks(),
            *self.background_checks(),
            *self.plugin_checks(),
        ]

    def directory_checks(self) -> Iterator[ReadinessCheck]:
        """Whether the access directory is loaded, and whether changes still reach it."""
        if not self.access.directory.loaded:
            text = "The access directory is not loaded yet."
            yield ReadinessCheck("directory", "failed", text)
            return
        yield ReadinessCheck("directory", "ok")
        if self.access.directory.basis != "fresh":
            age = round(self.access.directory.age_seconds)
            text = f"Changes may not arrive: no heartbeat for {age} s; using the last known state."
            yield ReadinessCheck("notifications", "degraded", text)

    async def database_check(self) -> ReadinessCheck:
        """Whether PostgreSQL answers within a second."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self.pool.fetchval("SELECT 1")
        except UNAVAILABLE:
            return ReadinessCheck("database", "degraded", "PostgreSQL does not answer.")
        return ReadinessCheck("database", "ok")

    def reconcile_checks(self) -> Iterator[ReadinessCheck]:
        """What keeps webhooks from being repaired."""
        last = self.figures.last
        if last.key_refused:
            text = "Vapi refuses VAPI_API_KEY: calls are decided, webhooks cannot be repaired."
            yield ReadinessCheck("vapi_key", "degraded", text)
        if last.held:
            yield ReadinessCheck("reconcile", "degraded", last.held_text)
        if last.paused:
            yield ReadinessCheck("reconcile", "degraded", last.pause_text)

    def call_checks(self) -> Iterator[ReadinessCheck]:
        """What delays hang-ups and records of calls."""
        if not self.access.worker.alive:
            text = "The hang-up worker is being restarted."
            yield ReadinessCheck("hangups", "degraded", text)
        if self.access.spool.waiting:
            text = f"{self.access.spool.waiting} records wait on disk for PostgreSQL."
            yield ReadinessCheck("spool", "degraded", text)

    def background_checks(self) -> Iterator[ReadinessCheck]:
        """Background loops that died and are being restarted, or that ended."""
        down = [loop for loop in self.background.states() if loop.status != "running"]
        if down:
            text = ", ".join(f"{loop.name} ({loop.status}: {loop.last_error})" for loop in down)
            yield ReadinessCheck("background", "degraded", f"Background loops are down: {text}.")

    def plugin_checks(self) -> Iterator[ReadinessCheck]:
        """Plugins that were not loaded."""
        for problem in self.access.policies.loaded.problems:
            yield ReadinessCheck("plugins", "degraded", f"{problem.plugin}: {problem.message}")
