"""Settings of the requests to Vapi."""

from pydantic import Field, SecretStr

from service.settings.group import HeaderSecret, SettingsGroup, Words
from service.settings.urls import is_address_with_port, is_local, is_origin, split


class VapiSettings(SettingsGroup):
    """The key, the addresses and the rate of requests to Vapi."""

    vapi_api_key: HeaderSecret = SecretStr("")
    vapi_api_url: str = "https://api.vapi.ai"
    vapi_control_hosts: Words = (".vapi.ai",)
    callgate_name_servers: Words = ()
    callgate_vapi_requests_per_second: float = Field(default=1.4, gt=0, le=1000)

    def key_faults(self) -> list[str]:
        """Faults of the key."""
        if self.vapi_api_key.get_secret_value():
            return []
        return ["VAPI_API_KEY is missing: it is needed to hang up calls and to configure webhooks."]

    def vapi_address_faults(self) -> list[str]:
        """Faults of the addresses that requests go to."""
        found = []
        parts = split(self.vapi_api_url)
        if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
            found.append(f"VAPI_API_URL must be an absolute URL, not {self.vapi_api_url!r}.")
        elif parts.scheme == "http" and not is_local(parts.hostname):
            found.append("VAPI_API_URL must be https: every request carries the private key.")
        for entry in self.vapi_control_hosts:
            if "://" in entry:
                if not is_origin(entry):
                    found.append(f"VAPI_CONTROL_HOSTS has {entry!r}, which is not an origin.")
            elif not entry.startswith(".") or len(entry) < 4 or "/" in entry:
                found.append(
                    f"VAPI_CONTROL_HOSTS has {entry!r}: write a host suffix with its dot, such as "
                    "'.vapi.ai', or a whole origin such as 'http://127.0.0.1:9000'."
                )
        return found

    def name_server_faults(self) -> list[str]:
        """Faults of the name servers."""
        return [
            f"CALLGATE_NAME_SERVERS has {entry!r}: write an address such as '10.0.0.2', "
            "'10.0.0.2:5353' or '[fd00::2]:53'."
            for entry in self.callgate_name_servers
            if not is_address_with_port(entry)
        ]
