"""Servers that override a number's own, and what to do about each at Vapi. Pure."""

from dataclasses import dataclass
from typing import Literal

from service.inputs.urls import same_url
from service.vapi.resources import PhoneNumberView

Level = Literal[
    "tool", "assistant", "squad", "squad_member", "workflow", "phone_number", "organization"
]


@dataclass(frozen=True, slots=True)
class Source:
    """A place where a server is set: `field` of the object described by `what`.

    `url` is None where it could not be read, for the reason `unread`; `field` is empty if the object
    itself could not be read. `clearable`: once it is cleared, the number's own server counts; below an
    override the assistant may have another one.
    """

    level: Level
    vapi_id: str | None
    name: str | None
    field: str
    url: str | None
    what: str
    unread: str = "it could not be read"
    clearable: bool = True


def remedy(
    shadows: list[Source], number: PhoneNumberView, desired_url: str, *, falls_through: bool
) -> str:
    """What an admin has to do at Vapi, object by object, so that call events reach us."""
    steps = [remedy_of(source, desired_url) for source in shadows]
    falls_through = falls_through or any(
        source.url is not None and source.clearable for source in shadows
    )
    if falls_through and not same_url(number.url, desired_url):
        what = describe_object("phone number", number.name, number.id)
        steps.append(f"Set `server.url` of {what} to {desired_url}: syncing the number does that.")
    return " ".join(dict.fromkeys(steps))


def remedy_of(source: Source, desired_url: str) -> str:
    """What to do about one shadow. Our URL is not enough: our header has to be sent with it."""
    if not source.field:
        return f"Check that {source.what} exists at Vapi and that our key can read it."
    if source.url is not None and source.clearable:
        return f"Clear `{source.field}` of {source.what}: the phone number's server then counts."
    block = source.field.rpartition("server")[0] + "server"
    return (
        f"Set `{block}.url` of {source.what} to {desired_url}, "
        f"with the headers of the phone number's server."
    )


def describe_object(kind: str, name: str | None, item_id: str | None) -> str:
    """An object in a sentence: `assistant "Order taker" (a1)`."""
    named = f'{kind} "{name}"' if name else kind
    return f"{named} ({item_id})" if item_id else named


def capital(what: str) -> str:
    return what[:1].upper() + what[1:]
