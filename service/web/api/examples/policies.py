"""The examples of policies: a quota in shadow, for all organizations and for one."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from service.web.api.examples.objects import ORGANIZATION_ID, VAPI_CALL_ID
from service.web.shapes import policies

POLICIES: Mapping[type[BaseModel], dict[str, Any]] = {
    policies.Policy: {
        "name": "quota",
        "order": 60,
        "plugin": "callgate",
        "version": "0.1.0",
        "mode": "shadow",
        "share": None,
        "veto": False,
        "on_failure": "abstain",
        "timeout_seconds": 0.5,
        "health": {
            **dict.fromkeys(("asked", "abstained"), 12),
            **dict.fromkeys(("allowed", "denied", "failed", "late"), 0),
            "suspended": False,
            "last_failure": None,
            "last_failed_at": None,
            "p50_ms": 0.01,
            "p95_ms": 0.02,
            "stuck": 0,
            "slow": False,
            "waited_p95_ms": None,
        },
    },
    policies.PolicyBody: {"mode": "shadow"},
    policies.OwnPolicyBody: {"mode": "enforce", "settings": {"minutes": 500}},
    policies.OwnPolicy: {
        "organization_id": ORGANIZATION_ID,
        "name": "quota",
        "mode": "enforce",
        "settings": {"minutes": 500},
        "in_force": {"mode": "enforce", "awake": True},
        "problem": None,
    },
    policies.ShadowReport: {
        "asked": 240,
        "would_have_blocked": 1,
        "would_have_allowed": 0,
        "organizations": 1,
        "items": [
            {
                "vapi_call_id": VAPI_CALL_ID,
                "organization_id": ORGANIZATION_ID,
                "reason": "minutes_used_up",
                "decided": "allow",
            }
        ],
        "next_cursor": None,
    },
}
