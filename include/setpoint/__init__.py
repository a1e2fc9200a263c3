"""Setpoint: event-driven infrastructure changes on Apache Airflow.

One sentence describes the package, and its rooms follow it::

    Event -> MetricBatch -> QualityReport -> Signal -> Decision -> Plan -> Change -> Outcome

The nouns live in :mod:`setpoint.model`. Importing this package imports nothing else.
"""

__version__ = "0.1.0"
