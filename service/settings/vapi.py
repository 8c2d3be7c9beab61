"""Settings of the requests to Vapi."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from service.inputs.hosts import parse_host_suffix
from service.inputs.urls import parse_origin, parse_url
from service.settings.group import HeaderSecret, SettingsGroup, Words
from service.settings.urls import is_address_with_port, is_local

VAPI = ".vapi.ai"


class VapiSettings(SettingsGroup):
    """The key, the addresses and the rate of requests to Vapi."""

    vapi_api_key: HeaderSecret = SecretStr("")
    vapi_api_url: str = "https://api.vapi.ai"
    vapi_control_hosts: Words = (".vapi.ai",)
    callgate_name_servers: Words = ()
    callgate_vapi_requests_per_second: float = Field(default=1.4, gt=0, le=1000)

    @field_validator("vapi_api_url")
    @classmethod
    def read_api_url(cls, text: str) -> str:
        """The address in canonical form."""
        return parse_url(text)

    @field_validator("vapi_control_hosts")
    @classmethod
    def read_control_hosts(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        """Suffixes and origins in the form in which those of control URLs are compared with them."""
        if not entries:
            raise ValueError("names no host: no call could be hung up. Unset it for .vapi.ai")
        return tuple(
            parse_origin(entry) if "://" in entry else parse_host_suffix(entry) for entry in entries
        )

    def key_faults(self) -> list[str]:
        """Faults of the key."""
        if self.vapi_api_key.get_secret_value():
            return []
        return ["VAPI_API_KEY is missing: it is needed to hang up calls and to configure webhooks."]

    def vapi_address_faults(self) -> list[str]:
        """Faults of the addresses that requests go to."""
        parts = urlsplit(self.vapi_api_url)
        host = parts.hostname or ""
        if parts.scheme == "http" and not is_local(host):
            return ["VAPI_API_URL must be https: every request carries the private key."]
        if parts.query or (f".{host}".endswith(VAPI) and parts.path not in ("", "/")):
            example = "such as https://api.vapi.ai"
            return [f"VAPI_API_URL must end after the host, {example}, not {self.vapi_api_url!r}."]
        return []

    def name_server_faults(self) -> list[str]:
        """Faults of the name servers."""
        return [
            f"CALLGATE_NAME_SERVERS has {entry!r}: write an address such as '10.0.0.2', "
            "'10.0.0.2:5353' or '[fd00::2]:53'."
            for entry in self.callgate_name_servers
            if not is_address_with_port(entry)
        ]
