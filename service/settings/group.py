"""What every group of settings has: how it is read, and whether the sandbox runs."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from policies.host.marks import trim
from service.inputs.database_urls import parse_database_url
from service.inputs.hosts import parse_host
from service.inputs.secrets import parse_secret, parse_secrets


class SettingsGroup(BaseModel):
    """Settings on one subject, read from the environment. Durations are seconds, sizes bytes.

    A group is never validated by itself, so its validator is not built: that is half of the import.
    """

    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        populate_by_name=True,
        str_strip_whitespace=True,
        validate_default=True,
    )

    sandbox: bool = Field(default=False, exclude=True, validation_alias="_sandbox")


def split_words(value: object) -> object:
    """A list is written with commas."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(split_words)]
"""Several words in one variable."""


def small(value: object) -> object:
    """A word of a fixed list is written in letters of any size."""
    return value.strip().lower() if isinstance(value, str) else value


Choice = BeforeValidator(small)
"""Of a field with a fixed list of words."""


def clean_host(text: str) -> str:
    """A host to listen on; "" stays."""
    return parse_host(text) if text else ""


Host = Annotated[str, AfterValidator(clean_host)]
"""An address or a name of this machine."""


def clean_header(secret: SecretStr) -> SecretStr:
    """One secret that travels in a header, as it was meant."""
    return SecretStr(parse_secret(secret.get_secret_value()))


def clean_headers(secret: SecretStr) -> SecretStr:
    """Several such secrets, separated by commas."""
    return SecretStr(",".join(parse_secrets(secret.get_secret_value())))


def clean_ends(secret: SecretStr) -> SecretStr:
    """A secret that others chose, which may have any character inside."""
    return SecretStr(trim(secret.get_secret_value()))


def clean_address(secret: SecretStr) -> SecretStr:
    """An address of PostgreSQL; "" stays."""
    text = secret.get_secret_value().strip()
    return SecretStr(parse_database_url(text) if text else "")


HeaderSecret = Annotated[SecretStr, AfterValidator(clean_header)]
HeaderSecrets = Annotated[SecretStr, AfterValidator(clean_headers)]
PastedSecret = Annotated[SecretStr, AfterValidator(clean_ends)]
PastedAddress = Annotated[SecretStr, AfterValidator(clean_address)]
