"""Vapi's REST API. One call here is one request: the caller decides about retries."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import structlog
from pydantic import SecretStr
from yarl import URL

from service.domain.priority import Priority
from service.settings.outgoing_proxies import proxy_of
from service.vapi import answers, errors, paging
from service.vapi.calls.lookup_queue import CallList, CallQuery
from service.vapi.calls.lookups import CallLookups
from service.vapi.calls.view import CallView
from service.vapi.elements import is_id, read_elements
from service.vapi.pages import BarePage, PhoneNumberPage
from service.vapi.reach import VapiReach
from service.vapi.resources import AssistantView, PhoneNumberView, SquadView, WorkflowView

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3)
MAX_PAGE = paging.MAX_PAGE
BACK_OFF_SECONDS = 1.0

Pace = Callable[[Priority], Awaitable[None]]
BackOff = Callable[[float], Awaitable[None]]
View = TypeVar("View")

log = structlog.get_logger()


class VapiClient:
    """A client for one Vapi organization, with its private key.

    `pace` is awaited before each request, `back_off` with a number of seconds when Vapi throttles
    the account. Every failure is a `VapiError`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: SecretStr,
        pace: Pace,
        back_off: BackOff | None = None,
        *,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
        max_answer_bytes: int = answers.MAX_ANSWER_BYTES,
    ) -> None:
        self.session = session
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key
        self.pace = pace
        self.back_off = back_off
        self.timeout = timeout
        self.max_answer_bytes = max_answer_bytes
        self.malformed: set[str] = set()
        self.reach = VapiReach()
        self.lookups = CallLookups(
            lambda: self.pace(Priority.HANGUP),
            lambda call_id: self.request_one("GET", "/call", call_id, None),
            self.read_calls,
        )

    async def check_key(self, priority: Priority = Priority.LOOK) -> None:
        """Make a small request, whatever it returns. Raises a `VapiError` if Vapi refuses it."""
        await self.send("GET", "/v2/phone-number?page=1&limit=1", priority)

    async def get_phone_number(
        self, number_id: str, priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """One phone number. Raises `VapiNotFoundError` when Vapi has none with this id."""
        return await self.request_one("GET", "/phone-number", number_id, priority)

    async def patch_phone_number(
        self, number_id: str, body: Mapping[str, Any], priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """Change a phone number; sent fields replace, others stay, null clears."""
        return await self.request_one("PATCH", "/phone-number", number_id, priority, body)

    async def list_phone_numbers_page(
        self, page: int, limit: int = MAX_PAGE, priority: Priority = Priority.REPAIR
    ) -> PhoneNumberPage:
        """Page `page` (from 1) of all phone numbers, oldest first: a new one moves no other.

        A removed one does, so a number that a sweep did not see may still exist. `paging.PageWalk`
        says which page follows.
        """
        query = f"page={page}&limit={min(limit, MAX_PAGE)}&sortBy=createdAt&sortOrder=ASC"
        found = PhoneNumberPage.read(await self.send("GET", f"/v2/phone-number?{query}", priority))
        self.report_malformed("/v2/phone-number", found.malformed)
        return found

    def list_phone_numbers(
        self, priority: Priority = Priority.REPAIR
    ) -> AsyncIterator[BarePage[PhoneNumberView]]:
        """All phone numbers from the older, bare list, as `list_assistants`."""
        return self.list_all("/phone-number", PhoneNumberView, priority)

    async def get_assistant(
        self, assistant_id: str, priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """One saved assistant."""
        return await self.request_one("GET", "/assistant", assistant_id, priority)

    async def patch_assistant(
        self, assistant_id: str, body: Mapping[str, Any], priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """Change a saved assistant, by the rules of `patch_phone_number`."""
        return await self.request_one("PATCH", "/assistant", assistant_id, priority, body)

    def list_assistants(
        self, priority: Priority = Priority.REPAIR
    ) -> AsyncIterator[BarePage[AssistantView]]:
        """All saved assistants, newest first, a page at a time; see `paging.Walk`."""
        return self.list_all("/assistant", AssistantView, priority)

    async def get_squad(
        self, squad_id: str, priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """One squad, with the members that it names or holds."""
        return await self.request_one("GET", "/squad", squad_id, priority)

    def list_squads(
        self, priority: Priority = Priority.REPAIR
    ) -> AsyncIterator[BarePage[SquadView]]:
        """All squads, as `list_assistants`."""
        return self.list_all("/squad", SquadView, priority)

    async def get_workflow(
        self, workflow_id: str, priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """One workflow."""
        return await self.request_one("GET", "/workflow", workflow_id, priority)

    def list_workflows(
        self, priority: Priority = Priority.REPAIR
    ) -> AsyncIterator[BarePage[WorkflowView]]:
        """All workflows, as `list_assistants`."""
        return self.list_all("/workflow", WorkflowView, priority)

    async def get_traffic(self, assistant_id: str, priority: Priority) -> dict[str, Any]:
        """The split of an assistant's calls over its versions; 403 without access to that beta."""
        path = f"/traffic-allocations/latest?assistantId={quote(assistant_id, safe='')}"
        return await self.request("GET", path, priority)

    async def get_tool(self, tool_id: str, priority: Priority = Priority.REPAIR) -> dict[str, Any]:
        """One saved tool."""
        return await self.request_one("GET", "/tool", tool_id, priority)

    async def get_campaign(
        self, campaign_id: str, priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """One outbound campaign."""
        return await self.request_one("GET", "/campaign", campaign_id, priority)

    async def get_call(
        self, call_id: str, priority: Priority = Priority.HANGUP, began: datetime | None = None
    ) -> dict[str, Any]:
        """One call with its live status and control URL; see `CallLookups` for those to hang up.

        `began`: when, if it is not a call of this moment.
        """
        if priority is Priority.HANGUP and is_id(call_id):
            return await self.lookups.find(call_id, began)
        return await self.request_one("GET", "/call", call_id, priority)

    async def read_calls(self, query: CallQuery) -> CallList:
        """The newest calls of some time, once the budget allows it."""
        content = await self.send("GET", f"/call?{query.text}", None)
        elements = read_elements(content)
        self.report_malformed("/call", elements.malformed)
        return CallList.of(elements.objects, len(content))

    def list_calls(
        self, since: datetime, priority: Priority = Priority.REPAIR
    ) -> AsyncIterator[BarePage[CallView]]:
        """The calls that began since, as `list_assistants`."""
        return self.list_all("/call", CallView, priority, since)

    async def request_one(
        self,
        method: str,
        collection: str,
        item_id: str,
        priority: Priority | None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Request one object by its id; an answer about another object is an error."""
        if item_id in ("", ".", ".."):
            # As a path these would lead to another resource.
            raise errors.VapiNotFoundError("Vapi has no object with this id.")
        path = f"{collection}/{quote(item_id, safe='', errors='replace')}"
        answer = await self.request(method, path, priority, body)
        if str(answer.get("id")).lower() != item_id.lower():
            raise errors.VapiUnavailableError("Vapi answered with another object.")
        return answer

    async def list_all(
        self,
        collection: str,
        view: Callable[[dict[str, Any]], View],
        priority: Priority,
        since: datetime | None = None,
    ) -> AsyncIterator[BarePage[View]]:
        """All objects of a bare list, a page at a time; pages with nothing new are left out.

        A `VapiError` after the first page means that the list is incomplete.
        """
        walk = paging.Walk(since=since)
        while walk.query is not None:
            try:
                content = await self.send("GET", f"{collection}?{walk.query}", priority)
            except errors.VapiTooLargeError:
                if walk.shrink():
                    continue
                raise
            elements = read_elements(content)
            self.report_malformed(collection, elements.malformed)
            fresh = walk.take(elements)
            if fresh or elements.malformed:
                yield BarePage(tuple(view(item) for item in fresh), elements.malformed)

    def report_malformed(self, collection: str, count: int) -> None:
        """Log elements of a list that could not be read, once for each collection."""
        if count and collection not in self.malformed:
            self.malformed.add(collection)
            log.warning("vapi.list_malformed", collection=collection, elements=count)

    async def request(
        self,
        method: str,
        path: str,
        priority: Priority | None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send one request and read its JSON object; raises a `VapiError` for everything else."""
        return answers.read_object(await self.send(method, path, priority, body))

    async def send(
        self,
        method: str,
        path: str,
        priority: Priority | None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Send one request; the body of its 2xx. Raises a `VapiError` for everything else.

        With None for `priority` the budget has allowed it already, for a hang-up.
        """
        if priority is not None:
            await self.pace(priority)
        try:
            content = await self.transmit(method, path, priority, body)
        except errors.VapiError as exc:
            self.reach.note(priority, exc)
            raise
        self.reach.note(priority, None)
        answers.refuse_size(content, self.max_answer_bytes)
        return content

    async def transmit(
        self, method: str, path: str, priority: Priority | None, body: Mapping[str, Any] | None
    ) -> bytes:
        """Send one request now; the body of its 2xx, cut where it is too large."""
        key = self.api_key.get_secret_value()
        url = URL(self.base_url + path, encoded=True)
        try:
            async with self.session.request(
                method,
                url,
                json=body,
                proxy=proxy_of(url),
                headers={"Authorization": f"Bearer {key}"},
                timeout=self.timeout,
                allow_redirects=False,
            ) as response:
                content = await answers.read_limited(response.content, self.max_answer_bytes)
                status, wait = response.status, answers.read_retry_after(response.headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            # Its text contains the request's headers: only its type is passed on.
            raise errors.VapiUnavailableError(
                f"Vapi does not answer ({type(exc).__name__})."
            ) from None
        if status == 429:
            await self.report_throttled(priority, wait)
        answers.refuse_status(status, content, wait, secrets=(key, *answers.sent_secrets(body)))
        return content

    async def report_throttled(self, priority: Priority | None, wait: float | None) -> None:
        """Back off for all requests, because Vapi throttles the account as a whole.

        A hang-up does not wait for this; the next request of another kind reports it as well.
        """
        if self.back_off is not None and priority not in (None, Priority.HANGUP):
            await self.back_off(BACK_OFF_SECONDS if wait is None else wait)
