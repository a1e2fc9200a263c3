"""The Dags folder as a bundle that notices when a policy file changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.local import LocalDagBundle

from setpoint.policy.loader import policy_files
from setpoint.policy.problems import PolicyError
from setpoint.settings import load_settings

READERS = "setpoint_polic*.py"
"""The Dag files that read policy files, at the top of the folder."""
ONCE_MORE_SECONDS = 30.0
"""When they are looked at a second time: a parser may have read the folder just before it changed, and Airflow only
takes a Dag away that an earlier look, by ``[dag_processor] stale_dag_threshold``, still knew."""

_log = logging.getLogger(__name__)

Fingerprint = tuple[tuple[str, int, int], ...]
"""Each policy file's name, modification time and size."""


class PolicyBundle(LocalDagBundle):
    """A local folder of Dag files, looked at again as soon as a policy file changes.

    Airflow parses a Dag file when the file changes, and again every ``[dag_processor] min_file_process_interval``; that
    ours read policies it cannot know. So the Dag processor either looks often, which costs CPU for ever, or late. This
    bundle compares the policies at each refresh (``refresh_interval``) and, when they changed, asks for the Dag files
    that read them to be parsed next, as the API's ``PUT /parseDagFile`` does. So the interval can be long.

    :param path: the folder; ``[core] dags_folder`` when it is left out.
    :param clock: seconds that never go back; for tests.
    """

    def __init__(self, *, path: str | None = None, clock: Callable[[], float] = time.monotonic, **kwargs: Any) -> None:
        super().__init__(path=path, **kwargs)
        self._clock = clock
        self._seen: Fingerprint | None = None
        self._once_more_at: float | None = None

    def refresh(self) -> None:
        """Compare the policies with those of the last refresh. The first time there is nothing to compare with."""
        found, seen = fingerprint(load_settings().policies), self._seen
        if seen is not None and found != seen:
            _log.info("The policies have changed; parsing the Dag files that read them")
            self._ask()
            self._once_more_at = self._clock() + ONCE_MORE_SECONDS
        elif self._once_more_at is not None and self._clock() >= self._once_more_at:
            self._ask()
            self._once_more_at = None
        self._seen = found  # only now: a change that could not be asked about is one at the next refresh, too

    def _ask(self) -> None:
        """Ask the Dag processor, which is what refreshes a bundle, through Airflow's table for that."""
        # Not at the top: tasks import this module too, and have no business with Airflow's database.
        from airflow.models.dagbag import DagPriorityParsingRequest
        from airflow.utils.session import create_session
        from sqlalchemy import select

        files = {file.name for file in Path(self.path).glob(READERS)}
        with create_session() as session:
            asked = select(DagPriorityParsingRequest.relative_fileloc).where(
                DagPriorityParsingRequest.bundle_name == self.name
            )
            for file in sorted(files - set(session.scalars(asked))):
                session.add(DagPriorityParsingRequest(bundle_name=self.name, relative_fileloc=file))


def fingerprint(folder: Path) -> Fingerprint:
    """The policy files of a folder as they are now; empty when it cannot be read (parsing it says why)."""
    found = []
    try:
        for path in policy_files(folder):
            status = path.stat()
            found.append((path.name, status.st_mtime_ns, status.st_size))
    except (PolicyError, FileNotFoundError):
        return ()
    return tuple(found)
