"""Figures of calls: what is possible is read, what is impossible is doubted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from service.vapi.calls.figures import read_cost, read_cost_parts, read_duration
from service.vapi.calls.view import CallView

BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "milliseconds", "ended_at", "expected"),
    [
        (30.5, None, None, (30.5, False)),
        (None, 30_500, None, (30.5, False)),
        (None, None, after(61), (61.0, False)),
        (60, None, after(61), (60.0, False)),
        (86_000, None, after(61), (61.0, True)),
        (-5, None, after(61), (61.0, True)),
        (-5, None, None, (None, True)),
        (float("inf"), 2_000, None, (2.0, True)),
        (30.5, None, after(-10), (30.5, False)),
        (None, None, after(-10), (None, False)),
        ("60", None, None, (None, True)),
        (True, None, None, (None, True)),
    ],
)
def test_a_duration_follows_the_instants(
    seconds: Any, milliseconds: Any, ended_at: datetime | None, expected: tuple[float | None, bool]
) -> None:
    assert read_duration(seconds, milliseconds, BEGAN, ended_at) == expected


def test_the_first_possible_cost_counts() -> None:
    assert read_cost(0.0625, 9) == (Decimal("0.0625"), False)
    assert read_cost(None, 0.5) == (Decimal("0.5"), False)
    assert read_cost(-1, 0.5) == (Decimal("0.5"), True)
    assert read_cost(10**9, None) == (None, True)
    assert read_cost(None, None) == (None, False)


@pytest.mark.parametrize(
    ("breakdown", "costs", "expected"),
    [
        ({"stt": 0.01, "llm": 0.02, "total": 0.06, "llmPromptTokens": 100}, None, "llm stt"),
        (None, [{"type": "model", "cost": 0.02}, {"type": "vapi", "cost": 0.01}], "llm vapi"),
        ({"stt": 0.01}, [{"type": "transcriber", "cost": 9}], "stt"),
        ({"analysisCostBreakdown": {"summary": 0.01, "structuredData": 0.01}}, None, "analysis"),
        (None, [{"type": "knowledge-base", "cost": 0.01}, {"type": 7}, "x"], "knowledge_base"),
        ({"stt": 0, "llm": None}, [], ""),
        ("x", "y", ""),
    ],
)
def test_the_parts_of_a_cost_have_the_names_of_the_breakdown(
    breakdown: Any, costs: Any, expected: str
) -> None:
    parts, doubted = read_cost_parts(breakdown, costs, Decimal("0.06"))
    assert (sorted(parts or {}), doubted) == (expected.split(), False)


@pytest.mark.parametrize(
    ("breakdown", "costs"),
    [
        ({"stt": -0.01}, None),
        ({"stt": "a lot"}, None),
        ({"stt": 1.0}, None),
        (None, [{"type": "vapi", "cost": float("nan")}]),
        (None, [{"type": f"part{chr(97 + n)}", "cost": 0.001} for n in range(26)]),
    ],
)
def test_impossible_parts_are_doubted_as_a_whole(breakdown: Any, costs: Any) -> None:
    assert read_cost_parts(breakdown, costs, Decimal("0.06")) == (None, True)


def test_vapis_own_record_is_doubted_too() -> None:
    view = CallView(
        {
            "type": "outboundPhoneCall",
            "status": "ended",
            "customer": {"number": "+49 30 123456"},
            "assistantId": "assistant-1",
            "startedAt": "2026-11-01T12:00:10Z",
            "endedAt": "2026-11-01T12:00:00Z",
            "cost": -1,
            "costBreakdown": {"llm": -1},
        }
    )
    details = view.details
    assert (view.duration_seconds, view.cost, view.cost_parts) == (None, None, None)
    assert (details.customer_number, details.assistant_id) == ("+4930123456", "assistant-1")
    assert details.connected is False
    assert details.doubts == ("cost", "cost_parts", "ended_at")
