"""The Dockerfile and the composition, read as a builder reads them: CI has no container engine."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import load_settings
from service.settings.secret_files import secret_names

ROOT = Path(__file__).parents[2]
LINES = re.sub(r"\\\n\s*", " ", (ROOT / "deploy/Dockerfile").read_text()).splitlines()
STEPS = [
    (word, rest) for word, _, rest in (line.partition(" ") for line in LINES if line) if word != "#"
]
FINAL = STEPS[[number for number, (word, _) in enumerate(STEPS) if word == "FROM"][-1] :]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def rests(word: str, steps: list[tuple[str, str]] = STEPS) -> list[str]:
    return [rest for step, rest in steps if step == word]


def test_every_image_names_a_version_that_the_package_supports() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for image in rests("FROM"):
        found = re.fullmatch(r"python:(3\.\d+)-slim(@sha256:[0-9a-f]{64})?( AS \w+)?", image)
        assert found, image
        assert f"Python :: {found[1]}" in str(pyproject["project"]["classifiers"])


def test_what_is_copied_exists_and_is_all_that_the_wheel_needs() -> None:
    copied = set[str]()
    for rest in rests("COPY"):
        words = shlex.split(rest)
        if words[0].startswith("--from="):
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            copied.add(source)
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {*packages, "pyproject.toml", pyproject["project"]["readme"]} <= copied
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", "deploy/secrets"} <= set(ignored)
    assert not copied & set(ignored)


def test_dependencies_are_installed_by_their_hashes_and_leave_no_cache() -> None:
    installs = [rest for rest in rests("RUN") if "pip install" in rest]
    assert all("--no-cache-dir" in rest for rest in installs)
    for rest in rests("RUN", FINAL):
        if "pip install" in rest:
            assert "--require-hashes" in rest or "--no-deps" in rest, rest
    pinned = (ROOT / "deploy/requirements.txt").read_text()
    blocks = [block for block in re.split(r"\n(?=\S)", pinned) if not block.startswith("#")]
    assert all("==" in block and "--hash=sha256:" in block for block in blocks if block.strip())
    assert "://" not in pinned


def test_the_container_runs_as_a_user_without_rights() -> None:
    words = [word for word, _ in FINAL]
    assert rests("USER", FINAL) == ["callgate"]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "RUN" not in words[words.index("USER") :]
    assert not {"ADD", "MAINTAINER", "SHELL"} & {word for word, _ in STEPS}
    # Started without a shell, so that it gets the signal to stop.
    assert rests("ENTRYPOINT", FINAL) == ['["callgate"]']
    assert rests("CMD", FINAL) == ['["serve"]']


def test_the_environment_of_the_image_is_usable_and_has_no_secret() -> None:
    given = dict(word.split("=", 1) for rest in rests("ENV") for word in shlex.split(rest))
    assert not given.keys() & secret_names()
    assert given["CALLGATE_DATA_DIR"] in rests("VOLUME")
    settings = load_settings(sandbox=True, callgate_host=given["CALLGATE_HOST"])
    assert str(settings.callgate_port) in rests("EXPOSE")
    assert f"127.0.0.1:{settings.callgate_port}/healthz" in rests("HEALTHCHECK")[0]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_refers_to_what_is_declared(name: str) -> None:
    service = SERVICES[name]
    assert ("image" in service) != ("build" in service)
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
    assert service.get("depends_on", {}).keys() <= SERVICES.keys()
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (ROOT / "deploy" / source).exists(), source
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]
    if "build" in service:
        build = service["build"]
        assert (ROOT / "deploy" / build["context"] / build["dockerfile"]).is_file()


def test_a_condition_can_be_met() -> None:
    for service in SERVICES.values():
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert wanted["condition"] == "service_completed_successfully"
                assert "restart" not in SERVICES[other], "it would never be completed"


def test_the_service_has_time_to_end_before_it_is_killed() -> None:
    settings = load_settings(sandbox=True)
    grace = float(SERVICES["callgate"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.callgate_drain_seconds + settings.callgate_shutdown_seconds
