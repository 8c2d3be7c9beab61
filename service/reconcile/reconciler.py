"""One pass over one number: observe, compare, repair, read back, record. Doing it twice is harmless.

Every trigger (an added number, a retry, an admin's click, later the sweep) calls `reconcile`.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from service.domain.budget import Priority
from service.domain.errors import InvalidError
from service.domain.phone_numbers import FieldDrift, Sync, SyncState
from service.reconcile import diff
from service.reconcile.desired import DesiredWebhook
from service.reconcile.schedule import retry_after
from service.store import webhook_states as states
from service.store.pool import Pool
from service.store.webhook_states import Claim, Finding
from service.vapi.client import VapiClient
from service.vapi.errors import (
    VapiError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiThrottledError,
    VapiUnauthorizedError,
)
from service.vapi.resources import PhoneNumberView

HELD_TRIES = 20
HELD_SECONDS = 0.1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Probe:
    """What Vapi says of a number that is to be added."""

    number: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Brings numbers' webhooks to the desired state, one at a time, never two at once on one."""

    pool: Pool
    client: VapiClient
    desired: DesiredWebhook

    async def probe(self, vapi_phone_number_id: str) -> Probe | None:
        """Look whether Vapi knows the number. None: Vapi cannot be asked now.

        Raises `InvalidError` with code `vapi_phone_number_not_found`.
        """
        try:
            raw = await self.client.get_phone_number(vapi_phone_number_id, Priority.ADMIN)
        except VapiNotFoundError:
            raise InvalidError(
                "Vapi has no phone number with this id. Copy the id from Vapi's dashboard, and "
                "check that VAPI_API_KEY belongs to the same Vapi organization.",
                code="vapi_phone_number_not_found",
            ) from None
        except VapiError as exc:
            log.warning("webhook.probe_failed", error=str(exc))
            return None
        view = PhoneNumberView(raw)
        return Probe(view.number, view.name)

    async def reconcile(
        self, phone_number_id: UUID, priority: Priority = Priority.ADMIN
    ) -> Sync | None:
        """One pass; returns the state afterwards, None when the number is gone (or released).

        While another replica works on the number this waits a little for its outcome instead.
        """
        for _ in range(HELD_TRIES):
            held = await states.claim(self.pool, phone_number_id)
            if held is not None:
                await self.work(held, priority)
                break
            if await states.find_sync(self.pool, phone_number_id) is None:
                return None
            await asyncio.sleep(HELD_SECONDS)
        return await states.find_sync(self.pool, phone_number_id)

    async def reconcile_due(self, phone_number_id: UUID) -> None:
        """One pass if the number is due and nobody works on it; for the loop, which never waits."""
        held = await states.claim(self.pool, phone_number_id, due=True)
        if held is not None:
            await self.work(held, Priority.REPAIR)

    async def work(self, held: Claim, priority: Priority) -> None:
        """Do the pass under a claim, which is given back whatever happens."""
        try:
            finding = await self.attempt(held, priority)
        except BaseException:
            # Not shielded from a crash: the lease runs out, and the pass is done again.
            await states.unclaim(self.pool, held)
            raise
        if finding is None:
            await states.forget(self.pool, held)
            log.info("webhook.released", phone_number_id=held.phone_number_id)
            return
        await states.record(self.pool, held, finding)
        event = {"phone_number_id": held.phone_number_id, "state": finding.state.value}
        if finding.error:
            log.warning("webhook.not_in_sync", **event, error=finding.error)
        else:
            log.info("webhook.checked", **event)

    async def attempt(self, held: Claim, priority: Priority) -> Finding | None:
        """The pass itself, with Vapi's failures turned into findings; None: the number may go."""
        try:
            if held.released:
                await self.restore(held, priority)
                return None
            return await self.repair(held, priority)
        except VapiNotFoundError:
            if held.released:
                return None
            return Finding(
                SyncState.MISSING,
                error="Vapi no longer has this phone number: remove it here, or import it again.",
                failures=held.failures + 1,
                retry_in=self.retry_in(held, permanent=True),
            )
        except (VapiUnauthorizedError, VapiRejectedError) as exc:
            return Finding(
                SyncState.FAILED,
                error=str(exc),
                failures=held.failures + 1,
                retry_in=self.retry_in(held, permanent=True),
                checked=False,
            )
        except VapiError as exc:
            asked = exc.retry_after if isinstance(exc, VapiThrottledError) else None
            return Finding(
                SyncState.PENDING,
                error=str(exc),
                failures=held.failures + 1,
                retry_in=self.retry_in(held, asked=asked),
                checked=False,
            )

    def retry_in(
        self, held: Claim, *, permanent: bool = False, asked: float | None = None
    ) -> float:
        return retry_after(held.failures + 1, random.random(), permanent=permanent, asked=asked)  # noqa: S311

    async def repair(self, held: Claim, priority: Priority) -> Finding:
        """Bring the number to the desired state and look whether it took."""
        view = await self.observe(held, priority)
        if view.number is not None:
            await states.learn_number(self.pool, held.phone_number_id, view.number)
        drift = diff.changes(self.desired, view.server)
        if drift:
            await states.keep_original(self.pool, held, snapshot(view.raw))
            server = diff.merged(self.desired, view.server)
            await self.patch(held, view, {"server": server}, priority)
            fields = [entry.field for entry in drift]
            log.info("webhook.repaired", phone_number_id=held.phone_number_id, fields=fields)
            view = await self.observe(held, priority)
            drift = diff.changes(self.desired, view.server)
        elif held.original is None:
            # Set up by hand to post to us: releasing must still not leave it so.
            await states.keep_original(self.pool, held, {"server": None})
        if drift:
            return Finding(
                SyncState.DRIFTED,
                drift,
                "Vapi took the change and does not show it: somebody else may be changing it back.",
                held.failures + 1,
                self.retry_in(held),
            )
        return await self.shadow(view, priority)

    async def shadow(self, view: PhoneNumberView, priority: Priority) -> Finding:
        """An assistant with a server of its own takes the events away from the number's webhook."""
        if view.assistant_id is None:
            return Finding(SyncState.IN_SYNC)
        try:
            assistant = await self.client.get_assistant(view.assistant_id, priority)
        except VapiNotFoundError:
            return Finding(SyncState.IN_SYNC)
        server = PhoneNumberView(assistant).server
        url = server.get("url") if server else None
        if not url or diff.is_ours(self.desired, server):
            return Finding(SyncState.IN_SYNC)
        return Finding(
            SyncState.SHADOWED,
            (FieldDrift("assistant.server.url", self.desired.url, url),),
            "The assistant bound to this number has a server URL of its own, which gets the events "
            "instead of us: remove it from the assistant, or set it to our webhook URL.",
        )

    async def restore(self, held: Claim, priority: Priority) -> None:
        """Put back what was there before, unless somebody has pointed the number elsewhere since."""
        view = await self.observe(held, priority)
        if held.original is None or not diff.is_ours(self.desired, view.server):
            return
        former = held.original.get("server")
        await self.patch(held, view, {"server": former}, priority)
        view = await self.observe(held, priority)
        former_url = former.get("url") if isinstance(former, Mapping) else None
        if diff.is_ours(self.desired, view.server) and former_url != self.desired.url:
            raise VapiError("Vapi took the former webhook and does not show it.")

    async def observe(self, held: Claim, priority: Priority) -> PhoneNumberView:
        return PhoneNumberView(
            await self.client.get_phone_number(held.vapi_phone_number_id, priority)
        )

    async def patch(
        self, held: Claim, view: PhoneNumberView, body: dict[str, Any], priority: Priority
    ) -> None:
        """Change the number; Vapi tells the kind of body by the provider that it gave us."""
        if view.provider is not None:
            body = {"provider": view.provider, **body}
        await self.client.patch_phone_number(held.vapi_phone_number_id, body, priority)


def snapshot(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What a release puts back: the server block, or a legacy URL as one, or nothing."""
    server = PhoneNumberView(raw).server
    return {"server": dict(server) if server is not None else None}
