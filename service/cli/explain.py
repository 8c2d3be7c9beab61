"""`callgate explain`: an organization's access, now, at another time or with supposed facts, and the
stored decision of a call."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from policies.host.ids import parse_id_query
from service.admin.calls.shadows import add_shadows
from service.cli.given import NAME_IT, NULL, json_of, time_of
from service.cli.running import ACTOR, print_json, run_deciding, settings_for
from service.cli.running_service import ask_service
from service.domain.decisions import DEFAULT, CallTerms, SlotUse
from service.domain.wording.calls import describe_terms
from service.domain.wording.limits import describe_limit
from service.store.calls.listing import rows, search
from service.store.organizations import organizations
from service.web.shapes.decisions import AccessExplained, explained_shape
from service.web.shapes.errors import faults
from service.web.shapes.what_if import WhatIfBody

if TYPE_CHECKING:
    from service.admin.deciding_cases import DecidingCases

app = typer.Typer(add_completion=False)

OPTIONS = {
    "phone_number_id": "--number",
    "call.type": "--call-type",
    "call.caller_number": "--caller",
    "call.called_number": "--called",
    "call.assistant_id": "--assistant",
}
"""The options whose names differ from the fields of a what-if."""


Decider = Literal["service", "command", "record"]
"""Who decided what is shown: the running service, this command, or a replica when the call began."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with what it is about; `subject` as a line names it, `facts` as JSON has them.
    `remark` says why the running service did not decide."""

    subject: str
    facts: dict[str, object]
    explained: AccessExplained
    decided_by: Decider
    remark: str | None = None


class Missing(NamedTuple):
    """The sentence about what does not exist."""

    sentence: str


def fact(meaning: str) -> Any:
    """An option for a fact of the organization."""
    return typer.Option(parser=json_of, metavar="JSON", help=f"Suppose {meaning}; null: none.")


@app.command()
def explain(
    organization: Annotated[str, typer.Argument(help="Its id, external id or exact name.")] = "",
    *,
    at: Annotated[
        datetime | None,
        typer.Option(
            parser=time_of, metavar="INSTANT", help="Another time, such as 2026-12-01, in UTC."
        ),
    ] = None,
    plan: Annotated[Any, fact("this plan")] = None,
    trial: Annotated[Any, fact("this trial")] = None,
    override: Annotated[Any, fact("this override")] = None,
    attributes: Annotated[Any, fact("these attributes")] = None,
    number: Annotated[str, typer.Option(help="The id of a number of it, not that at Vapi.")] = "",
    call_type: Annotated[str, typer.Option(help="Suppose a call, such as webCall.")] = "",
    caller: Annotated[str, typer.Option(help="The number that calls.")] = "",
    called: Annotated[str, typer.Option(help="The number that is called.")] = "",
    assistant: Annotated[str, typer.Option(help="The id of the assistant at Vapi.")] = "",
    call: Annotated[
        str, typer.Option(metavar="VAPI_CALL_ID", help="Explain this call from its record.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain whether an organization has access, and why; or why a call was decided as it was.

    Facts that are not given are the present ones, or those of a past --at. The running service is asked,
    whose policies are started; without one the command decides by itself. Nothing is changed.
    """
    facts = {"plan": plan, "trial": trial, "override": override, "attributes": attributes}
    values = {name: value for name, value in facts.items() if value is not None}
    supposed = {
        "type": call_type,
        "caller_number": caller,
        "called_number": called,
        "assistant_id": assistant,
    }
    named = {"call": {name: text for name, text in supposed.items() if text}}
    given = {**values, "at": at, "phone_number_id": number, **named}
    given = {name: value for name, value in given.items() if value not in (None, "", {})}
    if bool(call) == bool(organization) or (call and given):
        raise typer.BadParameter("name an organization, or a call with --call and nothing else")
    what_if = judge_what_if(given)

    async def work(cases: "DecidingCases") -> Explanation | Missing:
        if call:
            return await explain_call(cases, call)
        return await explain_organization(cases, organization, what_if)

    explained = run_deciding(settings_for(), work)
    if isinstance(explained, Missing):
        typer.echo(explained.sentence, err=True)
        raise typer.Exit(1)
    show(explained, as_json=as_json)


