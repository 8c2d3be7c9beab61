"""Messages of Vapi, from files and made up."""

import json
from typing import Any

from service.vapi.messages import ServerMessage, parse_message

CALLER = "+15550100001"


def parse(message: dict[str, Any]) -> ServerMessage:
    return parse_message(json.dumps({"message": message}).encode())
