"""The headers of a relayed message: an allow-list, so that no header of the sender goes along. Pure."""

FALLBACK_TYPE = "application/json"
MOST_CHARACTERS = 200
RELAY_HEADER = "X-Callgate-Relay"
"""`1` on what Callgate sends: a webhook of Callgate refuses it, with `LOOP` in its own answer."""
LOOP = "loop"


def relayed_headers(
    content_type: str | None, message_type: str, decision_id: str | None = None
) -> dict[str, str]:
    """The sender's `Content-Type`, and what Callgate says about the message."""
    found = {
        "Content-Type": header_value(content_type) or FALLBACK_TYPE,
        "X-Callgate-Message-Type": header_value(message_type) or "unknown",
        RELAY_HEADER: "1",
    }
    if decision_id is not None:
        found["X-Callgate-Decision-Id"] = decision_id
    return found


def header_value(text: str | None) -> str | None:
    """The text if it fits into a header as it is: short printable ASCII."""
    if not text or len(text) > MOST_CHARACTERS or not (text.isascii() and text.isprintable()):
        return None
    return text
