"""Which runs the scheduler looks at in its next loop: those with news, or all of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from setpoint_airflow.nudge import RunKey

log = logging.getLogger(__name__)

WHOLE_SECONDS = 2.0


class Looks:
    """Lets the scheduler look at the runs in which a task has ended, and now and then at all.

    A loop of Airflow's scheduler looks at the ``[scheduler] max_dagruns_per_loop_to_schedule`` (20) runs it has not
    looked at for longest, 10 to 20 ms each, whether anything happened in them or not. With ten runs under way, nine of
    ten looks find nothing, and the tenth waits for them.

    A run with news is put where Airflow puts one it wants looked at next (as clearing a task does): first in line,
    without a ``last_scheduling_decision``; and the loop takes so many. What has no news of its own (a retry that is
    due, a run that has just begun) is found by whole looks, of which there is one at least every two seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._most = DagRun.DEFAULT_DAGRUNS_TO_EXAMINE
        self._whole_at = clock()

    def at_all(self) -> None:
        """Let the next loop look at as many runs as Airflow is set to."""
        self._whole_at = self._clock()
        DagRun.DEFAULT_DAGRUNS_TO_EXAMINE = self._most

    def at(self, runs: Collection[RunKey]) -> None:
        """Let the next loop look at these runs, and at no other unless that is due."""
        try:
            with create_session() as session:
                session.execute(
                    update(DagRun)
                    .where(tuple_(DagRun.dag_id, DagRun.run_id).in_(sorted(runs)))
                    .values(last_scheduling_decision=None)
                    .execution_options(synchronize_session=False)
                )
        except SQLAlchemyError as error:
            # It only saves time, and the scheduler says what it thinks of its database itself.
            log.debug("The runs with news could not be put first: %s", error)
            self.at_all()
            return
        if self._clock() - self._whole_at >= WHOLE_SECONDS:
            self.at_all()
            return
        DagRun.DEFAULT_DAGRUNS_TO_EXAMINE = min(len(runs), self._most)
