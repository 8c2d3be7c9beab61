"""A reply to an HTTP request, read to its end."""

from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and body; an empty body is no JSON."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @classmethod
    async def read(cls, response: aiohttp.ClientResponse) -> "Reply":
        return cls(response.status, response.headers.copy(), await response.read())

    @property
    def json(self) -> Any:
        return orjson.loads(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The stable code of a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        found = self.json
        assert found["status"] == self.status
        assert found["title"]
        code: str = found["code"]
        return code
