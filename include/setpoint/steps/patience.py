"""How often, and for how long, a call that may succeed later is tried again within one task.

Exponential backoff with full jitter: each wait is drawn evenly from 0 to ``BASE * 2 ** tries``, at most ``CAP`` (Marc
Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The client that changes targets does not retry
by itself, so that the retries are these, each of which reads first; and Airflow's of the whole task, a few seconds
apart. Per target that is at most ``TRIES`` changing calls a task attempt, and the waits of all targets of a task
together are bounded by its patience.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

BASE_SECONDS = 0.5
CAP_SECONDS = 5.0
TRIES = 5
PATIENCE_SECONDS = 20.0


class Patience:
    """What is left of the time a task may spend waiting to try again.

    :param seconds: that time.
    :param pause: waits; a test lets its own clock pass.
    :param draw: a number from 0 to 1, evenly.
    """

    def __init__(
        self,
        seconds: float = PATIENCE_SECONDS,
        pause: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.left_seconds = seconds
        self.pause = pause
        self._draw = draw

    def wait(self, tries: int) -> bool:
        """Wait before the next try.

        :param tries: how many there were.
        :returns: ``False``, at once, when there is to be no further try.
        """
        if tries >= TRIES or self.left_seconds <= 0:
            return False
        drawn = self._draw() * min(CAP_SECONDS, BASE_SECONDS * 2 ** (tries - 1))
        seconds = min(drawn, self.left_seconds)
        self.left_seconds -= seconds
        self.pause(seconds)
        return True
