"""Calls as a file: the list with its filters, newest first."""

from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

from service.admin.calls.relayed import find_relayed
from service.domain.people import Role
from service.store.calls.listing import search
from service.store.calls.listing.filters import CallFilter
from service.store.calls.listing.rows import CallNames, find_names
from service.store.pool import Pool
from service.web.exports.csv_files import csv_moment, csv_value
from service.web.exports.export import AT_ONCE, Export, csv_json
from service.web.shapes.calls import Call, call_shape, sees_whole_numbers

HEADS = (
    "id",
    "vapi_call_id",
    "started_at",
    "ended_at",
    "duration_seconds",
    "cost",
    "cost_parts",
    "organization_id",
    "organization",
    "phone_number_id",
    "number_label",
    "direction",
    "caller_number",
    "called_number",
    "assistant_id",
    "type",
    "status",
    "connected",
    "blocked",
    "diverted",
    "reason",
    "gate",
    "determined_by",
    "decision_id",
    "hangup_state",
    "hangup_attempts",
    "ended_reason",
    "doubts",
    "lived_seconds",
    "cut_at",
    "cut_reason",
    "missed",
)


def export_calls(
    pool: Pool,
    wanted: CallFilter,
    *,
    role: Role,
    search_text: str | None = None,
    vapi_call_id: str | None = None,
) -> Export[Call]:
    """The calls that a list with these filters shows to `role`, with the numbers that it may see."""
    whole, names = sees_whole_numbers(role), dict[UUID, CallNames]()

    async def pages() -> AsyncIterator[Sequence[Call]]:
        if vapi_call_id is not None:
            one = await search.find_by_vapi_id(pool, vapi_call_id)
            found = search.CallPage([one] if one and wanted.matches(one) else [], None)
        else:
            found = await search.find_page(
                pool, wanted, search=search_text, whole=whole, limit=AT_ONCE
            )
        while True:
            names.clear()
            names.update(await find_names(pool, [call.id for call in found.calls]))
            relayed = await find_relayed(pool, found.calls)
            yield [call_shape(call, relayed.get(call.id), whole=whole) for call in found.calls]
            if found.next is None:
                return
            found = await search.find_page(
                pool, wanted, search=search_text, whole=whole, after=found.next, limit=AT_ONCE
            )

    return Export("calls", HEADS, pages(), lambda call: cells(call, names))


def cells(call: Call, names: Mapping[UUID, CallNames]) -> list[str]:
    """One call's line."""
    known = names.get(call.id, CallNames())
    hangup, decision = call.hangup, call.decision
    return [
        str(call.id),
        call.vapi_call_id,
        csv_moment(call.started_at),
        csv_moment(call.ended_at),
        csv_value(call.duration_seconds),
        csv_value(call.cost),
        csv_json(call.cost_parts),
        csv_value(call.organization_id),
        known.organization_name or "",
        csv_value(call.phone_number_id),
        known.number_label or "",
        call.direction or "",
        call.caller_number or "",
        call.called_number or "",
        call.assistant_id or "",
        call.type or "",
        call.status,
        csv_value(call.connected),
        csv_value(call.blocked),
        csv_value(call.diverted),
        call.reason,
        call.gate,
        decision.determined_by or "",
        str(decision.id),
        hangup.state if hangup else "",
        csv_value(hangup and hangup.attempts),
        call.ended_reason or "",
        " ".join(call.doubts),
        csv_value(call.lived_seconds),
        csv_moment(call.cut_at),
        call.cut_reason or "",
        csv_value(call.missed),
    ]
