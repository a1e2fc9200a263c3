"""Every setting of a local stack, and why it is what it is.

One pure function maps :class:`~setpoint.stack.settings.StackSettings` to environment variables; there is no
``airflow.cfg`` to edit. Names are those of Airflow 3.3's configuration reference, section by section:
https://airflow.apache.org/docs/apache-airflow/3.3.2/configurations-ref.html
"""

import os
from collections.abc import Mapping

from setpoint.stack.ports import LOOPBACK
from setpoint.stack.settings import ADMIN, StackSettings

PRELOAD = "SETPOINT_PRELOAD"
"""Read by ``config/airflow_local_settings.py``: ``0`` turns preloading off."""

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
            # Tasks as forked processes of the scheduler: no broker, and preloaded imports are shared.
            "EXECUTOR": "LocalExecutor",
            # Python 3.14 would choose forkserver, whose workers do not inherit what the scheduler preloaded.
            "MP_START_METHOD": "fork",
            # All workers are forked at start; two cores gain nothing from the default of 32.
            "PARALLELISM": settings.parallelism,
            "LOAD_EXAMPLES": False,
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
        "SCHEDULER": {
            # Each of a run's tasks waits for the scheduler to look again; the default of 1 s costs half a second each.
            "SCHEDULER_IDLE_SLEEP_TIME": settings.scheduler_idle_sleep_seconds,
            # How soon an approval that nobody answered takes its default; the default is 15 s.
            "TRIGGER_TIMEOUT_CHECK_INTERVAL": 5,
            # A task whose process died with its scheduler is noticed after a minute instead of five.
            "TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
        },
        "DAG_PROCESSOR": {
            # New Dag files are looked for this often (default 5 minutes) ...
            "REFRESH_INTERVAL": settings.parse_interval_seconds,
            "BUNDLE_REFRESH_CHECK_INTERVAL": 2,
            # ... and known ones parsed again this often: policies are files that the Dag file reads.
            "MIN_FILE_PROCESS_INTERVAL": settings.parse_interval_seconds,
        },
    }
    return {
        f"AIRFLOW__{section}__{option}": str(value)
        for section, options in sections.items()
        for option, value in options.items()
    } | {"AIRFLOW_HOME": str(settings.home)}


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
