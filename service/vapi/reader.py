"""Reading messages: small ones at once, large ones in a process beside the service."""

import pickle

from service.beside import BesideError, WorkProcess
from service.vapi.message_heads import MalformedMessageError
from service.vapi.messages import ServerMessage, parse_message

INLINE_BYTES = 256 * 1024
"""Parsed at once: takes at most about 5 ms, whatever is in it."""


class MessageReader:
    """Parses messages; large ones one at a time."""

    def __init__(self) -> None:
        self.beside = WorkProcess(parse_pickled)

    async def parse(self, body: bytes) -> ServerMessage:
        """Read one webhook body. Raises `MalformedMessageError`."""
        if len(body) <= INLINE_BYTES:
            return parse_message(body)
        try:
            parsed = await self.beside.run(body)
        except BesideError:
            # A message is answered whatever happens to the process: slowly for all, this once.
            return parse_message(body)
        answer: ServerMessage | str = pickle.loads(parsed)  # noqa: S301 - by our own process
        if isinstance(answer, str):
            raise MalformedMessageError(answer)
        return answer

    async def close(self) -> None:
        """End the process."""
        await self.beside.close()


def parse_pickled(body: bytes) -> bytes:
    """The message, or what is wrong with it, pickled."""
    try:
        return pickle.dumps(parse_message(body))
    except MalformedMessageError as exc:
        return pickle.dumps(str(exc))
