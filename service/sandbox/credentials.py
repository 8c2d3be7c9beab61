"""Authentication: the headers that a server's credential adds to each request. Pure."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class BearerCredential:
    """A fixed token in a header, as made in Vapi's dashboard."""

    token: str
    header: str = "Authorization"
    prefix: str = "Bearer "

    def headers(self, _body: bytes, _at_ms: int) -> dict[str, str]:
        return {self.header: self.prefix + self.token}


@dataclass(frozen=True, slots=True)
class HmacCredential:
    """A signature over time and body. `payload` may name `{timestamp}`, `{id}` and `{body}`."""

    key: bytes
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    signature_header: str = "x-signature"
    timestamp_header: str = "x-timestamp"
    id_header: str = ""
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    payload: str = "{timestamp}.{body}"
    unit: Literal["seconds", "milliseconds"] = "milliseconds"

    def headers(self, body: bytes, at_ms: int) -> dict[str, str]:
        stamp = str(at_ms if self.unit == "milliseconds" else at_ms // 1000)
        unique = str(uuid4())
        signed = (
            self.payload.encode()
            .replace(b"{timestamp}", stamp.encode())
            .replace(b"{id}", unique.encode())
            .replace(b"{body}", body)
        )
        digest = hmac.new(self.key, signed, getattr(hashlib, self.algorithm)).digest()
        text = digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()
        found = {self.signature_header: self.prefix + text, self.timestamp_header: stamp}
        return found | ({self.id_header: unique} if self.id_header else {})


Credential = BearerCredential | HmacCredential
