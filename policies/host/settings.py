"""Settings of policies: CALLGATE_POLICY_<NAME>_<FIELD>, or the same with _FILE for a secret.

A policy's own model says which fields it has and checks their values. Where a field has no default and
the environment does not give it, the policy has no settings until an organization's complete them.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

PREFIX = "CALLGATE_POLICY_"
FILE = "_FILE"
JSON_STARTS = ("[", "{")


class UnfitSettingsError(Exception):
    """Values that a policy's model refuses; the message names the fields, never a value. `faults` are
    the fields, each with what is wrong with it; no field where the values together are wrong."""

    def __init__(self, message: str, faults: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.faults = faults


@dataclass(frozen=True, slots=True)
class PolicySettingsModel:
    """A policy's model with what the environment gives. `default` is None while a value is missing."""

    model: type[BaseModel]
    given: Mapping[str, object] = field(default_factory=dict)
    default: BaseModel | None = None

    def merged(self, own: Mapping[str, object]) -> BaseModel:
        """The settings of an organization: its own values over the environment's. Raises
        `UnfitSettingsError`."""
        return validate(self.model, {**self.given, **own}, str)


def read_policy_settings(
    name: str, model: type[BaseModel], environment: Mapping[str, str] | None = None
) -> PolicySettingsModel:
    """The settings of a policy from the environment. Raises `UnfitSettingsError`."""
    variables = os.environ if environment is None else environment
    values: dict[str, object] = {}
    for one, info in model.model_fields.items():
        variable = variable_of(name, one)
        if text := variables.get(variable, "").strip():
            many = is_list(info.annotation)
            values[one] = read_list(variable, text) if many else read_value(text)
        elif path := variables.get(variable + FILE, "").strip():
            values[one] = read_file(variable + FILE, path)
    missing = {
        one for one, info in model.model_fields.items() if info.is_required() and one not in values
    }
    if missing or not (values or is_complete(model)):
        return PolicySettingsModel(model, values)
    return PolicySettingsModel(
        model, values, validate(model, values, lambda one: variable_of(name, one))
    )


def is_complete(model: type[BaseModel]) -> bool:
    """Whether a model takes no values at all: it may want any one of several."""
    try:
        model.model_validate({})
    except ValidationError:
        return False
    return True


def validate(
    model: type[BaseModel], values: Mapping[str, object], label: Callable[[str], str]
) -> BaseModel:
    """The values as the model has them. `label` names a field. Raises `UnfitSettingsError`."""
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        faults = [
            (label(".".join(map(str, fault["loc"]))) if fault["loc"] else "", plain(fault["msg"]))
            for fault in exc.errors(include_input=False, include_url=False)
        ]
        message = "; ".join(f"{name or 'settings'}: {text}" for name, text in faults)
        raise UnfitSettingsError(message, faults) from None


def plain(text: str) -> str:
    """What a validator says, without what pydantic puts before it."""
    return text.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def variable_of(name: str, one: str) -> str:
    """The variable of a policy's field."""
    return f"{PREFIX}{name}_{one}".upper()


def read_value(text: str) -> object:
    """A variable's value: lists and objects are written as JSON."""
    if text.startswith(JSON_STARTS):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def is_list(annotation: object) -> bool:
    """Whether a field takes several values."""
    if get_origin(annotation) in (Union, UnionType):
        return any(is_list(part) for part in get_args(annotation))
    return (get_origin(annotation) or annotation) in (list, tuple, set, frozenset)


def read_list(variable: str, text: str) -> object:
    """Several values as JSON, or separated by commas. Raises `UnfitSettingsError`."""
    if not text.startswith(JSON_STARTS):
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        return json.loads(text)
    except ValueError:
        raise UnfitSettingsError(
            f'{variable}: write a list as JSON, such as ["a", "b"], or values separated by commas'
        ) from None


def read_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError) as exc:
        raise UnfitSettingsError(f"{variable}: the file cannot be read") from exc


def list_unknown(
    models: Mapping[str, type[BaseModel] | None],
    refusing: Iterable[str] = (),
    environment: Iterable[str] | None = None,
) -> list[str]:
    """Variables that fit no field of a loaded policy: misspelt, they would have no effect. Not those of
    policies that refuse their variables (`refusing`), which says more."""
    known = {
        variable_of(name, one) + end
        for name, model in models.items()
        if model is not None
        for one in model.model_fields
        for end in ("", FILE)
    }
    variables = os.environ if environment is None else environment
    said = tuple(variable_of(name, "") for name in refusing)
    return sorted(
        one
        for one in variables
        if one.startswith(PREFIX) and one not in known and not one.startswith(said)
    )
