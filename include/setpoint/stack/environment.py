"""Every setting of a local stack, and why it is what it is.

One pure function maps :class:`~setpoint.stack.settings.StackSettings` to environment variables; there is no
``airflow.cfg`` to edit. Names are those of Airflow 3.3's configuration reference, section by section:
https://airflow.apache.org/docs/apache-airflow/3.3.2/configurations-ref.html
"""

import json
import os
from collections.abc import Mapping

from setpoint.stack.ports import LOOPBACK
from setpoint.stack.settings import ADMIN, StackSettings

PRELOAD = "SETPOINT_PRELOAD"
"""Read by ``config/airflow_local_settings.py``: ``0`` turns preloading off."""

_COORDINATOR = "setpoint_airflow.executors.spare.SpareProcessCoordinator"

_POLICY_BUNDLE = {
    "name": "dags-folder",
    "classpath": "setpoint_airflow.bundle.PolicyBundle",
    "kwargs": {"refresh_interval": 5},
}

_NOT_INHERITED_PREFIXES = ("AIRFLOW__", "AIRFLOW_", "_AIRFLOW", "AWS_", "SETPOINT_")
_NOT_INHERITED = {
    "PYTHONPATH",
    # Bytecode left unwritten is compiled again by every fresh process (Great Expectations: 10 s instead of 4 s).
    "PYTHONDONTWRITEBYTECODE",
    # These would make the components run another interpreter's library than ours.
    "PYTHONHOME",
}


def airflow_environment(settings: StackSettings) -> dict[str, str]:
    """Return the environment variables that make Airflow's components one stack.

    Pure: the same settings give the same variables. Combine with :func:`inherited_environment` to start a process.
    """
    return {
        **_airflow_settings(settings),
        **{f"AIRFLOW__{name.upper().replace('.', '__')}": value for name, value in settings.options.items()},
        **_surroundings(settings),
        **_own_connection(settings),
        **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in settings.connections.items()},
        **settings.variables,
    }


