"""Changes at Vapi: each is recorded, made, read back and confirmed.

Numbers and assistants have the same `server` block; `Target` says which of the two is changed.
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
from service.reconcile.steps.applied import secret_form
from service.reconcile.steps.webhook_fields import Server
from service.store.pool import Pool
from service.store.reconcile import changes
from service.store.vault import Vault
from service.vapi.errors import VapiRejectedError
from service.vapi.resources import PhoneNumberView, ServerView

log = structlog.get_logger()


class ClaimLostError(Exception):
    """The claim is lost: another replica took over, or the number was paused. Do not write."""


@dataclass(frozen=True, slots=True)
class Target:
    """The object to change: a number, or an assistant that answers it."""

    level: SyncLevel
    vapi_id: str


@dataclass(frozen=True, slots=True)
class Written:
    """A completed write: how Vapi shows our secret, and the object as read back."""

    shown: list[str] | None
    view: ServerView
    change_id: int


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes under a claim; raises `ClaimLostError` once the claim is lost."""

    pool: Pool
    observer: Observer
    desired: DesiredWebhook
    vault: Vault

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
        """Make a change and read the object back; the caller compares it and confirms.

        `body` are whole fields of the object. A pause of everything does not stop an `urgent` change.
        """
        change_id = await changes.begin(
            self.pool,
            held,
            level=target.level,
            vapi_id=target.vapi_id,
            cause=cause,
            fields=fields,
            before=self.vault.seal_kept(
                {
                    key: webhook_fields.without_own_secrets(self.desired, seen.server)
                    if key == "server"
                    else seen.raw.get(key)
                    for key in body
                }
            ),
            after=self.vault.seal_kept(
                {
                    **body,
                    **({"server": masked_block(body["server"])} if "server" in body else {}),
                }
            ),
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
        desired = self.desired.of(held.organization_id)
        return Written(secret_form(desired, ServerView(answered).server), view, change_id)

    async def put_back(
        self,
        held: WebhookClaim,
        target: Target,
        seen: ServerView,
        body: Mapping[str, Any],
        priority: Priority,
        *,
        lost: bool = False,
    ) -> Written:
        """Restore fields. If Vapi no longer accepts the former webhook, the webhook is cleared: that is
        better than leaving ours. `lost`: its secret cannot be restored, which the history then says."""
        try:
            return await self.restore(held, target, seen, body, priority, lost=lost)
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
        *,
        lost: bool = False,
    ) -> Written:
        """Write one restoring change."""
        server = body.get("server", seen.server)
        fields = webhook_fields.owned_differences(seen.server, server)
        if lost:
            log.warning("webhook.secret_lost", phone_number_id=held.phone_number_id)
            fields = (*fields, webhook_fields.NOT_RESTORED)
        return await self.write(
            held, target, seen, body, cause="released", fields=fields, priority=priority
        )

    def open_kept(self, held: WebhookClaim, kept: Mapping[str, Any]) -> dict[str, Any]:
        """Decrypt kept fields; secrets whose key is lost are left out, and the rest is restored."""
        if self.vault.has_lost(kept):
            log.error("webhook.kept_secrets_lost", phone_number_id=held.phone_number_id)
        return self.vault.open_kept(kept)

    async def confirm(self, written: Written) -> None:
        """Record that Vapi was seen to have the change."""
        await changes.confirm(self.pool, written.change_id)

    async def read(self, target: Target, priority: Priority) -> ServerView:
        """Read the target."""
        if target.level == "assistant":
            return await self.observer.assistant(target.vapi_id, priority)
        return await self.observer.number(target.vapi_id, priority)

    async def patch(
        self, target: Target, seen: ServerView, body: dict[str, Any], priority: Priority
    ) -> Mapping[str, Any]:
        """Send the change; for a number with its `provider`, which Vapi requires."""
        client = self.observer.client
        if target.level == "assistant":
            return await client.patch_assistant(target.vapi_id, body, priority)
        provider = PhoneNumberView(seen.raw).provider
        if provider is not None:
            body = {"provider": provider, **body}
        return await client.patch_phone_number(target.vapi_id, body, priority)


def masked_block(server: Server | None) -> dict[str, Any] | None:
    """A block for the history: our own secret is masked."""
    if server is None or not isinstance(server.get("headers"), Mapping):
        return None if server is None else dict(server)
    ours = dict.fromkeys(webhook_fields.owned_headers(server), webhook_fields.MASK)
    return {**server, "headers": {**server["headers"], **ours}}