def judge_what_if(given: dict[str, Any]) -> WhatIfBody:
    """The given facts, checked as the API checks them. Raises `typer.BadParameter`."""
    values = {name: None if value is NULL else value for name, value in given.items()}
    try:
        return WhatIfBody.model_validate_json(orjson.dumps(values))
    except ValidationError as exc:
        first = faults(exc)[0]
        name, message = first["field"], first["message"]
        raise typer.BadParameter(f"{name}: {message}", param_hint=option_of(name)) from None


def option_of(field: str) -> str:
    return OPTIONS.get(field) or f"--{field.partition('.')[0]}"


async def explain_organization(
    cases: "DecidingCases", name: str, body: WhatIfBody
) -> Explanation | Missing:
    """The decision on an organization under a supposition."""
    pool = cases.pool
    found = await organizations.find_named(pool, name)
    if found is None:
        return Missing(f"There is no organization {name!r}. {NAME_IT}")
    facts: dict[str, object] = {"organization_id": found.id, "name": found.name}
    asked = await ask_service(cases, found.id, body.model_dump_json(exclude_unset=True).encode())
    if asked.explained is not None:
        return Explanation(found.name, facts, asked.explained, "service")
    decision = await cases.organization_access.decide(found.id, body.asked_by(ACTOR.name))
    remark = (
        f"The service at {asked.address} was not asked: {asked.problem}. This command decided by "
        "itself: policies that keep counts in memory began anew."
    )
    return Explanation(found.name, facts, explained_shape(decision), "command", remark)


async def explain_call(cases: "DecidingCases", vapi_call_id: str) -> Explanation | Missing:
    """The decision on a call as it is stored: also of policies that are not installed any more."""
    pool = cases.pool
    call = await search.find_by_vapi_id(pool, parse_id_query(vapi_call_id))
    if call is None:
        return Missing(f"There is no record of a call {vapi_call_id!r}.")
    (call,) = await add_shadows(pool, [call])
    names = (await rows.find_names(pool, [call.id])).get(call.id, rows.CallNames())
    facts: dict[str, object] = {
        "vapi_call_id": call.vapi_call_id,
        "organization_id": call.organization_id,
        "name": names.organization_name,
        "gate": call.gate,
        "basis": call.decision.basis,
    }
    whose = names.organization_name or "an unknown number"
    return Explanation(
        f"Call {call.vapi_call_id} of {whose}", facts, explained_shape(call.decision), "record"
    )


def show(explained: Explanation, *, as_json: bool) -> None:
    """The decision in a line, then each policy's answer and the default; or the same as JSON."""
    shape = explained.explained
    if as_json:
        print_json(
            {
                **explained.facts,
                "allowed": shape.allowed,
                "reason": shape.reason,
                "policy": shape.policy,
                "at": shape.decided_at,
                "trace": [entry.model_dump() for entry in shape.trace],
                "default": shape.default.model_dump(),
                "decided_by": explained.decided_by,
                "remark": explained.remark,
            }
        )
        return
    effect = "allowed" if shape.allowed else "denied"
    by = f" by {shape.policy}" if shape.policy else ""
    at = shape.decided_at.isoformat()
    typer.echo(f"{explained.subject}: {effect}, {shape.reason}{by} (at {at})")
    table = Table("policy", "verdict", "reason", "ms", "remarks", box=None)
    for entry in shape.trace:
        counted = f"counts as {entry.counted_as}" if entry.counted_as else None
        in_shadow = entry.mode == "shadow" and entry.effect != "skipped"
        mode = "in shadow: does not count" if in_shadow else None
        terms = CallTerms(entry.message, entry.divert_to, entry.max_duration_seconds)
        limits = [describe_limit(SlotUse(**one.model_dump())) for one in entry.limits]
        said = (mode, counted, *limits, entry.warning, entry.note, *describe_terms(terms))
        remarks = "; ".join(filter(None, said))
        duration = f"{entry.duration_ms:.2f}" if entry.duration_ms else ""
        table.add_row(entry.policy, entry.effect, entry.reason or "", duration, remarks)
    table.add_row(DEFAULT, shape.default.effect, shape.default.reason or "", "", "")
    Console().print(table)
    if explained.remark:
        typer.echo(explained.remark)