def inherited_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a component may inherit of the caller's ``environment``: the system's part of it.

    Left out: Airflow settings of another deployment, and ``AWS_*``. A stack reaches AWS through its connections
    only, so a shell with credentials of a real account cannot lend them to a stack that practises on the lab.
    """
    return {
        name: value
        for name, value in environment.items()
        if name not in _NOT_INHERITED and not name.startswith(_NOT_INHERITED_PREFIXES)
    }


def _airflow_settings(settings: StackSettings) -> dict[str, str]:
    secrets = settings.secrets
    sections: dict[str, dict[str, object]] = {
        "CORE": {
            "DAGS_FOLDER": settings.dags_folder,
            "PLUGINS_FOLDER": settings.plugins_folder,
            # Tasks as forked processes of the scheduler: no broker, and preloaded imports are shared. Between two
            # looks the scheduler rests until something happens, half a second at most.
            "EXECUTOR": "setpoint_airflow.executors.prompt.PromptExecutor",
            # Python 3.14 would choose forkserver, whose workers do not inherit what the scheduler preloaded.
            "MP_START_METHOD": "fork",
            # All workers are forked at start, each with the process of its next task: 100 MB together. Two cores gain
            # nothing from the default of 32.
            "PARALLELISM": settings.parallelism,
            "LOAD_EXAMPLES": False,
            # Executing a Dag file (default 30 s); see the processor's timeout below.
            "DAGBAG_IMPORT_TIMEOUT": 120,
            # A policy that was written down is meant to run; pausing one is a decision for the UI.
            "DAGS_ARE_PAUSED_AT_CREATION": False,
            # A changed policy reaches the UI and the scheduler after seconds instead of half a minute.
            "MIN_SERIALIZED_DAG_UPDATE_INTERVAL": 5,
            "HOSTNAME_CALLABLE": "setpoint.stack.hostname.loopback",
            # Tasks report to the API server here; the default is port 8080, whoever listens there.
            "EXECUTION_API_SERVER_URL": f"{settings.api_url}/execution/",
            "FERNET_KEY": secrets.fernet_key.get_secret_value(),
            # One user with a generated password, or none on one's own loopback.
            "AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
            "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": settings.passwords_file,
            "SIMPLE_AUTH_MANAGER_ALL_ADMINS": settings.all_admins,
        },
        "DATABASE": {
            "SQL_ALCHEMY_CONN": settings.metadata_url,
        },
        "API": {
            # The default is every interface of the machine.
            "HOST": LOOPBACK,
            "PORT": settings.api_port,
            "BASE_URL": settings.api_url,
            "SECRET_KEY": secrets.api_secret_key.get_secret_value(),
            # One worker serves a UI and eight tasks with ease, and is 200 MB less than two.
            "WORKERS": 1,
        },
        "API_AUTH": {
            "JWT_SECRET": secrets.jwt_secret.get_secret_value(),
        },
        "LOGGING": {
            "BASE_LOG_FOLDER": settings.logs_folder,
            "DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": settings.logs_folder / "dag_processor",
            # The logs of components go to files, where colours are noise.
            "COLORED_CONSOLE_LOG": False,
        },
        "SDK": {
            # A task's process is forked before its task is there.
            "COORDINATORS": json.dumps({"setpoint": {"classpath": _COORDINATOR}}),
            "QUEUE_TO_COORDINATOR": json.dumps({"default": "setpoint"}),
        },
        "SCHEDULER": {
            # The executor rests in its stead; the default of 1 s would come on top of that.
            "SCHEDULER_IDLE_SLEEP_TIME": settings.scheduler_idle_sleep_seconds,
            # How soon an approval that nobody answered takes its default; the default is 15 s.
            "TRIGGER_TIMEOUT_CHECK_INTERVAL": 5,
            # A task whose supervisor died is noticed after a minute instead of five ...
            "TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
            # ... and the tasks of a scheduler that died are started again after half a minute instead of five.
            "ORPHANED_TASKS_CHECK_INTERVAL": 30,
        },
        "DAG_PROCESSOR": {
            # New Dag files and changed policies are looked for this often (default 5 minutes), which costs next to
            # nothing ...
            "DAG_BUNDLE_CONFIG_LIST": json.dumps([_POLICY_BUNDLE]),
            "BUNDLE_REFRESH_CHECK_INTERVAL": 2,
            # ... and what has not changed is parsed again this often, which costs a second of CPU a hundred policies.
            "MIN_FILE_PROCESS_INTERVAL": settings.parse_interval_seconds,
            # The Dag of a policy that was removed goes with the second look, half a minute after the first.
            "STALE_DAG_THRESHOLD": 20,
            # One file makes the Dags of all policies; the default of 50 s is short for a thousand on a busy machine.
            "DAG_FILE_PROCESSOR_TIMEOUT": 180,
        },
    }
    return {
        f"AIRFLOW__{section}__{option}": str(value)
        for section, options in sections.items()
        for option, value in options.items()
    } | {"AIRFLOW_HOME": str(settings.home)}


def _own_connection(settings: StackSettings) -> dict[str, str]:
    """How the triggerer starts runs over the stack's own API."""
    connection = {
        "conn_type": "http",
        "host": LOOPBACK,
        "port": settings.api_port,
        "schema": "http",
        "login": ADMIN,
        "password": settings.secrets.admin_password.get_secret_value(),
    }
    return {
        "SETPOINT_AIRFLOW_CONNECTION": "setpoint_airflow",
        "AIRFLOW_CONN_SETPOINT_AIRFLOW": json.dumps(connection),
    }


def _surroundings(settings: StackSettings) -> dict[str, str]:
    repository = settings.repository
    return {
        # include/ is on no path by itself. config/ holds airflow_local_settings, which Airflow imports by that name.
        # plugins/ Airflow puts on the path itself, in every component.
        "PYTHONPATH": os.pathsep.join([str(repository / "include"), str(repository / "config")]),
        # A log line is of use when it is written, above all the last one before a crash.
        "PYTHONUNBUFFERED": "1",
        PRELOAD: "1" if settings.preload else "0",
        # Great Expectations reports its use over the network by default.
        "GX_ANALYTICS_ENABLED": "false",
        # Without it, botocore asks the instance metadata service when it finds no credentials: a network call, and
        # seconds of silence where the address is a black hole.
        "AWS_EC2_METADATA_DISABLED": "true",
        # The components talk to each other, and to the lab, over loopback, whatever proxy the shell names.
        "NO_PROXY": f"{LOOPBACK},localhost",
        "no_proxy": f"{LOOPBACK},localhost",
    }
