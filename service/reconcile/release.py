"""Putting back what was there before: when a number is given up, and when a change is rolled back."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from service.domain.budget import Priority
from service.domain.phone_numbers import SyncState
from service.reconcile import diff
from service.reconcile.at_assistants import AssistantWebhooks
from service.reconcile.desired import DesiredWebhook
from service.reconcile.writing import Target, Writer
from service.store.webhook_changes import WebhookChange
from service.store.webhook_claims import Claim, Finding
from service.vapi.errors import VapiRejectedError, VapiUnavailableError
from service.vapi.resources import ServerView

NOT_SHOWN = "Vapi took the former webhook and does not show it."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Release:
    """Restores under a claim; only owned fields, so that what others changed meanwhile stays."""

    writer: Writer
    assistants: AssistantWebhooks
    desired: DesiredWebhook

    async def give_back(self, held: Claim, priority: Priority) -> None:
        """Restore the number and its assistants, unless somebody has pointed them elsewhere since."""
        await self.assistants.give_back(held, frozenset(), priority)
        target = Target("phone_number", held.vapi_phone_number_id)
        seen = await self.writer.read(target, priority)
        if held.original is None:
            return
        if not self.posts_to_us(held, seen):
            # Somebody else's webhook by now; our secret must not go on travelling there.
            cleaned = diff.without_our_secret(self.desired, seen.server)
            if cleaned is not None:
                await self.write(held, target, seen, cleaned, priority)
            return
        former = diff.put_back(seen.server, held.original.get("server"))
        try:
            view = await self.write(held, target, seen, former, priority)
        except VapiRejectedError as exc:
            if former is None:
                raise
            # What was once accepted is not any more: a number without a webhook beats one of ours.
            log.error("webhook.original_refused", error=str(exc))
            view = await self.write(held, target, seen, None, priority)
        if self.posts_to_us(held, view):
            raise VapiUnavailableError(NOT_SHOWN)

    async def write(
        self,
        held: Claim,
        target: Target,
        seen: ServerView,
        server: Mapping[str, object] | None,
        priority: Priority,
    ) -> ServerView:
        """One restoring change."""
        written = await self.writer.write(
            held,
            target,
            seen,
            server,
            cause="released",
            fields=diff.owned_differences(seen.server, server),
            priority=priority,
        )
        await self.writer.confirm(written)
        return written.view

    async def roll_back(self, held: Claim, change: WebhookChange, priority: Priority) -> Finding:
        """Put the owned fields back to what they were before a change, and leave them so."""
        target = Target(change.level, change.vapi_id)
        seen = await self.writer.read(target, priority)
        former = diff.put_back(seen.server, (change.before or {}).get("server"))
        written = await self.writer.write(
            held,
            target,
            seen,
            former,
            cause="rolled_back",
            fields=diff.owned_differences(seen.server, former),
            priority=priority,
        )
        if diff.owned_differences(written.view.server, former):
            raise VapiUnavailableError(NOT_SHOWN)
        await self.writer.confirm(written)
        on_number = change.level == "phone_number"
        drift = diff.changes(self.desired, written.view.server) if on_number else ()
        return Finding(SyncState.PAUSED, drift, retry_in=held.pause_left, level=held.level)

    def posts_to_us(self, held: Claim, seen: ServerView) -> bool:
        """Whether what is there is ours, by today's URL or by the one that we wrote last."""
        last = (held.last_applied or {}).get("url")
        url = (seen.server or {}).get("url")
        return diff.is_ours(self.desired, seen.server) or (last is not None and url == last)
