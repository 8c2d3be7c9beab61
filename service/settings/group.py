"""What every group of settings has: how it is read, and whether the sandbox runs."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class SettingsGroup(BaseSettings):
    """Settings on one subject, read from the environment. Durations are seconds, sizes bytes."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, populate_by_name=True, str_strip_whitespace=True
    )

    sandbox: bool = Field(default=False, exclude=True, validation_alias="_sandbox")


def split_words(value: object) -> object:
    """A list is written with commas."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_words)]
"""Several words in one variable."""
