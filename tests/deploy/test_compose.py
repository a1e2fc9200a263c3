"""docker-compose.yaml, checked without a Docker engine."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_file import COMPOSE, REPOSITORY, RequiredVariableError, all_variables, loaded, required_variables

from setpoint.stack.environment import airflow_environment, inherited_environment
from setpoint.stack.settings import prepare_home

ONE_OFF = {"set-up"}
AIRFLOW = {"set-up", "api-server", "scheduler", "dag-processor", "triggerer"}
OURS = AIRFLOW | {"lab"}

SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init", "ports", "profiles",
    "restart", "security_opt", "stop_grace_period", "user", "volumes",
}  # fmt: skip
"""The keys in use, all of the Compose specification: https://github.com/compose-spec/compose-spec/blob/main/05-services.md"""


def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def airflow_commands(compose: dict[str, Any]) -> list[list[str]]:
    commands = [service.get("command", [""]) for service in services(compose).values()]
    return [command[1:] for command in commands if command[0] == "airflow"]


def test_the_file_has_the_shape_compose_expects(compose: dict[str, Any]) -> None:
    """Known keys only, each of the right type; a mistyped key would be an error or, worse, ignored."""
    assert {key for key in compose if not key.startswith("x-")} == {"name", "services", "volumes"}
    for name, service in services(compose).items():
        assert set(service) <= SERVICE_KEYS, name
        assert isinstance(service["image"], str)
        assert all(isinstance(part, str) for part in service.get("command", []))
        assert all(isinstance(value, str) for value in service["environment"].values()), name
        for other, wait in service.get("depends_on", {}).items():
            assert other in services(compose)
            expected = "service_completed_successfully" if other in ONE_OFF else "service_healthy"
            assert wait == {"condition": expected}


def compose_commands() -> list[str]:
    """``docker``, where its client has the compose plugin. The structural tests above do without it."""
    docker = shutil.which("docker")
    if docker is None:
        return []
    asked = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    return [docker] if asked.returncode == 0 else []


@pytest.mark.parametrize("docker", compose_commands() or [pytest.param("", marks=pytest.mark.elsewhere)])
def test_docker_compose_accepts_the_file(docker: str, tmp_path: Path, dotenv: dict[str, str]) -> None:
    """Where the real thing is installed, it reads the file without a complaint."""
    environment_file = tmp_path / "env"
    environment_file.write_text("".join(f"{name}='{value}'\n" for name, value in dotenv.items()))

    result = subprocess.run(
        [docker, "compose", "--env-file", str(environment_file), "--file", str(COMPOSE), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, "")


def test_every_service_is_watched_hardened_and_unprivileged(compose: dict[str, Any]) -> None:
    """No root, no capabilities, a health check for whatever stays up, and PYTHONPATH for everything that is ours."""
    for name, service in services(compose).items():
        assert service["user"] not in ("", "root", "0"), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ("healthcheck" in service) == (name not in ONE_OFF), name
        if name in OURS:
            assert service["environment"]["PYTHONPATH"] == "/opt/setpoint/include:/opt/setpoint/config", name


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    """Nobody else on the network reaches UI or lab, and nobody at all the database."""
    published = {name: service["ports"] for name, service in services(compose).items() if "ports" in service}

    assert set(published) == {"api-server", "lab"}
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for ports in published.values() for port in ports)


def test_every_volume_is_declared_and_every_mounted_file_exists(compose: dict[str, Any]) -> None:
    """A named volume that is not declared is an error; a missing file would be mounted as an empty directory."""
    used = set()
    for service in services(compose).values():
        for mount in service.get("volumes", []):
            source, target = mount.split(":")[:2]
            assert target.startswith("/")
            if source.startswith("."):
                assert (REPOSITORY / source).is_file(), source
            else:
                used.add(source)

    assert used == set(compose["volumes"])


def test_volumes_of_our_image_belong_to_its_user(compose: dict[str, Any]) -> None:
    """A fresh volume takes owner and mode from the image, so the image has every mount point, owned by its user."""
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    made = re.search(r"install --directory --owner=setpoint .*\\\n\s+(.*)", dockerfile)
    assert made is not None
    mount_points = {mount.split(":")[1] for name in OURS for mount in services(compose)[name].get("volumes", [])}

    assert mount_points <= set(made[1].split())


