"""Cases of a file, decided by the chain: which facts, and what is expected."""

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from policies import hookspecs
from policies.host.documents import UnfitDocumentError, load_request
from policies.testing import plugin_conformance, request
from service.access.policies.kit import ChainUnderTest
from service.access.policies.plugins import find_plugins
from service.domain.decisions import Decision

Document = TypeVar("Document", bound=BaseModel)


class CasesError(Exception):
    """A file of cases that cannot be read; the message says where."""


class Strict(BaseModel):
    """No field may be misspelt."""

    model_config = ConfigDict(extra="forbid")


class Expected(Strict):
    """What a decision must be; what is absent may be anything."""

    allowed: bool | None = None
    reason: str | None = None
    policy: str | None = None


class Case(Strict):
    """One case: `facts` are fields of the request, and `attributes` those of the organization."""

    name: str
    facts: dict[str, Any] = {}
    expect: Expected


class Cases(Strict):
    """A file: `policies` are plugins as entry points name them, `module` or `module:attribute` (default:
    all that are installed), `settings` values by the policy's name."""

    policies: list[str] | None = None
    settings: dict[str, dict[str, Any]] = {}
    cases: list[Case]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A decided case; `problem` says what is not as expected."""

    name: str
    decision: Decision
    problem: str | None


def read_cases(path: Path) -> Cases:
    """The cases of a YAML or JSON file. Raises `CasesError`."""
    return read_document(path, Cases)


def read_document(path: Path, model: type[Document]) -> Document:
    """A YAML or JSON file as a model. Raises `CasesError`."""
    try:
        return model.model_validate(parse(path.read_text(), path))
    except OSError as exc:
        raise CasesError(f"{path} cannot be read: {exc.strerror}.") from exc
    except ValidationError as exc:
        fault = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise CasesError(f"{path}: {place}: {fault['msg']}.") from None
    except ValueError as exc:
        raise CasesError(f"{path} cannot be parsed: {exc}") from exc


def parse(text: str, path: Path) -> object:
    """The document in a file. Raises `ValueError` or `CasesError`."""
    if path.suffix == ".json":
        return json.loads(text)
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise CasesError("Install pyyaml to read YAML, or write the cases as JSON.") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


def run_cases(cases: Cases) -> Iterator[CaseResult]:
    """Decide each case. Raises `CasesError`, or `PolicyTestError` for a policy that does not fit."""
    with ChainUnderTest(find_policies(cases.policies), cases.settings) as chain:
        for case in cases.cases:
            try:
                asked = load_request(case.facts, request())
            except UnfitDocumentError as exc:
                raise CasesError(f"{case.name}: facts: {exc}.") from None
            decision = chain.decide(asked)
            yield CaseResult(case.name, decision, compare(case.expect, decision))


def find_policies(plugins: list[str] | None) -> list[object]:
    """The policies of these plugins, which may lie in the current folder."""
    if plugins is None:
        entries = [one.entry for one in find_plugins([]) if not one.is_own]
    else:
        entries = [EntryPoint(one, one, hookspecs.GROUP) for one in plugins]
    if "" not in sys.path:
        sys.path.insert(0, "")
    found: list[object] = []
    for entry in entries:
        try:
            plugin = entry.load()
        except (ImportError, AttributeError) as exc:
            raise CasesError(f"The plugin {entry.value} cannot be imported: {exc}.") from exc
        found.extend(plugin_conformance(plugin, entry.name))
    return found


def compare(expected: Expected, decision: Decision) -> str | None:
    """What is not as expected, in a line."""
    found = {
        "allowed": decision.allowed,
        "reason": decision.reason,
        "policy": decision.determined_by,
    }
    wrong = [
        f"{name} is {found[name]!r}, not {value!r}"
        for name, value in expected.model_dump(exclude_unset=True).items()
        if found[name] != value
    ]
    return ", ".join(wrong) or None
