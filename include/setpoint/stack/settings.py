"""What one stack is started with."""

import base64
import json
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator

from setpoint.model import Value
from setpoint.stack.errors import UnusableHomeError
from setpoint.stack.ports import free_port, require_free

REPOSITORY = Path(__file__).resolve().parents[3]
"""The checkout this package is installed from; its dags/, plugins/, include/ and config/ are the stack's default."""

ADMIN = "admin"
"""The one user of a local stack."""


class StackSecrets(Value):
    """The secrets of one home, made once and kept in ``<home>/secrets.json``, readable by its owner only."""

    fernet_key: SecretStr
    """Encrypts connections and variables in the metadata database."""
    jwt_secret: SecretStr
    """Signs the tokens by which components and users authenticate to the API."""
    api_secret_key: SecretStr
    """Signs sessions and log requests."""
    admin_password: SecretStr

    @classmethod
    def generate(cls) -> Self:
        """Make fresh secrets from the system's random source."""
        return cls(
            fernet_key=SecretStr(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()),
            jwt_secret=SecretStr(secrets.token_urlsafe(48)),
            api_secret_key=SecretStr(secrets.token_urlsafe(32)),
            admin_password=SecretStr(secrets.token_urlsafe(12)),
        )


class StackSettings(Value):
    """Everything that distinguishes one stack from another; see :func:`prepare_home` for the usual way to get one."""

    home: Path
    """``AIRFLOW_HOME``: database, logs, secrets. Absolute."""
    api_port: Annotated[int, Field(ge=1, le=65535)]
    secrets: StackSecrets
    repository: Path = REPOSITORY
    dags_folder: Path = REPOSITORY / "dags"
    plugins_folder: Path = REPOSITORY / "plugins"
    database_url: str | None = None
    """SQLAlchemy URL of the metadata database; ``None``: SQLite in ``home``."""
    all_admins: bool = False
    """Everybody who reaches the loopback port is an administrator: for demos and tests on one's own machine."""
    parallelism: Annotated[int, Field(ge=1, le=64)] = 4
    """How many tasks run at once, which is also how many LocalExecutor workers there are."""
    scheduler_idle_sleep_seconds: Annotated[float, Field(gt=0)] = 0.001
    parse_interval_seconds: Annotated[int, Field(ge=1)] = 60
    """How often a Dag file is parsed again although neither it nor a policy file has changed."""
    preload: bool = True
    """Import the heavy libraries in the scheduler once, instead of in every task."""
    connections: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """Airflow connections by id, each as JSON or as a URI; they may hold credentials, so they are not printed."""
    options: Mapping[str, str] = Field(default_factory=dict)
    """Further Airflow options, ``section.option`` by value; they go before what the stack sets by itself."""
    variables: Mapping[str, str] = Field(default_factory=dict)
    """``SETPOINT_*`` environment variables for every component, e.g. ``SETPOINT_LEDGER_URL``."""

    @field_validator("home", "repository", "dags_folder", "plugins_folder")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"{path} is relative; the components need an absolute path, e.g. {path.resolve()}")
        return path

    @field_validator("connections")
    @classmethod
    def _connection_ids(cls, connections: Mapping[str, str]) -> Mapping[str, str]:
        if wrong := [name for name in connections if not re.fullmatch(r"[A-Za-z0-9_]+", name)]:
            raise ValueError(f"{wrong} cannot be named by an environment variable; use letters, digits and underscores")
        return connections

    @field_validator("options")
    @classmethod
    def _option_names(cls, options: Mapping[str, str]) -> Mapping[str, str]:
        if wrong := [name for name in options if not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", name)]:
            raise ValueError(f"{wrong} name no Airflow option; write section.option, e.g. scheduler.job_heartbeat_sec")
        return options

    @field_validator("variables")
    @classmethod
    def _variable_names(cls, variables: Mapping[str, str]) -> Mapping[str, str]:
        if wrong := [name for name in variables if not name.startswith("SETPOINT_")]:
            raise ValueError(f"{wrong} do not start with SETPOINT_; Airflow's own settings have fields here")
        return variables

    @property
    def api_url(self) -> str:
        """Where a browser and the API client go."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def logs_folder(self) -> Path:
        """Where components write ``<component>.log`` and tasks their attempts."""
        return self.home / "logs"

    @property
    def passwords_file(self) -> Path:
        """Where Airflow's simple auth manager reads the password of :data:`ADMIN`."""
        return self.home / "passwords.json"

    @property
    def metadata_url(self) -> str:
        """The SQLAlchemy URL of the metadata database in use."""
        return self.database_url or f"sqlite:///{self.home / 'airflow.db'}"


def prepare_home(home: Path, *, api_port: int | None = None, **settings: Any) -> StackSettings:
    """Make ``home`` ready for a stack: the directory, its secrets and the password file, each for its owner only.

    A home that was used before keeps its database, secrets and password.

    :param home: the directory; made when it is missing.
    :param api_port: the port of UI and API on 127.0.0.1; ``None`` takes a free one.
    :param settings: other fields of :class:`StackSettings`.
    :raises UnusableHomeError: if the directory cannot be made or written to.
    :raises PortTakenError: if ``api_port`` is in use.
    """
    home = home.resolve()
    _require_writable(home)
    if api_port is not None:
        require_free(api_port, "API server")
    result = StackSettings(home=home, api_port=api_port or free_port(), secrets=_secrets(home), **settings)
    password = {ADMIN: result.secrets.admin_password.get_secret_value()}
    _write_private(result.passwords_file, json.dumps(password))
    return result


def _require_writable(home: Path) -> None:
    way_out = "Choose a directory on a local disk that you may write to."
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise UnusableHomeError(home, f"{error.strerror or error}", way_out) from error


def _secrets(home: Path) -> StackSecrets:
    path = home / "secrets.json"
    if path.exists():
        try:
            return StackSecrets.model_validate_json(path.read_text())
        except ValueError as error:
            raise UnusableHomeError(
                home, f"{path.name} in it is damaged", "Remove the directory; everything in it is made anew."
            ) from error
    made = StackSecrets.generate()
    revealed = {name: getattr(made, name).get_secret_value() for name in StackSecrets.model_fields}
    _write_private(path, json.dumps(revealed))
    return made


def _write_private(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that at no moment anybody but its owner could read it."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
