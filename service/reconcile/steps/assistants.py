"""The fallback: the webhook on an assistant that answers the number, and giving it back.

Only assistants that the number's own organization registered are ever touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.priority import Priority
from service.reconcile.desired import DesiredWebhook
from service.reconcile.failures import UNSURE
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import cause_of, posts_to_us, way_back
from service.reconcile.steps.writer import Target, Writer
from service.store.pool import Pool
from service.store.reconcile import assistants, claims
from service.store.reconcile.claims import WebhookClaim
from service.vapi.errors import VapiNotFoundError, VapiUnavailableError, VapiUnsureError

WITHIN = "assistant.server"
NOT_OURS = "Vapi shows nothing of ours there: looking once more before that is believed."


class AssistantBusyError(VapiUnavailableError):
    """Another number's pass works on the same assistant; this one comes again in a moment."""

    def __init__(self) -> None:
        super().__init__("The assistant is being changed for another number right now.", 1.0)


@dataclass(frozen=True, slots=True)
class AssistantWebhooks:
    """Configures and gives back assistants under a claim of their own."""

    pool: Pool
    writer: Writer
    desired: DesiredWebhook

    async def configure(self, held: WebhookClaim, assistant_id: str, priority: Priority) -> bool:
        """Bring an assistant's webhook to the desired state; False if Vapi does not keep it."""
        if assistant_id not in held.assistant_ids:
            # Before the first write: a crash right after it must not lose what has to go back.
            held.assistant_ids.append(assistant_id)
            await claims.keep_assistants(self.pool, held, held.assistant_ids)
        claimed = await assistants.claim(self.pool, assistant_id)
        if claimed is None:
            raise AssistantBusyError
        claim, original = claimed
        try:
            target = Target("assistant", assistant_id)
            seen = await self.writer.read(target, priority)
            drift = webhook_fields.changes(self.desired, seen.server, within=WITHIN)
            if original is None:
                kept = None if webhook_fields.is_ours(self.desired, seen.server) else seen.server
                former = {"server": None if kept is None else dict(kept)}
                await assistants.keep_original(self.pool, assistant_id, claim, former)
            if not drift:
                return True
            applied: Mapping[str, Any] | None = held.last_applied if original else None
            written = await self.writer.write(
                held,
                target,
                seen,
                {"server": webhook_fields.merged(self.desired, seen.server)},
                cause=cause_of(drift, seen.server, applied, self.desired),
                fields=drift,
                priority=priority,
            )
            if not webhook_fields.is_ours(self.desired, written.view.server):
                return False
            await self.writer.confirm(written)
            return True
        finally:
            await assistants.unclaim(self.pool, assistant_id, claim)

    async def give_back(
        self, held: WebhookClaim, keep: frozenset[str] | set[str], priority: Priority
    ) -> None:
        """Put back what was on the number's assistants before us, but for those in `keep` and those
        that another number needs."""
        for assistant_id in [one for one in held.assistant_ids if one not in keep]:
            await self.give_one_back(held, assistant_id, priority)
            held.assistant_ids.remove(assistant_id)
            await claims.keep_assistants(self.pool, held, held.assistant_ids)

    async def give_one_back(
        self, held: WebhookClaim, assistant_id: str, priority: Priority
    ) -> None:
        """Restore one assistant, unless somebody has pointed it elsewhere since."""
        claimed = await assistants.claim(self.pool, assistant_id)
        if claimed is None:
            raise AssistantBusyError
        claim, original = claimed
        try:
            if await assistants.is_used_by_others(self.pool, assistant_id, held.phone_number_id):
                return
            if original is not None:
                await self.restore(held, Target("assistant", assistant_id), original, priority)
            await assistants.forget(self.pool, assistant_id, claim)
        finally:
            await assistants.unclaim(self.pool, assistant_id, claim)

    async def restore(
        self, held: WebhookClaim, target: Target, original: Mapping[str, Any], priority: Priority
    ) -> None:
        """Write the former block; an assistant that is gone needs nothing."""
        try:
            seen = await self.writer.read(target, priority)
        except VapiNotFoundError:
            return
        body = way_back(self.desired, seen.server, held.last_applied, original.get("server"))
        if not body:
            if held.problem != UNSURE:
                raise VapiUnsureError(NOT_OURS)
            return
        written = await self.writer.put_back(held, target, seen, body, priority)
        if posts_to_us(self.desired, written.view.server, held.last_applied):
            raise VapiUnavailableError("Vapi took the former webhook and does not show it.")
        await self.writer.confirm(written)
