"""An example of every body of the API, shown in its document. A test holds them to their shapes."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from service.web.shapes import (
    audit,
    calls,
    coverage,
    decisions,
    history,
    organizations,
    phone_numbers,
    policies,
    reconcile,
    tokens,
    unknown_numbers,
)
from service.web.shapes.paging import ListPage

Json = dict[str, Any]

ORGANIZATION_ID = "0d5f2a1e-8c4b-4f7a-9a55-3f6f0c2b7a11"
NUMBER_ID = "6f0f1c52-7f0f-4f5c-8a83-0a2a6a1f9d21"
VAPI_NUMBER_ID = "3f6c2a10-7f3e-4c56-9d0b-1a2b3c4d5e6f"
VAPI_CALL_ID = "0196b7f0-6c1e-7a3b-8f00-5a3d9c1e2b44"
ASSISTANT_ID = "b2a91d60-1c2d-4e3f-8a9b-0c1d2e3f4a5b"
CALL_ID = "9b1c7f52-2f6d-4a39-8f57-6f2d3b9a1c02"
NOON = "2026-12-01T12:00:00Z"
LATER = "2026-12-01T12:00:01Z"
PERIOD_END = "2027-01-01T00:00:00Z"

PLAN: Json = {"code": "pro", "status": "active", "current_period_end": PERIOD_END}
STORED_PLAN: Json = {
    **PLAN,
    "grace_period_end": None,
    "cancel_at_period_end": False,
    "limits": {"minutes": 500},
    "as_of": NOON,
}
HANDLING: Json = {
    "ring_gate": None,
    "goodbye": False,
    "when_access_ends": "finish",
    "decision_metadata": False,
    "take_events": False,
    "max_duration_seconds": None,
    "transfer_when_down": None,
    "language": None,
}
ORGANIZATION: Json = {
    "id": ORGANIZATION_ID,
    "name": "Corner Bakery",
    "external_id": "customer-1042",
    "blocked_message": "This number is not in service at the moment.",
    "forward_url": None,
    "attributes": {"region": "north"},
    "assistant_ids": [],
    "handling": HANDLING,
    "blocked_messages": [],
    "plan": STORED_PLAN,
    "trial": None,
    "override": None,
    "access": {"allowed": True, "policy": "plan", "reason": "plan_active"},
    "created_at": NOON,
    "updated_at": NOON,
}
PHONE_NUMBER: Json = {
    "id": NUMBER_ID,
    "organization_id": ORGANIZATION_ID,
    "vapi_phone_number_id": VAPI_NUMBER_ID,
    "number": "+15552000001",
    "label": "Front desk",
    "gate": "event",
    "answer_with": None,
    "sync": {
        "state": "in_sync",
        "level": "phone_number",
        "drift": [],
        "last_checked_at": NOON,
        "last_error": None,
        "next_attempt_at": None,
    },
    "pause": None,
    "conditions": {"configured": True, "unshadowed": True, "last_event_at": NOON},
    "created_at": NOON,
    "updated_at": NOON,
}
DECISION: Json = {
    "id": "c0a8f4de-3b62-4d0e-9b7a-1f2e3d4c5b6a",
    "effect": "deny",
    "determined_by": None,
    "reason": "no_plan_or_trial",
    "basis": "fresh",
    "trace": [
        {
            "policy": "plan",
            "effect": "abstain",
            "reason": None,
            "counted_as": None,
            "duration_ms": 0.01,
        }
    ],
}
CALL: Json = {
    "id": CALL_ID,
    "vapi_call_id": VAPI_CALL_ID,
    "organization_id": ORGANIZATION_ID,
    "phone_number_id": NUMBER_ID,
    "type": "inboundPhoneCall",
    "status": "failed",
    "blocked": True,
    "reason": "no_plan_or_trial",
    "gate": "event",
    "hangup": {"state": "confirmed", "attempts": 1},
    "decision": DECISION,
    "started_at": NOON,
    "ended_at": LATER,
    "ended_reason": "assistant-ended-call",
    "duration_seconds": 0.9,
    "cost": 0.001,
    "lived_seconds": 0.9,
    "cut_at": None,
    "cut_reason": None,
    "missed": False,
}
FIELD: Json = {
    "field": "server.url",
    "desired": "https://calls.example.net/api/vapi/webhook",
    "observed": "https://old.example.net/hook",
}
REPAIR: Json = {"phone_number_id": NUMBER_ID, "changes": [FIELD]}
SWEEP: Json = {
    "started_at": NOON,
    "finished_at": LATER,
    "started_by": "schedule",
    "dry_run": False,
    "outcome": "done",
    "registered": 1,
    "seen": 1,
    "figures": {"in_sync": 1},
    "error": None,
}
LISTENER: Json = {
    "level": "phone_number",
    "vapi_id": VAPI_NUMBER_ID,
    "name": "Front desk",
    "url": "https://calls.example.net/api/vapi/webhook",
    "ours": True,
    "events": "call events",
    "why": "The assistant has no server of its own.",
}
TOKEN: Json = {
    "id": "1e2d3c4b-5a69-4788-96a5-b4c3d2e1f001",
    "name": "billing",
    "role": "admin",
    "scopes": ["organizations"],
    "created_by": "ada",
    "created_at": NOON,
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": None,
}

EXAMPLES: Mapping[type[BaseModel], Json] = {
    organizations.OrganizationBody: {"name": "Corner Bakery", "external_id": "customer-1042"},
    organizations.OrganizationPatch: {"blocked_message": "Please call again next week."},
    organizations.PlanBody: {**PLAN, "as_of": NOON},
    organizations.TrialBody: {"ends_at": PERIOD_END},
    organizations.OverrideBody: {
        "effect": "allow",
        "reason": "Paid by invoice, ticket 4711",
        "expires_at": PERIOD_END,
    },
    organizations.Organization: ORGANIZATION,
    history.History: {
        "organization_id": ORGANIZATION_ID,
        "at": NOON,
        "plan": STORED_PLAN,
        "trial": None,
        "override": None,
    },
    decisions.AccessExplained: {
        **DECISION,
        "allowed": False,
        "policy": None,
        "decided_at": NOON,
    },
    phone_numbers.PhoneNumberBody: {
        "organization_id": ORGANIZATION_ID,
        "vapi_phone_number_id": VAPI_NUMBER_ID,
        "label": "Front desk",
    },
    phone_numbers.PhoneNumberPatch: {
        "gate": "request",
        "answer_with": {"assistantId": ASSISTANT_ID},
    },
    phone_numbers.PhoneNumber: PHONE_NUMBER,
    coverage.Coverage: {
        "phone_number_id": NUMBER_ID,
        "calls": [
            {
                "kind": "inbound",
                "stopped_at": "event",
                "then": [],
                "heard": "The first words of the assistant.",
                "lasts": "About a second.",
                "holes": [],
            }
        ],
        "if_callgate_is_down": {
            "paying_calls": "They go on.",
            "blocked_calls": "They go on until Callgate is back.",
        },
    },
    calls.Call: CALL,
    calls.CallEvent: {"at": NOON, "kind": "hangup.sent", "detail": {"attempt": 1}},
    reconcile.ReconcileBody: {"dry_run": True},
    reconcile.PauseBody: {"reason": "Moving the numbers to another account", "until": PERIOD_END},
    reconcile.RollbackBody: {"change_id": 17},
    reconcile.SweepReport: {
        **dict.fromkeys(("checked", "drifted", "repaired"), 1),
        **dict.fromkeys(("in_sync", "failed", "shadowed", "missing", "paused"), 0),
        **dict.fromkeys(("remaining", "unknown", "malformed"), 0),
        "incomplete": None,
        "repairs": [REPAIR],
        "left": [],
        "limit": 10,
        "dry_run": False,
        "plan": "0123456789abcdef",
        "seconds": 0.4,
    },
    reconcile.Standing: {
        "mode": "enforce",
        "pause": None,
        "held": None,
        "key_refused_at": None,
        "next_sweep_at": PERIOD_END,
        "last_sweep": SWEEP,
        "numbers": {"in_sync": 1},
        "fights": 0,
        "releasing": 0,
    },
    reconcile.Route: {
        "answered_by": "assistant",
        "reaches_us": True,
        "listeners": [LISTENER],
        "shadows": [],
        "remedy": None,
    },
    reconcile.WebhookChange: {
        "id": 17,
        "at": NOON,
        "level": "phone_number",
        "vapi_id": VAPI_NUMBER_ID,
        "cause": "added",
        "actor": "ada",
        "source": "web",
        "fields": [FIELD],
        "before": None,
        "after": None,
        "applied_at": LATER,
    },
    unknown_numbers.ClaimBody: {"organization_id": ORGANIZATION_ID, "label": "Front desk"},
    unknown_numbers.UnknownNumber: {
        "vapi_phone_number_id": VAPI_NUMBER_ID,
        "number": "+15552000001",
        "first_seen_at": NOON,
        "last_seen_at": LATER,
        "calls": 2,
        "last_vapi_call_id": VAPI_CALL_ID,
        "ignored_at": None,
        "ignored_by": None,
    },
    policies.Policy: {
        "name": "plan",
        "order": 100,
        "plugin": "callgate",
        "version": "0.1.0",
        "mode": "enforce",
        "veto": False,
        "on_failure": "abstain",
        "timeout_seconds": 1.0,
        "health": {
            **dict.fromkeys(("asked", "allowed"), 12),
            **dict.fromkeys(("denied", "abstained", "failed", "late"), 0),
            "suspended": False,
            "last_failure": None,
            "last_failed_at": None,
            "p50_ms": 0.01,
            "p95_ms": 0.03,
        },
    },
    audit.AuditEntry: {
        "id": 4711,
        "at": NOON,
        "actor": "ada",
        "source": "api",
        "action": "plan.set",
        "object_type": "organization",
        "object_id": ORGANIZATION_ID,
        "before": None,
        "after": STORED_PLAN,
        "undoes": None,
        "undone_by": None,
    },
    tokens.TokenBody: {"name": "billing", "role": "admin", "scopes": ["organizations"]},
    tokens.Token: TOKEN,
    tokens.NewToken: {**TOKEN, "token": "cg_shown-in-this-answer-only"},
}


def example_of(model: type[BaseModel]) -> Json:
    """The example of a body; of a page, one with a single item. Raises `KeyError`."""
    if model is policies.PoliciesPage:
        return {"items": [EXAMPLES[policies.Policy]], "next_cursor": None, "problems": []}
    if issubclass(model, ListPage):
        (item,) = get_args(model.model_fields["items"].annotation)
        return {"items": [EXAMPLES[item]], "next_cursor": None}
    return EXAMPLES[model]
