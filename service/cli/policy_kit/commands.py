"""`callgate policies new` and `callgate policies test`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from policies.host.harness import PolicyTestError
from policies.host.registration import BUILT_IN, NAME
from service.cli.policy_kit.cases import CaseResult, CasesError, read_cases, run_cases
from service.cli.policy_kit.template import build_project
from service.cli.running import print_json


def new(
    name: Annotated[str, typer.Argument(help="The policy's name, such as fair_use.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where it goes; default: callgate-<name> here.")
    ] = None,
) -> None:
    """Create the project of a new policy, with tests that pass."""
    if not NAME.fullmatch(name) or name in BUILT_IN:
        raise typer.BadParameter(f"{name!r} is reserved or no slug such as 'fair_use'.")
    target = folder or Path(f"callgate-{name.replace('_', '-')}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        typer.echo(f"{target} exists already.", err=True)
        raise typer.Exit(1)
    for path, text in build_project(name).items():
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    typer.echo(f"Created {target}. Next: cd {target} && pip install -e '.[dev]' && pytest")


def decide_cases(
    file: Annotated[Path, typer.Argument(metavar="CASES", help="A YAML or JSON file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decide the cases of a file by the chain, and compare.

    Ends with 1 when a decision is not as expected.
    """
    results = []
    try:
        for result in run_cases(read_cases(file)):
            results.append(result)
            if not as_json:
                show(result)
    except (CasesError, PolicyTestError) as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(1) from None
    failed = sum(result.problem is not None for result in results)
    if as_json:
        print_json([json_of(result) for result in results])
    else:
        typer.echo(f"{len(results) - failed} of {len(results)} cases as expected.")
    if failed:
        raise typer.Exit(1)


def json_of(result: CaseResult) -> dict[str, Any]:
    """A case with its decision; `problem` is null where that is as expected."""
    from service.web.shapes.decisions import explained_shape  # noqa: PLC0415

    decision = explained_shape(result.decision).model_dump(mode="json")
    return {"name": result.name, "problem": result.problem, "decision": decision}


def show(result: CaseResult) -> None:
    """A line a case; the trace of one that is not as expected."""
    word = "ok" if result.problem is None else "FAILED"
    typer.echo(f"{word} {result.name}: {result.problem or result.decision.reason}")
    for entry in result.decision.trace if result.problem else ():
        typer.echo(f"  {entry.policy}: {entry.effect} {entry.reason or ''}".rstrip())
