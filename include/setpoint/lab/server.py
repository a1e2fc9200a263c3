"""The laboratory's server: moto, the world's thread and the control API behind one port."""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from setpoint.lab.config import ACCESS_KEY, SECRET_KEY, LabConfig

if TYPE_CHECKING:
    from setpoint.lab.control import ControlApi

log = logging.getLogger(__name__)

DEFAULT_PORT = 5055
PARENT_CHECK_SECONDS = 1.0
IMAGES_PATH = Path(__file__).parent / "aws" / "images.json"


class PortTakenError(RuntimeError):
    """The port cannot be had."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        super().__init__(
            f"the practice AWS cannot listen on {host}:{port} ({cause.strerror}). Is another one running? "
            f"Stop what uses the port (ss -ltnp 'sport = :{port}' shows it) or choose another with --port."
        )


@dataclass(frozen=True)
class RunningLab:
    """A laboratory that answers in this process."""

    url: str
    port: int


def run_lab(
    config: LabConfig,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    *,
    provision: bool = False,
    end_with_parent: bool = False,
    on_serving: Callable[[str], None] | None = None,
) -> None:
    """Run the practice AWS in the foreground until SIGTERM or SIGINT.

    :param config: the fleets and rhythms.
    :param host: address to listen on; the control API answers loopback whatever this is.
    :param port: TCP port; 0 takes a free one and says which.
    :param provision: also create the groups, queues, topic and alarms of the config's fleets.
    :param end_with_parent: stop, too, when the process that started this one is gone.
    :param on_serving: called once it answers, with its address.
    :raises PortTakenError: when the port cannot be had.
    """
    parent = os.getppid()
    stop = threading.Event()

    def ask_to_stop(number: int, _: FrameType | None) -> None:
        log.info("%s received, stopping", signal.Signals(number).name)
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with serving(config, host, port, provision=provision) as lab:
            log.info("the practice AWS answers at %s (any credentials; control API at %s/_lab/)", lab.url, lab.url)
            if on_serving is not None:
                on_serving(lab.url)
            while not stop.wait(PARENT_CHECK_SECONDS):
                if end_with_parent and os.getppid() != parent:
                    log.info("the process that started this one is gone, stopping")
                    break
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def serving(
    config: LabConfig, host: str = "127.0.0.1", port: int = 0, *, provision: bool = False
) -> Iterator[RunningLab]:
    """Serve the practice AWS from threads of this process while the block runs.

    :raises PortTakenError: when the port cannot be had.
    """
    listener = _listen(host, port)
    with contextlib.closing(listener), _environment_of_moto():
        taken = int(listener.getsockname()[1])
        url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{taken}"  # noqa: S104 - only to build a URL
        from werkzeug.serving import make_server

        from setpoint.lab.app import LabApplication
        from setpoint.lab.aws.environment import Environment
        from setpoint.lab.aws.install import install, uninstall
        from setpoint.lab.calls import CallLog
        from setpoint.lab.cloud import MotoCloud
        from setpoint.lab.control import ControlApi
        from setpoint.lab.handler import QuietRequestHandler, moto_application
        from setpoint.lab.world.runner import WorldRunner
        from setpoint.lab.world.world import World

        environment = Environment(config)
        install(environment)
        world = World(environment, MotoCloud())
        runner = WorldRunner(world)
        calls = CallLog(config.calls_kept)
        control = ControlApi(world, runner, calls)
        control.provisioned = False if provision else None  # from the first answer on: not yet
        application = LabApplication(world, calls, control, moto_application())
        server = make_server(
            host, taken, application, threaded=True, request_handler=QuietRequestHandler, fd=listener.fileno()
        )
        server.daemon_threads = True  # type: ignore[attr-defined]  # a long poll must not hold up the end
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="lab-http", daemon=True)
        thread.start()
        runner.start()
        try:
            if provision:
                _provision(control, url, config)
            yield RunningLab(url=url, port=taken)
        finally:
            runner.stop()
            server.shutdown()
            thread.join(5.0)
            server.server_close()
            uninstall()


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortTakenError(host, port, error) from error
    return listener


@contextlib.contextmanager
def _environment_of_moto() -> Iterator[None]:
    """Set what moto and the botocore inside it read from the environment, and take it back.

    What is set already stays; nothing stays set behind: the credentials would be everybody's in this process.
    """
    settings: dict[str, str] = {
        "MOTO_DISABLE_GLOBAL_CORS": "true",  # no web page shall talk to this
        "MOTO_AMIS_PATH": str(IMAGES_PATH),  # moto's own 1,300 images cost 0.3 s at every start and reset
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _provision(control: "ControlApi", url: str, config: LabConfig) -> None:
    from setpoint.lab.provision import ProvisioningError, provision

    try:
        provision(url, config.fleets)
    except ProvisioningError as error:
        control.provisioning_problem = str(error)
        raise
    control.provisioned = True


def read_config(path: Path | None) -> LabConfig:
    """Return the config of a JSON file, or the default storefront without one."""
    from setpoint.lab.config import default_config, load_config

    return default_config() if path is None else load_config(path)
