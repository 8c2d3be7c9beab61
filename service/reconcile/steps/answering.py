"""What answers granted calls of a number: attached at Vapi, or named in its answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.reconcile import AnswerFacts, WebhookClaim
from service.vapi.bindings import BINDING_KINDS, bindings_of
from service.vapi.resources import PhoneNumberView

Exists = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Answerers:
    """Ask whether Vapi has an assistant, a squad or a workflow."""

    assistant: Exists
    squad: Exists
    workflow: Exists


async def find_answer(
    claim: WebhookClaim, number: PhoneNumberView, known: Answerers
) -> AnswerFacts:
    """Whether something is attached to the number, and the target of its answer that Vapi lacks.

    The bindings that a release restores answer no call before it.
    """
    attached = bindings_of(number.raw)
    answer: Mapping[str, Any] = attached or claim.answer_with or {}
    for field, kind in BINDING_KINDS.items():
        target = answer.get(field)
        if not isinstance(target, str):
            continue
        exists: Exists = getattr(known, kind)
        missing = None if await exists(target) else f"{kind} {target}"
        return AnswerFacts(claim.phone_number_id, bool(attached), missing)
    return AnswerFacts(claim.phone_number_id, bool(attached), None)