def test_every_airflow_command_is_one(compose: dict[str, Any], tmp_path: Path) -> None:
    """Airflow's own parser accepts each command line, options included."""
    program = (
        "import json, sys\nfrom airflow.cli.cli_parser import get_parser\n"
        "for arguments in json.loads(sys.argv[1]): get_parser().parse_args(arguments)\n"
    )
    commands = airflow_commands(compose)
    assert {command[0] for command in commands} == {"api-server", "scheduler", "dag-processor", "triggerer"}

    result = subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)],
        env=inherited_environment({}) | airflow_environment(prepare_home(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr


def test_every_other_command_exists(compose: dict[str, Any]) -> None:
    """What is started with python is a script of the image or an importable module that knows the options."""
    for service in services(compose).values():
        checks = [service["healthcheck"]["test"][1:]] if "healthcheck" in service else []
        for command in [service.get("command", []), *checks]:
            if command[:2] == ["python", "-m"]:
                assert importlib.util.find_spec(command[2]) is not None
            elif command[:1] == ["python"]:
                assert (REPOSITORY / command[1]).is_file(), command


def test_the_lab_accepts_its_options(compose: dict[str, Any]) -> None:
    """The lab's own parser knows each option of its command."""
    command = services(compose)["lab"]["command"]

    result = subprocess.run(
        [sys.executable, *command[1:], "--print-config"], capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr


def test_the_settings_are_those_of_the_local_stack(compose: dict[str, Any], tmp_path: Path) -> None:
    """Where Compose and the local stack set the same thing, they set it alike, addresses and secrets aside."""
    differ = re.compile(r"CONN|PASSWORDS_FILE|URL|HOST|PORT|KEY|SECRET|PYTHONPATH|SETPOINT_DATA")
    local = airflow_environment(prepare_home(tmp_path))
    composed = services(compose)["scheduler"]["environment"]

    shared = {name for name in local.keys() & composed.keys() if not differ.search(name)}

    assert len(shared) > 10
    assert {name: composed[name] for name in shared} == {name: local[name] for name in shared}


def test_the_practice_aws_is_where_the_connection_looks(compose: dict[str, Any], dotenv: dict[str, str]) -> None:
    """The example connection names the lab's service and port, and the profile that runs it is chosen."""
    connection = json.loads(services(compose)["triggerer"]["environment"]["AIRFLOW_CONN_AWS_DEFAULT"])
    command = services(compose)["lab"]["command"]

    assert connection["extra"]["endpoint_url"] == f"http://lab:{command[command.index('--port') + 1]}"
    assert dotenv["COMPOSE_PROFILES"] in services(compose)["lab"]["profiles"]


def test_no_secret_has_a_default(dotenv: dict[str, str]) -> None:
    """Every secret is required, so a deployment without .env does not start, and says what to do."""
    text = COMPOSE.read_text()
    secret_names = {name for name in all_variables(text) if re.search("PASSWORD|KEY|SECRET", name)}

    assert secret_names <= required_variables(text)
    for name in required_variables(text):
        without = {other: value for other, value in dotenv.items() if other != name}
        with pytest.raises(RequiredVariableError, match=f"{name} is missing; (run make env|copy it)"):
            loaded(without)


def test_the_example_names_every_variable() -> None:
    """Nothing has to be guessed: .env.example has each name the file asks for, and no other but Compose's own."""
    example = (REPOSITORY / ".env.example").read_text()
    names = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))

    assert names - {"COMPOSE_PROFILES"} == all_variables(COMPOSE.read_text())


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    """No `latest`, neither said nor meant."""
    for service in services(compose).values():
        _, _, tag = service["image"].partition(":")
        assert tag not in ("", "latest")


def test_the_merges_are_plain_yaml() -> None:
    """The file can be read by any YAML parser; Compose's own tags (!reset, !override) are not used."""
    assert yaml.safe_load(COMPOSE.read_text())["name"] == "setpoint"
