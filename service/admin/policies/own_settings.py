"""Checks an organization's settings of a policy by the policy's model, and seals what the model keeps
secret. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, Secret, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from policies.host.registration import RegisteredPolicy
from policies.host.settings import PolicySettingsModel, UnfitSettingsError
from service.admin.errors import PolicySettingsError
from service.store.vault import MASK, Vault, is_sealed

Settings = Mapping[str, Any]


def fit_settings(
    policy: RegisteredPolicy, given: Settings, stored: Settings, vault: Vault
) -> Settings:
    """The settings to store, with secrets sealed; a masked one keeps the stored value.

    Raises `PolicySettingsError`, which names the fields.
    """
    model = policy.settings
    if model is None:
        raise PolicySettingsError([("settings", "this policy has no settings")])
    unknown = set[str]()
    if model.model.model_config.get("extra") != "allow":
        unknown = given.keys() - names_of(model.model)
    kept = {
        name: stored[name] if value == MASK and is_sealed(stored.get(name)) else value
        for name, value in given.items()
        if name not in unknown
    }
    fitted = merge(
        model, {name: vault.open(value) for name, value in kept.items()}, sorted(unknown)
    )
    secret = find_secrets(fitted)
    return {
        name: seal(value, stored.get(name), vault) if name in secret else value
        for name, value in kept.items()
    }


def merge(model: PolicySettingsModel, given: Settings, unknown: Sequence[str]) -> BaseModel:
    """What the model makes of the values that it knows. Raises `PolicySettingsError` for all that is
    wrong; where a name is unknown, what the values lack together may be due to that alone."""
    faults = [(f"settings.{name}", "is not a setting") for name in unknown]
    try:
        fitted = model.merged(given)
    except UnfitSettingsError as exc:
        faults += [
            (f"settings.{field}" if field else "settings", text)
            for field, text in exc.faults
            if field or not unknown
        ]
    except Exception as exc:  # a validator of the policy's own
        faults = faults or [("settings", f"raised {type(exc).__name__}")]
    if faults:
        raise PolicySettingsError(faults)
    return fitted


def seal(value: object, stored: object, vault: Vault) -> object:
    """The value sealed; as it is stored already if it is the same, so that nothing changes."""
    if is_sealed(value):
        return value
    return stored if is_sealed(stored) and vault.open(stored) == value else vault.seal(value)


def names_of(model: type[BaseModel]) -> set[str]:
    """The names under which a model takes its values."""
    found: set[str] = set()
    for name, info in model.model_fields.items():
        found |= names_of_field(name, info)
    return found


def names_of_field(name: str, info: FieldInfo) -> set[str]:
    """The names under which a model takes the value of a field: of a path, its first part."""
    validation = info.validation_alias
    choices = validation.choices if isinstance(validation, AliasChoices) else [validation]
    firsts = (one.path[0] if isinstance(one, AliasPath) else one for one in choices)
    return {one for one in (name, info.alias, *firsts) if isinstance(one, str)}


def find_secrets(fitted: BaseModel) -> set[str]:
    """The names of the values that hold something secret, extra ones too."""
    found = {name for name, value in (fitted.model_extra or {}).items() if is_secret(value)}
    for name, info in type(fitted).model_fields.items():
        if is_secret(getattr(fitted, name)):
            found |= names_of_field(name, info)
    return found


def is_secret(value: object) -> bool:
    """Whether a value is secret, or contains one that is."""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return True
    if isinstance(value, BaseModel):
        return any(is_secret(one) for _, one in value)
    if isinstance(value, Mapping):
        return any(map(is_secret, value.values()))
    return (
        isinstance(value, Iterable)
        and not isinstance(value, str | bytes)
        and any(map(is_secret, value))
    )
