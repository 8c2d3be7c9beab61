"""The objects that the API's examples show: one client, its number, and a call of it."""

from typing import Any

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
    "relay_fallback": None,
    "keep_transcripts_days": None,
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
    "time_zone": "America/New_York",
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
    "secret_lost": False,
    "successor_vapi_id": None,
    "unanswered": None,
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
            "note": None,
            "warning": None,
            "message": None,
            "divert_to": None,
            "max_duration_seconds": None,
            "limits": [],
            "duration_ms": 0.01,
            "mode": "enforce",
        }
    ],
    "message": None,
    "divert_to": None,
    "max_duration_seconds": None,
}
CALL: Json = {
    "id": CALL_ID,
    "vapi_call_id": VAPI_CALL_ID,
    "organization_id": ORGANIZATION_ID,
    "phone_number_id": NUMBER_ID,
    "type": "inboundPhoneCall",
    "direction": "inbound",
    "caller_number": "+15•••••0199",
    "called_number": "+15552000001",
    "assistant_id": ASSISTANT_ID,
    "status": "failed",
    "blocked": True,
    "diverted": False,
    "reason": "no_plan_or_trial",
    "gate": "event",
    "hangup": {"state": "confirmed", "attempts": 1},
    "decision": DECISION,
    "started_at": NOON,
    "ended_at": LATER,
    "ended_reason": "assistant-ended-call",
    "duration_seconds": 0.9,
    "cost": 0.001,
    "cost_parts": {"llm": 0.0004, "vapi": 0.0006},
    "connected": True,
    "doubts": [],
    "lived_seconds": 0.9,
    "cut_at": None,
    "cut_reason": None,
    "missed": False,
    "relay": None,
}
SUMS: Json = {"calls": 12, "blocked_calls": 2, "seconds": 1480.5, "cost": 2.31}
USAGE: Json = {"from": "2026-12-01T00:00:00Z", "to": PERIOD_END, **SUMS, "live_calls": 1}
DAY_USAGE: Json = {"from": "2026-12-01T00:00:00Z", **SUMS}
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
IMPORT: Json = {
    "id": "4c1f0d3b-2a7e-4d55-9b1a-7e6f5d4c3b2a",
    "kind": "organizations",
    "name": "customers.csv",
    "state": "applied",
    "warning": None,
    "planned": {"create": 1, "update": 0, "unchanged": 0, "error": 0},
    "outcomes": {"waiting": 0, "done": 1, "unchanged": 0, "failed": 0},
    "created_by": "token:billing",
    "created_at": NOON,
    "applied_by": "token:billing",
    "applied_at": NOON,
    "finished_at": LATER,
    "audit_id": 4711,
    "undone_at": None,
}
