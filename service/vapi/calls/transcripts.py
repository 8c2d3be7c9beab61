"""Reads the transcript and the address of the recording in an end-of-call report. Pure."""

from typing import Any

import msgspec

from service.domain.call_records.transcripts import LONGEST_TRANSCRIPT

LONGEST_URL = 2048


class RawArtifact(msgspec.Struct, rename="camel"):
    """The fields of `message.artifact` that are kept on request."""

    transcript: Any = None
    recording_url: Any = None


ARTIFACT = msgspec.json.Decoder(RawArtifact)


def read_transcript(
    transcript: object, recording_url: object, artifact: msgspec.Raw
) -> tuple[str | None, str | None]:
    """The text and the address, from the message itself or from its artifact; None for others."""
    found = RawArtifact()
    if artifact:
        try:
            found = ARTIFACT.decode(artifact)
        except msgspec.MsgspecError:
            found = RawArtifact()
    text = spoken(transcript) or spoken(found.transcript)
    return text, address(recording_url) or address(found.recording_url)


def spoken(value: object) -> str | None:
    """A text that PostgreSQL stores: without NUL, cut to a length."""
    if not isinstance(value, str):
        return None
    return value[:LONGEST_TRANSCRIPT].replace("\x00", "").strip() or None


def address(value: object) -> str | None:
    """An address that a page may link to."""
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        return None
    fits = len(value) <= LONGEST_URL and value.isascii() and value.isprintable()
    return value if fits else None
