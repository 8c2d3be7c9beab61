"""The step that writes the webhook on assistants that answer a number, and restores them.

Only assistants that the number's own organization registered are ever written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.domain.priority import Priority
from service.domain.reconcile import WebhookClaim
from service.reconcile.desired import DesiredWebhook
from service.reconcile.failures import UNSURE
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import posts_to_us, way_back
from service.reconcile.steps.assistant_fields import WITHIN
from service.reconcile.steps.number_plan import NumberChange
from service.reconcile.steps.writer import Target, Writer
from service.store.pool import Pool
from service.store.reconcile import assistants, claims
from service.vapi.errors import VapiNotFoundError, VapiUnavailableError, VapiUnsureError

NOT_SHOWN = "Vapi accepted the former webhook but does not show it."
NOT_OURS = "Vapi shows nothing of ours there. Checking again before it is released."


class AssistantBusyError(VapiUnavailableError):
    """Another number's pass holds the assistant's lease; this pass is retried shortly."""

    def __init__(self) -> None:
        super().__init__("Another number's pass is changing the assistant. Retrying shortly.", 1.0)


@dataclass(frozen=True, slots=True)
class AssistantWebhooks:
    """Writes and restores assistants, each under a lease of its own."""

    pool: Pool
    writer: Writer
    desired: DesiredWebhook

    async def configure(
        self, claim: WebhookClaim, change: NumberChange, priority: Priority
    ) -> tuple[WebhookClaim, bool]:
        """Bring an assistant's webhook to the desired state; False if Vapi does not keep it, or if the
        assistant was deleted meanwhile, which says nothing about the number."""
        assistant_id = change.vapi_id
        if assistant_id not in claim.assistant_ids:
            # Before the first write: a crash right after it must not lose what has to go back.
            claim = await self.record(claim, (*claim.assistant_ids, assistant_id))
        async with assistants.leased(self.pool, assistant_id) as leased:
            if leased is None:
                raise AssistantBusyError
            try:
                return claim, await self.bring(claim, change, leased, priority)
            except VapiNotFoundError:
                return claim, False

    async def bring(
        self,
        claim: WebhookClaim,
        change: NumberChange,
        leased: tuple[int, Mapping[str, Any] | None],
        priority: Priority,
    ) -> bool:
        """The same under the assistant's lease, where it is read again: several numbers may share it."""
        assistant_id, desired = change.vapi_id, self.desired.of(claim.organization_id)
        lease, original = leased
        target = Target("assistant", assistant_id)
        seen = await self.writer.read(target, priority)
        drift = webhook_fields.changes(desired, seen.server, within=WITHIN)
        lost = webhook_fields.hidden_secret(desired, seen, WITHIN) if drift else ()
        if original is None:
            kept = None if webhook_fields.is_ours(desired, seen.server) else seen.server
            former = webhook_fields.kept_original(
                webhook_fields.without_own_secrets(desired, kept),
                hidden=kept is not None and seen.hides_secret,
            )
            await assistants.keep_original(
                self.pool, assistant_id, lease, self.writer.vault.seal_kept(former)
            )
        if not drift:
            return True
        written = await self.writer.write(
            claim,
            target,
            seen,
            {"server": webhook_fields.merged(desired, seen.server)},
            cause=change.cause if original else "added",
            fields=(*drift, *lost),
            priority=priority,
        )
        if not webhook_fields.is_ours(desired, written.view.server):
            return False
        await self.writer.confirm(written)
        return True

    async def record(self, claim: WebhookClaim, assistant_ids: tuple[str, ...]) -> WebhookClaim:
        """Record which assistants carry the number's webhook."""
        await claims.keep_assistants(self.pool, claim, assistant_ids)
        return replace(claim, assistant_ids=assistant_ids)

    async def give_back(self, claim: WebhookClaim, priority: Priority) -> WebhookClaim:
        """Restore all assistants of a number, except those that another number needs."""
        for assistant_id in claim.assistant_ids:
            claim = await self.give_one_back(claim, assistant_id, priority)
        return claim

    async def give_one_back(
        self, claim: WebhookClaim, assistant_id: str, priority: Priority
    ) -> WebhookClaim:
        """Restore one assistant, unless another number needs it or it posts elsewhere by now."""
        async with assistants.leased(self.pool, assistant_id) as leased:
            if leased is None:
                raise AssistantBusyError
            lease, original = leased
            owner = claim.phone_number_id
            if not await assistants.is_used_by_others(self.pool, assistant_id, owner):
                if original is not None:
                    await self.restore(claim, Target("assistant", assistant_id), original, priority)
                await assistants.delete(self.pool, assistant_id, lease)
        left = tuple(one for one in claim.assistant_ids if one != assistant_id)
        return await self.record(claim, left)

    async def restore(
        self, claim: WebhookClaim, target: Target, original: Mapping[str, Any], priority: Priority
    ) -> None:
        """Write the former server block; an assistant that is deleted, even meanwhile, needs nothing."""
        try:
            seen = await self.writer.read(target, priority)
            former = self.writer.open_kept(claim, original).get("server")
            body = way_back(self.desired, seen.server, claim.last_applied, former)
            if not body:
                if claim.problem != UNSURE:
                    raise VapiUnsureError(NOT_OURS)
                return
            lost = bool(original.get(webhook_fields.LOST_SECRET))
            written = await self.writer.put_back(claim, target, seen, body, priority, lost=lost)
        except VapiNotFoundError:
            return
        if posts_to_us(self.desired, written.view.server, claim.last_applied):
            raise VapiUnavailableError(NOT_SHOWN)
        await self.writer.confirm(written)
