"""The gate: whether a batch can be trusted, series by series.

pandas reduces the batch to one row for each series, Great Expectations judges the rows. Importing this room imports
neither; judging does.
"""

from setpoint.quality.judge import judge, judge_stored, without_held

__all__ = ["judge", "judge_stored", "without_held"]

import logging

# It would fill a task's log with hundreds of lines about itself, on import and on each validation.
logging.getLogger("great_expectations").setLevel(logging.WARNING)
