"""An example of every body of the API, shown in its document. A test holds them to their shapes."""

from collections.abc import Mapping
from typing import get_args

from pydantic import BaseModel

from service.web.api.examples.objects import (
    ASSISTANT_ID,
    CALL,
    DAY_USAGE,
    DECISION,
    FIELD,
    IMPORT,
    LATER,
    LISTENER,
    NOON,
    NUMBER_ID,
    ORGANIZATION,
    ORGANIZATION_ID,
    PERIOD_END,
    PHONE_NUMBER,
    PLAN,
    REPAIR,
    STORED_PLAN,
    SWEEP,
    TOKEN,
    USAGE,
    VAPI_CALL_ID,
    VAPI_NUMBER_ID,
    Json,
)
from service.web.api.examples.policies import POLICIES
from service.web.shapes import (
    audit,
    calls,
    coverage,
    decisions,
    history,
    imports,
    organizations,
    phone_numbers,
    policies,
    reconcile,
    relay,
    tokens,
    unknown_numbers,
    usage,
    what_if,
)
from service.web.shapes.paging import ListPage

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
        "unknown": [],
    },
    decisions.AccessExplained: {
        **DECISION,
        "allowed": False,
        "policy": None,
        "decided_at": NOON,
        "default": {"effect": "deny", "reason": "no_plan_or_trial"},
    },
    what_if.WhatIfBody: {
        "at": NOON,
        "plan": None,
        "trial": {"ends_at": PERIOD_END},
        "call": {"type": "inboundPhoneCall", "caller_number": "+15551234567"},
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
    calls.ForgetBody: {"number": "+15550100100", "dry_run": True},
    calls.ForgottenRecords: {
        "dry_run": True,
        "calls": 3,
        "transcripts": 1,
        **dict.fromkeys(("messages", "rejected", "waiting"), 0),
    },
    calls.CallEvent: {"at": NOON, "kind": "hangup.sent", "detail": {"attempt": 1}},
    reconcile.ReconcileBody: {"dry_run": True},
    reconcile.PauseBody: {"reason": "Moving the numbers to another account", "until": PERIOD_END},
    reconcile.RollbackBody: {"change_id": 17},
    reconcile.SweepReport: {
        **dict.fromkeys(("checked", "drifted", "repaired"), 1),
        **dict.fromkeys(("in_sync", "failed", "shadowed", "missing", "paused"), 0),
        **dict.fromkeys(("remaining", "unknown", "malformed", "unread"), 0),
        "missing_numbers": [],
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
    relay.Relay: {
        "state": "parked",
        "waiting": 12,
        "oldest_at": NOON,
        "dropped": 0,
        "last_error": "It answered with status 503.",
    },
    relay.RelaySecret: {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="},
    relay.ReplayBody: {"since": NOON, "until": LATER},
    relay.Replayed: {"messages": 12},
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
    **POLICIES,
    audit.AuditEntry: {
        "id": 4711,
        "at": NOON,
        "actor": "ada",
        "source": "api",
        "action": "plan.put",
        "object_type": "organization",
        "object_id": ORGANIZATION_ID,
        "before": None,
        "after": STORED_PLAN,
        "undoes": None,
        "undone_by": None,
        "part_of": None,
    },
    imports.ImportBody: {
        "kind": "organizations",
        "csv": "name,external_id,plan,status\nCorner Bakery,customer-1042,pro,active\n",
        "name": "customers.csv",
    },
    imports.Import: IMPORT,
    imports.ImportRow: {
        "line": 2,
        "action": "create",
        "outcome": "done",
        "code": None,
        "message": None,
        "cells": ["Corner Bakery", "customer-1042", "pro", "active"],
        "organization_id": ORGANIZATION_ID,
        "phone_number_id": None,
    },
    imports.ImportUndo: {
        "audit_id": 4712,
        "undone": 1,
        "left": 0,
        "named": [],
        "finished": True,
    },
    usage.Usage: {**USAGE, "organization_id": ORGANIZATION_ID, "intervals": [DAY_USAGE]},
    usage.UsageItem: {
        "organization_id": ORGANIZATION_ID,
        "name": "Corner Bakery",
        "external_id": "customer-1042",
        **USAGE,
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
