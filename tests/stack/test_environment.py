"""The settings of a local stack as environment variables."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

from setpoint.stack.environment import airflow_environment, inherited_environment
from setpoint.stack.settings import StackSecrets, StackSettings

SECRETS = StackSecrets(
    fernet_key="fernet-secret", jwt_secret="jwt-secret", api_secret_key="api-secret", admin_password="password"
)


def settings(**fields: Any) -> StackSettings:
    return StackSettings(**{"home": Path("/srv/stack"), "api_port": 5701, "secrets": SECRETS, **fields})


def test_every_setting_exists_in_the_installed_airflow() -> None:
    """A setting that Airflow does not know is silently ignored, so each name is looked up in Airflow's own list."""
    package = importlib.util.find_spec("airflow")
    assert package is not None
    assert package.submodule_search_locations
    reference = Path(package.submodule_search_locations[0]) / "config_templates" / "config.yml"
    known = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, content in yaml.safe_load(reference.read_text()).items()
        for option in content["options"]
    }

    ours = {name for name in airflow_environment(settings()) if name.startswith("AIRFLOW__")}

    assert ours - known == set()


def test_the_stack_listens_on_loopback_only() -> None:
    """Host, URLs and the host name tasks are known by are all 127.0.0.1."""
    environment = airflow_environment(settings())

    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:5701"
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:5701/execution/"
    assert not [name for name, value in environment.items() if "0.0.0.0" in value]


def test_sqlite_lies_in_the_home_unless_a_database_is_given() -> None:
    """The metadata database is an absolute SQLite path by default, and otherwise exactly the given URL."""
    given = "postgresql+psycopg2://u:p@127.0.0.1:5433/airflow"

    assert airflow_environment(settings())["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "sqlite:////srv/stack/airflow.db"
    assert airflow_environment(settings(database_url=given))["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == given


def test_connections_and_variables_reach_the_components() -> None:
    """A connection becomes AIRFLOW_CONN_<ID>; SETPOINT_ variables pass as they are."""
    environment = airflow_environment(
        settings(connections={"aws_default": '{"conn_type": "aws"}'}, variables={"SETPOINT_DATA": "/srv/data"})
    )

    assert environment["AIRFLOW_CONN_AWS_DEFAULT"] == '{"conn_type": "aws"}'
    assert environment["SETPOINT_DATA"] == "/srv/data"


def test_further_options_go_before_the_stacks_own() -> None:
    """An option that was asked for is set, also where the stack sets one by itself."""
    environment = airflow_environment(
        settings(options={"scheduler.task_instance_heartbeat_timeout": "9", "triggerer.job_heartbeat_sec": "2"})
    )

    assert environment["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"] == "9"
    assert environment["AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC"] == "2"


def test_the_package_and_the_local_settings_are_importable() -> None:
    """include/ and config/ of the checkout are on PYTHONPATH, and nothing else is."""
    environment = airflow_environment(settings(repository=Path("/srv/checkout")))

    assert environment["PYTHONPATH"] == "/srv/checkout/include:/srv/checkout/config"


@pytest.mark.parametrize(
    "name",
    ["AIRFLOW_HOME", "AIRFLOW__CORE__EXECUTOR", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL",
     "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "SETPOINT_LEDGER_URL"],
)  # fmt: skip
def test_settings_of_another_deployment_are_not_inherited(name: str) -> None:
    """Neither another Airflow's settings nor credentials of a real account leak from the caller's shell."""
    assert inherited_environment({name: "x", "PATH": "/usr/bin", "HTTPS_PROXY": "p"}) == {
        "PATH": "/usr/bin",
        "HTTPS_PROXY": "p",
    }


def test_secrets_are_handed_over_but_not_shown() -> None:
    """The variables hold the real secrets; the printed settings do not."""
    environment = airflow_environment(settings())

    assert environment["AIRFLOW__CORE__FERNET_KEY"] == "fernet-secret"
    assert environment["AIRFLOW__API_AUTH__JWT_SECRET"] == "jwt-secret"
    shown = repr(settings(connections={"aws_default": "aws://key:connection-secret@"}))
    secrets = ("fernet-secret", "jwt-secret", "api-secret", "'password'", "connection-secret")
    assert not [secret for secret in secrets if secret in shown]
