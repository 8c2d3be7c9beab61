"""The name service hangs: hang-ups go out to the last good addresses of Vapi's API and control hosts."""

import asyncio
import gc
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from service.sandbox.server import SandboxVapi
from service.vapi.lookups import Lookups
from tests.support.name_server import name_server
from tests.support.service import eventually, replica
from tests.support.settings import settings_for

CALLS = 6
"""At once, so that lasting connections do not suffice and names are looked up again."""


async def test_hang_ups_go_out_while_names_of_vapi_hang(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    port = vapi.base_url.rpartition(":")[2]
    api, control = (f"{name}.vapi.test" for name in ("api", "control"))
    addresses = {api: "127.0.0.1", control: "127.0.0.1"}
    vapi.switchboard.base_url = f"http://{control}:{port}"
    async with AsyncExitStack() as stack:
        names = await stack.enter_async_context(name_server(addresses))
        settings = settings_for(
            tmp_path,
            vapi.base_url,
            vapi_control_hosts=vapi.switchboard.base_url,
            callgate_name_servers=names.address,
        )
        # A name needs https where settings are loaded; the stand-in for Vapi has no certificate.
        settings = settings.model_copy(update={"vapi_api_url": f"http://{api}:{port}"})
        callgate = await stack.enter_async_context(replica(settings, dsn))
        number = vapi.add_number(provider="vapi")["id"]
        await callgate.add_number(await callgate.add_organization("Bakery"), number)
        first = vapi.live_call(number)
        assert (await callgate.post(first)).status == 403
        await eventually(partial(ended, vapi, first))
        asked = dict(names.asked)
        assert asked[api] > 0
        assert asked[control] > 0
        names.silent = ("vapi.test",)
        expire_answers()
        messages = [vapi.live_call(number) for _ in range(CALLS)]
        answers = await asyncio.gather(*(callgate.post(message) for message in messages))
        assert {answer.status for answer in answers} == {403}
        for message in messages:
            await eventually(partial(ended, vapi, message))
        assert names.asked[control] > asked[control]


async def ended(vapi: SandboxVapi, message: Any) -> bool:
    return not vapi.calls[message["message"]["call"]["id"]].live


def expire_answers() -> None:
    """Let 10 seconds pass for what was looked up for Vapi's API and for control URLs."""
    found = [one for one in gc.get_objects() if isinstance(one, Lookups) and one.keep_last]
    assert len(found) >= 2
    for lookups in found:
        for answer in lookups.answers.values():
            answer.until = 0.0
