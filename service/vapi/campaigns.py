"""Finds the phone numbers of a `campaign.predial`. Vapi's example names only the campaign, its schema
also a phone number: both are read, and each campaign is requested once. A campaign has one number, or a
dial plan with several."""

import math
import time
from collections import OrderedDict
from collections.abc import Iterator

import msgspec
import structlog

from policies.host.ids import id_of
from service.domain.priority import Priority
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError, VapiNotFoundError
from service.vapi.resources import mapping, mappings, text

MOST_KNOWN = 10_000
MISSING_SECONDS = 60.0
"""How long a campaign counts as unknown to Vapi: a new one may not have appeared yet."""

# A number that no double holds must not hide the campaign.
MESSAGE = msgspec.json.Decoder(float_hook=float)

log = structlog.get_logger()


def number_ids(message: object) -> tuple[str, ...]:
    """The phone numbers that a message about a campaign names, in any of its fields."""
    return tuple(dict.fromkeys(found_ids(mapping(message))))


def found_ids(message: object) -> Iterator[str]:
    known = mapping(message)
    parts = [known, mapping(known.get("campaign")), mapping(known.get("call"))]
    for part in [*parts, *(entry for one in parts for entry in mappings(one.get("dialPlan")))]:
        for value in (part.get("phoneNumberId"), mapping(part.get("phoneNumber")).get("id")):
            if (one_id := id_of(value)) is not None:
                yield one_id


def campaign_id(message: object) -> str | None:
    """The campaign that a message names."""
    known = mapping(message)
    return text(known.get("campaignId")) or text(mapping(known.get("campaign")).get("id"))


class Campaigns:
    """Caches the numbers that campaigns call from; Vapi does not allow editing a campaign.

    `known` has them with the monotonic instant until which they count.
    """

    def __init__(self, client: VapiClient, missing_seconds: float = MISSING_SECONDS) -> None:
        self.client = client
        self.missing_seconds = missing_seconds
        self.known: OrderedDict[str, tuple[tuple[str, ...], float]] = OrderedDict()

    async def numbers_of(self, body: bytes) -> tuple[str, ...]:
        """The numbers that a `campaign.predial` is about; empty where they cannot be found."""
        try:
            message = mapping(MESSAGE.decode(body)).get("message")
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return ()
        if named := number_ids(message):
            return named
        campaign = campaign_id(message)
        if campaign is None:
            return ()
        numbers, until = self.known.get(campaign, ((), 0.0))
        return numbers if time.monotonic() < until else await self.read(campaign)

    async def read(self, campaign: str) -> tuple[str, ...]:
        """The numbers of a campaign at Vapi; empty where Vapi does not tell."""
        until = math.inf
        try:
            found = number_ids(await self.client.get_campaign(campaign, Priority.ADMIN))
        except VapiNotFoundError:
            found, until = (), time.monotonic() + self.missing_seconds
        except VapiError as exc:
            log.warning("campaign.not_read", error=str(exc))
            return ()
        self.known[campaign] = found, until
        while len(self.known) > MOST_KNOWN:
            self.known.popitem(last=False)
        return found
