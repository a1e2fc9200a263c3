"""Makes the mistakes in policy files an import error, which Airflow's home page shows; the other policies run."""

from __future__ import annotations

from setpoint.policy.loader import load_policies
from setpoint.policy.problems import PolicyError
from setpoint.settings import load_settings

# An Airflow Dag file that has no DAG in it only to complain: the word "airflow" keeps safe mode from skipping it.
problems = [problem for found in load_policies(load_settings().policies).broken.values() for problem in found]
if problems:
    raise PolicyError(problems)
