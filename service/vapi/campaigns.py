"""Finds the phone numbers of a `campaign.predial`. Vapi's example names only the campaign, its schema
also a phone number: both are read, and each campaign is requested once."""

from collections import OrderedDict
from collections.abc import Iterator

import msgspec
import structlog

from service.domain.priority import Priority
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError, VapiNotFoundError
from service.vapi.resources import mapping, text

MOST_KNOWN = 10_000

log = structlog.get_logger()


def number_ids(message: object) -> tuple[str, ...]:
    """The phone numbers that a message about a campaign names, in any of its fields."""
    return tuple(dict.fromkeys(found_ids(mapping(message))))


def found_ids(message: object) -> Iterator[str]:
    known = mapping(message)
    for part in (known, mapping(known.get("campaign")), mapping(known.get("call"))):
        for value in (part.get("phoneNumberId"), mapping(part.get("phoneNumber")).get("id")):
            if (one := text(value)) is not None:
                yield one


def campaign_id(message: object) -> str | None:
    """The campaign that a message names."""
    known = mapping(message)
    return text(known.get("campaignId")) or text(mapping(known.get("campaign")).get("id"))


class Campaigns:
    """Caches the numbers that campaigns call from; Vapi does not allow editing a campaign."""

    def __init__(self, client: VapiClient) -> None:
        self.client = client
        self.known: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    async def numbers_of(self, body: bytes) -> tuple[str, ...]:
        """The numbers that a `campaign.predial` is about; empty where they cannot be found."""
        try:
            message = mapping(msgspec.json.decode(body)).get("message")
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return ()
        if named := number_ids(message):
            return named
        campaign = campaign_id(message)
        if campaign is None:
            return ()
        if campaign not in self.known:
            try:
                found = number_ids(await self.client.get_campaign(campaign, Priority.ADMIN))
            except VapiNotFoundError:
                found = ()
            except VapiError as exc:
                log.warning("campaign.not_read", error=str(exc))
                return ()
            self.known[campaign] = found
            while len(self.known) > MOST_KNOWN:
                self.known.popitem(last=False)
        return self.known[campaign]
