"""The composition of containers: closed by default, and each part with its own secrets only."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings.secret_files import secret_names

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
NEEDED = {
    "postgres": {"postgres_password", "app_password"},
    "migrate": {"app_url", "owner_url"},
    "callgate": {"app_url", "vapi_api_key", "webhook_secret", "admin_token", "encryption_key"},
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"pids_limit", "mem_limit", "cpus"} <= set(service)
    assert set(service["secrets"]) == NEEDED[name]
    # Ports are published to this machine only.
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_every_secret_comes_from_a_file_and_every_file_is_used() -> None:
    assert set(COMPOSE["secrets"]) == set().union(*NEEDED.values())
    for name, service in SERVICES.items():
        for variable, value in service["environment"].items():
            assert variable not in secret_names(), f"{name} has {variable} in its environment"
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in NEEDED[name]


def test_postgresql_is_reached_from_inside_only() -> None:
    assert COMPOSE["networks"]["database"]["internal"]
    assert SERVICES["postgres"]["networks"] == ["database"]


def test_the_script_of_the_role_is_sound() -> None:
    subprocess.run(["sh", "-n", DEPLOY / "create-app-role.sh"], check=True)
