"""A complete, real Airflow on this machine, started and stopped as one thing.

The demo, the live tests and the benchmarks all drive the same processes a deployment runs (API server, scheduler,
Dag processor, triggerer), each in a session of its own, with every setting in one place
(:mod:`setpoint.stack.environment`). Importing this package imports nothing else: Airflow's own processes import
:mod:`setpoint.stack.hostname` when they start.

>>> from setpoint.stack.local import LocalStack
>>> from setpoint.stack.settings import prepare_home
>>> with LocalStack(prepare_home(Path(".setpoint"))) as stack:                        # doctest: +SKIP
...     run = stack.client().trigger("setpoint.web-tier", conf={"dry_run": True})
"""
