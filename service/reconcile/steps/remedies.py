"""Servers that go before a number's own, and in words what to do about them at Vapi. Pure."""

from dataclasses import dataclass
from typing import Literal

from service.vapi.resources import PhoneNumberView

Level = Literal[
    "tool", "assistant", "squad", "squad_member", "workflow", "phone_number", "organization"
]


@dataclass(frozen=True, slots=True)
class Source:
    """A place where a server is named: `field` of the object that is called `what`.

    `url` is None where nobody could read it, `unread` says why; `field` is empty if not even the
    object could be read. `clearable`: once it is gone, the number's own server counts; under an
    override the assistant may name another.
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
    """What to do at Vapi, object by object, for the call events to reach us."""
    steps = [remedy_of(source, desired_url) for source in shadows]
    falls_through = falls_through or any(
        source.url is not None and source.clearable for source in shadows
    )
    if falls_through and number.url != desired_url:
        what = described("phone number", number.name, number.id)
        steps.append(f"Set `server.url` of {what} to {desired_url}: its repair does that.")
    return " ".join(dict.fromkeys(steps))


def remedy_of(source: Source, desired_url: str) -> str:
    """What to do about one shadow. Our URL alone would not do: our header has to go with it."""
    if not source.field:
        return f"Check that {source.what} exists at Vapi and that our key can read it."
    if source.url is not None and source.clearable:
        return f"Clear `{source.field}` of {source.what}: the phone number's server then counts."
    block = source.field.rpartition("server")[0] + "server"
    return (
        f"Set `{block}.url` of {source.what} to {desired_url}, "
        f"with the headers of the phone number's server."
    )


def described(kind: str, name: str | None, item_id: str | None) -> str:
    """How a sentence names an object: `assistant "Order taker" (a1)`."""
    named = f'{kind} "{name}"' if name else kind
    return f"{named} ({item_id})" if item_id else named


def capital(what: str) -> str:
    return what[:1].upper() + what[1:]
