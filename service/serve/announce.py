"""What a start prints: addresses, first steps, and in the sandbox two calls to try."""

import shlex
import sys

import aiohttp
import orjson

from service.sandbox import samples
from service.sandbox.printed_calls import PrintedCalls
from service.sandbox.seeding import ADMIN_NAME, Seeding, seed_admin
from service.serve.addresses import admin_url, base_url
from service.serve.stored_cases import open_stored_cases
from service.settings import WEBHOOK_PATH, Settings


async def announce(settings: Settings, printed: PrintedCalls | None, dsn: str | None) -> None:
    """Print the addresses; in the sandbox also how to see a blocked call and an allowed one.

    `dsn` is None while PostgreSQL does not answer.
    """
    address = admin_url(settings)
    public = settings.public_origin or address
    lines = [f"Panel:    {public}/admin"]
    token = settings.callgate_admin_token.get_secret_value()
    if dsn is None:
        lines.append("Degraded: PostgreSQL does not answer; calls are decided from the snapshot.")
        lines.append(f"Webhook:  {settings.webhook_url}")
    elif printed is None:
        lines += await first_steps(settings, dsn, public)
        lines.append(f"Webhook:  {settings.webhook_url}")
    else:
        async with aiohttp.ClientSession() as session:
            await Seeding(session, address, token).run()
        signs_in = await seed_admin(dsn, token, reset=printed.new)
        lines += [
            f"Sign in:  {ADMIN_NAME}, password and API token {token}"
            if signs_in
            else f"Sign in:  with your own name or password; API token {token}",
            f"Sandbox:  {printed.sandbox.base_url} (a stand-in for Vapi)",
            "Variables for the commands of the README, to paste into another terminal:",
            f"export API={address}/api/v1 TOKEN={token} SANDBOX={printed.sandbox.base_url}",
            "A blocked call (answers 403, and the line goes dead):",
            curl(settings, printed, samples.BLOCKED_NUMBER),
            "An allowed call (answers 200):",
            curl(settings, printed, samples.PAYING_NUMBER),
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


async def first_steps(settings: Settings, dsn: str, address: str) -> list[str]:
    """How to create the first admin; nothing once there is one."""
    token = settings.callgate_admin_token.get_secret_value()
    async with open_stored_cases(settings, dsn) as cases:
        if not await cases.people.is_first_run():
            return []
        if token:
            return [f"Set up:   {address}/admin/setup (with CALLGATE_ADMIN_TOKEN)"]
        code = await cases.people.issue_setup_code()
    return [f"Set up:   {address}/admin/setup?code={code}"] if code else []


def curl(settings: Settings, printed: PrintedCalls, number_id: str) -> str:
    """A command that posts the first message of a call in the sandbox, as Vapi would."""
    body = orjson.dumps(printed.add(number_id)).decode()
    server = (printed.sandbox.numbers.find(number_id) or {}).get("server") or {}
    headers = {"Content-Type": "application/json", **(server.get("headers") or {})}
    return " ".join(
        [
            *("curl", "-sS", "-i", "-X", "POST"),
            shlex.quote(f"{base_url(settings)}{WEBHOOK_PATH}"),
            *(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()),
            *("-d", shlex.quote(body)),
        ]
    )
