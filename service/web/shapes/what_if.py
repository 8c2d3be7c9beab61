"""The shapes of questions about an organization's access: at another time, with other facts."""

from typing import Any, Literal

from policies.contract import CallFacts
from policies.entitlements import Override
from service.admin.organizations.what_if import SUPPOSED_CALL, SupposedTrial, WhatIf
from service.web.shapes.bodies import RequestBody
from service.web.shapes.fields import E164, Attributes, Id, Instant, VapiId
from service.web.shapes.organizations import OverrideBody, PlanBody, TrialBody
from service.web.shapes.paging import QueryParameters

CallType = Literal["inboundPhoneCall", "outboundPhoneCall", "webCall", "vapi.websocketCall"]


class AccessQuery(QueryParameters):
    """The question: for a phone number of the organization, at another time."""

    phone_number_id: Id | None = None
    at: Instant | None = None


class SupposedCall(RequestBody):
    """A call. An absent number of the organization's side is that of `phone_number_id`."""

    type: CallType | None = None
    caller_number: E164 | None = None
    called_number: E164 | None = None
    assistant_id: VapiId | None = None

    @property
    def facts(self) -> CallFacts:
        """The facts that policies see, without what they derive from."""
        return CallFacts(
            SUPPOSED_CALL,
            self.type,
            self.caller_number,
            self.assistant_id,
            called_number=self.called_number,
        )


class WhatIfBody(RequestBody):
    """Supposed facts. An absent one is the present one, or that of `at` in the past; null is none."""

    at: Instant | None = None
    phone_number_id: Id | None = None
    plan: PlanBody | None = None
    trial: TrialBody | None = None
    override: OverrideBody | None = None
    attributes: Attributes | None = None
    call: SupposedCall | None = None

    def asked_by(self, author: str) -> WhatIf:
        """The question of the use case; `author` is that of a supposed override."""
        plan, trial, override = self.plan, self.trial, self.override
        facts: dict[str, Any] = {
            "plan": plan and plan.plan,
            "trial": trial and SupposedTrial(trial.starts_at, trial.ends_at),
            "override": override
            and Override(
                override.effect,
                override.reason,
                author,
                override.starts_at,
                override.expires_at,
            ),
            "attributes": self.attributes,
        }
        given = {name: fact for name, fact in facts.items() if name in self.model_fields_set}
        call = None if self.call is None else self.call.facts
        return WhatIf(self.at, self.phone_number_id, given, call)
