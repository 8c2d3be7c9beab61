"""Changing Vapi: each change is written down first, made, read back, and confirmed.

Numbers and assistants carry the same `server` block; `Target` tells which of the two it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from service.domain.phone_numbers import Cause, FieldDrift, SyncLevel
from service.domain.priority import Priority
from service.domain.reconcile import WebhookClaim
from service.reconcile.desired import DesiredWebhook
from service.reconcile.observe import Observer
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import shown_as
from service.reconcile.steps.webhook_fields import Server
from service.store.pool import Pool
from service.store.reconcile import changes
from service.vapi.errors import VapiRejectedError
from service.vapi.resources import PhoneNumberView, ServerView

log = structlog.get_logger()


class ClaimLostError(Exception):
    """Another replica took the number over, or somebody paused it: this pass must not write."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is changed: a number, or an assistant that answers it."""

    level: SyncLevel
    vapi_id: str


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a write: how Vapi shows our secret, and what it has now."""

    shown: list[str] | None
    view: ServerView
    change_id: int


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes under a claim; raises `ClaimLostError` where that no longer holds."""

    pool: Pool
    observer: Observer
    desired: DesiredWebhook

    async def write(
        self,
        held: WebhookClaim,
        target: Target,
        seen: ServerView,
        body: Mapping[str, Any],
        *,
        cause: Cause,
        fields: tuple[FieldDrift, ...],
        priority: Priority,
        urgent: bool = False,
    ) -> Written:
        """Make a change and look whether it took; the caller judges what is there and confirms.

        `body` are whole fields of the object. An `urgent` change goes on in a pause of everything.
        """
        change_id = await changes.begin(
            self.pool,
            held,
            level=target.level,
            vapi_id=target.vapi_id,
            cause=cause,
            fields=fields,
            before={key: seen.server if key == "server" else seen.raw.get(key) for key in body},
            after={**body, **({"server": shown_after(body["server"])} if "server" in body else {})},
            urgent=urgent,
        )
        if change_id is None:
            raise ClaimLostError
        answered = await self.patch(target, seen, dict(body), priority)
        names = [entry.field for entry in fields]
        log.info(
            "webhook.repaired" if cause != "released" else "webhook.put_back",
            phone_number_id=held.phone_number_id,
            level=target.level,
            cause=cause,
            fields=names,
            ordered_by=held.ordered_by,
        )
        view = await self.read(target, priority)
        return Written(shown_as(self.desired, ServerView(answered).server), view, change_id)

    async def put_back(
        self,
        held: WebhookClaim,
        target: Target,
        seen: ServerView,
        body: Mapping[str, Any],
        priority: Priority,
    ) -> Written:
        """A restoring change. Where Vapi no longer takes what it once had, no webhook at all beats one
        of ours."""
        try:
            return await self.restore(held, target, seen, body, priority)
        except VapiRejectedError as exc:
            if body.get("server") is None:
                raise
            log.error("webhook.original_refused", level=target.level, error=str(exc))
            return await self.restore(held, target, seen, {**body, "server": None}, priority)

    async def restore(
        self,
        held: WebhookClaim,
        target: Target,
        seen: ServerView,
        body: Mapping[str, Any],
        priority: Priority,
    ) -> Written:
        """One such change."""
        server = body.get("server", seen.server)
        return await self.write(
            held,
            target,
            seen,
            body,
            cause="released",
            fields=webhook_fields.owned_differences(seen.server, server),
            priority=priority,
        )

    async def confirm(self, written: Written) -> None:
        """Note that the change was seen at Vapi."""
        await changes.confirm(self.pool, written.change_id)

    async def read(self, target: Target, priority: Priority) -> ServerView:
        """The target as it is now."""
        if target.level == "assistant":
            return await self.observer.assistant(target.vapi_id, priority)
        return await self.observer.number(target.vapi_id, priority)

    async def patch(
        self, target: Target, seen: ServerView, body: dict[str, Any], priority: Priority
    ) -> Mapping[str, Any]:
        """Send the change; of a number Vapi wants the provider that it gave us, and nothing else."""
        client = self.observer.client
        if target.level == "assistant":
            return await client.patch_assistant(target.vapi_id, body, priority)
        provider = PhoneNumberView(seen.raw).provider
        if provider is not None:
            body = {"provider": provider, **body}
        return await client.patch_phone_number(target.vapi_id, body, priority)


def shown_after(server: Server | None) -> dict[str, Any] | None:
    """What is kept of a block that we wrote: everything but our own secret."""
    if server is None or not isinstance(server.get("headers"), Mapping):
        return None if server is None else dict(server)
    ours = dict.fromkeys(webhook_fields.owned_headers(server), webhook_fields.MASK)
    return {**server, "headers": {**server["headers"], **ours}}
