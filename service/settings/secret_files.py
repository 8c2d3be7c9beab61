"""Secrets from files: `<NAME>_FILE` names a file that holds the value of a secret setting."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from policies.host.marks import unquoted
from service.settings.settings import Settings

MOST_BYTES = 64 * 1024
SUFFIX = "_FILE"


def secret_names() -> list[str]:
    """The variables that hold a secret."""
    fields = Settings.model_fields.items()
    return [name.upper() for name, field in fields if field.annotation is SecretStr]


def read_secret_files(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The values by field, without white space around them; one line per file that is of no use."""
    values, found = dict[str, str](), list[str]()
    for name in secret_names():
        path = unquoted(environment.get(name + SUFFIX, ""))
        if not path:
            continue
        if environment.get(name, "").strip():
            found.append(f"{name} and {name}{SUFFIX} are both set: keep one of them.")
            continue
        try:
            with Path(path).open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                found.append(f"{name}{SUFFIX} names a file of over {MOST_BYTES // 1024} KiB.")
                continue
            values[name.lower()] = data.decode().strip()
        except OSError as exc:
            found.append(f"{name}{SUFFIX} names a file that cannot be read: {exc.strerror}.")
        except UnicodeDecodeError:
            found.append(f"{name}{SUFFIX} names a file that is not UTF-8.")
    return values, found
