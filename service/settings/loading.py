"""Reads the settings: one message lists every fault."""

import difflib
import os
import re
from collections.abc import Mapping

from pydantic import SecretStr, ValidationError

from policies.host.marks import shown, unquoted
from service.settings.secret_files import SUFFIX, read_secret_files, secret_names
from service.settings.settings import Settings

SERVICE_LINK = re.compile(
    r"CALLGATE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?"
    r"|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
POLICY_SETTINGS = "CALLGATE_POLICY_"
LINKED = re.compile(r"(tcp|udp|sctp)://")
REMEDIES = {
    "bool_parsing": "write 1 or 0",
    "float_parsing": "write a number in digits, such as 0.5",
    "int_parsing": "write a whole number in digits",
    "int_from_float": "write a whole number in digits",
    "literal_error": "write {expected}",
    "greater_than": "write more than {gt}",
    "greater_than_equal": "write {ge} or more",
    "less_than_equal": "write {le} or less",
}
"""What to do, by the kind of a fault."""
BLANK = ("", '""', "''")
INTERNAL = {"sandbox", "embedded"}
"""Fields that no variable sets."""


class SettingsError(Exception):
    """The environment does not make a working service; the message lists every fault."""


def load_settings(*, sandbox: bool = False, serving: bool = True, **given: object) -> Settings:
    """Read the environment; `given` (command-line options) wins over it.

    Without `serving` faults across fields are ignored: `callgate migrate` needs no key for Vapi.
    Raises `SettingsError` with one line per fault, without the value of a secret.
    """
    settings, found = read_settings(sandbox=sandbox, **given)
    if serving:
        found += settings.faults()
    if found:
        lines = "\n".join(f"  - {line}" for line in found)
        raise SettingsError(f"The settings are not usable:\n{lines}")
    return settings


def read_settings(*, sandbox: bool = False, **given: object) -> tuple[Settings, list[str]]:
    """The settings, with defaults for variables that cannot be read, and a line for each of these.

    Every line begins with the variable's name, as those of `Settings.faults` do.
    """
    links = service_links(os.environ)
    own = {key: value for key, value in os.environ.items() if key not in links}
    files, found = read_secret_files(own)
    options = {name: value for name, value in given.items() if value is not None}
    values: dict[str, object] = {**read_variables(own), **files, **options, "_sandbox": sandbox}
    found += unknown_variables(own)
    try:
        return Settings.model_validate(values), found
    except ValidationError as exc:
        # Go on with defaults for these fields, so that one start reports all faults.
        found += explain(exc)
        for fault in exc.errors(include_input=False, include_url=False):
            name = str(fault["loc"][0])
            values[name] = Settings.model_fields[name].get_default(call_default_factory=True)
        return Settings.model_validate(values), found


def read_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The text of each field that a variable sets, in capital or small letters.

    An empty variable sets nothing: Compose and charts write those of values that were left out. Quotes
    around a text are left out; those of a secret are its own kind's to judge.
    """
    fields = Settings.model_fields
    texts = {name.lower(): text for name, text in environment.items() if is_given(text)}
    given = fields.keys() & texts.keys() - INTERNAL
    return {name: pasted(texts[name], fields[name].annotation) for name in given}


def is_given(text: str) -> bool:
    """Whether a variable's text sets something."""
    return text.strip() not in BLANK


def pasted(text: str, annotation: object) -> str:
    """The text of a field as its kind reads it."""
    return text if annotation is SecretStr else unquoted(text) or text


def explain(error: ValidationError) -> list[str]:
    """One line per fault, with the variable's name, and its value where that is a number or a word of a
    list. Others are left out: they may be secrets."""
    found = []
    for fault in error.errors(include_url=False):
        name, kind = str(fault["loc"][0]).upper(), fault["type"]
        if kind == "value_error":
            found.append(f"{name} {str(fault['ctx']['error']).rstrip('.')}.")
        elif remedy := REMEDIES.get(kind):
            facts = {one: figure(value) for one, value in fault.get("ctx", {}).items()}
            found.append(f"{name} is {shown(str(fault['input']))}: {remedy.format(**facts)}.")
        else:
            found.append(f"{name}: {fault['msg']}.")
    return found


def figure(value: object) -> object:
    """A limit in digits."""
    return f"{value:.15g}" if isinstance(value, float) else value


def service_links(environment: Mapping[str, str]) -> set[str]:
    """Variables that Kubernetes sets for services named callgate, callgate-admin and so on.

    They are not settings: https://kubernetes.io/docs/concepts/services-networking/service/
    """
    return {
        name
        for name, value in environment.items()
        if SERVICE_LINK.fullmatch(name)
        or (name.startswith("CALLGATE_") and name.endswith("_PORT") and LINKED.match(value))
    }


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A fault for each misspelt `CALLGATE_…` variable: ignored, it would silently have no effect."""
    known = [name.upper() for name in Settings.model_fields]
    known += [name + SUFFIX for name in secret_names()]
    found = []
    for name in sorted(environment):
        if name.startswith(POLICY_SETTINGS):
            continue  # those of policies are checked when these are loaded
        if name.startswith("CALLGATE_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            found.append(f"{name} is not a setting.{hint}")
    return found
