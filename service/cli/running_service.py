"""Questions of commands to the running service, whose policies are started and have their counts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import aiohttp
from pydantic import ValidationError

from service.cli.running import ACTOR
from service.serve.addresses import admin_url
from service.store.failures import UNAVAILABLE, UNUSABLE
from service.web.shapes.decisions import AccessExplained

if TYPE_CHECKING:
    from service.admin.use_cases import UseCases

TIMEOUT = aiohttp.ClientTimeout(total=10.0, sock_connect=2.0)
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """The decision of the running service, or why there is none."""

    address: str
    explained: AccessExplained | None = None
    problem: str = ""


async def ask_service(cases: "UseCases", organization_id: UUID, body: bytes) -> ServiceAnswer:
    """The decision on an organization by the service that listens where the settings say.

    The command proves itself by a token that it puts into the database for this question: another
    process that listens there instead gets nothing of use.
    """
    address = admin_url(cases.core.settings)
    url = f"{address}/api/v1/organizations/{organization_id}/access"
    try:
        async with (
            cases.tokens.lent(ACTOR, "explain", "organizations") as token,
            aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False) as session,
            session.post(
                url,
                data=body,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response,
        ):
            if response.status != 200:
                return ServiceAnswer(address, problem=f"it answered {response.status}")
            given = b""
            async for part in response.content.iter_chunked(2**16):
                given += part
                if len(given) > MOST_BYTES:
                    return ServiceAnswer(address, problem="its answer is too long")
            return ServiceAnswer(address, AccessExplained.model_validate_json(given))
    except ValidationError:
        return ServiceAnswer(address, problem="its answer is not Callgate's")
    except (aiohttp.ClientError, TimeoutError):
        return ServiceAnswer(address, problem="no service answers there")
    except (*UNAVAILABLE, *UNUSABLE):
        return ServiceAnswer(address, problem="the database took no token for the question")
