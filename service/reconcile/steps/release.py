"""The step that restores the former fields: on release of a number, and on a rollback."""

from dataclasses import dataclass
from typing import Any

import structlog

from service.domain.phone_numbers import SyncState
from service.domain.priority import Priority
from service.domain.reconcile import PassResult, WebhookClaim
from service.reconcile.desired import DesiredWebhook
from service.reconcile.failures import UNSURE
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import posts_to_us, way_back
from service.reconcile.steps.assistants import NOT_OURS, NOT_SHOWN, AssistantWebhooks
from service.reconcile.steps.gate_fields import gate_changes, released_gates
from service.reconcile.steps.writer import Target, Writer
from service.store.reconcile.changes import WebhookChange
from service.vapi.bindings import BINDINGS, FALLBACK
from service.vapi.errors import VapiUnavailableError, VapiUnsureError
from service.vapi.resources import ServerView

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Release:
    """Restores owned fields under a claim, so that changes by others stay."""

    writer: Writer
    assistants: AssistantWebhooks
    desired: DesiredWebhook

    async def run(self, held: WebhookClaim, priority: Priority) -> None:
        """Restore a number and its assistants, unless they post elsewhere by now."""
        held = await self.assistants.give_back(held, priority)
        target = Target("phone_number", held.vapi_phone_number_id)
        seen = await self.writer.read(target, priority)
        # Bindings are restored together with the webhook: in between nothing would answer.
        gates = gate_changes(released_gates(), seen.raw, held.kept)
        body = {**gates.body, **self.former_server(held, seen)}
        if not body:
            if held.original is not None and held.problem != UNSURE:
                raise VapiUnsureError(NOT_OURS)
            return
        lost = bool((held.original or {}).get(webhook_fields.LOST_SECRET)) and "server" in body
        written = await self.writer.put_back(held, target, seen, body, priority, lost=lost)
        await self.writer.confirm(written)
        view = written.view
        left = gate_changes(released_gates(), view.raw, held.kept, written=True)
        if left.drift or posts_to_us(self.desired, view.server, held.last_applied):
            raise VapiUnavailableError(NOT_SHOWN)

    def former_server(self, held: WebhookClaim, seen: ServerView) -> dict[str, Any]:
        """The part of the change that removes our webhook; empty where there is none of ours.

        Without a record it was set up by hand, or a failover of PostgreSQL lost the record: a webhook
        that posts to us does not stay either way.
        """
        if held.original is None:
            ours = posts_to_us(self.desired, seen.server, held.last_applied)
            return {"server": None} if ours else {}
        former = self.writer.open_kept(held, held.original).get("server")
        return way_back(self.desired, seen.server, held.last_applied, former)

    async def roll_back(
        self, held: WebhookClaim, change: WebhookChange, priority: Priority
    ) -> PassResult:
        """Restore the owned fields to their values before a change.

        Hooks are not restored: a ringing hook of ours would block an organization that paid since.
        """
        target = Target(change.level, change.vapi_id)
        seen = await self.writer.read(target, priority)
        before = self.writer.open_kept(held, change.before or {})
        body = {key: before[key] for key in (*BINDINGS, FALLBACK) if key in before}
        former = seen.server
        if "server" in before:
            body["server"] = former = webhook_fields.put_back(seen.server, before["server"])
        written = await self.writer.write(
            held,
            target,
            seen,
            body,
            cause="rolled_back",
            fields=webhook_fields.owned_differences(seen.server, former),
            priority=priority,
        )
        if webhook_fields.owned_differences(written.view.server, former):
            raise VapiUnavailableError(NOT_SHOWN)
        await self.writer.confirm(written)
        on_number = change.level == "phone_number"
        desired = self.desired.of(held.organization_id)
        drift = webhook_fields.changes(desired, written.view.server) if on_number else ()
        return PassResult(SyncState.PAUSED, drift, retry_in=held.pause_left, level=held.level)
